"""From the rows of an experiment to its table: means, spreads, and differences from the baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from una_fast.experiment.plan import Plan, Run, Weights
from una_fast.experiment.scoring import read_gold
from una_fast.experiment.statistics import Difference, compare, holm, over_pairs, resampled_means
from una_fast.experiment.store import Row, Store

__all__ = ["ArmSummary", "Comparison", "Spread", "Start", "Summary", "summarise"]

Gold = Mapping[str, NDArray[np.float64]]
Rows = Mapping[tuple[str, str, int], Row]
Resampled = Callable[[str, tuple[int, ...]], NDArray[np.float64]]
Found = dict[str, dict[int, tuple[Run, Row]]]
"""By arm and seed, the runs with a score on every task: the run, and what its row says of the weights asked for."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation (n - 1) over seeds; no deviation for one seed."""

    mean: float
    deviation: float | None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """An arm under a condition. Scores are correlations from -1 to 1.

    Attributes:
        arm: Its name.
        seeds: Those that have finished and have a score on every task.
        by_seed: Mean over the tasks, by seed.
        mean: Of these.
        tasks: Mean and deviation of each task.
        steps: The steps whose weights were scored, by seed.
        difference: From the baseline, over the seeds that both have; None for the baseline itself, and where there
            is no such seed.
        holm: p of the difference, corrected for the number of arms that are compared, see `holm`; None where p is.
    """

    arm: str
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    mean: Spread
    tasks: dict[str, Spread]
    steps: tuple[int, ...]
    difference: Difference | None
    holm: float | None = None


TF_IDF = "TF-IDF of the table"
"""The name of a term table that is scored as an encoder."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A start model before training, or a term table: its scores by task, and the mean of them.

    A table has no pooling.
    """

    model: str
    pooling: str | None
    scores: dict[str, float | None]
    mean: float | None

    @property
    def title(self) -> str:
        """Its name in tables and sentences."""
        return (
            self.model
            if self.pooling is None
            else f"before training, {Path(self.model).name} ({self.pooling})"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All arms under one condition, by one kind of weights."""

    condition: str
    weights: Weights
    arms: tuple[ArmSummary, ...]
    starts: tuple[Start, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The results of an experiment so far.

    Attributes:
        name: The plan's.
        description: The plan's.
        baseline: The arm that the others are compared with.
        tasks: Those scored.
        comparisons: One a condition and kind of weights.
        finished: Runs that have finished.
        planned: Runs of the plan.
    """

    name: str
    description: str
    baseline: str
    tasks: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    finished: int
    planned: int

    def to_dict(self) -> dict[str, Any]:
        """The summary for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n\n".join(_text_table(self, comparison) for comparison in self.comparisons)


def summarise(plan: Plan, store: Store) -> Summary:
    """Read what has finished, and compare it."""
    rows: Rows = {(row["condition"], row["arm"], row["seed"]): row for row in store.rows()}
    gold = read_gold(plan.evaluation)
    return Summary(
        name=plan.name,
        description=plan.description,
        baseline=plan.baseline,
        tasks=tuple(gold),
        comparisons=tuple(
            _comparison(plan, store, rows, condition.name, weights, gold)
            for weights in plan.evaluation.weights
            for condition in plan.conditions
        ),
        finished=len(rows),
        planned=sum(1 for _ in plan.runs()),
    )


def _comparison(
    plan: Plan, store: Store, rows: Rows, condition: str, weights: Weights, gold: Gold
) -> Comparison:
    planned = [run for run in plan.runs() if run.condition == condition]
    found: Found = {arm.name: {} for arm in plan.arms}
    for run in planned:
        row = rows[run.key]["weights"][weights] if run.key in rows else None
        if row is not None and None not in row["scores"].values():
            found[run.arm][run.seed] = (run, row)

    @cache  # the baseline's are asked for by every arm
    def resampled(arm: str, seeds: tuple[int, ...]) -> NDArray[np.float64]:
        return resampled_means([store.cosines(found[arm][seed][0], weights) for seed in seeds], gold)

    arms = []
    for arm, by_seed in found.items():
        if by_seed:
            difference = _difference(found, arm, plan.baseline, resampled)
            scores = {seed: row for seed, (_, row) in by_seed.items()}
            arms.append(_arm(arm, scores, difference, tuple(gold)))
    starts = _starts(store, planned)
    return Comparison(condition=condition, weights=weights, arms=_corrected(arms), starts=starts)


def _corrected(arms: Sequence[ArmSummary]) -> tuple[ArmSummary, ...]:
    compared = {arm.arm: arm.difference.p for arm in arms if arm.difference is not None}
    corrected = dict(zip(compared, holm(list(compared.values())), strict=True))
    return tuple(replace(arm, holm=corrected.get(arm.arm)) for arm in arms)


def _difference(found: Found, arm: str, baseline: str, resampled: Resampled) -> Difference | None:
    """The difference over the seeds that arm and baseline both have; None for the baseline and for no such seed."""
    both = tuple(seed for seed in found[arm] if seed in found[baseline])
    if arm == baseline or not both:
        return None
    sides = (found[arm], found[baseline])
    scores, others = ([_mean(side[seed][1]) for seed in both] for side in sides)
    return compare(scores, others, over_pairs=over_pairs(resampled(arm, both), resampled(baseline, both)))


def _arm(
    arm: str, by_seed: Mapping[int, Row], difference: Difference | None, tasks: Sequence[str]
) -> ArmSummary:
    means = [_mean(row) for row in by_seed.values()]
    return ArmSummary(
        arm=arm,
        seeds=tuple(by_seed),
        by_seed=tuple(means),
        mean=_spread(means),
        tasks={task: _spread([row["scores"][task] for row in by_seed.values()]) for task in tasks},
        steps=tuple(row["step"] for row in by_seed.values()),
        difference=difference,
    )


def _mean(row: Row) -> float:
    return fmean(row["scores"].values())


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean=fmean(values), deviation=stdev(values) if len(values) > 1 else None)


def _starts(store: Store, runs: Sequence[Run]) -> tuple[Start, ...]:
    """The start models of some runs, each once."""
    wanted = {run.start() for run in runs} | {(TF_IDF, run.table()) for run in runs}
    return tuple(
        Start(
            model=row["model"],
            pooling=row["pooling"],
            scores=row["scores"],
            mean=_defined_mean(row["scores"]),
        )
        for row in store.starts()
        if (row["model"], row["asked"]) in wanted
    )


def _defined_mean(scores: Mapping[str, float | None]) -> float | None:
    values = [value for value in scores.values() if value is not None]
    return fmean(values) if values and len(values) == len(scores) else None


HEAD = ("arm", "seeds", "mean", "sd", "difference", "sd", "over seeds", "over pairs", "p", "Holm")


def cells(arm: ArmSummary) -> tuple[str, ...]:
    """A row of the table under `HEAD`, times 100."""
    known = (arm.arm, str(len(arm.seeds)), points(arm.mean.mean), points(arm.mean.deviation))
    difference = arm.difference
    if difference is None:
        return (*known, *[""] * 6)
    intervals = (difference.over_seeds, difference.over_pairs)
    return (
        *known,
        f"{100 * difference.mean:+.2f}",
        points(difference.spread),
        *("" if each is None else f"{100 * each.low:+.2f} .. {100 * each.high:+.2f}" for each in intervals),
        f"{difference.p:.3g}",
        "" if arm.holm is None else f"{arm.holm:.3g}",
    )


def points(value: float | None) -> str:
    """A score or a difference, times 100 as in papers."""
    return "" if value is None else f"{100 * value:.2f}"


def title_of(comparison: Comparison) -> str:
    """The title of a comparison's table."""
    what = {"best": "Weights best on the development set", "last": "Weights of the last step"}[
        comparison.weights
    ]
    return f"{comparison.condition}. {what}" if comparison.condition else what


def _text_table(summary: Summary, comparison: Comparison) -> str:
    rows = [HEAD, *map(cells, comparison.arms)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    starts = [f"{start.title}: {points(start.mean) or 'undefined'}" for start in comparison.starts]
    tasks = f"mean of {len(summary.tasks)} tasks: {', '.join(summary.tasks)}"
    return "\n".join([title_of(comparison), tasks, *starts, "", *lines])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
