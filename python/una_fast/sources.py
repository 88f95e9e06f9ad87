"""What a source is, decided once: files by path, list or glob; or any iterable of str.

A `str` alone, or anything with `__fspath__`, names a file, or files by a glob pattern. In a list, path objects are
files and str are sentences. Files are plain text or gzip, told apart by their first bytes, one sentence a line.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np

from una_fast import _core
from una_fast.errors import InputError, StorageError
from una_fast.progress import counting

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sentences", "Source", "default_threads", "find_files", "load_sentences"]

Source: TypeAlias = str | os.PathLike[str] | Iterable[str] | Iterable[os.PathLike[str]]

MAX_LINE_BYTES = 64 << 20
"""The longest line accepted by default; longer ones are an error, since they are rarely sentences."""


def find_files(source: Source) -> list[Path] | None:
    """The files that a source names, or None if it is an iterable of sentences.

    Raises:
        StorageError: for a path that does not exist and a pattern that matches nothing.
        InputError: for a list of str whose first names an existing file, since str in a list are sentences.
    """
    if isinstance(source, str | os.PathLike):
        return _expand(os.fspath(source))
    if isinstance(source, Sequence) and len(source) > 0:
        first = source[0]
        if isinstance(first, os.PathLike):
            return [path for item in source for path in _expand(os.fspath(item))]
        if isinstance(first, str) and len(first) < 4096 and os.path.isfile(first):
            raise InputError(
                f"the first sentence, {first!r}, names an existing file: "
                "in a list, str are sentences and pathlib.Path objects are files"
            )
    return None


def _expand(path: str) -> list[Path]:
    if glob.has_magic(path) and not os.path.lexists(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise StorageError(f"no file matches the pattern {path!r}")
        return [Path(name) for name in found]
    return [Path(path)]


def total_bytes(files: Iterable[Path]) -> int:
    """Size of all files together; those that cannot be looked at count as empty, and fail when they are read."""
    return sum(path.stat().st_size for path in files if path.is_file())


def default_threads(threads: int | None) -> int:
    """The number of threads asked for, or else one for each core that this process may use."""
    if threads is not None:
        if threads < 1:
            from una_fast.errors import OptionError

            raise OptionError(f"threads must be at least 1, not {threads}")
        return threads
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class Sentences(Sequence[str]):
    """Sentences in memory as one run of bytes: 8 bytes each beside their text, and no Python object until asked for."""

    __slots__ = ("_bytes", "_ends", "n_empty", "n_skipped")

    def __init__(
        self, data: NDArray[np.uint8], ends: NDArray[np.uint64], *, n_empty: int = 0, n_skipped: int = 0
    ) -> None:
        self._bytes = data.data.cast("B")
        self._ends = ends
        self.n_empty = n_empty
        self.n_skipped = n_skipped

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._text(i) for i in range(*index.indices(len(self)))]
        i = int(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"sentence {i} of {len(self)}")
        return self._text(i % len(self))

    def __iter__(self) -> Iterator[str]:
        return (self._text(i) for i in range(len(self)))

    def take(self, rows: Iterable[int] | NDArray[np.integer]) -> list[str]:
        """The sentences of these rows, in this order."""
        return [self[int(row)] for row in rows]

    def _text(self, i: int) -> str:
        start = int(self._ends[i - 1]) if i else 0
        return str(self._bytes[start : int(self._ends[i])], "utf-8")

    def __repr__(self) -> str:
        return f"Sentences({len(self):,} sentences, {len(self._bytes):,} bytes)"


def load_sentences(
    source: Source,
    *,
    errors: str = "strict",
    max_line_bytes: int = MAX_LINE_BYTES,
    progress: bool = False,
) -> Sentences:
    """Reads a source into memory, by the same rules by which `fit` counts it: row i here is document i there.

    Args:
        source: files or sentences, see the module.
        errors: "strict", "replace" or "skip", for lines that are not UTF-8 or hold a NUL.
        max_line_bytes: longest line accepted.
        progress: whether to show a bar.

    Raises:
        InputError: for malformed text, by file, line and byte.
        StorageError: for files that cannot be read.
    """
    files = find_files(source)
    if files is None:
        return _pack(source)  # type: ignore[arg-type]  # what is not files is sentences
    with counting("reading", total_bytes(files), show=progress) as tick:
        data, ends, n_empty, n_skipped = _core.read_sentences(
            files, errors=errors, max_line_bytes=max_line_bytes, tick=tick
        )
    return Sentences(data, ends, n_empty=n_empty, n_skipped=n_skipped)


def _pack(sentences: Iterable[str]) -> Sentences:
    if isinstance(sentences, Sentences):
        return sentences
    blobs, n_empty = [], 0
    for row, text in enumerate(sentences):
        if not isinstance(text, str):
            raise InputError(f"sentence {row}: expected str, found {type(text).__name__}")
        if not text or text.isspace():
            n_empty += 1
            continue
        try:
            blobs.append(text.encode())
        except UnicodeEncodeError:
            raise InputError(f"sentence {row}: a lone surrogate, which is no Unicode text") from None
    ends = np.cumsum(np.fromiter(map(len, blobs), dtype=np.uint64, count=len(blobs)), dtype=np.uint64)
    return Sentences(np.frombuffer(b"".join(blobs), dtype=np.uint8), ends, n_empty=n_empty)
