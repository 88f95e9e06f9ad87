"""The key of a negative's draws, beside the seed: epoch, row and view, checked as the core takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from una_fast.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["check_keys", "check_view", "check_word"]


def check_keys(
    rows: ArrayLike | None, n: int, epoch: int, view: int
) -> np.ndarray[tuple[int], np.dtype[np.uint64]] | None:
    """The rows of n sentences as the core takes them.

    Raises:
        OptionError: for rows of another length, and for numbers out of range.
    """
    check_word("epoch", epoch)
    check_view(view)
    return None if rows is None else _row_keys(rows, n)


def check_view(view: int) -> None:
    """Refuse a view that the core cannot take.

    Raises:
        OptionError: for a number out of range.
    """
    if not 0 <= view < 1 << 32:
        raise OptionError(f"view must be at least 0 and below 2**32, not {view}")


def check_word(name: str, value: int) -> None:
    """Refuse an option, by its name, that is no number of 64 bits.

    Raises:
        OptionError: for a number out of range.
    """
    if not 0 <= value < 1 << 64:
        raise OptionError(f"{name} must be at least 0 and below 2**64, not {value}")


def _row_keys(rows: ArrayLike, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    array = np.asarray(rows)
    if array.shape != (n,):
        raise OptionError(f"rows must have shape ({n},), one for each sentence, not {array.shape}")
    if n and (array.dtype.kind not in "iu" or array.min() < 0):
        raise OptionError("rows must be whole numbers, none negative")
    return np.ascontiguousarray(array, dtype=np.uint64)
