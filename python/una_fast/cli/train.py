"""`una-fast train`: train a sentence encoder on a corpus of one sentence a line."""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast import shared_options as same
from una_fast.options import Options, add_options, option
from una_fast.train_config import TrainConfig

if TYPE_CHECKING:
    from una_fast.training import Result

__all__ = ["add_parser", "run"]

_USAGE = "una-fast train CORPUS... --model MODEL --output FOLDER [options]"


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """Options of the command beside those of a run."""

    config: Path | None = option(same.CONFIG)
    json: bool = option(same.JSON)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command; options that are not given take those of the file, then those of `TrainConfig`."""
    parser = subparsers.add_parser(
        "train",
        help="train a sentence encoder with generated hard negatives",
        usage=_USAGE,
        description="Train a sentence encoder. Every option can stand in a TOML file under its name, with _ for -, "
        "which --config reads. Several GPUs: torchrun --nproc-per-node N -m una_fast train ...",
    )
    add_options(parser, TrainConfig, TrainOptions, from_file=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print where the encoder lies and how the run went."""
    own = TrainOptions.from_arguments(args)
    config = TrainConfig.from_command_line(args, progress=sys.stderr.isatty())
    from una_fast.training import train  # torch takes seconds, and a wrong option none

    result = train(config)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result.to_dict()) if own.json else _summary(result))
    return 0


def _summary(result: "Result") -> str:
    resumed = f", resumed after {result.resumed_at}" if result.resumed_at else ""
    lines = [
        f"{result.output}: {result.steps} steps{resumed}, last loss {result.losses[-1][1]:.4f}",
        f"{result.rows_per_second:.0f} rows/s, {100 * result.wait_share:.1f} % of the time waiting for data",
    ]
    dev = "STS-B dev" if result.dev_set == "STS-B-dev" else result.dev_set
    scores = {step: score for step, score in result.dev_scores if score is not None}
    if result.best_step in scores:
        best = 100 * scores[result.best_step]
        lines.append(f"{dev} {best:.2f} at step {result.best_step}, whose weights are kept")
    if result.last != result.output:
        score = scores.get(result.steps)
        shown = "" if score is None else f", {dev} {100 * score:.2f}"
        lines.append(f"the last step's weights: {result.last}{shown}")
    if result.sts is not None:
        lines.append(str(result.sts))
    report = Path(result.output) / "report.html"
    if report.is_file():
        lines.append(f"report  {report}")
    return "\n".join(lines)
