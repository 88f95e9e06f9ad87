"""`una-fast evaluate`: score an encoder on STS, on SentEval's transfer tasks, and by alignment and uniformity."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from una_fast import shared_options as same
from una_fast.errors import OptionError
from una_fast.options import Options, add_options, option
from una_fast.sources import find_files

if TYPE_CHECKING:
    from una_fast.evaluation import Encoder
    from una_fast.evaluation.pairs import PairSource
    from una_fast.table import TermTable

__all__ = ["add_parser", "run"]

GROUPS = ("sts", "transfer", "geometry")

_TASKS = """
TASK is one of STS12 STS13 STS14 STS15 STS16 STS-B SICK-R (together: sts), STS-B-dev, SICK-R-all (SICK's train, trial
and test: what MTEB calls SICK-R); MR CR SUBJ MPQA SST2 TREC MRPC (together: transfer); geometry (alignment and
uniformity on STS-B's development split).
"""

_SICK = (
    "SICK-R is left out: the hub has its 4,927 test pairs only mixed with the rest of SICK, as the task SICK-R-all; "
    "--sts with SentEval's SICK folder brings it"
)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Options):
    """The options of `una-fast evaluate`."""

    model: str = option(
        help="Folder or hub name of the encoder, or the file of a term table, whose TF-IDF is then compared.",
        group="model",
        positional=True,
    )
    pooling: Literal["auto", "cls", "mean", "first_last_mean", "idf_mean"] = option(same.POOLING)
    table: Path | None = option(
        None, "With --pooling idf_mean: the term table that weighs tokens.", group="model", metavar="TABLE"
    )
    max_length: int | None = option(same.MAX_LENGTH)
    sts: Path | None = option(same.STS, "Folder of the tasks, in SentEval's layout.")
    hub: bool = option(
        False, "STS tasks that --sts has not come from the Hugging Face hub.", group="evaluation"
    )
    tasks: Sequence[str] = option(("sts",), "See below.", group="evaluation", metavar="TASK")
    pairs: str | Sequence[Path] = option(
        (),
        "Files of pairs with scores: sentence, sentence, score, separated by tabs, .csv, or .jsonl.",
        more="In .jsonl the names are sentence1, sentence2 and score.",
        group="evaluation",
        kind="paths",
        metavar="FILE",
    )
    json: bool = option(same.JSON, "Print the report as JSON.")
    batch_size: int = option(same.BATCH_SIZE)
    device: str = option(same.DEVICE)
    jobs: int | None = option(
        None,
        "Processes that cross-validate transfer tasks; -1: one a core; by default one.",
        group="machine",
        least=-1,
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a sentence encoder on STS and on transfer tasks",
        usage="una-fast evaluate MODEL [--sts FOLDER] [--pairs FILE...] [options]",
        description="Correlations and accuracies of an encoder, times 100.",
        epilog=_TASKS,
    )
    add_options(parser, EvaluateOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score the encoder and print the tables, or everything as JSON."""
    options = EvaluateOptions.from_arguments(args)
    _check_somewhere(options)  # before torch is imported, which takes seconds
    from una_fast.evaluation import load_encoder
    from una_fast.table import TermTable

    sts, transfer, geometry = _sorted_tasks(options.tasks)
    source = _source(options)
    if transfer and options.sts is None:
        raise OptionError("transfer tasks need --sts: the hub is read for STS only")
    table = _table(options, wants_vectors=bool(transfer) or geometry)
    encoder = table or load_encoder(
        options.model,
        pooling=options.pooling,
        table=None if options.table is None else TermTable.load(options.table),
        device=options.device,
        max_length=options.max_length,
    )
    reports = list(_reports(options, encoder, source, sts, transfer, geometry))
    if options.json:
        print(json.dumps({key: value for _, figures in reports for key, value in figures.items()}))
    else:
        print("\n\n".join(text for text, _ in reports))
    return 0


def _sorted_tasks(names: Sequence[str]) -> tuple[list[str], list[str], bool]:
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


def _table(options: EvaluateOptions, *, wants_vectors: bool) -> "TermTable | None":
    """The term table that the model is, if it is one."""
    from una_fast.table import TermTable

    if not Path(options.model).is_file():
        return None
    if wants_vectors:
        raise OptionError(
            f"{options.model} is a term table: it is scored on STS and on pairs, and not on other tasks"
        )
    return TermTable.load(options.model)


def _check_somewhere(options: EvaluateOptions) -> None:
    if options.sts is None and not options.hub and not (options.pairs and tuple(options.tasks) == ("sts",)):
        raise OptionError("where the tasks are must be told: --sts FOLDER, --hub, or both; or --pairs FILE")


def _source(options: EvaluateOptions) -> "PairSource | None":
    """Where the tasks are; None where only pairs of the user's own are scored."""
    from una_fast.evaluation import FirstOf, HubDatasets, SentEvalFolder

    if options.sts is None and not options.hub:
        return None
    folders = [] if options.sts is None else [SentEvalFolder(options.sts)]
    return FirstOf((*folders, *([HubDatasets()] if options.hub else [])))


def _reports(
    options: EvaluateOptions,
    encoder: "Encoder | TermTable",
    source: "PairSource | None",
    sts: list[str],
    transfer: list[str],
    geometry: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The reports that were asked for, each as text and as figures for JSON."""
    from una_fast.evaluation import evaluate_geometry, evaluate_pairs, evaluate_sts, evaluate_transfer
    from una_fast.table import TermTable

    common: dict[str, Any] = {"batch_size": options.batch_size, "progress": sys.stderr.isatty()}
    if options.pairs:
        own = evaluate_pairs(encoder, find_files(options.pairs) or [], **common)
        yield f"{own}\n\n{own.details()}", {"pairs": own.to_dict()["tasks"]}
    if source is None:
        return
    if sts:
        scores = evaluate_sts(encoder, source, tasks=sts, **common)
        if options.hub and "SICK-R" in scores.missing:
            print(_SICK, file=sys.stderr)
        yield f"{scores}\n\n{scores.details()}", scores.to_dict()
    if isinstance(encoder, TermTable):
        return
    if geometry:
        shape = evaluate_geometry(encoder, source, **common)
        yield str(shape), {"geometry": shape.to_dict()}
    if transfer and options.sts is not None:
        accuracies = evaluate_transfer(encoder, options.sts, tasks=transfer, jobs=options.jobs, **common)
        yield str(accuracies), {"transfer": accuracies.to_dict()}
