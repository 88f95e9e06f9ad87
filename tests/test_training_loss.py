"""The losses: each must be its written-out definition, and differentiable everywhere it is used."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from una_fast.errors import InputError, OptionError
from una_fast.training import info_nce, margin_nce, nt_xent


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


def columns(count: int, width: int, seed: int) -> list[torch.Tensor]:
    """Anchors, positives, negatives."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(count, width, dtype=torch.float64, generator=draw) for _ in range(3)]


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def naive_info_nce(a: torch.Tensor, p: torch.Tensor, n: torch.Tensor, t: float, weight: float) -> float:
    """The definition, anchor by anchor."""
    total = 0.0
    for i in range(len(a)):
        terms = [math.exp(cosine(a[i], p[j]) / t) for j in range(len(a))]
        hard = [(weight if i == j else 1.0) * math.exp(cosine(a[i], n[j]) / t) for j in range(len(a))]
        total -= math.log(terms[i] / (sum(terms) + sum(hard)))
    return total / len(a)


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(1, 6),
    width=st.integers(1, 5),
    temperature=st.floats(0.05, 2.0),
    weight=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    seed=st.integers(0, 1000),
)
def test_info_nce_equals_the_written_out_definition(
    count: int, width: int, temperature: float, weight: float, seed: int
) -> None:
    """Protects the three columns, and the weight of the anchor's own negative alone."""
    a, p, n = columns(count, width, seed)
    loss = info_nce(a, p, n, temperature=temperature, hard_negative_weight=weight)
    assert loss.item() == pytest.approx(naive_info_nce(a, p, n, temperature, weight), rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 6), margin=st.floats(0, 1), weight=st.floats(0, 3), seed=st.integers(0, 1000))
def test_margin_nce_equals_the_written_out_definition(
    count: int, margin: float, weight: float, seed: int
) -> None:
    """Protects the hinge: nothing is asked of a negative that is farther by the margin."""
    a, p, n = columns(count, 4, seed)
    hinge = [max(0.0, margin + cosine(a[i], n[i]) - cosine(a[i], p[i])) for i in range(count)]
    expected = info_nce(a, p, temperature=0.1).item() + weight * sum(hinge) / count
    loss = margin_nce(a, p, n, temperature=0.1, margin=margin, weight=weight)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("loss", [info_nce, margin_nce])
def test_gradients_of_the_columns(loss: Any) -> None:
    """Protects the backward pass, with the anchor's own negative weighted or left out."""
    inputs = [column.requires_grad_() for column in columns(5, 4, seed=1)]
    assert torch.autograd.gradcheck(lambda a, p, n: loss(a, p, n, temperature=0.1), inputs)
    if loss is info_nce:
        assert torch.autograd.gradcheck(
            lambda a, p, n: loss(a, p, n, temperature=0.1, hard_negative_weight=0.0), inputs
        )


def test_without_negatives_both_are_plain_simcse() -> None:
    """Protects the steps between those with negatives."""
    a, p, n = columns(5, 4, seed=2)
    plain = info_nce(a, p)
    assert margin_nce(a, p).equal(plain)
    assert info_nce(a, p, n, hard_negative_weight=1.0) > plain


def test_columns_of_other_shapes_are_refused() -> None:
    """Protects the message: every given shape."""
    with pytest.raises(InputError, match=r"one shape \(B, D\), got \[\(2, 3\), \(2, 4\)\]"):
        info_nce(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(OptionError, match="hard_negative_weight must be at least 0"):
        info_nce(torch.zeros(2, 3), torch.zeros(2, 3), hard_negative_weight=-1)
