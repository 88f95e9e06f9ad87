"""What is pickled of a compiled object: the bytes of its file, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Pieces"]

_PIECE = 4 << 20


class _Piece:
    """Bytes that are pickled as a call of Python code, so that between two of them other threads have their turn."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return _unchanged, (self._data,)


def _unchanged(data: bytes) -> bytes:
    return data


class Pieces(list[bytes]):
    """The bytes of a file in pieces, cut as the pickler asks for them.

    Between two of them other threads have their turn, and Ctrl-C is seen: a single object of gigabytes would be copied
    at one stretch, when it is pickled and when it comes back. Copied without pickling, it holds no piece yet and is cut
    by `cut`.
    """

    def __init__(self, data: NDArray[np.uint8] | None = None) -> None:
        self._data = data

    def cut(self) -> list[bytes]:
        """All pieces."""
        return list(self) if self._data is None else list(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        data = self._data
        if data is not None:
            yield from (data[start : start + _PIECE].tobytes() for start in range(0, len(data), _PIECE))

    def __reduce__(self) -> tuple[Any, ...]:
        return Pieces, (), None, map(_Piece, self if self._data is None else self._pieces())
