"""Sources of sentences. The kind of a source is decided once, by the first of these that holds.

1. A `str` alone, or anything with `__fspath__`, names a file, or files by a glob pattern. In an iterable, path objects
   are files and str are sentences; str that name existing files are refused, and so are both kinds together.
2. An object with `__arrow_c_stream__` or `__arrow_c_array__`, or a Hugging Face dataset or its column, holds strings
   in Arrow's layout: see `una_fast.arrow`.
3. An object with `read` is a file object, of bytes or of text: `sys.stdin.buffer`, `open(path)`, a socket's file.
4. All else is an iterable of str, one sentence each. Mappings and bytes are refused.

Files and file objects hold one sentence a line, plain or compressed by gzip, zstd, bzip2 or xz, told apart by their
first bytes. `.jsonl`, `.ndjson`, `.jsonlines`, `.jl` and `.json` (with `.gz` and the like behind them or not) hold a
JSON object a line; so does whatever is read with `text_field`. A file of Parquet, Arrow or Feather is told by its
bytes, and one of delimited text by its name, `.csv` or `.tsv`: each holds a table, of which `column` is read.
"""

from __future__ import annotations

import codecs
import glob
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice, pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, overload

import numpy as np

from una_fast import _core
from una_fast.arrow import (
    ArrowArray,
    ArrowStream,
    Batch,
    batches_of_file,
    batches_of_object,
    is_column,
    table_format,
)
from una_fast.checks import whole
from una_fast.errors import InputError, OptionError, StorageError
from una_fast.files import storage_errors
from una_fast.memory import MemorySize, size_in_bytes
from una_fast.progress import counting

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Opened",
    "Reading",
    "Sentences",
    "Source",
    "default_threads",
    "find_files",
    "load_sentences",
    "opened",
    "reading",
]

Source: TypeAlias = (
    str | os.PathLike[str] | Iterable[str] | Iterable[os.PathLike[str]] | ArrowStream | ArrowArray | IO[Any]
)
"""See the module."""

MAX_LINE_BYTES = 64 << 20
"""The longest line accepted by default; longer ones are an error, since they are rarely sentences."""

JSON_LINES = (".jsonl", ".ndjson", ".jsonlines", ".jl", ".json")
"""The suffixes of files that hold a JSON object a line, as the compiled half knows them."""

MAX_WINDOW_BYTES = 1 << 31
"""The largest zstd window or xz dictionary accepted by default: all that zstd and xz write."""


def find_files(source: Source) -> list[Path] | None:
    """The files that a source names, or None if it is no path and no sequence of paths.

    Raises:
        StorageError: for a pattern that matches nothing.
        InputError: for a sequence of paths and of other things.
    """
    if isinstance(source, str | os.PathLike):
        return _expand(os.fspath(source))
    if isinstance(source, Sequence) and len(source) > 0 and isinstance(source[0], os.PathLike):
        return _expand_all(source)
    return None


def _expand_all(paths: Iterable[object]) -> list[Path]:
    found = []
    for i, path in enumerate(paths):
        if not isinstance(path, os.PathLike):
            raise InputError(
                f"item {i} is {type(path).__name__}, among path objects: give files apart from sentences"
            )
        found += _expand(os.fspath(path))
    return found


def _expand(path: str) -> list[Path]:
    if glob.has_magic(path) and not os.path.lexists(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise StorageError(f"no file matches the pattern {path!r}")
        return [Path(name) for name in found]
    return [Path(path)]


def stream_name(stream: object) -> str:
    """The name of a stream in messages; its own name, if it has one."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) and name else f"<{type(stream).__name__}>"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options of reading, checked: those of the compiled half, and those that choose what is read."""

    core: _core.Reading
    text_field: str | None
    column: str | None
    lines: bool


def reading(
    *,
    errors: str = "strict",
    max_line_bytes: int = MAX_LINE_BYTES,
    max_window_bytes: MemorySize = MAX_WINDOW_BYTES,
    text_field: str | None = None,
    column: str | None = None,
    shard: tuple[int, int] | None = None,
    aligned: bool = False,
    lines: bool = False,
) -> Reading:
    """Options of reading, checked; with `lines`, files are lines even where their names say that they hold a table.

    Raises:
        OptionError: for an option without meaning.
    """
    if errors not in ("strict", "replace", "skip"):
        raise OptionError(f'errors must be "strict", "replace" or "skip", not {errors!r}')
    for name, value in (("text_field", text_field), ("column", column)):
        if not (value is None or isinstance(value, str)):
            raise OptionError(f"{name} must be a str or None, not {value!r}")
    core = _core.Reading(
        errors=errors,
        max_line_bytes=whole("max_line_bytes", max_line_bytes, least=1, below=1 << 32),
        max_window_bytes=size_in_bytes("max_window_bytes", max_window_bytes),
        json=text_field is not None,
        text_field=TEXT_FIELD if text_field is None else text_field,
        shard=None if shard is None else _shard(shard),
        aligned=aligned,
    )
    return Reading(core=core, text_field=text_field, column=column, lines=lines)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A source as what it is: parts to be read one after another, and the files among them, if it is of files."""

    parts: list[_core.Source]
    files: list[Path] | None

    def n_bytes(self) -> int | None:
        """The size of all files, where they are read byte by byte from end to end."""
        if self.files is None or any(isinstance(part, _core.Source.Columns) for part in self.parts):
            return None
        return total_bytes(self.files)


def opened(source: Source, how: Reading) -> Opened:
    """Decides what a source is; see the module. Files are looked at, nothing else is read but a few first items.

    Raises:
        InputError: for what is no source of sentences.
        OptionError: for `column` or `text_field` where nothing has columns or fields.
        StorageError: for a pattern that matches nothing.
    """
    files = find_files(source)
    if files is not None:
        return _opened_files(files, how)
    if isinstance(source, Sentences):
        return _in_memory(_core.Source.Columns([(None, source.batches())]), how, column=False)
    if is_column(source):
        batches = _checked_batches(batches_of_object(source, how.column))
        return _in_memory(_core.Source.Columns([(None, batches)]), how, column=True)
    if isinstance(source, Mapping):
        raise InputError(
            f"a {type(source).__name__} is no source of sentences: give one of its values, which are {_listed(source)}"
        )
    if isinstance(source, bytes | bytearray | memoryview):
        raise InputError(
            "bytes are no source of sentences: decode them, or give io.BytesIO(data) to read its lines"
        )
    if callable(getattr(source, "read", None)):
        if how.column is not None:
            raise OptionError(_no_column(how.column, stream_name(source)))
        part = _core.Source.Stream(as_byte_stream(source), name=stream_name(source))
        return Opened(parts=[part], files=None)
    return _opened_items(source, how)


def _listed(source: Mapping[Any, Any]) -> str:
    names = [f"[{name!r}]" for name in islice(source, 6)]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "none"


def _opened_files(files: list[Path], how: Reading) -> Opened:
    formats = [None if how.lines else table_format(path) for path in files]
    if how.column is not None and not any(formats):
        raise OptionError(_no_column(how.column, ", ".join(map(str, files[:3]))))
    if how.text_field is not None and all(formats):
        raise OptionError(
            f"text_field={how.text_field!r} names a field of JSON lines, and {files[0]} holds a table: give column="
        )
    parts: list[_core.Source] = []
    kinds = [
        "table" if found else "pipe" if path.is_fifo() else "lines"
        for found, path in zip(formats, files, strict=True)
    ]
    for kind, group in groupby(zip(kinds, files, strict=True), key=lambda pair: pair[0]):
        paths = [path for _, path in group]
        if kind == "pipe":
            parts += [_core.Source.Stream(_Pipe(path), name=path) for path in paths]
        elif kind == "table":
            columns = ((path, batches_of_file(path, how.column, how.core)) for path in paths)
            parts.append(_core.Source.Columns(columns))
        else:
            parts.append(_core.Source.Files(paths))
    return Opened(parts=parts, files=files)


class _Pipe:
    """A named pipe, opened when it is first read from.

    That waits for its writer, and so is for Python to do, where Ctrl-C is seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None

    def readinto(self, buffer: bytearray) -> int | None:
        with storage_errors(self._path):
            if self._file is None:
                self._file = io.FileIO(self._path)
            n = self._file.readinto(buffer)
        if n == 0:
            self._file.close()
        return n


def _no_column(column: str, what: str) -> str:
    return f"column={column!r} names a column of a table, and {what} holds lines of text"


def _opened_items(source: Any, how: Reading) -> Opened:
    """An iterable of sentences, or of files."""
    try:
        items = iter(source)
    except TypeError:
        raise InputError(
            f"{type(source).__name__} is no source of sentences: give a path, a file object or an iterable of str"
        ) from None
    first = list(islice(items, _LOOKED_AT))
    if any(isinstance(item, os.PathLike) for item in first):
        return _opened_files(_expand_all(chain(first, items)), how)
    _refuse_names(first)
    rows = chain(first, items) if items is source else source
    return _in_memory(_core.Source.Rows(rows), how, column=False)


def _in_memory(part: _core.Source, how: Reading, *, column: bool) -> Opened:
    if how.column is not None and not column:
        raise OptionError(f"column={how.column!r} names a column of a table, and these are sentences")
    if how.text_field is not None:
        raise OptionError(
            f"text_field={how.text_field!r} names a field of JSON lines, and these are sentences"
        )
    return Opened(parts=[part], files=None)


def _checked_batches(batches: Iterator[Batch]) -> Iterator[Batch]:
    first = next(batches, None)
    if first is not None:
        offsets, data, _, _ = first
        ends = [data[a:b].tobytes() for a, b in pairwise(offsets[: _LOOKED_AT + 1].tolist())]
        _refuse_names([text.decode(errors="replace") for text in ends])
        yield first
    yield from batches


_LOOKED_AT = 100
"""Items that are looked at to tell sentences from the names of files."""


def _refuse_names(items: Iterable[object]) -> None:
    for i, item in enumerate(items):
        if isinstance(item, str) and _names_a_file(item):
            raise InputError(
                f"sentence {i}, {item!r}, names an existing file: among many, str are sentences and pathlib.Path "
                "objects are files"
            )


def _names_a_file(text: str) -> bool:
    """True for what looks like the name of a file, and is one. A word alone is a word."""
    if len(text) > 1024 or not ("." in text or "/" in text or os.sep in text) or "\0" in text:
        return False
    try:
        return os.path.isfile(text)
    except (OSError, ValueError):
        return False


def as_byte_stream(stream: Any) -> Any:
    """A file object as one of bytes with `readinto`; the text of one of text is encoded.

    Raises:
        InputError: for one that cannot be read.
    """
    name = stream_name(stream)
    if isinstance(stream, io.TextIOBase | codecs.StreamReader | codecs.StreamReaderWriter):
        return _EncodedStream(stream, name)
    if isinstance(stream, io.RawIOBase | io.BufferedIOBase):
        return stream
    try:
        nothing = stream.read(0)
    except Exception as error:
        raise InputError(f"{name} cannot be read: {type(error).__name__}: {error}") from error
    if isinstance(nothing, str):
        return _EncodedStream(stream, name)
    return stream if callable(getattr(stream, "readinto", None)) else _ByteStream(stream, name)


class _ByteStream:
    """`readinto` by way of `read`."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._rest = memoryview(b"")

    def readinto(self, buffer: bytearray) -> int:
        if not self._rest:
            self._rest = memoryview(self._more(len(buffer)))
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n

    def _more(self, size: int) -> bytes:
        data = self._stream.read(size)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InputError(f"{self._name}: read() gave {type(data).__name__}, not bytes")
        return bytes(data)


class _EncodedStream(_ByteStream):
    """The text of a text file object, from where it stands, as UTF-8."""

    def _more(self, size: int) -> bytes:
        try:
            text = self._stream.read(size)
        except UnicodeError as error:
            raise InputError(f"{self._name}: {error}") from error
        if not isinstance(text, str):
            raise InputError(f"{self._name}: read() gave {type(text).__name__}, not str")
        return text.encode("utf-8", "surrogatepass")  # the reader refuses them, with their place


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


_HASHED = 16 << 20
"""Bytes of text that are hashed at a time."""


class Buffer(Protocol):
    """Bytes, wherever they are."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


class Numbers(Protocol):
    """Whole numbers, wherever they are."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice, /) -> NDArray[np.uint64]: ...


class Sentences(Sequence[str]):
    """Sentences as one run of bytes: 8 bytes each beside their text, and no Python object until asked for.

    They are in memory, or in files (`una_fast.mapped_corpus`).
    """

    __slots__ = ("_bytes", "_digest", "_ends", "n_empty", "n_skipped")

    def __init__(
        self,
        data: Buffer,
        ends: Numbers,
        *,
        n_empty: int = 0,
        n_skipped: int = 0,
        digest: str | None = None,
    ) -> None:
        self._bytes = data
        self._digest = digest
        self._ends = ends
        self.n_empty = n_empty
        self.n_skipped = n_skipped

    def digest(self) -> str:
        """SHA-256 over where each sentence stops, as little-endian 64-bit numbers, and then the text of all."""
        if self._digest is None:
            digest = hashlib.sha256()
            for first in range(0, len(self._ends), _BATCH):
                digest.update(np.ascontiguousarray(self._ends[first : first + _BATCH], dtype="<u8").data)
            for start in range(0, len(self._bytes), _HASHED):
                digest.update(self._bytes[start : start + _HASHED])
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
        """The sentences in Arrow's layout, for the compiled half; text that is in memory is not copied."""
        for first in range(0, len(self), _BATCH):
            start = int(self._ends[first - 1]) if first else 0
            bounds = np.concatenate(([start], self._ends[first : first + _BATCH])).astype(np.int64)
            yield bounds - start, np.frombuffer(self._bytes[start : int(bounds[-1])], np.uint8), None, 0

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
    max_window_bytes: MemorySize = MAX_WINDOW_BYTES,
    text_field: str | None = None,
    column: str | None = None,
    aligned: bool = False,
    lines: bool = False,
    progress: bool = False,
) -> Sentences:
    """Reads a source into memory, by the same rules by which `fit` counts it: row i here is document i there.

    Args:
        source: files or sentences, see the module.
        errors: "strict", "replace" or "skip", for rows that are not UTF-8 or hold a NUL.
        max_line_bytes: longest line accepted.
        max_window_bytes: see `una_fast.fit`.
        text_field: where lines are JSON objects, the name under which the sentence stands ("text" by default).
        column: the column of strings to read, where there are several.
        aligned: whether rows belong to those of another source, so that one without text is an error.
        lines: whether files are lines even where their names say that they hold a table.
        progress: whether to show a bar.

    Raises:
        InputError: for malformed text, by file, line and byte.
        OptionError: for an option without meaning, or one that nothing here has a use for.
        StorageError: for files that cannot be read.
    """
    if isinstance(source, Sentences):
        return source
    how = reading(
        errors=errors,
        max_line_bytes=max_line_bytes,
        max_window_bytes=max_window_bytes,
        text_field=text_field,
        column=column,
        aligned=aligned,
        lines=lines,
    )
    found = opened(source, how)
    with counting("reading", found.n_bytes(), show=progress) as tick:
        data, offsets, n_empty, n_skipped = _core.read_sentences(found.parts, reading=how.core, tick=tick)
    return Sentences(data.data.cast("B"), offsets[1:], n_empty=n_empty, n_skipped=n_skipped)
