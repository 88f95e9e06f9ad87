"""Run what is missing of an experiment, one training after another: read it from top to bottom."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from una_fast.errors import InputError
from una_fast.evaluation import load_encoder
from una_fast.experiment.plan import FILES, Plan, Run
from una_fast.experiment.report import render_report
from una_fast.experiment.samples import Sources, sample_negatives
from una_fast.experiment.scoring import score, score_table
from una_fast.experiment.store import Cosines, Row, Store, finished_runs, open_store
from una_fast.experiment.summary import TF_IDF, Summary, summarise
from una_fast.files import read_bytes, remove_folder, storage_errors
from una_fast.training import train
from una_fast.training.output import MANIFEST
from una_fast.training.start import lacks_weights, trained_pooling

if TYPE_CHECKING:
    from una_fast.encoder.pooling import Pooling

__all__ = ["run_experiment"]

Tell = Callable[[str], None]


def run_experiment(
    plan: Plan,
    output: str | os.PathLike[str],
    *,
    keep_encoders: bool = False,
    train_missing: bool = True,
    progress: bool = False,
    tell: Tell = lambda _line: None,
) -> Summary:
    """Run the runs of a plan that have not finished yet, then write summary and report.

    A process that is killed leaves the run it was at to the next one, which continues it at its last checkpoint, or
    starts it again; on the CPU the outcome is the same, byte for byte.

    Args:
        plan: What to run.
        output: The experiment's folder: new, empty, or one in which this plan has been run before.
        keep_encoders: Keep every encoder under `runs/`. They take the space of a model each.
        train_missing: False writes summary and report of what has finished.
        progress: Show a bar for each training.
        tell: Called with a line on each thing done.

    Raises:
        OptionError: The folder belongs to another plan; or as `train` and `load_encoder` raise it.
        InputError: Nothing has finished; data cannot be used, or the corpus changed between two runs.
        DivergedError: A training ran into NaN; the runs before it are kept.
        StorageError: The operating system refused.
    """
    if not train_missing and not finished_runs(Path(output)):
        raise InputError(f"no run of plan {plan.name!r} has finished in {output}")
    with open_store(plan, Path(output)) as store:
        if train_missing:
            sources = Sources()
            _score_starts(plan, store, sources, tell)
            _score_tables(plan, store, sources, tell)
            _train_missing(plan, store, keep_encoders=keep_encoders, progress=progress, tell=tell)
        summary = summarise(plan, store)
        tell("writing the report")
        store.write("summary.json", json.dumps(summary.to_dict(), indent=1, ensure_ascii=False) + "\n")
        store.write("report.html", render_report(plan, summary, sample_negatives(plan)))
    return summary


def _score_starts(plan: Plan, store: Store, sources: Sources, tell: Tell) -> None:
    """Score every model that runs start from, before it has learnt anything."""
    known = {(row["model"], row["asked"]) for row in store.starts()}
    for run in plan.runs():
        model, asked = run.start()
        if (model, asked) in known:
            continue
        known.add((model, asked))
        config = run.config(Path("unused"))
        trained = trained_pooling(config)
        pooling: Pooling = "cls" if trained == "cls_mlp" else trained
        table = sources.table(run) if lacks_weights(replace(config, pooling=pooling)) else None
        encoder = load_encoder(model, pooling=pooling, table=table, device=config.device)
        scores = score(encoder, plan.evaluation).spearman
        store.add_start({"model": model, "pooling": pooling, "asked": asked, "scores": scores})
        tell(f"before training, {model}: {_mean_text(scores)}")


def _score_tables(plan: Plan, store: Store, sources: Sources, tell: Tell) -> None:
    """Score the TF-IDF of every table that runs use: the line that their encoders have to pass."""
    known = {row["asked"] for row in store.starts() if row["pooling"] is None}
    for run in plan.runs():
        if run.table() in known:
            continue
        known.add(run.table())
        scores = score_table(sources.table(run), plan.evaluation)
        store.add_start({"model": TF_IDF, "pooling": None, "asked": run.table(), "scores": scores})
        tell(f"{TF_IDF}, nothing trained: {_mean_text(scores)}")


def _train_missing(plan: Plan, store: Store, *, keep_encoders: bool, progress: bool, tell: Tell) -> None:
    finished = finished_runs(store.folder)
    runs = list(plan.runs())
    for number, run in enumerate(runs, 1):
        if run.key in finished:
            continue
        row, cosines = _run(plan, run, store, progress=progress)
        _check_corpus(store.rows(), run, row)
        if not keep_encoders:  # before the row: a process killed in between leaves nothing behind
            with storage_errors():
                remove_folder(store.encoder(run).parent)
        store.add_row(run, row, cosines)
        scores = row["weights"][plan.evaluation.weights[0]]["scores"]
        tell(f"[{number}/{len(runs)}] {run.title}: {_mean_text(scores)}")


def _run(plan: Plan, run: Run, store: Store, *, progress: bool) -> tuple[Row, dict[str, Cosines]]:
    """Train a run and score its encoders."""
    wanted = plan.evaluation.weights
    sts = plan.evaluation.sts if "best" in wanted else None
    config = run.config(store.encoder(run), sts=sts, progress=progress)
    result = train(config)
    folders = {"best": result.output, "last": result.last}  # one and the same where the last step is the best
    by_folder = {
        folder: score(load_encoder(folder, device=config.device), plan.evaluation)
        for folder in {folders[weights] for weights in wanted}
    }
    scores = {weights: by_folder[folders[weights]] for weights in wanted}
    steps = {"best": result.best_step, "last": result.steps}
    manifest: Row = json.loads(read_bytes(result.output / MANIFEST))
    row = {
        "steps": result.steps,
        "dev_scores": [list(entry) for entry in result.dev_scores],
        "weights": {name: {"step": steps[name], "scores": each.spearman} for name, each in scores.items()},
        **{name: manifest[name] for name in ("corpus", "table", "device", "precision", "versions")},
        "options": run.options,
    }
    return row, {weights: each.cosines for weights, each in scores.items()}


def _check_corpus(rows: list[Row], run: Run, row: Row) -> None:
    """Refuse to set runs side by side that read one name and other text."""
    for other in rows:
        same = all(other["options"].get(name) == run.options.get(name) for name in FILES)
        if same and other["corpus"] != row["corpus"]:
            raise InputError(
                f"{run.title}: the corpus is no longer what it was when {other['arm']}, seed "
                f"{other['seed']} read it: {row['corpus']['sentences']} sentences, then "
                f"{other['corpus']['sentences']}; begin anew in another folder"
            )


def _mean_text(scores: dict[str, float | None]) -> str:
    """The mean over the tasks, for a line."""
    values = [value for value in scores.values() if value is not None]
    if not values or len(values) < len(scores):
        return "no score: the encoder gives all pairs of a task the same cosine"
    return f"mean of {len(values)} tasks {100 * fmean(values):.2f}"
