"""Draws keyed by row: their law is that of the logits, and nothing but seed, row and position moves them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from una_fast.paraphrase.sampling import KeyedDraw, uniforms


def draw(scores: torch.Tensor, seed: int, rows: list[int], position: int = 0) -> list[int]:
    processor = KeyedDraw(seed, rows, position + 1)
    for _ in range(position):
        processor(torch.empty(0), scores)
    kept = processor(torch.empty(0), scores)
    assert (torch.isfinite(kept).sum(dim=1) == 1).all(), "one token a row stays possible"
    tokens: list[int] = kept.argmax(dim=1).tolist()
    return tokens


def test_the_law_is_that_of_the_logits() -> None:
    """Protects the distribution: 20,000 rows over five tokens, one of them impossible."""
    logits = torch.tensor([0.0, 1.0, -torch.inf, 2.0, -1.0])
    rows = list(range(20_000))
    counts = np.bincount(draw(logits.expand(len(rows), -1).clone(), 7, rows), minlength=5)
    probabilities = torch.softmax(logits, dim=0).double().numpy()
    assert counts[2] == 0
    possible = probabilities > 0
    expected = probabilities[possible] / probabilities[possible].sum() * len(rows)
    assert chisquare(counts[possible], expected).pvalue > 1e-3


@given(
    seed=st.integers(0, 2**63 - 1),
    rows=st.lists(st.integers(0, 2**40), min_size=1, max_size=8, unique=True),
    position=st.integers(0, 5),
    data=st.data(),
)
def test_a_draw_knows_its_own_row_alone(
    seed: int, rows: list[int], position: int, data: st.DataObject
) -> None:
    """Protects the paraphrase of a sentence from the batch it is in: any order, any company, any size."""
    scores = torch.randn(len(rows), 17, generator=torch.Generator().manual_seed(len(rows)))
    together = draw(scores, seed, rows, position)
    place = data.draw(st.integers(0, len(rows) - 1))
    assert draw(scores[place : place + 1], seed, [rows[place]], position) == [together[place]]
    assert draw(scores.flip(0), seed, rows[::-1], position) == together[::-1]


def test_seed_row_and_position_all_count() -> None:
    """Protects against a key that leaves one of them out."""
    drawn = uniforms(1, [5, 6], 3)
    assert drawn.shape == (2, 3)
    assert len(set(drawn.flatten().tolist()) | set(uniforms(2, [5], 3).flatten().tolist())) == 9
    assert torch.equal(uniforms(1, [5], 9)[:, :3], drawn[:1])


@pytest.mark.parametrize(("number", "token"), [(0.0, 1), (np.nextafter(1.0, 0.0), 2)])
def test_the_ends_of_the_distribution_are_possible_tokens(number: float, token: int) -> None:
    """Protects the first number, 0, and the last, whose product with the total rounds up."""
    processor = KeyedDraw(0, [0], 1)
    processor._uniforms = torch.tensor([[number]])
    kept = processor(torch.empty(0), torch.tensor([[-torch.inf, 0.0, 3.0, -torch.inf]]))
    assert kept.argmax().item() == token
