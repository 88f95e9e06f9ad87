"""`una-fast augment`: sentences into hard negatives, in order, from and to files of several kinds."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from una_fast import shared_options as same
from una_fast.arrow import arrow_errors
from una_fast.cli.options import NegativeOptions, compiled
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.files import replacing, storage_errors
from una_fast.options import add_options, option
from una_fast.progress import counting

if TYPE_CHECKING:
    from una_fast.augment import Augmenter, AugmentStats

BATCH = 16_384
"""Sentences augmented at a time; it shows in no result."""

Sink = Callable[[list[Any], list[str]], None]
"""Takes the records of a batch and their negatives."""


@dataclass(frozen=True, kw_only=True)
class AugmentOptions(NegativeOptions):
    """The options of `una-fast augment`."""

    table: Path = option(help="A table made by una-fast fit.", group="text", positional=True)
    input: str = option(
        "-", ".txt, .jsonl (each also .gz), .parquet, or - for standard input.", group="text", positional=True
    )
    text_field: str | None = option(same.TEXT_FIELD)
    column: str | None = option(
        same.COLUMN, 'Column of a .parquet file to read ("text" where none is given).'
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
        "in, and its number, counted from 0, is its row; empty lines stay empty. A .jsonl file comes out with one "
        "more field, a .parquet file with one more column.",
    )
    add_options(parser, AugmentOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Streams the input to the output in batches."""
    from una_fast.table import TermTable

    options = AugmentOptions.from_arguments(args)
    table = TermTable.load(options.table, tokenizer=compiled(options.tokenizer_pattern))
    maker = options.augmenter(table, threads=options.threads)
    kind = _kind(options.input, options.output)
    with ExitStack() as stack:
        tick = stack.enter_context(counting("augmenting", None, show=options.progress()))
        made = _parquet(maker, options, stack) if kind == "parquet" else _lines(maker, kind, options, stack)
        stats = None
        for more in made:
            stats = more if stats is None else stats + more
            if tick is not None:
                tick(0, stats.sentences)
    if options.stats and stats is not None:
        print(stats, file=sys.stderr)
    return 0


def _lines(maker: Augmenter, kind: str, options: AugmentOptions, stack: ExitStack) -> Iterator[AugmentStats]:
    """Augments lines, or the objects in them, batch by batch."""
    lines = _decoded(options.input, stack)
    out = _binary_output(options.output, stack)
    records: Iterator[Any] = lines if kind == "text" else _objects(lines, options.input)
    sentence = str if kind == "text" else _field(options.text_field or "text", options.input)
    write = _line_sink(out, options.negative_field if kind == "jsonl" else None)
    first = 0
    while batch := list(islice(records, BATCH)):
        rows = range(first, first + len(batch))
        negatives, stats = maker.augment_with_stats(
            [sentence(record) for record in batch], rows=rows, epoch=options.epoch, view=options.view
        )
        write(batch, negatives)
        first += len(batch)
        yield stats


def _parquet(maker: Augmenter, options: AugmentOptions, stack: ExitStack) -> Iterator[AugmentStats]:
    """Augments a column, batch by batch; the others pass as they are."""
    pa = require("Parquet", "pyarrow", "pyarrow.parquet")
    pq = pa.parquet
    with arrow_errors(Path(options.input), pa):
        source = stack.enter_context(pq.ParquetFile(options.input))
    names, name = source.schema_arrow.names, options.column or "text"
    if name not in names:
        raise InputError(f"{options.input}: no column {name!r}; it has {', '.join(names)}")
    if options.negative_field in names:
        raise OptionError(
            f"{options.input} has a column {options.negative_field!r}: name another for the negatives"
        )
    field = pa.field(options.negative_field, pa.string())
    partial = stack.enter_context(replacing(Path(str(options.output))))
    writer = stack.enter_context(pq.ParquetWriter(partial, source.schema_arrow.append(field)))
    batches, first = source.iter_batches(batch_size=BATCH), 0
    while True:
        with arrow_errors(Path(options.input), pa):
            batch = next(batches, None)
        if batch is None:
            return
        column, rows = batch.column(name), range(first, first + len(batch))
        try:
            negatives, stats = maker._augment_arrow(
                column, column=None, rows=rows, epoch=options.epoch, view=options.view
            )
        except InputError as error:
            raise InputError(f"{options.input}: rows from {first}: {error}") from error
        writer.write_batch(batch.append_column(field, negatives.cast(pa.string())))
        first += len(batch)
        yield stats


def _kind(source: str, output: Path | None) -> str:
    kinds = {
        _kind_of(name)
        for name in (source, None if output is None else str(output))
        if name not in (None, "-")
    }
    if len(kinds) > 1:
        raise OptionError(f"input {source!r} and output {str(output)!r} must be of the same kind")
    kind = kinds.pop() if kinds else "text"
    if kind == "parquet" and (source == "-" or output is None):
        raise OptionError("a .parquet file needs a file to read and one to write (-o)")
    return kind


def _kind_of(name: str | None) -> str:
    suffix = Path(str(name).removesuffix(".gz")).suffix
    return {".jsonl": "jsonl", ".parquet": "parquet"}.get(suffix, "text")


def _decoded(source: str, stack: ExitStack) -> Iterator[str]:
    """Lines without their ends."""
    name, stream = ("standard input", cast("BinaryIO", sys.stdin.buffer)) if source == "-" else (source, None)
    if stream is None:
        with storage_errors(Path(source)):
            stream = stack.enter_context(open(source, "rb"))  # noqa: SIM115  # the stack closes it
        if source.endswith(".gz"):
            stream = cast("BinaryIO", stack.enter_context(gzip.open(stream)))  # noqa: SIM115
    return (_decode(line, name, number) for number, line in enumerate(_read(stream, name), start=1))


def _read(stream: BinaryIO, name: str) -> Iterator[bytes]:
    with storage_errors(Path(name)):
        try:
            yield from stream
        except (EOFError, gzip.BadGzipFile) as error:
            raise InputError(f"{name}: damaged or truncated gzip data: {error}") from error


def _decode(line: bytes, name: str, number: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: line {number}: invalid UTF-8 at byte {error.start} of the line") from None
    if number == 1:
        text = text.removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r")


def _objects(lines: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}: line {number}: no JSON: {error}") from error
        if not isinstance(record, dict):
            raise InputError(f"{name}: line {number}: expected a JSON object, found {type(record).__name__}")
        yield record


def _field(field: str, name: str) -> Callable[[dict[str, Any]], str]:
    def sentence(record: dict[str, Any]) -> str:
        value = record.get(field)
        if not isinstance(value, str):
            raise InputError(f"{name}: field {field!r} is missing or no text in {str(record)[:80]!r}")
        return value

    return sentence


def _line_sink(out: BinaryIO, negative_field: str | None) -> Sink:
    def text(_: list[Any], negatives: list[str]) -> None:
        # A line holds no line end, but terms do where a table comes from a file of strange making.
        lines = (negative.replace("\n", " ").replace("\r", " ") for negative in negatives)
        out.write("".join(f"{line}\n" for line in lines).encode())

    def objects(records: list[Any], negatives: list[str]) -> None:
        pairs = zip(records, negatives, strict=True)
        lines = (json.dumps({**record, negative_field: text}, ensure_ascii=False) for record, text in pairs)
        out.write("".join(f"{line}\n" for line in lines).encode())

    return text if negative_field is None else objects


def _binary_output(output: Path | None, stack: ExitStack) -> BinaryIO:
    if output is None:
        stack.callback(sys.stdout.buffer.flush)
        return cast("BinaryIO", sys.stdout.buffer)
    partial = stack.enter_context(replacing(output))
    file = stack.enter_context(open(partial, "wb"))  # noqa: SIM115  # the stack closes it before the renaming
    if output.suffix != ".gz":
        return file
    # Neither name nor time, so that the same negatives are the same bytes.
    packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
    return cast("BinaryIO", stack.enter_context(packed))
