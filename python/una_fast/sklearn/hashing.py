"""`HashingVectorizer`: scikit-learn's, with the loop over documents in the compiled half."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

import scipy.sparse as sp
from sklearn.feature_extraction import text as theirs
from sklearn.preprocessing import normalize

from una_fast.sklearn.counting import CountsHere
from una_fast.sklearn.rows import SparseRows, aligned

if TYPE_CHECKING:
    from una_fast._core import Terms
    from una_fast.sklearn.counting import Rows

__all__ = ["HashingVectorizer"]

_PART = 1 << 17
"""Documents whose terms are held at a time."""


class HashingVectorizer(CountsHere, theirs.HashingVectorizer):  # type: ignore[misc]
    """scikit-learn's `HashingVectorizer`: the same parameters, results and errors, sooner.

    A term is hashed once for each 131,072 documents that it is in, and not once for each time that it stands there.

    Attributes:
        threads: How many threads count; None is one for each core.
    """

    def transform(self, X: Iterable[Any]) -> Any:  # noqa: N803  scikit-learn's name
        """The document-term matrix, of shape (documents, `n_features`); see scikit-learn's."""
        if isinstance(X, str):
            return super().transform(X)
        self._validate_ngram_range()
        counter = self._counter()
        if counter is None:
            return super().transform(X)
        documents, parts = iter(X), []
        while counter is not None and (part := list(islice(documents, _PART))):
            terms, rows, _ = self._counted_rows(part, counter)
            parts.append(self._hashed(terms, rows))
            counter = self._counter()
        if not parts:
            return super().transform([])  # which says that there are none
        made = parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")
        if self.binary:
            made.data.fill(1)
        return aligned(made if self.norm is None else normalize(made, norm=self.norm, copy=False))

    def _hashed(self, terms: Terms, rows: Rows) -> Any:
        """The matrix of some documents, of which each term is hashed once."""
        columns, counts, bounds = rows
        hashed = self._get_hasher().transform([term] for term in terms.list() or [""])
        values = hashed.data[columns] * counts
        shape = (len(bounds) - 1, self.n_features)
        made = SparseRows((values, hashed.indices[columns], bounds.astype(hashed.indptr.dtype)), shape=shape)
        made.sum_duplicates()
        return made
