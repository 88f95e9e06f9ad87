"""`una-fast merge`: counts made apart, added up."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from una_fast import shared_options as same
from una_fast.cli.options import WriteOptions, print_figures, save
from una_fast.errors import InputError, OptionError
from una_fast.options import add_options, option


@dataclass(frozen=True, kw_only=True)
class MergeOptions(WriteOptions):
    """The options of `una-fast merge`."""

    inputs: list[Path] = option(help="Files of counts.", group="text", positional=True, metavar="COUNTS")
    counts: Path | None = option(same.COUNTS, "Counts to write, to be merged further.")
    threads: int | None = option(same.THREADS)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "merge",
        help="add up counts of shards, machines, days",
        usage="una-fast merge COUNTS... --output TABLE [options]",
        description="Add up counts made by una-fast fit --counts. The sum is that of one fit on all the text, to the "
        "byte, in any order; counts made under other settings are refused.",
    )
    add_options(parser, MergeOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads, adds up and saves."""
    from una_fast.fit import TermCounter

    options = MergeOptions.from_arguments(args)
    start = time.perf_counter()
    options.check_apart(options.inputs)
    first, *rest = map(Path, options.inputs)

    def load(path: Path) -> TermCounter:
        return TermCounter.load(
            path, threads=options.threads, memory_limit=options.memory_limit, temp_dir=options.temp_dir
        )

    total = load(first)
    for path in rest:
        try:
            total.merge(load(path))
        except (InputError, OptionError) as error:
            raise type(error)(f"{first} and {path}: {error}") from error
    print_figures(save(total, options), time.perf_counter() - start, as_json=options.json)
    return 0
