"""Semantic textual similarity: does the cosine of two embeddings rank sentence pairs as people do?

The seven tasks are those every paper on sentence embeddings reports: STS12 to STS16, the test split of STS-B
and that of SICK-R. All subsets of a year are concatenated and give one Spearman correlation (the setting called
"all", which papers report); the mean is taken over the seven. Each subset is scored by itself too, and so are the
two other settings in use: the mean over subsets, and the mean weighted by their pairs.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import OptionError
from una_fast.evaluation.embed import EncodeFunction, Encodes, Vector, encode_distinct, encode_function
from una_fast.evaluation.pairs import (
    PAIRS,
    SEVEN,
    Pairs,
    PairSource,
    check_tasks,
    open_source,
    read_found,
    read_pairs_file,
    read_task,
)
from una_fast.evaluation.term_rows import cosines_of
from una_fast.notebook import marked, table_html
from una_fast.table import TermTable

__all__ = [
    "PAIRS",
    "SEVEN",
    "Pairs",
    "Score",
    "StsReport",
    "TaskScore",
    "encode_distinct",
    "evaluate_pairs",
    "evaluate_sts",
    "read_task",
    "score_task",
    "score_tasks",
]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Correlations between cosine and gold, from -1 to 1; NaN where one side is constant."""

    name: str
    n_pairs: int
    spearman: float
    pearson: float


@dataclass(frozen=True, kw_only=True)
class TaskScore(Score):
    """The score of a task over all its pairs, and of each subset by itself."""

    subsets: tuple[Score, ...]

    @property
    def mean(self) -> Score:
        """The mean of the subsets' correlations, each subset counting the same."""
        return self._averaged("mean", [1.0] * len(self.subsets))

    @property
    def weighted_mean(self) -> Score:
        """The mean of the subsets' correlations, each weighing as many pairs as it has."""
        return self._averaged("weighted mean", [float(subset.n_pairs) for subset in self.subsets])

    def _averaged(self, name: str, weights: Sequence[float]) -> Score:
        return Score(
            name=name,
            n_pairs=self.n_pairs,
            spearman=float(np.average([subset.spearman for subset in self.subsets], weights=weights)),
            pearson=float(np.average([subset.pearson for subset in self.subsets], weights=weights)),
        )


@dataclass(frozen=True, kw_only=True)
class StsReport:
    """Scores of an encoder; `str(report)` is a table of Spearman correlations times 100."""

    tasks: tuple[TaskScore, ...]
    missing: tuple[str, ...]

    @property
    def mean(self) -> float | None:
        """Mean Spearman over the seven tasks; None unless all seven were scored."""
        scores = [task.spearman for task in self.tasks if task.name in SEVEN]
        return float(np.mean(scores)) if len(scores) == len(SEVEN) else None

    @property
    def mean_of_present(self) -> float | None:
        """Mean Spearman over whichever tasks were scored: not comparable with published means."""
        return float(np.mean([task.spearman for task in self.tasks])) if self.tasks else None

    def __getitem__(self, task: str) -> TaskScore:
        for score in self.tasks:
            if score.name == task:
                return score
        raise KeyError(task)

    def __str__(self) -> str:
        columns = [(task.name, task.spearman) for task in self.tasks]
        if self.mean is not None:
            columns.append(("mean", self.mean))
        elif self.mean_of_present is not None:
            columns.append((f"mean of {len(self.tasks)}", self.mean_of_present))
        cells = [(name, f"{100 * value:.2f}") for name, value in columns]
        widths = [max(len(name), len(value)) for name, value in cells]
        lines = [
            "  ".join(cell[row].rjust(width) for cell, width in zip(cells, widths, strict=True))
            for row in (0, 1)
        ]
        if self.missing:
            lines.append(f"missing: {', '.join(self.missing)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            (task.name, f"{task.n_pairs:,}", f"{100 * task.spearman:.2f}", f"{100 * task.pearson:.2f}")
            for task in self.tasks
        ]
        if self.mean_of_present is not None:
            name = "mean" if self.mean is not None else f"mean of {len(self.tasks)}"
            rows.append((marked(name), "", marked(f"{100 * self.mean_of_present:.2f}"), ""))
        missing = f"; missing: {', '.join(self.missing)}" if self.missing else ""
        return table_html(f"STS, times 100{missing}", ("task", "pairs", "Spearman", "Pearson"), rows)

    def details(self) -> str:
        """A table of both correlations times 100: over all pairs of a task, of its subsets, and their means."""
        rows = [row for task in self.tasks for row in _detail_rows(task)]
        width = max((len(part) for _, part, _ in rows), default=0)
        head = f"{'task':10}  {'subset':{width}}  {'pairs':>5}  Spearman  Pearson"
        return "\n".join([head, *(_detail_line(*row, width) for row in rows)])

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: correlations from -1 to 1, None where they are undefined."""
        return {
            "tasks": {task.name: _task_dict(task) for task in self.tasks},
            "missing": list(self.missing),
            "mean": _number(self.mean),
            "mean_of_present": _number(self.mean_of_present),
        }


def _detail_rows(task: TaskScore) -> list[tuple[str, str, Score]]:
    rows: list[tuple[str, str, Score]] = [(task.name, "all", task)]
    if len(task.subsets) > 1:
        means = (task.mean, task.weighted_mean)
        rows += [("", part.name, part) for part in (*task.subsets, *means)]
    return rows


def _detail_line(task: str, part: str, score: Score, width: int) -> str:
    numbers = f"{100 * score.spearman:8.2f}  {100 * score.pearson:7.2f}"
    return f"{task:10}  {part:{width}}  {score.n_pairs:5}  {numbers}"


def _task_dict(task: TaskScore) -> dict[str, Any]:
    return {
        **_score_dict(task),
        "subsets": {subset.name: _score_dict(subset) for subset in task.subsets},
        "mean": _score_dict(task.mean),
        "weighted_mean": _score_dict(task.weighted_mean),
    }


def _score_dict(score: Score) -> dict[str, Any]:
    return {"spearman": _number(score.spearman), "pearson": _number(score.pearson), "pairs": score.n_pairs}


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def evaluate_sts(
    encode: Encodes | TermTable,
    data: str | os.PathLike[str] | PairSource,
    *,
    tasks: Sequence[str] | None = None,
    batch_size: int = 64,
    progress: bool = False,
) -> StsReport:
    """Score an encoder on STS tasks.

    Args:
        encode: A function from a list of n sentences to an array of shape (n, D); an object with `encode`,
            such as a SentenceTransformer; a folder or hub name for `load_encoder`; or a term table, whose rows of
            TF-IDF are compared: the line that an encoder has to pass.
        data: A folder in SentEval's layout, with `STS/` and `SICK/` in it, or another source of pairs, such as
            `HubDatasets()`.
        tasks: Names out of `PAIRS`; by default the seven.
        batch_size: Sentences encoded at a time.
        progress: Show a progress bar.

    Returns:
        One score a task found; tasks without data are listed as missing.

    Raises:
        OptionError: An unknown task, or a batch size below 1.
        InputError: `data` is no folder or has none of the tasks, a subset is missing, a file is ragged or of
            another size than published, or `encode` returned something other than n finite vectors.
        StorageError: A file cannot be read, or the hub not be reached.
    """
    names = check_tasks(tasks)
    function = _encoder_of(encode, batch_size)
    found = read_found(open_source(data), names)
    scored = score_tasks(function, found, batch_size=batch_size, progress=progress)
    return StsReport(tasks=scored, missing=tuple(name for name in names if name not in found))


def evaluate_pairs(
    encode: Encodes | TermTable,
    files: Sequence[str | os.PathLike[str]],
    *,
    batch_size: int = 64,
    progress: bool = False,
) -> StsReport:
    """Score an encoder on files of pairs of the user's own, each as a task of its name.

    Args:
        encode: As for `evaluate_sts`.
        files: Files of two sentences and a score, of any scale, see `read_pairs_file`.
        batch_size: Sentences encoded at a time.
        progress: Show a progress bar.

    Raises:
        OptionError: No file, two of one name, or a batch size below 1.
        InputError: A file does not hold pairs with scores, or `encode` returned something other than n finite vectors.
        StorageError: A file cannot be read.
    """
    read = [read_pairs_file(path) for path in files]
    found = {pairs.name: [pairs] for pairs in read}
    if not read or len(found) < len(read):
        raise OptionError(
            f"files must be one or more, each of another name, got {[os.fspath(path) for path in files]}"
        )
    function = _encoder_of(encode, batch_size)
    return StsReport(tasks=score_tasks(function, found, batch_size=batch_size, progress=progress), missing=())


def _encoder_of(encode: Encodes | TermTable, batch_size: int) -> EncodeFunction | TermTable:
    return encode if isinstance(encode, TermTable) else encode_function(encode, batch_size)


def score_tasks(
    encode: EncodeFunction | TermTable,
    found: Mapping[str, Sequence[Pairs]],
    *,
    batch_size: int,
    progress: bool = False,
) -> tuple[TaskScore, ...]:
    """Score pairs that were read before: each distinct sentence of all tasks is encoded once.

    Args:
        encode: A function from a list of n sentences to an array of shape (n, D), or a term table.
        found: The subsets of each task.
        batch_size: Sentences encoded at a time.
        progress: Show a progress bar.
    """
    texts = [text for subsets in found.values() for pairs in subsets for text in (*pairs.left, *pairs.right)]
    if isinstance(encode, TermTable):
        cosines = cosines_of(encode, texts)
        return tuple(_correlated(name, subsets, cosines) for name, subsets in found.items())
    vectors = encode_distinct(encode, texts, batch_size=batch_size, progress=progress)
    return tuple(score_task(name, subsets, vectors) for name, subsets in found.items())


def score_task(task: str, subsets: Sequence[Pairs], vectors: dict[str, Vector]) -> TaskScore:
    """Correlate cosines with gold scores: over all pairs of the task, and within each subset.

    Cosines that differ by less than the rounding of their vectors tie.
    """
    return _correlated(task, subsets, partial(_cosines, vectors=vectors))


def _correlated(
    task: str, subsets: Sequence[Pairs], cosines_of_pairs: Callable[[Pairs], NDArray[np.float64]]
) -> TaskScore:
    cosines = [cosines_of_pairs(pairs) for pairs in subsets]
    whole = _score(task, np.concatenate(cosines), np.concatenate([pairs.gold for pairs in subsets]))
    parts = tuple(
        _score(pairs.name, cosine, pairs.gold) for pairs, cosine in zip(subsets, cosines, strict=True)
    )
    return TaskScore(
        name=task, n_pairs=whole.n_pairs, spearman=whole.spearman, pearson=whole.pearson, subsets=parts
    )


DIGITS = {np.dtype(np.float32): 6, np.dtype(np.float64): 12}
"""Decimals to which cosines are rounded, by the type of the vectors. Where the last bits of a vector depend on its
batch, equal cosines come out unequal, and ranks would tell them apart."""


def _cosines(pairs: Pairs, vectors: dict[str, Vector]) -> NDArray[np.float64]:
    left = np.stack([vectors[text] for text in pairs.left])
    right = np.stack([vectors[text] for text in pairs.right])
    cosines = np.einsum("nd,nd->n", left.astype(np.float64), right.astype(np.float64))
    rounded: NDArray[np.float64] = np.round(cosines, DIGITS[left.dtype])
    return rounded


def _score(name: str, cosine: NDArray[np.float64], gold: NDArray[np.float64]) -> Score:
    from scipy.stats import pearsonr, spearmanr

    if len(gold) < 2 or np.ptp(cosine) == 0 or np.ptp(gold) == 0:
        return Score(name=name, n_pairs=len(gold), spearman=float("nan"), pearson=float("nan"))
    return Score(
        name=name,
        n_pairs=len(gold),
        spearman=float(spearmanr(cosine, gold).statistic),
        pearson=float(pearsonr(cosine, gold).statistic),
    )
