"""The kind of sparse matrix that the installed scikit-learn gives out, and its weights and norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from una_fast import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    from sklearn.utils._sparse import _align_api_if_sparse as aligned

    SparseRows = sp.csr_array
except ImportError:  # before 1.9 there was one kind of sparse matrix
    SparseRows = sp.csr_matrix

    def aligned(matrix: Any) -> Any:
        """As it is."""
        return matrix


__all__ = ["SparseRows", "aligned", "can_weigh", "rows_of", "weigh"]


def rows_of(
    columns: NDArray[np.uint32], values: NDArray[Any], bounds: NDArray[np.uint64], n_columns: int
) -> Any:
    """The matrix of what the compiled half has counted; columns and values are not copied."""
    index = np.int32 if len(columns) <= np.iinfo(np.int32).max else np.int64
    arrays = (values, columns.view(np.int32).astype(index, copy=False), bounds.astype(index))
    return SparseRows(arrays, shape=(len(bounds) - 1, n_columns))


def can_weigh(matrix: Any) -> bool:
    """Whether the compiled half can weigh a matrix: one of float64, with fewer than 2^31 values."""
    return bool(matrix.dtype == np.float64 and matrix.indices.dtype == np.int32)


def weigh(matrix: Any, *, weights: NDArray[np.float64] | None, norm: str | None, threads: int) -> None:
    """Multiplies columns by their weights and brings rows to the length 1, in place."""
    columns, bounds = matrix.indices.view(np.uint32), matrix.indptr.astype(np.uint64)
    _core.weigh(matrix.data, columns, bounds, weights=weights, norm=norm, threads=threads)
