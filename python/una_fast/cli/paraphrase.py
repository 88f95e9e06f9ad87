"""`una-fast paraphrase`: make a paraphrase of every sentence of a corpus, as positives for training."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from una_fast.cli.options import FileOption, Shown
from una_fast.options import add_options
from una_fast.paraphrase_config import ParaphraseConfig

if TYPE_CHECKING:
    from una_fast.paraphrase import Result

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command; options that are not given take the defaults of `ParaphraseConfig`."""
    parser = subparsers.add_parser(
        "paraphrase",
        help="paraphrase a corpus, as positives for training",
        usage="una-fast paraphrase CORPUS... --model MODEL --output FILE [options]",
        description="Paraphrase a corpus line by line. Given again after it was stopped, the same command goes on "
        "where it stopped.",
    )
    add_options(parser, ParaphraseConfig, FileOption, Shown, from_file=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Paraphrase and print what was done."""
    shown = Shown.from_arguments(args)
    config = ParaphraseConfig.from_command_line(args, progress=shown.progress())
    from una_fast.paraphrase import paraphrase  # torch takes seconds, and a wrong option none

    try:
        result = paraphrase(config)
    except KeyboardInterrupt:
        print("finished blocks are kept: the same command goes on from there", file=sys.stderr)
        raise
    print(json.dumps(result.to_dict()) if shown.json else _summary(result))
    return 0


def _summary(result: "Result") -> str:
    made = result.sentences - result.resumed
    lines = [
        f"{result.output}: {result.sentences:,} lines, {made:,} of them made in {result.seconds:.0f} s "
        f"({made / max(result.seconds, 1e-9):.1f}/s)"
    ]
    if result.fallbacks:
        lines.append(f"{result.fallbacks:,} lines hold the sentence itself: the model gave no text for them")
    return "\n".join(lines)
