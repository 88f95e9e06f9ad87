"""Is the negative hard? What the geometry of anchors, positives and negatives says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.backbone import input_names, tokenise
from una_fast.errors import OptionError
from una_fast.training.model import SentenceEncoder

__all__ = ["ProbeReport", "probe", "seeded"]

UNIFORMITY_ROWS = 2048
"""Uniformity is a mean over pairs; so many anchors give two million of them, which is plenty."""


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """Figures over n triples of anchor, positive and negative, dropout on.

    Attributes:
        n: Anchors probed.
        view_win_rate: Share of anchors whose positive is nearer to them than their negative is. At 1 the
            negatives are easy, at 0.5 they are as near as the positives.
        positive_cosine: Mean cosine of anchor and positive.
        negative_cosine: Mean cosine of anchor and negative.
        margin_counts: Histogram of cosine(anchor, positive) - cosine(anchor, negative).
        margin_edges: Its edges, one more than counts; margins outside are counted in the end bins.
        alignment: Mean squared distance of anchor and positive on the unit sphere; lower is better.
        uniformity: Log of the mean of exp(-2 squared distance) over pairs of anchors; lower is more even.

    Source of the last two: Wang and Isola 2020, arXiv 2005.10242.
    """

    n: int
    view_win_rate: float
    positive_cosine: float
    negative_cosine: float
    margin_counts: tuple[int, ...]
    margin_edges: tuple[float, ...]
    alignment: float
    uniformity: float

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return asdict(self)


def probe(
    model: SentenceEncoder,
    tokenizer: PreTrainedTokenizerBase,
    anchors: Sequence[str],
    negatives: Sequence[str],
    *,
    positives: Sequence[str] | None = None,
    max_length: int = 32,
    batch_size: int = 64,
    seed: int = 0,
) -> ProbeReport:
    """Measure how far positives and negatives lie from their anchors, in the embedding that testing will use.

    Args:
        model: It is put back into the mode it was in; its weights and the random state of torch are left
            alone.
        tokenizer: The tokenizer of the model.
        anchors: At least two sentences.
        negatives: Their negatives, one each.
        positives: Their positives, one each; None takes the anchor again under another dropout mask.
        max_length: Tokens read of a text.
        batch_size: Sentences encoded at a time.
        seed: Of the dropout masks.

    Raises:
        OptionError: Fewer than two anchors, or lists of different lengths.
    """
    views = (anchors, anchors if positives is None else positives, negatives)
    if len(anchors) < 2 or len({len(view) for view in views}) > 1:
        raise OptionError(f"probe needs two triples or more, got lists of {[len(view) for view in views]}")
    device = model.backbone.device
    was_training = model.training
    model.train()
    try:
        with seeded(seed, device), torch.no_grad():
            anchor, positive, negative = (
                _unit_embeddings(model, tokenizer, view, max_length=max_length, batch_size=batch_size)
                for view in views
            )
    finally:
        model.train(was_training)
    return _report(anchor, positive, negative)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch on the CPU and on `device`, and put both random states back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _unit_embeddings(
    model: SentenceEncoder,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    max_length: int,
    batch_size: int,
) -> Tensor:
    """Embeddings of length 1, shape (n, D), float32 on the CPU."""
    names = input_names(model.backbone)
    parts = []
    for start in range(0, len(texts), batch_size):
        inputs = tokenise(tokenizer, texts[start : start + batch_size], max_length=max_length, names=names)
        embeddings = model.embed({name: value.to(model.backbone.device) for name, value in inputs.items()})
        parts.append(functional.normalize(embeddings.float(), dim=1).cpu())
    return torch.cat(parts)


def _report(anchor: Tensor, positive: Tensor, negative: Tensor) -> ProbeReport:
    near, far = (anchor * positive).sum(dim=1), (anchor * negative).sum(dim=1)
    margins = (near - far).numpy()
    counts, edges = np.histogram(np.clip(margins, -1, 1), bins=40, range=(-1, 1))
    return ProbeReport(
        n=len(anchor),
        view_win_rate=float((margins > 0).mean()),
        positive_cosine=float(near.mean()),
        negative_cosine=float(far.mean()),
        margin_counts=tuple(counts.tolist()),
        margin_edges=tuple(edges.tolist()),
        alignment=float((anchor - positive).square().sum(dim=1).mean()),
        uniformity=float(torch.pdist(anchor[:UNIFORMITY_ROWS]).square().mul(-2).exp().mean().log()),
    )
