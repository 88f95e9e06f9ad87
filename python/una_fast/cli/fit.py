"""`una-fast fit`: a corpus into a table."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from una_fast import shared_options as same
from una_fast.cli.options import ReadOptions, TokenizeOptions, WriteOptions, print_figures, save
from una_fast.options import add_options, option
from una_fast.sources import find_files


def share(text: str) -> tuple[int, int]:
    """The numbers of "i/n"; whether they make sense is for `TermCounter` to say."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N")
    return int(number), int(count)


@dataclass(frozen=True, kw_only=True)
class FitOptions(WriteOptions, TokenizeOptions, ReadOptions):
    """The options of `una-fast fit`."""

    corpus: list[str] = option(
        help="Files or glob patterns; - is standard input.", group="text", positional=True
    )
    shard: tuple[int, int] | None = option(
        None,
        "Count only the I-th of N shares, 1/N to N/N: those rows of each file whose number, from 0, leaves I - 1 when "
        "divided by N.",
        group="text",
        metavar="I/N",
        kind="other",
        parse=share,
    )
    ngrams: int = option(
        1,
        "Count terms of up to so many tokens in a row too, for weighing text: no negatives are made from such a table.",
        group="text",
        least=1,
    )
    threads: int | None = option(same.THREADS)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "fit",
        help="fit TF-IDF on a corpus",
        usage="una-fast fit CORPUS... --output TABLE [options]",
        description="Fit exact TF-IDF in one pass on all cores: on text of one sentence a line, plain or compressed "
        "(gzip, zstd, bzip2, xz), on JSON lines, and on a column of .parquet, .arrow, .feather, .csv and .tsv files.",
    )
    add_options(parser, FitOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Counts, freezes and saves."""
    from una_fast.fit import TermCounter

    options = FitOptions.from_arguments(args)
    counter = TermCounter(
        tokenizer=options.chosen(),
        lowercase=options.lowercase,
        ngram_range=(1, options.ngrams),
        errors=options.errors,
        threads=options.threads,
        max_line_bytes=options.max_line_bytes,
        max_window_bytes=options.max_window_bytes,
        text_field=options.text_field,
        column=options.column,
        shard=options.shard,
        memory_limit=options.memory_limit,
        temp_dir=options.temp_dir,
    )
    start = time.perf_counter()
    files = [Path(name) for name in options.corpus if name != "-"]
    options.check_apart(find_files(files) or [])
    if files:
        counter.update(files, progress=options.progress())
    if len(files) < len(options.corpus):
        counter.update(sys.stdin.buffer, progress=options.progress())
    figures = save(counter, options)
    figures |= {
        "empty_lines": counter.n_empty,
        "skipped_lines": counter.n_skipped,
        "nulls": counter.n_null,
    }
    print_figures(figures, time.perf_counter() - start, as_json=options.json)
    return 0
