"""`una-fast experiment`: run a plan of trainings and compare what comes out."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast.errors import OptionError

if TYPE_CHECKING:
    from una_fast.experiment import Plan

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Train every arm of a plan under every condition with every seed, score the encoders on the STS tasks, and compare
them with the baseline. What has finished is not run again: after an interruption, the same command goes on.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "experiment", help="run a plan of trainings and compare what comes out", description=_DESCRIPTION
    )
    parser.add_argument("plan", nargs="?", help="a TOML file, or the name of a plan that --list shows")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the results (default: the plan's name)"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change the plan: corpus=text.txt, seeds='[0, 1]', evaluation.sts=data, arm.NAME.every=2, ...",
    )
    parser.add_argument("--keep", action="store_true", help="keep every encoder, not its scores alone")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of torch (default: its own choice)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the plans that come with una-fast")
    what.add_argument(
        "--dry-run", action="store_true", help="list the runs of the plan and what of them is missing"
    )
    what.add_argument(
        "--report", action="store_true", help="train nothing; write the report of what has finished"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON, and the rest to stderr"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from una_fast.experiment import load_plan, run_experiment, shipped_plans

    if args.list:
        _print_plans(shipped_plans())
        return 0
    if args.plan is None:
        raise OptionError("which plan? Give a TOML file, or a name that --list shows")
    plan = load_plan(args.plan, settings=args.settings)
    output = args.output or Path(plan.name)
    if args.dry_run:
        _print_runs(plan, output)
        return 0
    _set_threads(args.threads)
    told = sys.stderr if args.json else sys.stdout
    summary = run_experiment(
        plan,
        output,
        keep_encoders=args.keep,
        train_missing=not args.report,
        progress=sys.stderr.isatty(),
        tell=lambda line: print(line, file=told, flush=True),
    )
    print(json.dumps(summary.to_dict()) if args.json else f"\n{summary}\n\nreport  {output / 'report.html'}")
    return 0


def _print_plans(plans: dict[str, str]) -> None:
    for name, description in plans.items():
        print(f"{name}\n    {' '.join(description.split())}")


def _print_runs(plan: "Plan", output: Path) -> None:
    from una_fast.experiment.store import finished_runs

    finished = finished_runs(output)
    runs = list(plan.runs())
    for run in runs:
        options = ", ".join(f"{name}={value}" for name, value in run.options.items())
        print(f"{'done   ' if run.key in finished else 'missing'}  {run.title}: {options}")
    print(f"{len(runs)} runs, {sum(run.key not in finished for run in runs)} missing")


def _set_threads(threads: int | None) -> None:
    if threads is None:
        return
    if threads < 1:
        raise OptionError(f"threads must be at least 1, got {threads}")
    import torch

    torch.set_num_threads(threads)
