"""The order of rows: a keyed permutation, so that the place of a run in its data is one integer."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import OptionError

__all__ = ["Rows", "permute"]

Rows = NDArray[np.int64]

_ROUNDS = 6
"""Feistel rounds: four give a pseudorandom permutation where the round function is ideal (Luby, Rackoff)."""


def permute(positions: Rows, *, n: int, seed: int, epoch: int, stream: str = "order") -> Rows:
    """Rows at positions of a random order of 0 .. n - 1: a keyed permutation, nothing of which is stored.

    A Feistel network permutes the least square power of two that holds n; whatever lands at n or above is
    sent through again until it lands below (cycle walking), which keeps it a permutation of 0 .. n - 1.

    Args:
        positions: int64 of any shape, each in 0 .. n - 1.
        n: Size of the corpus.
        seed: With `epoch`, the key.
        epoch: Another epoch is another order.
        stream: Names what the order is for; another name is another order.

    Returns:
        int64 of the same shape; distinct positions give distinct rows.

    Raises:
        OptionError: A position is outside 0 .. n - 1.

    Source: Black and Rogaway 2002, Ciphers with arbitrary finite domains.
    """
    if positions.size and (positions.min() < 0 or positions.max() >= n):
        raise OptionError(f"positions must lie in 0 .. {n - 1}, got {positions.min()} .. {positions.max()}")
    half = max(2, ((n - 1).bit_length() + 1) // 2)
    keys = _round_keys(f"una_fast {stream} {seed} {epoch}")
    rows = _feistel(positions.astype(np.uint64), half, keys)
    while (outside := rows >= n).any():
        rows[outside] = _feistel(rows[outside], half, keys)
    return rows.astype(np.int64)


def _feistel(values: NDArray[np.uint64], half: int, keys: list[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of 0 .. 4**half - 1."""
    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = values >> bits, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << bits) | right


def _round_keys(key: str) -> list[np.uint64]:
    digest = hashlib.blake2b(key.encode(), digest_size=8 * _ROUNDS).digest()
    return list(np.frombuffer(digest, dtype="<u8").astype(np.uint64))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every input bit reaches every output bit. Products wrap around."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
