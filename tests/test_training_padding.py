"""Groups of rows of like length: the cheapest there are, and no other vectors for it."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from training_support import tiny_bert
from una_fast.encoder.backbone import input_names, load_backbone, load_tokenizer, tokenise
from una_fast.training import padding
from una_fast.training.model import SentenceEncoder
from una_fast.training.padding import length_cuts

TEXTS = ["one", "", "two words", " ".join(["long"] * 20), "one", "three words here", " ".join(["end"] * 30)]


def cost_of(cuts: Sequence[int], lengths: NDArray[np.int64], cost: int) -> int:
    groups = np.split(lengths, cuts[:-1])
    return sum(len(group) * int(group.max()) + cost for group in groups)


def least_cost(lengths: NDArray[np.int64], cost: int) -> int:
    """By trying every way to cut the rows."""
    n = len(lengths)
    ways = ((*cuts, n) for k in range(n) for cuts in combinations(range(1, n), k))
    return min(cost_of(cuts, lengths, cost) for cuts in ways)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(0, 40))
def test_no_other_cut_costs_less(lengths: list[int], cost: int) -> None:
    """Protects the search, whose slow twin tries them all."""
    rows = np.array(sorted(lengths), np.int64)
    cuts = length_cuts(rows, cost)
    assert cuts[-1] == len(rows)
    assert cost_of(cuts, rows, cost) == least_cost(rows, cost)


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


def test_tokens_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the speed of small encoders: each look-up has a gradient as large as the vocabulary."""
    monkeypatch.setattr(padding, "GROUP_COST", 0)
    folder = tiny_bert(tmp_path / "bert")
    encoder = SentenceEncoder(load_backbone(folder), "mean").train()
    weight = encoder.backbone.get_input_embeddings().weight
    names = input_names(encoder.backbone)
    looked_up = []

    class Count(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.embedding and args[1] is weight:
                looked_up.append(args[0].shape)
            return func(*args, **(kwargs or {}))

    with Count():
        encoder(tokenise(load_tokenizer(folder), TEXTS, max_length=32, names=names))
    assert looked_up == [(len(TEXTS), 32)]
