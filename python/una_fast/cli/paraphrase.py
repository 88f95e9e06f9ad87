"""`una-fast paraphrase`: make a paraphrase of every sentence of a corpus, as positives for training."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.cli.options import add_progress_option, show_progress

if TYPE_CHECKING:
    from una_fast.paraphrase import Result

__all__ = ["add_parser", "run"]

_OPTIONS: dict[str, tuple[type, str]] = {
    "prefix": (str, "text put before each sentence, such as 'paraphrase: ' for a T5"),
    "num_beams": (int, "beams of the search (10)"),
    "temperature": (float, "divides the logits in drawing (1)"),
    "top_p": (float, "draw among the likeliest tokens of this probability (1)"),
    "seed": (int, "of the draws (0)"),
    "max_input_length": (int, "tokens read of a sentence (60)"),
    "max_output_length": (int, "tokens of a paraphrase (60)"),
    "batch_size": (int, "sentences at a time (32)"),
    "block_lines": (int, "sentences of a block, which is what a killed run loses at most (2048)"),
    "device": (str, "auto, cpu, cuda, cuda:1, ... (auto)"),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command; options that are not given take the defaults of `ParaphraseConfig`."""
    parser = subparsers.add_parser(
        "paraphrase",
        help="paraphrase a corpus, as positives for training",
        description="Paraphrase a corpus line by line; defaults stand in brackets. Given again after it was stopped, "
        "the same command goes on where it stopped.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("corpus", nargs="+", help="one or more files of one sentence a line, or a glob")
    parser.add_argument("-o", "--output", required=True, type=Path, help="file to write, a line a sentence")
    parser.add_argument("--model", required=True, help="folder or hub name of a sequence-to-sequence model")
    parser.add_argument("--decoding", choices=("beam", "sample"), help="search or draw (beam)")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), help="type of the weights (auto)"
    )
    for name, (kind, text) in _OPTIONS.items():
        metavar = {int: "N", float: "X", str: "TEXT"}[kind]
        parser.add_argument("--" + name.replace("_", "-"), type=kind, metavar=metavar, help=text)
    parser.set_defaults(run=run, json=False, quiet=False)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_progress_option(parser)


def run(args: argparse.Namespace) -> int:
    """Paraphrase and print what was done."""
    from una_fast.paraphrase import ParaphraseConfig, paraphrase

    config = ParaphraseConfig(**_options(args), progress=show_progress(args))
    try:
        result = paraphrase(config)
    except KeyboardInterrupt:
        print("finished blocks are kept: the same command goes on from there", file=sys.stderr)
        raise
    print(json.dumps(result.to_dict()) if args.json else _summary(result))
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    ours = ("run", "json", "quiet", "command")
    options = {name: value for name, value in vars(args).items() if name not in ours}
    options["corpus"] = args.corpus[0] if len(args.corpus) == 1 else [Path(path) for path in args.corpus]
    return options


def _summary(result: "Result") -> str:
    made = result.sentences - result.resumed
    lines = [
        f"{result.output}: {result.sentences:,} lines, {made:,} of them made in {result.seconds:.0f} s "
        f"({made / max(result.seconds, 1e-9):.1f}/s)"
    ]
    if result.fallbacks:
        lines.append(f"{result.fallbacks:,} lines hold the sentence itself: the model gave no text for them")
    return "\n".join(lines)
