"""String columns, in memory and on disk, as runs of bytes: pyarrow reads them, and no Python string is made.

Anything with `__arrow_c_stream__` or `__arrow_c_array__` is a column, or a table that holds one; so is a Hugging Face
dataset, streaming or not, a dict of its splits, or its column, and a file of Parquet, Arrow, Feather, CSV or TSV.
Strings, large strings, views, binary values that are UTF-8, and dictionaries and runs of them are read alike. pyarrow
is imported when the first of them is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from una_fast import _core
from una_fast.errors import InputError, OptionError, StorageError
from una_fast.extras import require
from una_fast.files import storage_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "ArrowArray",
    "ArrowStream",
    "Batch",
    "arrow_errors",
    "batches_of_column",
    "batches_of_file",
    "batches_of_object",
    "bytes_of_values",
    "check_strings",
    "choose",
    "column_of",
    "is_column",
    "large_strings",
    "named_format",
    "nulls",
    "opened_table",
    "refusals",
    "strings",
    "table_format",
]

Batch: TypeAlias = (
    "tuple[NDArray[np.int32] | NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8] | None, int]"
)
"""Offsets, data, the bitmap of values that are not null, and the bit at which it starts: views, not copies."""


class ArrowStream(Protocol):
    """A column or table in batches: of pyarrow, polars, pandas, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule that holds the stream."""


class ArrowArray(Protocol):
    """A column or table in one piece."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Capsules that hold schema and array."""


ROWS = 1 << 16
"""Rows handled at a time; it shows in no result."""

TEXT_COLUMN = "text"
"""The column that is read where several hold strings and none is named."""

_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".arrows": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
    ".csv": "csv",
    ".tsv": "tsv",
}
_COMPRESSED = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_DELIMITERS = {"csv": ",", "tsv": "\t"}


def named_format(path: Path) -> str | None:
    """The format that a name promises: "parquet", "ipc", "csv" or "tsv"; the last two packed as well."""
    plain = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    named = _SUFFIXES.get(plain.suffix.lower())
    return named if plain == path or named in _DELIMITERS else None


def table_format(path: Path) -> str | None:
    """The format of a file that holds a table: "parquet", "ipc", "feather" (its first version), "csv" or "tsv".

    Binary formats are told by their bytes, whatever the name; the others by their suffix. None for files of lines, and
    for what is no regular file.
    """
    named = named_format(path)
    if named in _DELIMITERS:
        return named
    try:
        if not path.is_file():  # a pipe gives its bytes once
            return named
        found = _told_by_bytes(path)
    except OSError:  # whoever reads it says why
        return named
    if found is None and named and (what := _told_otherwise(path)):
        raise InputError(f"{path}: {what}")
    return found or named


def _told_by_bytes(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(-min(6, file.seek(0, 2)), 2)
        tail = file.read()
    for format_, magic in (("parquet", b"PAR1"), ("feather", b"FEA1"), ("ipc", b"ARROW1")):
        if head.startswith(magic) and tail.endswith(magic):
            return format_
    return "ipc" if head.startswith(b"\xff\xff\xff\xff") else None


def _told_otherwise(path: Path) -> str | None:
    """What a file is that its name says to be a table; None where it begins like one."""
    with storage_errors(path), path.open("rb") as file:
        head = file.read(512)
    return None if head.startswith((b"PAR1", b"ARROW1")) else _core.format_of(head)


def is_column(source: object) -> bool:
    """Returns true for an object that holds strings in Arrow's layout."""
    return (
        hasattr(source, "__arrow_c_stream__")
        or hasattr(source, "__arrow_c_array__")
        or _is_dataset(source)
        or _are_splits(source)
    )


def _is_dataset(source: object) -> bool:
    """True for what Hugging Face datasets makes, in memory or streaming: a dataset, or a column of one."""
    return type(source).__name__ in _DATASETS.get(type(source).__module__, ())


def _are_splits(source: object) -> bool:
    """True for a dict of datasets by the names of their splits."""
    return isinstance(source, Mapping) and len(source) > 0 and all(map(_is_dataset, source.values()))


_DATASETS = {
    "datasets.arrow_dataset": ("Column", "Dataset"),
    "datasets.iterable_dataset": ("IterableColumn", "IterableDataset"),
}


def batches_of_file(path: Path, column: str | None, reading: _core.Reading) -> Iterator[Batch]:
    """The values of the string column of a file that holds a table, batch by batch.

    Raises:
        MissingExtraError: without pyarrow.
        OptionError: for a column that is not there, and for none named where several hold strings.
        InputError: for a file that pyarrow cannot make sense of, or a column that holds no strings.
        StorageError: for a file that cannot be read.
    """
    pa = _pyarrow(path.name)
    with arrow_errors(path, pa), opened_table(path, reading) as (schema, batches):
        name = choose(schema, column, str(path))
        for batch in batches(name):
            yield from batches_of_column(batch.column(name), f"{path}: column {name!r}")


Batches: TypeAlias = "Callable[[str | None], Iterator[pa.RecordBatch]]"
"""Gives the batches of a table: of one column, or with None of all."""


@contextmanager
def opened_table(path: Path, reading: _core.Reading) -> Iterator[tuple[pa.Schema, Batches]]:
    """The schema of a file that holds a table, and its batches; pyarrow's errors come through."""
    pa = _pyarrow(path.name)
    kind = table_format(path)
    with ExitStack() as stack:
        watched = stack.enter_context(_watched(path))
        if kind == "parquet":
            import pyarrow.parquet

            file = stack.enter_context(pyarrow.parquet.ParquetFile(path))
            yield (
                file.schema_arrow,
                lambda name: watched(file.iter_batches(ROWS, columns=None if name is None else [name])),
            )
        elif kind == "ipc":
            # Not mapped: a file that is cut short while it is mapped ends the process.
            opened = stack.enter_context(pa.OSFile(str(path)))
            is_file = opened.read(6) == b"ARROW1"
            opened.seek(0)
            reader = pa.ipc.open_file(opened) if is_file else pa.ipc.open_stream(opened)
            count = range(reader.num_record_batches) if is_file else ()
            yield reader.schema, lambda _: watched(map(reader.get_batch, count) if is_file else iter(reader))
        elif kind == "feather":
            import pyarrow.feather

            table = pyarrow.feather.read_table(path, memory_map=False)
            yield table.schema, lambda _: watched(table.to_batches(ROWS))
        else:
            yield _csv(path, _DELIMITERS[str(kind)], reading, stack)


@contextmanager
def _watched(path: Path) -> Iterator[Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]]:
    """What passes batches of a file on, and at their end sees that it is still the file that was opened.

    Raises:
        InputError: it is not.
    """

    def state() -> tuple[int, ...]:
        with storage_errors(path):
            now = path.stat()
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns

    before = state()

    def watched(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches
        if path.is_file() and state() != before:
            raise InputError(f"{path}: it changed while it was read")

    yield watched


def _csv(path: Path, delimiter: str, reading: _core.Reading, stack: ExitStack) -> tuple[pa.Schema, Batches]:
    """A table of delimited text, whose first line names the columns. Every value is a string as it stands."""
    import pyarrow as pa
    from pyarrow import csv

    def opened(names: list[str]) -> csv.CSVStreamingReader:
        return stack.enter_context(
            csv.open_csv(
                _core.DecompressedFile(path, reading=reading),
                parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        )

    names = opened([]).schema.names
    reader = opened(names)
    return pa.schema([(name, pa.string()) for name in names]), lambda _: iter(reader)


@contextmanager
def refusals(where: str, pa: Any) -> Iterator[None]:
    """Turns what pyarrow refuses into an `InputError`; `where` begins the message."""
    try:
        yield
    except MemoryError:  # to pyarrow it is one of its own
        raise
    except pa.ArrowException as error:
        raise InputError(f"{where}: {error}") from error


@contextmanager
def arrow_errors(path: Path, pa: Any) -> Iterator[None]:
    """Turns what pyarrow raises into this package's errors, with the file's name."""
    try:
        with refusals(str(path), pa):
            yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the name of a column is not UTF-8") from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        if error.errno is None:
            raise InputError(f"{path}: {error}") from error
        raise StorageError(error.errno, error.strerror, str(path)) from error


def batches_of_object(source: Any, column: str | None) -> Iterator[Batch]:
    """The values of a string column in memory, batch by batch.

    Raises:
        MissingExtraError: without pyarrow.
        OptionError: for a column that is not there, and for none named where several hold strings.
        InputError: for a column that holds no strings.
    """
    kind = type(source).__name__
    pa = _pyarrow(kind)
    where = f"{kind}: the column" if column is None else f"{kind}: column {column!r}"
    with refusals(where, pa):
        for chunk in _chunks(source, column, pa):
            yield from batches_of_column(chunk, where)


def large_strings(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], null: NDArray[np.bool_] | None = None
) -> pa.LargeStringArray:
    """The values between offsets, shape (n + 1,), of UTF-8 data; null where `null`, shape (n,), says so."""
    import pyarrow as pa

    n = len(offsets) - 1
    if null is None or not null.any():
        return pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data))
    bits = pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data), bits)


def nulls(batches: Iterable[Batch]) -> NDArray[np.bool_]:
    """A mask of the values that are null, shape (n,)."""
    return np.concatenate([np.empty(0, np.bool_), *map(_nulls, batches)])


def _nulls(batch: Batch) -> NDArray[np.bool_]:
    offsets, _, validity, start = batch
    n = len(offsets) - 1
    return np.zeros(n, np.bool_) if validity is None else ~_valid(validity, start, n)


def _valid(bits: NDArray[np.uint8], start: int, n: int) -> NDArray[np.bool_]:
    """Bits of a bitmap, from one of its first byte on."""
    return np.unpackbits(bits, count=start + n, bitorder="little")[start:].view(np.bool_)


def _bitmap(values: pa.Array) -> NDArray[np.uint8] | None:
    """The bitmap of what is not null, from the byte on that holds the first value; it is at `offset % 8` there."""
    validity = values.buffers()[0]
    return None if validity is None else np.frombuffer(validity, np.uint8)[values.offset // 8 :]


def _chunks(source: Any, column: str | None, pa: Any) -> Iterator[pa.Array]:
    if _are_splits(source):
        for split in source.values():
            yield from _chunks(split, column, pa)
        return
    if _is_dataset(source) and type(source).__name__.startswith("Iterable"):
        yield from _streamed(source, column, pa)
        return
    if _is_dataset(source):
        source = _dataset_column(source, column)
    if hasattr(source, "__arrow_c_stream__"):
        yield from _stream(source, column, pa)
        return
    array = pa.array(source)
    if pa.types.is_struct(array.type):
        batch = pa.RecordBatch.from_struct_array(array)
        yield batch.column(choose(batch.schema, column, "the source"))
    else:
        yield array


def _stream(source: Any, column: str | None, pa: Any) -> Iterator[pa.Array]:
    if not isinstance(source, pa.ChunkedArray):
        try:
            reader = pa.RecordBatchReader.from_stream(source)
        except pa.ArrowInvalid:  # a stream of arrays, not of batches: a polars Series, for one
            source = pa.chunked_array(source)
        else:
            name = choose(reader.schema, column, "the source")
            for batch in reader:
                yield batch.column(name)
            return
    yield from source.chunks


def _streamed(source: Any, column: str | None, pa: Any) -> Iterator[pa.Array]:
    """A column of a streaming dataset, as it comes; what raises in its making comes through."""
    if type(source).__name__ == "IterableColumn":
        source, column = _owner(source), source.column_name
    if source.features is not None:
        column = choose(source.features.arrow_schema, column, "the dataset")
        source = source.select_columns([column])
    # By way of Python: Arrow data of its own has a type for each row where rows come one by one, and None another one.
    for batch in source.with_format(None).iter(batch_size=_STREAMED):
        table = pa.table({name: values for name, values in batch.items() if column in (None, name)})
        column = choose(table.schema, column, "the dataset")
        yield from table[column].chunks


_STREAMED = 1 << 12
"""Rows of a streaming dataset that are waited for at a time."""


def _owner(column: Any) -> Any:
    """The dataset that a column belongs to."""
    if not _is_dataset(column.source) or "Column" in type(column.source).__name__:
        raise InputError("a column within a dataset's column: give the column itself")
    return column.source


def _dataset_column(source: Any, column: str | None) -> Any:
    """A dataset's own Arrow data, in the order of its rows."""
    if type(source).__name__ == "Column":
        _owner(source)
        return source.source.with_format("arrow")[source.column_name][:]
    name = choose(source.features.arrow_schema, column, "the dataset")
    return source.with_format("arrow")[name][:]


def choose(schema: pa.Schema, column: str | None, where: str) -> str:
    """The column asked for, or else the one called "text", or the only one of strings."""
    listed = ", ".join(f"{field.name!r} ({field.type})" for field in schema)
    if column is not None:
        if schema.names.count(column) != 1:
            raise OptionError(f"{where}: no column {column!r}, or several; its columns are {listed}")
        return column
    names = [field.name for field in schema if _holds_strings(field.type)]
    names = names or [field.name for field in schema if _holds_bytes(field.type)]
    if names.count(TEXT_COLUMN) == 1:
        return TEXT_COLUMN
    if len(names) != 1:
        raise OptionError(f"{where}: the option column must say which one to read; its columns are {listed}")
    return str(names[0])


def _holds_strings(kind: pa.DataType) -> bool:
    import pyarrow as pa

    values = _value_type(kind)
    return values in (pa.string(), pa.large_string()) or str(values) == "string_view"


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    values = _value_type(kind)
    is_fixed = pa.types.is_fixed_size_binary(values) and type(values) is pa.FixedSizeBinaryType
    return values in (pa.binary(), pa.large_binary()) or str(values) == "binary_view" or is_fixed


def _value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary or of runs; of others the type itself."""
    import pyarrow as pa

    wraps = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
    return _value_type(kind.value_type) if wraps else kind


def check_strings(kind: pa.DataType, where: str) -> None:
    """Refuses columns of what is neither text, nor bytes that may be text, nor null throughout.

    Raises:
        InputError: `where` begins the message.
    """
    import pyarrow as pa

    if not (_holds_strings(kind) or _holds_bytes(kind) or pa.types.is_null(kind)):
        raise InputError(f"{where} holds {kind}, not strings")


def batches_of_column(values: pa.Array, where: str) -> Iterator[Batch]:
    """The values of a string column of pyarrow, batch by batch.

    Raises:
        InputError: for a column that holds no strings; `where` begins the message.
    """
    import pyarrow as pa

    check_strings(values.type, where)
    with refusals(where, pa):
        n_null = 0
        is_dictionary = pa.types.is_dictionary(values.type)
        if is_dictionary:
            _validate(values)  # at one stretch: each part has the whole dictionary
        for start in range(0, len(values), ROWS):
            part = values.slice(start, ROWS)
            if not is_dictionary:
                _validate(part)
            n_null += _n_null(part)
            yield _buffers(_plain(part, pa))
        if n_null != values.null_count:
            raise InputError(f"{where}: {n_null} values are null, and it says {values.null_count}")


def _validate(values: pa.Array) -> None:
    """Refuses values whose buffers are not what their layout says: a file, or whoever made them, may say anything.

    Of offsets and text every value is looked at by the compiled half; of all other layouts Arrow looks at all here,
    before it follows what they point to.
    """
    import pyarrow as pa

    checked_later = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    values.validate(full=values.type not in checked_later)


def _n_null(values: pa.Array) -> int:
    """How many values the bitmap says are null, whatever is said beside it."""
    import pyarrow as pa

    bits = _bitmap(values)
    if bits is None:
        return len(values) if pa.types.is_null(values.type) else 0
    return len(values) - int(np.count_nonzero(_valid(bits, values.offset % 8, len(values))))


def _plain(values: pa.Array, pa: Any) -> pa.Array:
    """The values in a layout of offsets and data. What was no string need not be UTF-8: the reader checks all."""
    if values.type in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        return values
    if pa.types.is_run_end_encoded(values.type):
        import pyarrow.compute

        return _plain(pyarrow.compute.run_end_decode(values), pa)
    if pa.types.is_dictionary(values.type):
        # Arrow takes no values out of a dictionary of views.
        words = _plain(values.dictionary, pa).cast(pa.large_binary())
        values = pa.DictionaryArray.from_arrays(values.indices, words)
    if str(values.type) in ("string_view", "binary_view"):
        values = _without_hidden_views(values, pa)
    return values.cast(pa.large_binary())


def _without_hidden_views(values: pa.Array, pa: Any) -> pa.Array:
    """An array of views, of which the nulls view nothing.

    What stands where a value is null may be anything, and is not validated, rightly; but `cast` follows it (pyarrow
    25), out of bounds.
    """
    bits, n = _bitmap(values), len(values)
    if bits is None:
        return values
    _, views, *data = values.buffers()
    valid = _valid(bits, values.offset % 8, n)
    rows = np.frombuffer(views, np.dtype((np.void, 16)), n, 16 * values.offset).copy()
    rows[~valid] = np.zeros(1, rows.dtype)
    bitmap = np.packbits(valid, bitorder="little")
    return pa.Array.from_buffers(values.type, n, [pa.py_buffer(bitmap), pa.py_buffer(rows), *data])


def _buffers(values: pa.Array) -> Batch:
    import pyarrow as pa

    _, offsets, data = values.buffers()
    kind = np.dtype(np.int32 if values.type in (pa.string(), pa.binary()) else np.int64)
    bounds = np.frombuffer(offsets, kind, len(values) + 1, values.offset * kind.itemsize)
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    bits = None if values.null_count == 0 else _bitmap(values)
    # A buffer from a foreign producer may stand at any address.
    return np.require(bounds, requirements="A"), text, bits, values.offset % 8


def strings(batches: Iterable[Batch], *, nulls: bool = False) -> Iterator[str]:
    """The values as Python strings, without the nulls, or with `nulls` as the empty string for each.

    Raises:
        InputError: for a value that is not UTF-8.
    """
    for batch in batches:
        offsets, data, _, _ = batch
        for i, null in enumerate(_nulls(batch)):
            if null:
                if nulls:
                    yield ""
                continue
            try:
                yield data[offsets[i] : offsets[i + 1]].tobytes().decode()
            except UnicodeDecodeError:
                raise InputError("a value of the column is not UTF-8") from None


def column_of(rows: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    """A column of a table in one piece, as another type.

    Raises:
        InputError: for a name that is not there, or several times; for values that have no such type; for nulls.
    """
    import pyarrow as pa

    if rows.schema.names.count(name) != 1:
        raise InputError(f"no column {name!r}, or several; there are {rows.schema.names}")
    with refusals(f"column {name!r} cannot be {kind}", pa):
        values = rows[name].cast(kind).combine_chunks()
    if values.null_count:
        raise InputError(f"column {name!r} holds {values.null_count} nulls")
    return values


def bytes_of_values(
    values: pa.LargeStringArray | pa.LargeBinaryArray,
) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """The bytes of all values, and their offsets from 0, shape (n + 1,): views, not copies, of the bytes."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(values) + 1, values.offset * 8)
    first, last = int(bounds[0]), int(bounds[-1])
    return np.frombuffer(data or b"", np.uint8)[first:last], (bounds - first).astype(np.uint64)


def _pyarrow(what: str) -> Any:
    return require(what, "pyarrow", "pyarrow.ipc")
