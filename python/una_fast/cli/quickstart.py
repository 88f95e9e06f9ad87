"""`una-fast quickstart`: the whole way once, with pictures."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from una_fast import shared_options as same
from una_fast.options import Options, add_options, option
from una_fast.quickstart.flow import QuickstartOptions, run_quickstart

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Rank the words of a corpus, make hard negatives of its sentences, train an encoder against them, and show
what changed. With no option at all it reads the English prose that comes with every Python and trains a small
BERT of its own making: no data, no hub, a minute or so on two cores. The same seed on the same machine gives
the same bytes.
"""


@dataclass(frozen=True, kw_only=True)
class QuickstartOutput(Options):
    """Options of the story's form."""

    json: bool = option(same.JSON, "Print the figures as JSON, and the story to stderr.")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `una-fast`."""
    parser = subparsers.add_parser(
        "quickstart",
        help="the whole way once, with pictures",
        usage="una-fast quickstart [options]",
        description=_DESCRIPTION,
    )
    add_options(parser, QuickstartOptions, QuickstartOutput)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from una_fast.quickstart.terminal import Terminal

    as_json = QuickstartOutput.from_arguments(args).json
    options = QuickstartOptions.from_arguments(args)
    figures: Mapping[str, object] = run_quickstart(options, Terminal(sys.stderr if as_json else sys.stdout))
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    return 0
