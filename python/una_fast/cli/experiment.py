"""`una-fast experiment`: run a plan of trainings and compare what comes out."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast import shared_options as same
from una_fast.errors import OptionError
from una_fast.options import Options, add_options, option

if TYPE_CHECKING:
    from una_fast.experiment import Plan

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Train every arm of a plan under every condition with every seed, score the encoders on the STS tasks, and compare
them with the baseline. What has finished is not run again: after an interruption, the same command goes on.
"""


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(Options):
    """The options of `una-fast experiment`."""

    plan: str | None = option(
        None, "A TOML file, or the name of a plan that --list shows.", group="text", positional=True
    )
    set: Sequence[str] = option(
        (),
        "Change the plan: corpus=text.txt, seeds='[0, 1]', evaluation.sts=data, arm.NAME.every=2, ... (repeatable).",
        group="text",
        metavar="NAME=VALUE",
        repeatable=True,
    )
    list: bool = option(False, "List the plans that come with una-fast, and do nothing else.", group="output")
    dry_run: bool = option(
        False,
        "List the runs of the plan, what is to do, and inputs that are not there; do nothing else.",
        group="output",
    )
    output: Path | None = option(
        same.OUTPUT, "Folder of the results; by default called as the plan.", metavar="FOLDER"
    )
    report: bool = option(False, "Train nothing; write the report of what has finished.", group="output")
    keep_encoders: bool = option(False, "Keep every encoder, not its scores alone.", group="output")
    json: bool = option(same.JSON, "Print the summary as JSON, and the rest to stderr.")
    threads: int | None = option(same.THREADS, "Threads of torch; by default its own choice.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.list + self.dry_run + self.report > 1:
            raise OptionError("--list, --dry-run and --report exclude each other: give one of them")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "experiment",
        help="run a plan of trainings and compare what comes out",
        usage="una-fast experiment PLAN [--set NAME=VALUE ...] [options]",
        description=_DESCRIPTION,
    )
    add_options(parser, ExperimentOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from una_fast.experiment import load_plan, run_experiment, shipped_plans

    options = ExperimentOptions.from_arguments(args)
    if options.list:
        _print_plans(shipped_plans())
        return 0
    if options.plan is None:
        raise OptionError("which plan? Give a TOML file, or a name that --list shows")
    plan = load_plan(options.plan, settings=options.set)
    output = options.output or Path(plan.name)
    if options.dry_run:
        absent = _print_runs(plan, output)
        for line in absent:
            print(f"not there: {line}", file=sys.stderr)
        return 1 if absent else 0
    _set_threads(options.threads)
    told = sys.stderr if options.json else sys.stdout
    summary = run_experiment(
        plan,
        output,
        keep_encoders=options.keep_encoders,
        train_missing=not options.report,
        progress=sys.stderr.isatty(),
        tell=lambda line: print(line, file=told, flush=True),
    )
    print(
        json.dumps(summary.to_dict()) if options.json else f"\n{summary}\n\nreport  {output / 'report.html'}"
    )
    return 0


def _print_plans(plans: dict[str, str]) -> None:
    for name, description in plans.items():
        print(f"{name}\n    {' '.join(description.split())}")


def _print_runs(plan: "Plan", output: Path) -> list[str]:
    from una_fast.experiment.store import finished_runs

    finished = finished_runs(output)
    runs = list(plan.runs())
    for run in runs:
        options = ", ".join(f"{name}={value}" for name, value in run.options.items())
        print(f"{'done ' if run.key in finished else 'to do'}  {run.title}: {options}")
    print(f"{len(runs)} runs, {sum(run.key not in finished for run in runs)} to do")
    return plan.missing_inputs()


def _set_threads(threads: int | None) -> None:
    if threads is None:
        return
    import torch

    torch.set_num_threads(threads)
