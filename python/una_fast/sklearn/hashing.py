"""`HashingVectorizer`: scikit-learn's, with the loop over documents in the compiled half."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.feature_extraction import text as theirs
from sklearn.preprocessing import normalize

from una_fast import _core
from una_fast.sklearn.counting import CountsHere
from una_fast.sklearn.rows import aligned, can_weigh, rows_of, weigh
from una_fast.sources import default_threads

__all__ = ["HashingVectorizer"]

_SUMS = (np.float64, np.float32, np.int64, np.int32)
"""Types in which sums of counts are what they are in float64."""


class HashingVectorizer(CountsHere, theirs.HashingVectorizer):  # type: ignore[misc]
    """scikit-learn's `HashingVectorizer`: the same parameters, results and errors, sooner.

    A term is hashed once for each 131,072 documents that it is in, and not once for each time that it stands there.

    Attributes:
        threads: How many threads count; None is one for each core.
    """

    def transform(self, X: Iterable[Any]) -> Any:  # noqa: N803  scikit-learn's name
        """The document-term matrix, of shape (documents, `n_features`); see scikit-learn's."""
        if isinstance(X, str) or np.dtype(self.dtype) not in _SUMS:
            return super().transform(X)
        self._validate_ngram_range()
        how = {"n_features": self.n_features, "alternate_sign": self.alternate_sign}
        counter = self._counter(_core.HashingCounter, **how)
        if counter is None:
            return super().transform(X)
        self._get_hasher().fit()  # for its errors
        self._add_all(counter, X)
        threads = default_threads(self.threads)
        columns, values, bounds = counter.finish(threads=threads)
        if len(bounds) == 1:
            return super().transform([])  # which says that there are none
        made = rows_of(columns, values.astype(self.dtype, copy=False), bounds, self.n_features)
        made.has_canonical_format = made.has_sorted_indices = True
        if self.binary:
            made.data.fill(1)
        if self.norm in ("l1", "l2") and can_weigh(made):
            weigh(made, weights=None, norm=self.norm, threads=threads)
        elif self.norm is not None:
            made = normalize(made, norm=self.norm, copy=False)
        return aligned(made)
