"""Files of lines, JSON lines and tables, as commands write them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from una_fast.arrow import arrow_errors, named_format
from una_fast.cli.terminal import TerminalBytes
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.files import replacing
from una_fast.sources import JSON_LINES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["binary_output", "table_writer", "written_format"]


def written_format(output: Path | None) -> str | None:
    """The format that a name promises: "json", or that of a table; None is any lines."""
    if output is None:
        return None
    plain = output.with_suffix("") if output.suffix in _COMPRESSORS else output
    return "json" if plain.suffix.lower() in JSON_LINES else named_format(plain)


def table_writer(
    kind: str, schema: pa.Schema, output: Path | None, stack: ExitStack
) -> Callable[[pa.RecordBatch], None]:
    """What writes the batches of a table as "json", "csv", "tsv", "parquet" or "ipc"; closed with the stack."""
    arrow = require(f"{output or kind}", "pyarrow")
    if kind == "json":
        file = binary_output(output, stack)
        return lambda batch: _write_objects(batch, file)
    writer = _arrow_writer(kind, schema, output, stack)

    def write(batch: pa.RecordBatch) -> None:
        with arrow_errors(output or Path("standard output"), arrow):
            writer.write(batch)

    return write


def _arrow_writer(kind: str, schema: pa.Schema, output: Path | None, stack: ExitStack) -> Any:
    if kind in ("csv", "tsv"):
        from pyarrow import csv

        how = csv.WriteOptions(delimiter="," if kind == "csv" else "\t", quoting_style="needed")
        return stack.enter_context(csv.CSVWriter(binary_output(output, stack), schema, write_options=how))
    partial = stack.enter_context(replacing(cast("Path", output)))
    if kind == "parquet":
        import pyarrow.parquet as pq

        return stack.enter_context(pq.ParquetWriter(partial, schema))
    import pyarrow as pa

    opened = pa.ipc.new_stream if output is not None and output.suffix == ".arrows" else pa.ipc.new_file
    return stack.enter_context(opened(str(partial), schema))


def _write_objects(batch: pa.RecordBatch, file: BinaryIO) -> None:
    try:
        lines = [json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in batch.to_pylist()]
    except TypeError as error:
        raise InputError(f"JSON lines cannot hold what a column has: {error}") from error
    file.write("".join(lines).encode())


def _plain(value: object) -> str:
    if isinstance(value, date | time | Decimal):  # a datetime is a date
        return str(value)
    raise TypeError(f"a value is {type(value).__name__}")


def _gzip(file: BinaryIO) -> AbstractContextManager[Any]:
    # Neither name nor time, so that the same negatives are the same bytes.
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)


def _bzip2(file: BinaryIO) -> AbstractContextManager[Any]:
    return bz2.BZ2File(file, "wb")


def _xz(file: BinaryIO) -> AbstractContextManager[Any]:
    return lzma.LZMAFile(file, "wb")


_COMPRESSORS = {".gz": _gzip, ".bz2": _bzip2, ".xz": _xz}


def binary_output(output: Path | None, stack: ExitStack) -> BinaryIO:
    """A file to write bytes to, packed as its name says and whole or absent; None is standard output."""
    if output is None:
        stack.callback(sys.stdout.buffer.flush)
        out = cast("BinaryIO", sys.stdout.buffer)
        return cast("BinaryIO", TerminalBytes(out)) if sys.stdout.isatty() else out
    if output.suffix in (".zst", ".zstd"):
        raise OptionError(f"{output}: zstd is read and not written: name a .gz, .bz2 or .xz")
    partial = stack.enter_context(replacing(output))
    file = stack.enter_context(open(partial, "wb"))  # noqa: SIM115  # the stack closes it before the renaming
    compressed = _COMPRESSORS.get(output.suffix)
    return file if compressed is None else cast("BinaryIO", stack.enter_context(compressed(file)))
