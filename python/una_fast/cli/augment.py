"""`una-fast augment`: sentences into hard negatives, in order, from and to files of several kinds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from una_fast import _core
from una_fast import shared_options as same
from una_fast.arrow import (
    Batch,
    arrow_errors,
    batches_of_column,
    choose,
    large_strings,
    nulls,
    opened_table,
    table_format,
)
from una_fast.cli.options import FileOption, NegativeOptions, ReadOptions, tell_missing, tell_window
from una_fast.cli.written import binary_output, table_writer, written_format
from una_fast.datasets import NEGATIVE, columns_of_views
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.files import check_apart
from una_fast.hard_negatives import POSITIVE, laid_out, names_of
from una_fast.options import add_options, option
from una_fast.progress import counting
from una_fast.sources import TEXT_FIELD

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
    epoch: int = option(
        0,
        "Another number, another negative; training uses 0, 1, 2 ... for its passes.",
        group="negatives",
        least=0,
        below=2**64,
    )
    view: int = option(
        0,
        "Number of the negative, from 0: another number gives another negative of the same sentence.",
        group="negatives",
        least=0,
        below=2**32,
    )
    views: int = option(
        1,
        "Negatives of a sentence, made in one run: this view and those after it.",
        group="negatives",
        least=1,
        below=2**32,
    )
    output: Path | None = option(
        same.OUTPUT,
        "File to write, of the same kind, or of JSON lines or a table where text comes in; by default standard output.",
        metavar="FILE",
    )
    negative_field: str = option(
        NEGATIVE, "Field or column to add; with several views NAME_1, NAME_2 and so on.", group="output"
    )
    format: Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"] | None = option(
        None,
        "Write rows of pairs with their negatives, as sentence-transformers' mine_hard_negatives lays them out.",
        more="The anchor is the sentence. The output is JSON lines or a table, whatever comes in.",
        group="output",
    )
    positive_column: str | None = option(
        None,
        "With --format: the column or field of positives; by default a sentence is its own positive.",
        group="text",
        metavar="NAME",
    )
    stats: bool = option(False, "Tell on standard error how much was really replaced.", group="output")
    json: bool = option(same.JSON, "Tell it as JSON.")
    quiet: bool = option(same.QUIET)
    threads: int | None = option(same.THREADS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format is None and self.positive_column is not None:
            raise OptionError("--positive-column has a use only with --format")
        if self.format is not None and self.negative_field != NEGATIVE:
            raise OptionError(f"--negative-field has no use with --format, which calls them {NEGATIVE!r}")
        if self.view + self.views > 1 << 32:
            raise OptionError(f"--view {self.view} and --views {self.views} go beyond 2**32")

    @property
    def negative_names(self) -> list[str]:
        """The fields or columns to add."""
        return columns_of_views(self.negative_field, self.views)

    @property
    def name(self) -> str:
        """The input, in messages."""
        return "standard input" if self.input == "-" else self.input

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
        "field, and a table (.parquet, .arrow, .feather, .csv, .tsv) with one more column; all else stays as it is. "
        "With --format rows of pairs with their negatives come out instead.",
    )
    add_options(parser, AugmentOptions, FileOption, from_file=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Streams the input to the output in batches."""
    from una_fast.table import TermTable

    options = AugmentOptions.from_command_line(args)
    inputs = [options.table, options.protect, None if options.input == "-" else Path(options.input)]
    check_apart([path for path in inputs if path is not None], {"--output": options.output})
    table = TermTable.load(options.table, tokenizer=options.given_tokenizer())
    maker = options.augmenter(table, threads=options.threads)
    tell_missing(maker, options)
    tell_window(maker)
    with ExitStack() as stack:
        tick = stack.enter_context(counting("augmenting", None, show=options.progress()))
        stats = None
        for more in _augmented(maker, options, stack):
            stats = more if stats is None else stats + more
            if tick is not None:
                tick(0, stats.sentences)
    if options.stats and stats is not None:
        print(json.dumps(asdict(stats)) if options.json else stats, file=sys.stderr)
    return 0


Columns: TypeAlias = "list[tuple[Any, Any]]"
"""Negatives, view by view, as offsets and data."""


def _augmented(maker: Augmenter, options: AugmentOptions, stack: ExitStack) -> Iterator[AugmentStats]:
    """Augments the input, batch by batch."""
    how = options.reading()
    kind = None if options.input == "-" else table_format(Path(options.input))
    if kind is None:
        if how.column is not None:
            raise OptionError(
                f"--column {how.column} names a column of a table, and {options.name} holds lines of text"
            )
        return _lines(maker, how, options, stack)
    if how.text_field is not None:
        raise OptionError(
            f"--text-field {how.text_field} names a field of JSON lines, and {options.input} holds a table: "
            "give --column"
        )
    return _table(maker, how, kind, options, stack)


def _negatives(
    maker: Augmenter, batches: list[Batch], first: int, options: AugmentOptions, where: str
) -> tuple[Columns, AugmentStats]:
    """The negatives of the rows from `first` on; `where` begins what is said of a fault."""
    rows = range(first, first + sum(len(offsets) - 1 for offsets, *_ in batches))
    columns, stats = [], None
    for view in range(options.view, options.view + options.views):
        try:
            offsets, data, more = maker._augment_batches(batches, rows=rows, epoch=options.epoch, view=view)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        columns.append((offsets, data))
        stats = more if stats is None else stats + more
    assert stats is not None
    return columns, stats


# Lines.


def _lines(
    maker: Augmenter, how: Reading, options: AugmentOptions, stack: ExitStack
) -> Iterator[AugmentStats]:
    """Augments lines, or the objects in them, block by block."""
    lines = _opened_lines(how, options)
    write = _line_writer(lines, how, options, stack)
    first = 0
    for block in lines:
        batch = block.batch()
        where = f"{options.name}: lines from {first + 1}"
        columns, stats = _negatives(maker, [batch], first, options, where)
        write(block, batch, columns)
        first += len(block)
        yield stats


def _opened_lines(how: Reading, options: AugmentOptions) -> _core.Lines:
    if options.input == "-":
        return _core.Lines.of_stream(sys.stdin.buffer, name="standard input", reading=how.core)
    return _core.Lines.of_file(options.input, reading=how.core)


def _line_writer(lines: _core.Lines, how: Reading, options: AugmentOptions, stack: ExitStack) -> Any:
    """What writes a block, given its sentences and their negatives."""
    written = written_format(options.output)
    if options.format is not None:
        return _pair_writer(lines, how, options, stack)
    if lines.json:
        if written not in (None, "json") or (options.output is not None and options.output.suffix == ".txt"):
            raise OptionError(
                f"{options.name} holds JSON lines, and {options.output} is the name of "
                f"{'a table, which may not hold their other fields' if written else 'plain text'}: name the output "
                ".jsonl, or say by --format what it is to hold"
            )
        out = binary_output(options.output, stack)
        names = options.negative_names
        return lambda block, _, columns: out.write(
            block.objects([(name, *column) for name, column in zip(names, columns, strict=True)])
        )
    if written is not None:
        return _column_writer(written, options, stack)
    if options.views > 1:
        raise OptionError(
            f"{options.name} holds plain text, which has one negative a line: for {options.views} views name an output "
            "of JSON lines or a table, such as -o negatives.jsonl"
        )
    out = binary_output(options.output, stack)
    return lambda block, _, columns: out.write(block.lines(*columns[0]))


def _column_writer(written: str, options: AugmentOptions, stack: ExitStack) -> Any:
    """Writes plain text as a column beside its negatives."""
    pa = require(str(options.output), "pyarrow")
    names = [TEXT_FIELD, *options.negative_names]
    if len(set(names)) < len(names):
        raise OptionError(f"--negative-field {options.negative_field} is the column of the sentences")
    write = table_writer(written, pa.schema([(name, pa.string()) for name in names]), options.output, stack)

    def write_block(_: _core.LineBlock, batch: Batch, columns: Columns) -> None:
        arrays = [_strings([batch], pa), *(large_strings(*column, nulls([batch])) for column in columns)]
        write(pa.record_batch([array.cast(pa.string()) for array in arrays], names=names))

    return write_block


def _pair_writer(lines: _core.Lines, how: Reading, options: AugmentOptions, stack: ExitStack) -> Any:
    """Writes pairs with their negatives; lines without a sentence, or without a positive, leave no row."""
    anchor = (how.text_field or TEXT_FIELD) if lines.json else TEXT_FIELD
    second = options.positive_column
    if second is not None and (not lines.json or options.input == "-"):
        reason = "is read a second time for them" if lines.json else "has no fields"
        raise OptionError(
            f"--positive-column {second}: {options.name} {reason}: give a file of JSON lines or a table"
        )
    positives = None
    if second is not None:
        reading = replace(options, text_field=second).reading()
        positives = iter(_core.Lines.of_file(options.input, reading=reading.core))
    write = _layout_writer(anchor, second, options, stack)

    def write_block(block: _core.LineBlock, batch: Batch, columns: Columns) -> None:
        other = batch
        if positives is not None:
            beside = next(positives)
            other = beside.batch()
            if len(beside) != len(block):
                raise InputError(f"{options.name}: it changed while it was read")
        write([batch], [other], columns)

    return write_block


def _layout_writer(anchor: str, second: str | None, options: AugmentOptions, stack: ExitStack) -> Any:
    """Writes anchors, positives and their negatives in the format asked for."""
    pa = require("--format", "pyarrow")
    assert options.format is not None
    if second is None and anchor == POSITIVE:
        raise OptionError(
            f"the sentences stand in {anchor!r}, where their positives are to stand: give --positive-column"
        )
    types = names_of(options.format, anchor, second or POSITIVE, options.views)
    schema = pa.schema(
        [
            (name, pa.list_(_type(kind[0], pa)) if isinstance(kind, list) else _type(kind, pa))
            for name, kind in types.items()
        ]
    )
    written = written_format(options.output)
    if written is None and options.output is not None:
        raise OptionError(
            f"--format {options.format} is written as JSON lines or a table: {options.output} names neither"
        )
    if written in ("csv", "tsv") and options.format == "labeled-list":
        raise OptionError(f"--format labeled-list has lists, which {options.output} cannot hold")
    write = table_writer(written or "json", schema, options.output, stack)

    def write_rows(anchors: list[Batch], positives: list[Batch], columns: Columns) -> None:
        absent = [nulls(batches) | _empty(batches) for batches in (anchors, positives)]
        kept = pa.array(~(absent[0] | absent[1]))
        texts = [_strings(batches, pa) for batches in (anchors, positives)]
        arrays = [array.filter(kept) for array in (*texts, *(large_strings(*column) for column in columns))]
        table = laid_out(str(options.format), arrays[0], arrays[1], arrays[2:], list(types))
        for batch in table.cast(schema).to_batches():
            write(batch)

    return write_rows


def _type(name: str, pa: Any) -> Any:
    return pa.string() if name == "string" else pa.int64()


def _strings(batches: list[Batch], pa: Any) -> Any:
    """The sentences of batches in one piece, as large strings."""
    arrays = [large_strings(batch[0].astype(np.int64), batch[1], nulls([batch])) for batch in batches]
    return pa.concat_arrays(arrays) if arrays else pa.array([], pa.large_string())


def _empty(batches: list[Batch]) -> Any:
    """A mask of the sentences without a byte, shape (n,)."""
    return np.concatenate([np.empty(0, np.bool_), *(np.diff(offsets) == 0 for offsets, *_ in batches)])


# Tables.


def _table(
    maker: Augmenter, how: Reading, kind: str, options: AugmentOptions, stack: ExitStack
) -> Iterator[AugmentStats]:
    """Augments a column, batch by batch; the others pass as they are."""
    pa, path = require(options.input, "pyarrow"), Path(options.input)
    with arrow_errors(path, pa):
        schema, batches = stack.enter_context(opened_table(path, how.core))
        name = choose(schema, how.column, options.input)
        second = (
            None
            if options.positive_column is None
            else choose(schema, options.positive_column, options.input)
        )
    write = _table_batch_writer(schema, kind, name, second, options, stack)
    source, first = batches(None), 0
    while True:
        with arrow_errors(path, pa):
            batch = next(source, None)
        if batch is None:
            return
        values = _values(batch, name, options)
        where = f"{options.input}: column {name!r}, rows from {first}"
        columns, stats = _negatives(maker, values, first, options, where)
        write(batch, values, columns)
        first += len(batch)
        yield stats


def _values(batch: Any, name: str, options: AugmentOptions) -> list[Batch]:
    with arrow_errors(Path(options.input), require(options.input, "pyarrow")):
        return list(batches_of_column(batch.column(name), f"{options.input}: column {name!r}"))


def _table_batch_writer(
    schema: Any, kind: str, name: str, second: str | None, options: AugmentOptions, stack: ExitStack
) -> Any:
    """What writes a batch, given its sentences and their negatives."""
    pa = require(options.input, "pyarrow")
    if options.format is not None:
        write_pairs = _layout_writer(name, second, options, stack)
        return lambda batch, values, columns: write_pairs(
            values, values if second is None else _values(batch, second, options), columns
        )
    written = kind if options.output is None else written_format(options.output)
    if written is None:
        raise OptionError(f"{options.input} holds a table, and {options.output} is the name of no table")
    if options.output is None and kind not in ("csv", "tsv"):
        raise OptionError(f"{options.input} holds a table: it needs a file to write (-o)")
    fields = [pa.field(field, pa.string()) for field in options.negative_names]
    for field in fields:
        if field.name in schema.names:
            raise OptionError(
                f"{options.input} has a column {field.name!r}: name another for the negatives (--negative-field)"
            )
        schema = schema.append(field)
    write = table_writer(written, schema, options.output, stack)

    def write_batch(batch: Any, values: list[Batch], columns: Columns) -> None:
        null = nulls(values)
        for field, column in zip(fields, columns, strict=True):
            batch = batch.append_column(field, large_strings(*column, null).cast(pa.string()))
        write(batch)

    return write_batch
