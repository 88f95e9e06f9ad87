"""Dropout on the CPU at a fraction of its cost: four numbers out of each that is drawn.

torch draws a double for each element, on one thread, and where attention weights are dropped it leaves its fast kernel.
That is a quarter of a training step of a small encoder. Here 16 bits decide over an element, out of the same generator,
whose state checkpoints hold.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["FastDropout"]

_STEPS = 1 << 16


class FastDropout(TorchFunctionMode):
    """A context in which torch's dropout of tensors on the CPU, in attention too, is this one.

    Elements are dropped with the probability asked for, rounded to a multiple of 2**-16, and the others scaled up by
    just as much. What drops nothing, and what is on another device, is left to torch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return _dropout(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        return func(*args, **kwargs)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002
    dropped = round(p * _STEPS)
    if (
        not training
        or not 0 < dropped < _STEPS
        or input.device.type != "cpu"
        or not input.is_floating_point()
    ):
        return functional.dropout(input, p, training, inplace)
    return input * _factors(input, dropped)


def _factors(like: Tensor, dropped: int) -> Tensor:
    """Zero for so many elements of 65,536, and what makes up for them for the others."""
    count = like.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[:count].view(like.shape) >= dropped - _STEPS // 2
    return kept.to(like.dtype).mul_(_STEPS / (_STEPS - dropped))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention by its formula, where weights are dropped: the fast kernel of torch cannot."""
    if dropout_p == 0 or is_causal or enable_gqa or query.device.type != "cpu":
        further = {"enable_gqa": True} if enable_gqa else {}
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **further
        )
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        # Not minus infinity: a text without a token has nothing else, and would be NaN.
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return _dropout(scores.softmax(dim=-1), dropout_p) @ value
