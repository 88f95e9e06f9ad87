"""`una-fast merge`: counts made apart, added up."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from una_fast.cli.options import (
    add_memory_options,
    add_progress_option,
    add_prune_options,
    print_figures,
    save,
)
from una_fast.errors import InputError, OptionError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "merge",
        help="add up counts of shards, machines, days",
        description="Add up counts made by una-fast fit --counts. The sum is that of one fit on all the text, to the "
        "byte, in any order; counts made under other settings are refused.",
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="COUNTS", help="files of counts")
    parser.add_argument("-o", "--output", type=Path, metavar="TABLE", help="table to write")
    parser.add_argument("--counts", type=Path, metavar="COUNTS", help="counts to write, to be merged further")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_prune_options(parser)
    add_memory_options(parser)
    add_progress_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads, adds up and saves."""
    from una_fast.fit import TermCounter

    if args.output is None and args.counts is None:
        raise OptionError("nothing to write: give --output, --counts or both")
    start = time.perf_counter()
    first, *rest = args.inputs

    def load(path: Path) -> TermCounter:
        return TermCounter.load(path, memory_limit=args.memory_limit, temp_dir=args.temp_dir)

    total = load(first)
    for path in rest:
        try:
            total.merge(load(path))
        except (InputError, OptionError) as error:
            raise type(error)(f"{first} and {path}: {error}") from error
    print_figures(save(total, args), time.perf_counter() - start, as_json=args.json)
    return 0
