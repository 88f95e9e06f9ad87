"""The loss: it must be NT-Xent as the paper states it, and differentiable everywhere it is used."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from una_fast.errors import InputError
from una_fast.training import nt_xent


def naive_nt_xent(embeddings: torch.Tensor, temperature: float) -> float:
    """The definition, written out row by row."""
    rows = embeddings.tolist()
    cosine = [
        [
            sum(x * y for x, y in zip(a, b, strict=True))
            / (math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b)))
            for b in rows
        ]
        for a in rows
    ]
    total = 0.0
    for i in range(len(rows)):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = [math.exp(cosine[i][j] / temperature) for j in range(len(rows)) if j != i]
        total += -math.log(math.exp(cosine[i][partner] / temperature) / sum(others))
    return total / len(rows)


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.integers(1, 8),
    width=st.integers(1, 6),
    temperature=st.floats(0.02, 2.0),
    seed=st.integers(0, 1000),
)
def test_equals_the_written_out_definition(pairs: int, width: int, temperature: float, seed: int) -> None:
    """Protects the pairing, the removed diagonal, the temperature and the mean over all rows."""
    embeddings = torch.randn(
        2 * pairs, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    expected = naive_nt_xent(embeddings, temperature)
    assert nt_xent(embeddings, temperature).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_gradient_is_that_of_the_loss() -> None:
    """Protects the backward pass through the masked diagonal."""
    embeddings = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda x: nt_xent(x, 0.05), embeddings.requires_grad_())


def test_a_hard_negative_raises_the_loss_more_than_a_far_one() -> None:
    """Protects that n stands among the negatives of a."""
    anchor, far = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    near = torch.tensor([1.0, 0.2])
    easy = nt_xent(torch.stack([anchor, anchor, far, far]))
    hard = nt_xent(torch.stack([anchor, anchor, near, near]))
    assert hard > easy


def test_one_pair_has_nothing_to_learn() -> None:
    """Protects the case that decides why batches need two examples: the only other row is the partner."""
    assert nt_xent(torch.randn(2, 4)).item() == 0.0


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (4,), (2, 2, 2)])
def test_rows_must_come_in_pairs(shape: tuple[int, ...]) -> None:
    """Protects the message: expected and given shape."""
    with pytest.raises(InputError, match=r"\(R, D\) with R even, got"):
        nt_xent(torch.zeros(shape))
