"""The key of a negative's draws, beside the seed: epoch, row and view, checked as the core takes them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np

from una_fast.checks import whole
from una_fast.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

__all__ = ["check_keys", "rows_of_text"]


def check_keys(
    rows: ArrayLike | None, n: int, epoch: int, view: int
) -> np.ndarray[tuple[int], np.dtype[np.uint64]] | None:
    """The rows of n sentences as the core takes them.

    Raises:
        OptionError: for rows of another length, and for numbers out of range.
    """
    whole("epoch", epoch)
    whole("view", view, below=1 << 32)
    return None if rows is None else _row_keys(rows, n)


def _row_keys(rows: ArrayLike, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    array = np.asarray(rows)
    if array.shape != (n,):
        raise OptionError(f"rows must have shape ({n},), one for each sentence, not {array.shape}")
    if array.dtype.kind == "u":
        return np.ascontiguousarray(array, dtype=np.uint64)
    if array.dtype.kind == "i":
        if n and array.min() < 0:
            raise OptionError(f"rows must be whole numbers, none negative, got {array.min()}")
        return np.ascontiguousarray(array, dtype=np.uint64)
    # A list of which some numbers pass 63 bits and some do not would come out of numpy as floats, without their ends.
    given: Iterable[object] = array if isinstance(rows, np.ndarray) else cast("Iterable[object]", rows)
    return np.array([whole("rows must be whole numbers: one of them", row) for row in given], dtype=np.uint64)


def rows_of_text(sentences: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Keys of sentences whose place in a corpus nobody knows: 64 bits of a hash of each, the same everywhere.

    Equal sentences have equal keys. What is no str has any key, for the maker of negatives to refuse by its place.

    Returns:
        Shape (n,): the first 8 bytes of BLAKE2b with a digest of 8 bytes over the UTF-8, little-endian.
    """
    texts = (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b"" for text in sentences)
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
