"""`una-fast fit`: a corpus into a table."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from una_fast.cli.options import add_fit_options, add_progress_option, show_progress


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "fit",
        help="fit TF-IDF on a corpus",
        description="Fit exact TF-IDF on files of one sentence a line, plain or gzip, in one pass on all cores.",
    )
    parser.add_argument("corpus", nargs="+", metavar="CORPUS", help="files or glob patterns")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="TABLE", help="file to write")
    parser.add_argument("--threads", type=int, metavar="N", help="default: one for each core")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_fit_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fits and saves."""
    from una_fast.fit import TermCounter

    counter = TermCounter(
        tokenizer=args.tokenizer, lowercase=args.lowercase, errors=args.errors, threads=args.threads
    )
    start = time.perf_counter()
    counter.update([Path(name) for name in args.corpus], progress=show_progress(args))
    table = counter.freeze(min_df=args.min_df, max_terms=args.max_terms)
    table.save(args.output)
    figures = {
        "sentences": table.n_documents,
        "terms": len(table),
        "empty_lines": counter.n_empty,
        "skipped_lines": counter.n_skipped,
        "digest": table.digest,
        "table": str(args.output),
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    print(f"{table.n_documents:,} sentences, {len(table):,} terms in {time.perf_counter() - start:.1f} s")
    if counter.n_empty or counter.n_skipped:
        print(f"left out: {counter.n_empty:,} empty lines, {counter.n_skipped:,} malformed lines")
    print(f"{args.output}  sha256 {table.digest}")
    return 0
