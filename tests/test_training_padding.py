"""Groups of rows of like length: the cheapest there are, and no other vectors for it."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training_support import tiny_bert
from una_fast.encoder.backbone import input_names, load_backbone, load_tokenizer, tokenise
from una_fast.training import padding
from una_fast.training.model import SentenceEncoder
from una_fast.training.padding import length_groups

TEXTS = ["one", "", "two words", " ".join(["long"] * 20), "one", "three words here", " ".join(["end"] * 30)]


def cost_of(groups: list[NDArray[np.int64]], lengths: NDArray[np.int64], cost: int) -> int:
    return sum(len(group) * int(lengths[group].max()) + cost for group in groups)


def least_cost(lengths: NDArray[np.int64], cost: int) -> int:
    """By trying every way to cut the sorted rows."""
    order, n = np.argsort(lengths, kind="stable"), len(lengths)
    ways = (cuts for k in range(n) for cuts in combinations(range(1, n), k))
    return min(cost_of(np.split(order, list(cuts)), lengths, cost) for cuts in ways)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(0, 40))
def test_no_other_cut_costs_less(lengths: list[int], cost: int) -> None:
    """Protects the search, whose slow twin tries them all."""
    rows = np.array(lengths, np.int64)
    groups = length_groups(rows, cost)
    assert np.array_equal(np.concatenate(groups), np.argsort(rows, kind="stable"))
    assert cost_of(groups, rows, cost) == least_cost(rows, cost)


@pytest.mark.parametrize("pooling", ["cls", "mean", "first_last_mean", "cls_mlp"])
def test_vectors_and_gradients_are_those_of_one_pass(
    pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects training: where nothing is dropped, groups change rounding alone."""
    folder = tiny_bert(tmp_path / "bert")
    found = []
    for cost in (10**9, 0):
        monkeypatch.setattr(padding, "GROUP_COST", cost)
        torch.manual_seed(0)
        encoder = SentenceEncoder(load_backbone(folder, dropout=0.0), pooling).train()  # type: ignore[arg-type]
        names = input_names(encoder.backbone)
        vectors = encoder(tokenise(load_tokenizer(folder), TEXTS, max_length=32, names=names))
        (vectors.float() ** 3).sum().backward()
        gradients = [weight.grad.flatten() for weight in encoder.parameters() if weight.grad is not None]
        found.append((vectors.detach(), torch.cat(gradients)))
    (whole, whole_gradient), (grouped, grouped_gradient) = found
    assert torch.allclose(whole, grouped, atol=1e-5)
    assert torch.allclose(whole_gradient, grouped_gradient, atol=1e-4)
