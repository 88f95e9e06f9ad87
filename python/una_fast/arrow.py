"""String columns, in memory and on disk, as runs of bytes: pyarrow reads them, and no Python string is made.

Anything with `__arrow_c_stream__` or `__arrow_c_array__` is a column, or a table that holds one; so is the column of a
Hugging Face dataset, and a Parquet or Arrow IPC file. Strings, large strings, string views and dictionaries of them
are read alike. pyarrow is imported when the first of them is met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.extras import require

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "ArrowArray",
    "ArrowStream",
    "Batch",
    "arrow_errors",
    "batches_of_file",
    "batches_of_object",
    "bytes_of_strings",
    "column_of",
    "is_column",
    "is_column_file",
    "large_strings",
    "nulls",
    "strings",
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


PARQUET = (".parquet", ".pq")
IPC = (".arrow", ".arrows", ".feather", ".ipc")
ROWS = 1 << 16
"""Rows handled at a time; it shows in no result."""


def is_column_file(path: Path) -> bool:
    """Returns true for a file name that is read through pyarrow."""
    return path.suffix.lower() in PARQUET + IPC


def is_column(source: object) -> bool:
    """Returns true for an object that holds strings in Arrow's layout."""
    return (
        hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__") or _is_dataset(source)
    )


def _is_dataset(source: object) -> bool:
    kind = type(source)
    return kind.__module__ == "datasets.arrow_dataset" and kind.__name__ in ("Column", "Dataset")


def batches_of_file(path: Path, column: str | None) -> Iterator[Batch]:
    """The values of a Parquet or Arrow IPC file's string column, batch by batch.

    Raises:
        MissingExtraError: without pyarrow.
        OptionError: for a column that is not there, and for none named where several hold strings.
        InputError: for a file that pyarrow cannot make sense of.
        StorageError: for a file that cannot be read.
    """
    pa = _pyarrow(path.name)
    with arrow_errors(path, pa):
        for chunk in _parquet(path, column) if path.suffix.lower() in PARQUET else _ipc(path, column, pa):
            yield from _batches(chunk, pa)


def _parquet(path: Path, column: str | None) -> Iterator[pa.Array]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        name = _choose(file.schema_arrow, column, str(path))
        for batch in file.iter_batches(ROWS, columns=[name]):
            yield batch.column(name)


def _ipc(path: Path, column: str | None, pa: Any) -> Iterator[pa.Array]:
    with pa.memory_map(str(path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        name = _choose(reader.schema, column, str(path))
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
        for batch in batches:
            yield batch.column(name)


@contextmanager
def arrow_errors(path: Path, pa: Any) -> Iterator[None]:
    """Turns what pyarrow raises into this package's errors, with the file's name."""
    try:
        yield
    except pa.ArrowException as error:
        raise InputError(f"{path}: {error}") from error
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
    pa = _pyarrow(type(source).__name__)
    try:
        for chunk in _chunks(source, column, pa):
            yield from _batches(chunk, pa)
    except pa.ArrowException as error:
        raise InputError(f"{type(source).__name__}: {error}") from error


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
    if validity is None:
        return np.zeros(n, np.bool_)
    valid: NDArray[np.uint8] = np.unpackbits(validity, count=start + n, bitorder="little")[start:]
    return ~valid.view(np.bool_)


def _chunks(source: Any, column: str | None, pa: Any) -> Iterator[pa.Array]:
    if _is_dataset(source):
        source = _dataset_column(source, column)
    if hasattr(source, "__arrow_c_stream__"):
        yield from _stream(source, column, pa)
        return
    array = pa.array(source)
    if pa.types.is_struct(array.type):
        batch = pa.RecordBatch.from_struct_array(array)
        yield batch.column(_choose(batch.schema, column, "the source"))
    else:
        yield array


def _stream(source: Any, column: str | None, pa: Any) -> Iterator[pa.Array]:
    if not isinstance(source, pa.ChunkedArray):
        try:
            reader = pa.RecordBatchReader.from_stream(source)
        except pa.ArrowInvalid:  # a stream of arrays, not of batches: a polars Series, for one
            source = pa.chunked_array(source)
        else:
            name = _choose(reader.schema, column, "the source")
            for batch in reader:
                yield batch.column(name)
            return
    yield from source.chunks


def _dataset_column(source: Any, column: str | None) -> Any:
    """A dataset's own Arrow data, in the order of its rows."""
    if type(source).__name__ == "Column":
        if type(source.source).__name__ != "Dataset":
            raise InputError("a column within a dataset's column: give the column itself")
        return source.source.with_format("arrow")[source.column_name][:]
    name = _choose(source.features.arrow_schema, column, "the dataset")
    return source.with_format("arrow")[name][:]


def _choose(schema: pa.Schema, column: str | None, where: str) -> str:
    """The column asked for, or else the only one of strings."""
    listed = ", ".join(f"{field.name!r} ({field.type})" for field in schema)
    if column is not None:
        if schema.names.count(column) != 1:
            raise OptionError(f"{where}: no column {column!r}, or several; its columns are {listed}")
        return column
    names = [field.name for field in schema if _holds_strings(field.type)]
    if len(names) != 1:
        raise OptionError(f"{where}: column= must say which column to read; its columns are {listed}")
    return str(names[0])


def _holds_strings(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _holds_strings(kind.value_type)
    return kind in (pa.string(), pa.large_string()) or str(kind) == "string_view"


def _batches(values: pa.Array, pa: Any) -> Iterator[Batch]:
    if not (_holds_strings(values.type) or pa.types.is_null(values.type)):
        raise InputError(f"the column holds {values.type}, not strings")
    for start in range(0, len(values), ROWS):
        yield _buffers(_plain(values.slice(start, ROWS), pa))


def _plain(values: pa.Array, pa: Any) -> pa.Array:
    """The values as strings or large strings, whose layout is offsets and data."""
    if values.type in (pa.string(), pa.large_string()):
        return values
    if pa.types.is_dictionary(values.type):
        # Arrow takes no values out of a dictionary of views.
        words = values.dictionary.cast(pa.large_string())
        values = pa.DictionaryArray.from_arrays(values.indices, words)
    return values.cast(pa.large_string())


def _buffers(values: pa.Array) -> Batch:
    import pyarrow as pa

    validity, offsets, data = values.buffers()
    kind = np.dtype(np.int32 if values.type == pa.string() else np.int64)
    bounds = np.frombuffer(offsets, kind, len(values) + 1, values.offset * kind.itemsize)
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    bits = None if values.null_count == 0 else np.frombuffer(validity, np.uint8)
    # A buffer from a foreign producer may stand at any address.
    return np.require(bounds, requirements="A"), text, bits, values.offset


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
    try:
        values = rows[name].cast(kind).combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"column {name!r} cannot be {kind}: {error}") from error
    if values.null_count:
        raise InputError(f"column {name!r} holds {values.null_count} nulls")
    return values


def bytes_of_strings(values: pa.LargeStringArray) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """The UTF-8 of all values, and their offsets from 0, shape (n + 1,): views, not copies, of the bytes."""
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(values) + 1, values.offset * 8)
    first, last = int(bounds[0]), int(bounds[-1])
    return np.frombuffer(data or b"", np.uint8)[first:last], (bounds - first).astype(np.uint64)


def _pyarrow(what: str) -> Any:
    return require(what, "pyarrow", "pyarrow.ipc")
