"""`una-fast fit`: a corpus into a table."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from una_fast.cli.options import (
    add_fit_options,
    add_memory_options,
    add_progress_option,
    add_prune_options,
    add_read_options,
    chosen_tokenizer,
    print_figures,
    save,
    show_progress,
)
from una_fast.errors import OptionError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "fit",
        help="fit TF-IDF on a corpus",
        description="Fit exact TF-IDF in one pass on all cores: on text of one sentence a line, plain or compressed "
        "(gzip, zstd, bzip2, xz), on .jsonl, and on .parquet, .arrow and .feather files.",
    )
    parser.add_argument(
        "corpus", nargs="+", metavar="CORPUS", help="files or glob patterns; - is standard input"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="TABLE", help="table to write")
    parser.add_argument(
        "--counts",
        type=Path,
        metavar="COUNTS",
        help="counts to write, for una-fast merge; beside or without -o",
    )
    parser.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="count only the I-th of N shares, 1/N to N/N: those rows of each file whose number, from 0, leaves "
        "I - 1 when divided by N",
    )
    add_read_options(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="default: one for each core")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_fit_options(parser)
    add_prune_options(parser)
    add_memory_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def share(text: str) -> tuple[int, int]:
    """The numbers of "i/n"; whether they make sense is for `TermCounter` to say."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N")
    return int(number), int(count)


def run(args: argparse.Namespace) -> int:
    """Counts, freezes and saves."""
    from una_fast.fit import TermCounter

    if args.output is None and args.counts is None:
        raise OptionError("nothing to write: give --output, --counts or both")
    counter = TermCounter(
        tokenizer=chosen_tokenizer(args),
        lowercase=args.lowercase,
        errors=args.errors,
        threads=args.threads,
        max_line_bytes=args.max_line_bytes,
        text_field=args.text_field,
        column=args.column,
        shard=args.shard,
        memory_limit=args.memory_limit,
        temp_dir=args.temp_dir,
    )
    start = time.perf_counter()
    files = [Path(name) for name in args.corpus if name != "-"]
    if files:
        counter.update(files, progress=show_progress(args))
    if len(files) < len(args.corpus):
        counter.update(sys.stdin.buffer, progress=show_progress(args))
    figures = save(counter, args)
    figures |= {
        "empty_lines": counter.n_empty,
        "skipped_lines": counter.n_skipped,
        "nulls": counter.n_null,
    }
    print_figures(figures, time.perf_counter() - start, as_json=args.json)
    return 0
