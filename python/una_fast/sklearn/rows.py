"""The kind of sparse matrix that the installed scikit-learn gives out."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp

try:
    from sklearn.utils._sparse import _align_api_if_sparse as aligned

    SparseRows = sp.csr_array
except ImportError:  # before 1.9 there was one kind of sparse matrix
    SparseRows = sp.csr_matrix

    def aligned(matrix: Any) -> Any:
        """As it is."""
        return matrix


__all__ = ["SparseRows", "aligned"]
