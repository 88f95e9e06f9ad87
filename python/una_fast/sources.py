"""Sources of sentences. The kind of a source is decided once, by the first of these that holds.

1. A `str` alone, or anything with `__fspath__`, names a file, or files by a glob pattern. In a list, path objects are
   files and str are sentences.
2. An object with `__arrow_c_stream__` or `__arrow_c_array__`, or a Hugging Face dataset or its column, holds strings
   in Arrow's layout: see `una_fast.arrow`.
3. An object with `readinto` is a binary stream: `sys.stdin.buffer`, `open(path, "rb")`, a socket's file.
4. All else is an iterable of str, one sentence each; an open text file is one, by its lines.

Files and streams hold one sentence a line, plain or compressed by gzip, zstd, bzip2 or xz, told apart by their first
bytes. The name tells the rest: `.jsonl` and `.ndjson` (with `.gz` and the like behind them or not) hold a JSON object a
line, `.parquet`, `.arrow`, `.feather` and `.ipc` a table. A stream holds JSON where its name says so or `text_field` is
given.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast, overload

import numpy as np

from una_fast import _core
from una_fast.arrow import (
    ArrowArray,
    ArrowStream,
    Batch,
    batches_of_file,
    batches_of_object,
    is_column,
    is_column_file,
    strings,
)
from una_fast.checks import whole
from una_fast.errors import InputError, OptionError, StorageError
from una_fast.progress import counting

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sentences", "Source", "default_threads", "find_files", "load_sentences"]

Source: TypeAlias = (
    str | os.PathLike[str] | Iterable[str] | Iterable[os.PathLike[str]] | ArrowStream | ArrowArray | BinaryIO
)
"""See the module."""

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


def is_stream(source: object) -> bool:
    """Returns true for a binary file object."""
    return callable(getattr(source, "readinto", None))


def stream_name(stream: object) -> str:
    """The name of a stream in messages; its own name, if it has one."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) and name else f"<{type(stream).__name__}>"


def reading(
    *,
    errors: str = "strict",
    max_line_bytes: int = MAX_LINE_BYTES,
    text_field: str | None = None,
    shard: tuple[int, int] | None = None,
    aligned: bool = False,
) -> _core.Reading:
    """Options of reading as the core takes them, checked.

    Raises:
        OptionError: for an option without meaning.
    """
    if errors not in ("strict", "replace", "skip"):
        raise OptionError(f'errors must be "strict", "replace" or "skip", not {errors!r}')
    max_line_bytes = whole("max_line_bytes", max_line_bytes, least=1, below=1 << 32)
    shard = None if shard is None else _shard(shard)
    return _core.Reading(
        errors=errors,
        max_line_bytes=max_line_bytes,
        text_field=TEXT_FIELD if text_field is None else text_field,
        shard=shard,
        aligned=aligned,
    )


def _shard(shard: tuple[int, int]) -> tuple[int, int]:
    try:
        i, n = (whole("shard", number) for number in shard)
    except (TypeError, ValueError, OptionError):
        i, n = 0, 0
    if not 1 <= i <= n:
        raise OptionError(
            f"shard must be (i, n) with 1 <= i <= n, two whole numbers below 2**64, not {shard!r}"
        )
    return i, n


def total_bytes(files: Iterable[Path]) -> int:
    """Size of all files together; those that cannot be looked at count as empty, and fail when they are read."""
    return sum(path.stat().st_size for path in files if path.is_file())


def default_threads(threads: int | None) -> int:
    """The number of threads asked for, or else one for each core that this process may use."""
    if threads is not None:
        return whole("threads", threads, least=1, below=1 << 32)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


TEXT_FIELD = "text"
"""The name under which a JSON object holds its sentence by default."""


_BATCH = 1 << 20
"""Sentences whose bounds are handed over at a time."""


class Sentences(Sequence[str]):
    """Sentences in memory as one run of bytes: 8 bytes each beside their text, and no Python object until asked for."""

    __slots__ = ("_bytes", "_digest", "_ends", "n_empty", "n_skipped")

    def __init__(
        self,
        data: NDArray[np.uint8],
        ends: NDArray[np.uint64],
        *,
        n_empty: int = 0,
        n_skipped: int = 0,
        digest: str | None = None,
    ) -> None:
        self._bytes = data.data.cast("B")
        self._digest = digest
        self._ends = ends
        self.n_empty = n_empty
        self.n_skipped = n_skipped

    def digest(self) -> str:
        """SHA-256 over where each sentence stops, as little-endian 64-bit numbers, and then the text of all."""
        if self._digest is None:
            digest = hashlib.sha256(np.ascontiguousarray(self._ends, dtype="<u8").data)
            digest.update(self._bytes)
            self._digest = digest.hexdigest()
        return self._digest

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

    def batches(self) -> Iterator[Batch]:
        """The sentences in Arrow's layout, for the compiled half; nothing is copied but where they stop."""
        text = np.frombuffer(self._bytes, np.uint8)
        for first in range(0, len(self), _BATCH):
            start = int(self._ends[first - 1]) if first else 0
            bounds = np.concatenate(([start], self._ends[first : first + _BATCH])).astype(np.int64)
            yield bounds, text, None, 0

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
    text_field: str | None = None,
    column: str | None = None,
    aligned: bool = False,
    progress: bool = False,
) -> Sentences:
    """Reads a source into memory, by the same rules by which `fit` counts it: row i here is document i there.

    Files of text are read by the compiled half; columns and streams pass through Python strings.

    Args:
        source: files or sentences, see the module.
        errors: "strict", "replace" or "skip", for lines that are not UTF-8 or hold a NUL.
        max_line_bytes: longest line accepted.
        text_field: where lines are JSON objects, the name under which the sentence stands ("text" by default).
        column: the column of strings to read, where there are several.
        aligned: whether rows belong to those of another source, so that one without text is an error.
        progress: whether to show a bar.

    Raises:
        InputError: for malformed text, by file, line and byte.
        StorageError: for files that cannot be read.
    """
    how = reading(errors=errors, max_line_bytes=max_line_bytes, text_field=text_field, aligned=aligned)
    files = find_files(source)
    if files is None:
        if isinstance(source, Sentences):
            return source
        return _pack(sentences_of(source, column=column, nulls=aligned), aligned=aligned)
    if any(map(is_column_file, files)):
        return _pack(_strings_of_files(files, how, column, nulls=aligned), aligned=aligned)
    with counting("reading", total_bytes(files), show=progress) as tick:
        data, offsets, n_empty, n_skipped = _core.read_sentences(files, reading=how, tick=tick)
    return Sentences(data, offsets[1:], n_empty=n_empty, n_skipped=n_skipped)


def sentences_of(source: Source, *, column: str | None = None, nulls: bool = False) -> Iterator[str]:
    """The sentences of what are no files, one at a time: of a column or an iterable, empty ones included.

    A null is no sentence, or with `nulls` an empty one.

    Raises:
        InputError: for a stream.
    """
    if is_stream(source):
        raise InputError(
            f"{stream_name(source)}: a stream is counted, not read into memory; give the file's path"
        )
    if is_column(source):
        return strings(batches_of_object(source, column), nulls=nulls)
    return iter(cast("Iterable[str]", source))


def _strings_of_files(
    files: Iterable[Path], how: _core.Reading, column: str | None, *, nulls: bool
) -> Iterator[str]:
    for path in files:
        if is_column_file(path):
            yield from strings(batches_of_file(path, column), nulls=nulls)
        else:
            data, offsets, _, _ = _core.read_sentences([path], reading=how, tick=None)
            yield from Sentences(data, offsets[1:])


def encoded(sentences: Iterable[str], *, aligned: bool = False) -> Iterator[bytes]:
    """Each sentence as UTF-8; nothing in place of one that is empty or white space.

    Raises:
        InputError: for an item that is no str, or no Unicode text, or with `aligned` has no text, by its number.
    """
    for row, text in enumerate(sentences):
        if not isinstance(text, str):
            raise InputError(f"sentence {row}: expected str, found {type(text).__name__}")
        if aligned and (not text or text.isspace()):
            raise InputError(f"sentence {row}: no text, where every row must have some")
        try:
            yield b"" if text.isspace() else text.encode()
        except UnicodeEncodeError:
            raise InputError(f"sentence {row}: a lone surrogate, which is no Unicode text") from None


def _pack(sentences: Iterable[str], *, aligned: bool = False) -> Sentences:
    blobs, n_empty = [], 0
    for blob in encoded(sentences, aligned=aligned):
        if blob:
            blobs.append(blob)
        else:
            n_empty += 1
    ends = np.cumsum(np.fromiter(map(len, blobs), dtype=np.uint64, count=len(blobs)), dtype=np.uint64)
    return Sentences(np.frombuffer(b"".join(blobs), dtype=np.uint8), ends, n_empty=n_empty)
