"""`una-fast quickstart`: the whole way once, with pictures."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Rank the words of a corpus, make hard negatives of its sentences, train an encoder against them, and show
what changed. With no option at all it reads the English prose that comes with every Python and trains a small
BERT of its own making: no data, no hub, a minute or so on two cores. The same seed on the same machine gives
the same bytes.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `una-fast`."""
    parser = subparsers.add_parser(
        "quickstart", help="the whole way once, with pictures", description=_DESCRIPTION
    )
    parser.add_argument("--corpus", metavar="FILES", help="sentences, one a line: a path or a quoted glob")
    parser.add_argument("--model", metavar="MODEL", help="encoder to start from: a folder or a hub name")
    parser.add_argument("--sts", metavar="FOLDER", help="score it before and after: a folder as SentEval's")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("una-fast-quickstart"),
        metavar="FOLDER",
        help="folder to write, new or an earlier quickstart's (default: ./%(default)s)",
    )
    parser.add_argument(
        "--steps", type=int, default=200, metavar="N", help="training steps (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="sentences a step (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of all draws (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: one for each core)")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON, and the story to stderr"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from una_fast.quickstart.flow import QuickstartOptions, run_quickstart
    from una_fast.quickstart.terminal import Terminal

    options = QuickstartOptions(
        corpus=args.corpus,
        model=args.model,
        sts=args.sts,
        output=args.output,
        steps=args.steps,
        batch_size=args.batch_size,
        seed=args.seed,
        threads=args.threads,
    )
    figures: Mapping[str, object] = run_quickstart(options, Terminal(sys.stderr if args.json else sys.stdout))
    if args.json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    return 0
