"""What a vectorizer has learnt of documents that came a part at a time: of each term, in how many and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Totals", "documents_of", "kept"]


class Totals:
    """Sums over all documents so far, in the order in which their terms were first seen."""

    def __init__(self) -> None:
        self.n_documents = 0
        self._index: dict[str, int] = {}
        self._df = np.zeros(0, np.int64)
        self._tf = np.zeros(0, np.int64)

    def add(
        self, terms: Sequence[str], df: NDArray[np.int64], tf: NDArray[np.int64], n_documents: int
    ) -> None:
        """Adds the sums of other documents; no term stands twice in `terms`."""
        index = self._index
        fresh = [term for term in terms if term not in index]
        index.update(zip(fresh, range(len(index), len(index) + len(fresh)), strict=True))
        at = np.fromiter((index[term] for term in terms), np.int64, len(terms))
        sums = [
            np.concatenate([old, np.zeros(len(index) - len(old), np.int64)]) for old in (self._df, self._tf)
        ]
        sums[0][at] += df
        sums[1][at] += tf
        (self._df, self._tf), self.n_documents = sums, self.n_documents + n_documents

    def merge(self, other: Totals) -> None:
        """Adds what another has summed up."""
        n = len(other._df)
        self.add(list(other._index)[:n], other._df, other._tf, other.n_documents)

    def of(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """In how many documents these terms are."""
        at = np.fromiter((self._index.get(term, -1) for term in terms), np.int64, len(terms))
        return np.append(self._df, 0)[at]

    def in_order(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """All terms, sorted; in how many documents each is; how often it is there."""
        terms = list(self._index)[: len(self._df)]
        order = sorted(range(len(terms)), key=terms.__getitem__)
        return [terms[i] for i in order], self._df[order], self._tf[order]


def kept(
    df: NDArray[Any],
    tf: Callable[[], NDArray[Any]],
    n_documents: int,
    high: float | None,
    low: float | None,
    limit: int | None,
) -> NDArray[np.bool_] | None:
    """The terms that pruning keeps, as scikit-learn has it; None for all.

    Args:
        df: Of each term, in how many documents it is.
        tf: How often it is there; called to say so, where there is a limit that it decides.
        n_documents: All documents.
        high: The most documents that a term may be in.
        low: The least.
        limit: How many terms are kept at most.

    Raises:
        ValueError: It keeps none.
    """
    # Every term is in one document at least, and in all at most.
    if (
        (high is None or high >= n_documents)
        and (low is None or low <= 1)
        and (limit is None or limit >= len(df))
    ):
        return None
    chosen = np.ones(len(df), dtype=bool)
    if high is not None:
        chosen &= df <= high
    if low is not None:
        chosen &= df >= low
    if limit is not None and chosen.sum() > limit:
        most = (-tf()[chosen]).argsort()[:limit]
        places = np.flatnonzero(chosen)[most]
        chosen = np.zeros(len(df), dtype=bool)
        chosen[places] = True
    if not chosen.any():
        raise ValueError("After pruning, no terms remain. Try a lower min_df or a higher max_df.")
    return chosen


def documents_of(share: float, n_documents: int) -> float:
    """`min_df` or `max_df` in documents."""
    return share if isinstance(share, Integral) else share * n_documents
