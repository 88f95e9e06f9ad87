"""Run what is missing of an experiment, one training after another: read it from top to bottom."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from una_fast.errors import InputError, StorageError
from una_fast.evaluation import load_encoder
from una_fast.evaluation.backbone import read_file
from una_fast.experiment.plan import Plan, Run, Weights
from una_fast.experiment.report import render_report
from una_fast.experiment.samples import sample_negatives
from una_fast.experiment.scoring import Scores, score
from una_fast.experiment.store import Cosines, Row, Store, finished_runs, open_store
from una_fast.experiment.summary import Summary, summarise
from una_fast.training import Result, train
from una_fast.training.output import MANIFEST

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

    A process that is killed loses the run it was at, which starts again next time; on the CPU the outcome is the same,
    byte for byte.

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
    with open_store(plan, Path(output)) as store:
        if train_missing:
            _score_starts(plan, store, tell)
            _train_missing(plan, store, keep_encoders=keep_encoders, progress=progress, tell=tell)
        summary = summarise(plan, store)
        tell("writing the report")
        store.write("summary.json", json.dumps(summary.to_dict(), indent=1, ensure_ascii=False) + "\n")
        store.write("report.html", render_report(plan, summary, sample_negatives(plan)))
    return summary


def _score_starts(plan: Plan, store: Store, tell: Tell) -> None:
    """Score every model that runs start from, before it has learnt anything."""
    known = {(row["model"], row["pooling"]) for row in store.starts()}
    for run in plan.runs():
        model, pooling = run.start()
        if (model, pooling) in known:
            continue
        known.add((model, pooling))
        encoder = load_encoder(model, pooling=pooling, device=run.config(Path("unused")).device)
        scores = score(encoder, plan.evaluation).spearman
        store.add_start({"model": model, "pooling": pooling, "scores": scores})
        tell(f"before training, {model}: {_mean_text(scores)}")


def _train_missing(plan: Plan, store: Store, *, keep_encoders: bool, progress: bool, tell: Tell) -> None:
    finished = finished_runs(store.folder)
    runs = list(plan.runs())
    for number, run in enumerate(runs, 1):
        if run.key in finished:
            continue
        row, cosines = _run(plan, run, store, progress=progress)
        _check_corpus(store.rows(), run, row)
        store.add_row(run, row, cosines)
        if not keep_encoders:
            _remove(store.encoder(run, "").parent)
        scores = row["weights"][plan.evaluation.weights[0]]["scores"]
        tell(f"[{number}/{len(runs)}] {run.title}: {_mean_text(scores)}")


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """What one training left: its course, what its folder says of it, the scores of its encoder."""

    result: Result
    manifest: Row
    scores: Scores

    def row(self) -> Row:
        dev = [list(entry) for entry in self.result.dev_scores]
        return {"step": self.result.best_step, "scores": self.scores.spearman, "dev_scores": dev}


def _run(plan: Plan, run: Run, store: Store, *, progress: bool) -> tuple[Row, dict[str, Cosines]]:
    """Train and score a run; twice only where both kinds of weights are wanted and they are not the same."""
    trained: dict[str, _Trained] = {}
    for weights in sorted(plan.evaluation.weights):  # "best" first: it may turn out to be the last
        best = trained.get("best")
        if best is None or best.result.best_step < best.result.steps:
            trained[weights] = _train(plan, run, store.encoder(run, weights), weights, progress=progress)
        else:
            trained[weights] = best
    first = trained[plan.evaluation.weights[0]]
    row = {
        "steps": first.result.steps,
        "corpus": first.manifest["corpus"],
        "table": first.manifest["table"],
        "versions": first.manifest["versions"],
        "options": run.options,
        "weights": {weights: each.row() for weights, each in trained.items()},
    }
    return row, {weights: each.scores.cosines for weights, each in trained.items()}


def _train(plan: Plan, run: Run, output: Path, weights: Weights, *, progress: bool) -> _Trained:
    config = run.config(output, sts=plan.evaluation.sts if weights == "best" else None, progress=progress)
    result = train(config)
    scores = score(load_encoder(output, device=config.device), plan.evaluation)
    manifest: Row = json.loads(read_file(output / MANIFEST))
    return _Trained(result=result, manifest=manifest, scores=scores)


def _check_corpus(rows: list[Row], run: Run, row: Row) -> None:
    """Refuse to set runs side by side that read one name and other text."""
    for other in rows:
        same = all(other["options"].get(name) == run.options.get(name) for name in ("corpus", "paraphrases"))
        if same and other["corpus"] != row["corpus"]:
            raise InputError(
                f"{run.title}: corpus {run.options['corpus']!r} is no longer what it was when {other['arm']}, seed "
                f"{other['seed']} read it: {row['corpus']['sentences']} sentences, then "
                f"{other['corpus']['sentences']}; begin anew in another folder"
            )


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(error.errno, error.strerror, str(folder)) from error


def _mean_text(scores: dict[str, float | None]) -> str:
    """The mean over the tasks, for a line."""
    values = [value for value in scores.values() if value is not None]
    if not values or len(values) < len(scores):
        return "no score: the encoder gives all pairs of a task the same cosine"
    return f"mean of {len(values)} tasks {100 * fmean(values):.2f}"
