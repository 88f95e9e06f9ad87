"""`una-fast augment`: sentences into hard negatives, in order, from and to files of several kinds."""

from __future__ import annotations

import argparse
import bz2
import gzip
import lzma
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from una_fast import _core
from una_fast import shared_options as same
from una_fast.arrow import (
    arrow_errors,
    batches_of_column,
    choose,
    large_strings,
    named_format,
    nulls,
    opened_table,
    table_format,
)
from una_fast.cli.options import NegativeOptions, ReadOptions, tell_missing, tell_window
from una_fast.cli.terminal import TerminalBytes
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.files import check_apart, replacing
from una_fast.options import add_options, option
from una_fast.progress import counting
from una_fast.sources import JSON_LINES

if TYPE_CHECKING:
    from una_fast.augment import Augmenter, AugmentStats
    from una_fast.sources import Reading


@dataclass(frozen=True, kw_only=True)
class AugmentOptions(NegativeOptions, ReadOptions):
    """The options of `una-fast augment`."""

    table: Path = option(help="A table made by una-fast fit.", group="text", positional=True)
    input: str = option(
        "-", "Any file that una-fast fit reads, or - for standard input.", group="text", positional=True
    )
    epoch: int = option(0, "Pass over the corpus.", group="negatives", least=0, below=2**64)
    view: int = option(
        0, "Which of several negatives of a row is made.", group="negatives", least=0, below=2**32
    )
    output: Path | None = option(
        same.OUTPUT, "File of the same kind to write; by default standard output.", metavar="FILE"
    )
    negative_field: str = option("negative", "Field or column to add.", group="output")
    stats: bool = option(False, "Tell on standard error how much was really replaced.", group="output")
    quiet: bool = option(same.QUIET)
    threads: int | None = option(same.THREADS)

    def progress(self) -> bool:
        """True where a progress bar has someone to look at it."""
        return not self.quiet and sys.stderr.isatty()


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "augment",
        help="make hard negatives of sentences",
        usage="una-fast augment TABLE [INPUT] [--output FILE] [options]",
        description="Make one negative a sentence, in order. Text is one sentence a line: line n out belongs to line n "
        "in, and its number, counted from 0, is its row; empty lines stay empty. JSON lines come out with one more "
        "field, and a table (.parquet, .arrow, .feather, .csv, .tsv) with one more column; all else stays as it is.",
    )
    add_options(parser, AugmentOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Streams the input to the output in batches."""
    from una_fast.table import TermTable

    options = AugmentOptions.from_arguments(args)
    inputs = [options.table, options.protect, None if options.input == "-" else Path(options.input)]
    check_apart([path for path in inputs if path is not None], {"--output": options.output})
    table = TermTable.load(options.table, tokenizer=options.given_tokenizer())
    maker = options.augmenter(table, threads=options.threads)
    tell_missing(maker, options)
    tell_window(maker)
    with ExitStack() as stack:
        tick = stack.enter_context(counting("augmenting", None, show=options.progress()))
        stats = None
        for more in _made(maker, options, stack):
            stats = more if stats is None else stats + more
            if tick is not None:
                tick(0, stats.sentences)
    if options.stats and stats is not None:
        print(stats, file=sys.stderr)
    return 0


def _made(maker: Augmenter, options: AugmentOptions, stack: ExitStack) -> Iterator[AugmentStats]:
    """Augments the input, batch by batch."""
    how = options.reading()
    kind = None if options.input == "-" else table_format(Path(options.input))
    written = None if options.output is None else _written_format(options.output)
    if kind is None:
        if how.column is not None:
            raise OptionError(
                f"--column {how.column} names a column of a table, and {_name(options)} holds lines of text"
            )
        if written not in (None, "json"):
            raise OptionError(f"{_name(options)} holds lines, and {options.output} is the name of a table")
        return _lines(maker, how, options, stack)
    if how.text_field is not None:
        raise OptionError(
            f"--text-field {how.text_field} names a field of JSON lines, and {options.input} holds a table: "
            "give --column"
        )
    written = written if options.output is not None else kind
    if written in (None, "json"):
        raise OptionError(f"{options.input} holds a table, and {options.output} is the name of no table")
    if options.output is None and kind not in ("csv", "tsv"):
        raise OptionError(f"{options.input} holds a table: it needs a file to write (-o)")
    return _table(maker, how, str(written), options, stack)


def _name(options: AugmentOptions) -> str:
    return "standard input" if options.input == "-" else options.input


def _lines(
    maker: Augmenter, how: Reading, options: AugmentOptions, stack: ExitStack
) -> Iterator[AugmentStats]:
    """Augments lines, or the objects in them, block by block."""
    if options.input == "-":
        stream = sys.stdin.buffer
        lines = _core.Lines.of_stream(stream, name="standard input", reading=how.core)
    else:
        lines = _core.Lines.of_file(options.input, reading=how.core)
    if not lines.json and options.output is not None and _written_format(options.output) == "json":
        raise OptionError(
            f"{_name(options)} holds plain text, and {options.output} is the name of JSON lines"
        )
    if lines.json and options.output is not None and options.output.suffix == ".txt":
        raise OptionError(
            f"{_name(options)} holds JSON lines, and {options.output} is the name of plain text"
        )
    out, first = _binary_output(options.output, stack), 0
    for block in lines:
        rows = range(first, first + len(block))
        try:
            offsets, data, stats = maker._augment_batches(
                [block.batch()], rows=rows, epoch=options.epoch, view=options.view
            )
        except InputError as error:
            raise InputError(f"{_name(options)}: lines from {first + 1}: {error}") from error
        out.write(
            block.objects(options.negative_field, offsets, data) if lines.json else block.lines(offsets, data)
        )
        first += len(block)
        yield stats


def _table(
    maker: Augmenter, how: Reading, written: str, options: AugmentOptions, stack: ExitStack
) -> Iterator[AugmentStats]:
    """Augments a column, batch by batch; the others pass as they are."""
    pa, path = require(options.input, "pyarrow"), Path(options.input)
    with arrow_errors(path, pa):
        schema, batches = stack.enter_context(opened_table(path, how.core))
        names, name = schema.names, choose(schema, how.column, options.input)
    if options.negative_field in names:
        raise OptionError(
            f"{options.input} has a column {options.negative_field!r}: name another for the negatives"
        )
    field = pa.field(options.negative_field, pa.string())
    writer = _table_writer(written, schema.append(field), options.output, stack)
    source, first = batches(None), 0
    while True:
        with arrow_errors(path, pa):
            batch = next(source, None)
        if batch is None:
            return
        where, rows = f"{options.input}: column {name!r}", range(first, first + len(batch))
        with arrow_errors(path, pa):
            values = list(batches_of_column(batch.column(name), where))
        try:
            offsets, data, stats = maker._augment_batches(
                values, rows=rows, epoch=options.epoch, view=options.view
            )
        except InputError as error:
            raise InputError(f"{where}, rows from {first}: {error}") from error
        negatives = large_strings(offsets, data, nulls(values)).cast(pa.string())
        with arrow_errors(options.output or Path("standard output"), pa):
            writer.write_batch(batch.append_column(field, negatives))
        first += len(batch)
        yield stats


def _table_writer(kind: str, schema: Any, output: Path | None, stack: ExitStack) -> Any:
    """A writer of a table of that format, to be closed with the stack."""
    if kind in ("csv", "tsv"):
        from pyarrow import csv

        how = csv.WriteOptions(delimiter="," if kind == "csv" else "\t", quoting_style="needed")
        return stack.enter_context(csv.CSVWriter(_binary_output(output, stack), schema, write_options=how))
    partial = stack.enter_context(replacing(cast("Path", output)))
    if kind == "parquet":
        import pyarrow.parquet as pq

        return stack.enter_context(pq.ParquetWriter(partial, schema))
    import pyarrow as pa

    opened = pa.ipc.new_stream if output is not None and output.suffix == ".arrows" else pa.ipc.new_file
    return stack.enter_context(opened(str(partial), schema))


def _written_format(output: Path) -> str | None:
    """The format that a name promises: "json", or that of a table; None is any lines."""
    plain = output.with_suffix("") if output.suffix in _COMPRESSORS else output
    return "json" if plain.suffix.lower() in JSON_LINES else named_format(plain)


def _gzip(file: BinaryIO) -> AbstractContextManager[Any]:
    # Neither name nor time, so that the same negatives are the same bytes.
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)


def _bzip2(file: BinaryIO) -> AbstractContextManager[Any]:
    return bz2.BZ2File(file, "wb")


def _xz(file: BinaryIO) -> AbstractContextManager[Any]:
    return lzma.LZMAFile(file, "wb")


_COMPRESSORS = {".gz": _gzip, ".bz2": _bzip2, ".xz": _xz}


def _binary_output(output: Path | None, stack: ExitStack) -> BinaryIO:
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
