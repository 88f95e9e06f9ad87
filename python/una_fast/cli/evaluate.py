"""`una-fast evaluate`: score an encoder on STS, on SentEval's transfer tasks, and by alignment and uniformity."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.errors import OptionError

if TYPE_CHECKING:
    from una_fast.evaluation import Encoder
    from una_fast.evaluation.pairs import PairSource

__all__ = ["add_parser", "run"]

GROUPS = ("sts", "transfer", "geometry")

_TASKS = """
TASK is one of STS12 STS13 STS14 STS15 STS16 STS-B SICK-R (together: sts), STS-B-dev, SICK-R-all (SICK's train, trial
and test: what MTEB calls SICK-R); MR CR SUBJ MPQA SST2 TREC MRPC (together: transfer); geometry (alignment and
uniformity on STS-B's development split).
"""

_SICK = (
    "SICK-R is left out: the hub has its 4,927 test pairs only mixed with the rest of SICK, as the task SICK-R-all; "
    "--data with SentEval's SICK folder brings it"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a sentence encoder on STS and on transfer tasks",
        description="Correlations and accuracies of an encoder, times 100.",
        epilog=_TASKS,
    )
    parser.add_argument("model", help="folder or hub name of the encoder")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="data in SentEval's layout")
    parser.add_argument(
        "--hub", action="store_true", help="STS tasks that --data has not come from the Hugging Face hub"
    )
    parser.add_argument("--tasks", nargs="+", metavar="TASK", default=["sts"], help="see below (sts)")
    parser.add_argument(
        "--pooling",
        choices=("auto", "cls", "mean", "first_last_mean"),
        default="auto",
        help="auto asks the model",
    )
    parser.add_argument("--max-length", type=int, metavar="N", help="tokens read of a sentence")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences at a time (64)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="processes that cross-validate transfer tasks; -1: one a core (1)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score the encoder and print the tables, or everything as JSON."""
    from una_fast.evaluation import load_encoder

    sts, transfer, geometry = _sorted_tasks(args.tasks)
    source = _source(args)
    if transfer and args.data is None:
        raise OptionError("transfer tasks need --data: the hub is read for STS only")
    encoder = load_encoder(args.model, pooling=args.pooling, device=args.device, max_length=args.max_length)
    reports = list(_reports(args, encoder, source, sts, transfer, geometry))
    if args.json:
        print(json.dumps({key: value for _, figures in reports for key, value in figures.items()}))
    else:
        print("\n\n".join(text for text, _ in reports))
    return 0


def _sorted_tasks(names: list[str]) -> tuple[list[str], list[str], bool]:
    """The STS tasks, the transfer tasks, and whether geometry is wanted."""
    from una_fast.evaluation.labelled import TRANSFER
    from una_fast.evaluation.pairs import PAIRS, SEVEN

    groups = {"sts": SEVEN, "transfer": TRANSFER}
    wanted = list(dict.fromkeys(task for name in names for task in groups.get(name, (name,))))
    unknown = [task for task in wanted if task not in (*PAIRS, *TRANSFER, "geometry")]
    if unknown:
        known = ", ".join((*GROUPS, *PAIRS, *TRANSFER))
        raise OptionError(f"--tasks has {unknown[0]!r}; known are {known}")
    sts = [task for task in wanted if task in PAIRS]
    return sts, [task for task in wanted if task in TRANSFER], "geometry" in wanted


def _source(args: argparse.Namespace) -> "PairSource":
    from una_fast.evaluation import FirstOf, HubDatasets, SentEvalFolder

    if args.data is None and not args.hub:
        raise OptionError("where the tasks are must be told: --data FOLDER, --hub, or both")
    folders = [] if args.data is None else [SentEvalFolder(args.data)]
    return FirstOf((*folders, *([HubDatasets()] if args.hub else [])))


def _reports(
    args: argparse.Namespace,
    encoder: "Encoder",
    source: "PairSource",
    sts: list[str],
    transfer: list[str],
    geometry: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was asked for, each as text and as figures for JSON."""
    from una_fast.evaluation import evaluate_geometry, evaluate_sts, evaluate_transfer

    options: dict[str, Any] = {"batch_size": args.batch_size, "progress": sys.stderr.isatty()}
    if sts:
        scores = evaluate_sts(encoder, source, tasks=sts, **options)
        if args.hub and "SICK-R" in scores.missing:
            print(_SICK, file=sys.stderr)
        yield f"{scores}\n\n{scores.details()}", scores.to_dict()
    if geometry:
        shape = evaluate_geometry(encoder, source, **options)
        yield str(shape), {"geometry": shape.to_dict()}
    if transfer:
        accuracies = evaluate_transfer(encoder, args.data, tasks=transfer, jobs=args.jobs, **options)
        yield str(accuracies), {"transfer": accuracies.to_dict()}
