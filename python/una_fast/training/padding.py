"""Rows of like length go through the encoder together, so that less of what it computes is padding.

Sentences padded to the longest of a batch of 64 are a quarter padding at 32 tokens, and two thirds at 128. On the CPU,
where time goes by the token, a batch is encoded in a few groups, each as wide as its own longest row.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["by_length", "length_cuts"]

GROUP_COST = 256
"""What a further group costs, in tokens: a pass through the layers of an encoder has a cost of its own."""


def by_length(encode: Callable[[Mapping[str, Tensor]], Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
    """Encodes rows in groups of like length: what `encode(inputs)` gives, up to rounding and the draws of dropout.

    Args:
        encode: Inputs of shape (R, T) to embeddings, shape (R, D).
        inputs: Padded on the right; their `attention_mask` says how long a row is.

    Returns:
        The embeddings in the order of the rows, shape (R, D).
    """
    lengths, order = inputs["attention_mask"].sum(dim=1).sort(stable=True)
    cuts = length_cuts(lengths.numpy(), GROUP_COST)
    if len(cuts) == 1:
        return encode(inputs)
    widths = lengths[torch.tensor(cuts) - 1].clamp(min=1).tolist()
    sizes = np.diff([0, *cuts]).tolist()
    parts = {name: torch.split(value[order], sizes) for name, value in inputs.items()}
    encoded = []
    with _OneLookUp(inputs["input_ids"][order], sizes) as look_up:
        for place, width in enumerate(widths):
            group = {name: part[place][:, :width] for name, part in parts.items()}
            look_up.turn(place, group["input_ids"])
            encoded.append(encode(group))
    return torch.cat(encoded)[order.argsort()]


def length_cuts(lengths: NDArray[np.int64], cost: int) -> list[int]:
    """Where to cut sorted rows, so that padded tokens, and `cost` for each group, are the fewest that they can be.

    Args:
        lengths: Tokens of each row, the shortest first, shape (R,), R at least 1.
        cost: What a group costs, in tokens.

    Returns:
        The end of each group, the last being R: O(R + U^2) for U lengths.
    """
    widths, firsts = np.unique(lengths, return_index=True)
    starts = np.append(firsts, len(lengths))
    # The least that rows of the first k lengths cost, and where the last of their groups begins.
    least = np.zeros(len(widths) + 1, np.int64)
    begins = np.zeros(len(widths) + 1, np.int64)
    for k in range(1, len(widths) + 1):
        costs = least[:k] + (starts[k] - starts[:k]) * widths[k - 1] + cost
        begins[k] = costs.argmin()
        least[k] = costs[begins[k]]
    cuts = []
    k = len(widths)
    while k:
        cuts.append(int(starts[k]))
        k = begins[k]
    return cuts[::-1]


class _OneLookUp(TorchFunctionMode):
    """A context in which the vectors of a batch's tokens are looked up once, and groups take theirs of them.

    A look-up has a gradient as large as the vocabulary, which costs a small encoder more than all that groups save.
    """

    def __init__(self, ids: Tensor, sizes: list[int]) -> None:
        """Takes the tokens of all groups, shape (R, T), and the rows of each."""
        super().__init__()
        self._ids = ids
        self._sizes = sizes
        self._found: dict[int, tuple[Tensor, ...]] = {}

    def turn(self, place: int, ids: Tensor) -> None:
        """Goes to a group, whose tokens an encoder looks up as this very tensor."""
        self._place, self._group = place, ids

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.embedding and args and args[0] is self._group:
            return self._vectors(*args[1:], **kwargs)
        return func(*args, **kwargs)

    def _vectors(self, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        found = self._found.get(id(weight))
        if found is None:
            whole = functional.embedding(self._ids, weight, *args, **kwargs)
            self._found[id(weight)] = found = torch.split(whole, self._sizes)
        return found[self._place][:, : self._group.shape[1]]
