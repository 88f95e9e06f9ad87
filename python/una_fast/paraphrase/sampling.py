"""Sampling whose draws are functions of (seed, row, position): no batch, order or resumption has a part in them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

__all__ = ["KeyedDraw", "uniforms"]


def uniforms(seed: int, rows: Sequence[int], positions: int) -> Tensor:
    """Uniform numbers of [0, 1), shape (len(rows), positions), float64: Philox with the key (seed, row)."""
    drawn = [np.random.Generator(np.random.Philox(key=[seed, row])).random(positions) for row in rows]
    return torch.from_numpy(np.stack(drawn))


class KeyedDraw(LogitsProcessor):
    """Leaves one token a row possible: the one that the row's own uniform number picks from the distribution.

    Greedy search then takes it, and so draws from the distribution that the logits give, exactly. A sampler that
    draws for a whole batch from one generator would give a sentence another paraphrase in another batch.
    """

    def __init__(self, seed: int, rows: Sequence[int], positions: int) -> None:
        """Draw all numbers that a batch can need.

        Args:
            seed: The key of the run.
            rows: The rows of the batch's sentences in the corpus, in the order of the batch.
            positions: Tokens that an output may have.
        """
        self._uniforms = uniforms(seed, rows, positions)
        self._position = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        """Keep one token of each row.

        Args:
            input_ids: Tokens so far; not looked at.
            scores: Logits, shape (B, V); minus infinity where a token is not possible.

        Returns:
            Shape (B, V): 0 for the token drawn, minus infinity for all others.
        """
        # MPS has no float64; there a sum over the vocabulary is rounded to float32.
        kind = torch.float32 if scores.device.type == "mps" else torch.float64
        sums = torch.softmax(scores.to(kind), dim=-1).cumsum(dim=-1)
        total = sums[:, -1:]
        drawn = self._uniforms[:, self._position, None].to(scores.device, kind)
        self._position += 1
        # The product may round up to the total, beyond which no token lies.
        below = torch.minimum(drawn * total, torch.nextafter(total, torch.zeros_like(total)))
        chosen = torch.searchsorted(sums, below, right=True)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)
