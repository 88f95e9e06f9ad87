"""Semantic textual similarity: does the cosine of two embeddings rank sentence pairs as people do?

The seven tasks are those every paper on sentence embeddings reports: STS12 to STS16, the test split of STS-B
and that of SICK-R, in SentEval's layout. All subsets of a year are concatenated and give one Spearman
correlation (the setting called "all"); the mean is taken over the seven.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from una_fast.errors import InputError, OptionError
from una_fast.evaluation.backbone import read_file

__all__ = ["PAIRS", "Pairs", "Score", "StsReport", "TaskScore", "evaluate_sts", "read_task"]

PAIRS = {
    "STS12": 3108,
    "STS13": 1500,
    "STS14": 3750,
    "STS15": 3000,
    "STS16": 1186,
    "STS-B": 1379,
    "SICK-R": 4927,
    "STS-B-dev": 1500,
}
"""Scored pairs of each task as published. STS-B-dev chooses checkpoints; it is not one of the seven."""

SEVEN = ("STS12", "STS13", "STS14", "STS15", "STS16", "STS-B", "SICK-R")

_FILES = {
    "STS-B": "STS/STSBenchmark/sts-test.csv",
    "STS-B-dev": "STS/STSBenchmark/sts-dev.csv",
    "SICK-R": "SICK/SICK_test_annotated.txt",
}

EncodeFunction = Callable[[list[str]], Any]


@runtime_checkable
class HasEncode(Protocol):
    """What a SentenceTransformer offers."""

    def encode(self, sentences: list[str], **options: Any) -> Any:
        """Encode sentences into an array of shape (n, D)."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The sentence pairs of one subset: `left` and `right` of n sentences, `gold` of shape (n,), float64."""

    name: str
    left: list[str]
    right: list[str]
    gold: NDArray[np.float64]


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

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: correlations from -1 to 1, None where they are undefined."""
        return {
            "tasks": {task.name: _task_dict(task) for task in self.tasks},
            "missing": list(self.missing),
            "mean": _number(self.mean),
            "mean_of_present": _number(self.mean_of_present),
        }


def _task_dict(task: TaskScore) -> dict[str, Any]:
    return {**_score_dict(task), "subsets": {subset.name: _score_dict(subset) for subset in task.subsets}}


def _score_dict(score: Score) -> dict[str, Any]:
    return {"spearman": _number(score.spearman), "pearson": _number(score.pearson), "pairs": score.n_pairs}


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def evaluate_sts(
    encode: EncodeFunction | HasEncode | str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    *,
    tasks: Sequence[str] | None = None,
    batch_size: int = 64,
    progress: bool = False,
) -> StsReport:
    """Score an encoder on STS tasks.

    Args:
        encode: A function from a list of n sentences to an array of shape (n, D); an object with `encode`,
            such as a SentenceTransformer; or a folder or hub name for `load_encoder`.
        data_dir: A folder in SentEval's layout, with `STS/` and `SICK/` in it.
        tasks: Names out of `PAIRS`; by default the seven.
        batch_size: Sentences encoded at a time.
        progress: Show a progress bar.

    Returns:
        One score a task found; tasks without data are listed as missing.

    Raises:
        OptionError: An unknown task, or a batch size below 1.
        InputError: `data_dir` is no folder, a file is ragged or of another size than published, or `encode`
            returned something other than n finite vectors.
    """
    names = _check_tasks(tasks)
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, got {batch_size}")
    root = Path(data_dir)
    if not root.is_dir():
        raise InputError(f"{root} is no folder: STS data in SentEval's layout is expected there")
    found = {name: subsets for name in names if (subsets := read_task(root, name)) is not None}
    texts = [text for subsets in found.values() for pairs in subsets for text in (*pairs.left, *pairs.right)]
    vectors = encode_distinct(
        _encode_function(encode, batch_size), texts, batch_size=batch_size, progress=progress
    )
    return StsReport(
        tasks=tuple(score_task(name, subsets, vectors) for name, subsets in found.items()),
        missing=tuple(name for name in names if name not in found),
    )


def _check_tasks(tasks: Sequence[str] | None) -> tuple[str, ...]:
    if tasks is None:
        return SEVEN
    for task in tasks:
        if task not in PAIRS:
            raise OptionError(f"tasks has {task!r}; known are {', '.join(PAIRS)}")
    if not tasks or len(set(tasks)) != len(tasks):
        raise OptionError(f"tasks must name one task or more, each once, got {list(tasks)!r}")
    return tuple(tasks)


def _encode_function(
    encode: EncodeFunction | HasEncode | str | os.PathLike[str], batch_size: int
) -> EncodeFunction:
    if isinstance(encode, str | os.PathLike):
        from una_fast.evaluation.encoder import load_encoder

        return load_encoder(encode)
    if isinstance(encode, HasEncode):
        return partial(encode.encode, batch_size=batch_size, convert_to_numpy=True, show_progress_bar=False)
    return encode


def read_task(root: Path, task: str) -> list[Pairs] | None:
    """Read the scored pairs of a task, one entry a subset; None where its folder is missing.

    Raises:
        InputError: A ragged line, or another number of pairs than published.
    """
    subsets = _read_single(root, task) if task in _FILES else _read_year(root, task)
    if subsets is None:
        return None
    count = sum(len(pairs.left) for pairs in subsets)
    if count != PAIRS[task]:
        names = ", ".join(pairs.name for pairs in subsets)
        raise InputError(
            f"{task} under {root} has {count} scored pairs ({names}), published were {PAIRS[task]}"
        )
    return subsets


def _read_single(root: Path, task: str) -> list[Pairs] | None:
    path = root / _FILES[task]
    if not path.parent.is_dir():
        return None
    if task == "SICK-R":
        rows = [row[1:4] for row in _rows(path, columns=4, skip=1)]
        return [_pairs(task, path, rows, first_line=2)]
    rows = [[row[5], row[6], row[4]] for row in _rows(path, columns=7)]
    return [_pairs(task, path, rows)]


def _pairs(name: str, path: Path, rows: list[list[str]], first_line: int = 1) -> Pairs:
    """Pairs out of rows of (left, right, gold)."""
    gold = [_gold(row[2], path, line) for line, row in enumerate(rows, first_line)]
    return Pairs(
        name=name,
        left=[row[0] for row in rows],
        right=[row[1] for row in rows],
        gold=np.array(gold, np.float64),
    )


def _read_year(root: Path, task: str) -> list[Pairs] | None:
    folder = root / "STS" / f"{task}-en-test"
    if not folder.is_dir():
        return None
    inputs = sorted(path for path in folder.glob("STS.input.*.txt") if path.name != "STS.input.ALL.txt")
    return [_read_subset(path) for path in inputs]


def _read_subset(path: Path) -> Pairs:
    gold_path = path.with_name(path.name.replace("STS.input.", "STS.gs.", 1))
    rows = _rows(path, columns=2)
    gold = _lines(gold_path)
    if len(gold) != len(rows):
        raise InputError(f"{gold_path} has {len(gold)} lines, but {path} has {len(rows)}")
    # In STS14 and STS16 most pairs were never annotated: their gold lines are empty.
    kept = [line for line, value in enumerate(gold) if value.strip()]
    return Pairs(
        name=path.name.removeprefix("STS.input.").removesuffix(".txt"),
        left=[rows[line][0] for line in kept],
        right=[rows[line][1] for line in kept],
        gold=np.array([_gold(gold[line], gold_path, line + 1) for line in kept], np.float64),
    )


def _rows(path: Path, *, columns: int, skip: int = 0) -> list[list[str]]:
    """The tab-separated fields of each line after the first `skip`. Quotes are text here, never quoting."""
    rows = [line.split("\t") for line in _lines(path)[skip:]]
    for number, row in enumerate(rows, skip + 1):
        if len(row) < columns:
            raise InputError(f"{path}, line {number}: {len(row)} tab-separated fields, expected {columns}")
    return rows


def _lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, split at line feeds only: sentences may hold other line separators."""
    try:
        text = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, byte {error.start}: not UTF-8") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def _gold(value: str, path: Path, line: int) -> float:
    try:
        gold = float(value)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: the gold score is {value!r}, not a number") from error
    if not np.isfinite(gold):
        raise InputError(f"{path}, line {line}: the gold score is {value!r}, not finite")
    return gold


def encode_distinct(
    encode: EncodeFunction, texts: Sequence[str], *, batch_size: int, progress: bool = False
) -> dict[str, NDArray[np.float32]]:
    """Encode each distinct text once, longest first: texts of like length need little padding.

    Returns:
        The vector of each text, shape (D,), float32, scaled to length 1 (a zero vector stays zero).

    Raises:
        InputError: `encode` returned something other than one finite vector a text.
    """
    distinct = sorted(set(texts), key=lambda text: (-len(text), text))
    vectors: dict[str, NDArray[np.float32]] = {}
    for batch in tqdm(list(_batches(distinct, batch_size)), desc="encoding", disable=not progress):
        vectors.update(zip(batch, _unit_rows(encode(batch), len(batch)), strict=True))
    return vectors


def _batches(texts: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _unit_rows(vectors: Any, count: int) -> NDArray[np.float32]:
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or len(array) != count:
        raise InputError(f"encode must return an array of shape ({count}, D), got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("encode returned vectors with NaN or infinite values")
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    unit: NDArray[np.float32] = array / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


def score_task(task: str, subsets: Sequence[Pairs], vectors: dict[str, NDArray[np.float32]]) -> TaskScore:
    """Correlate cosines with gold scores: over all pairs of the task, and within each subset."""
    cosines = [_cosines(pairs, vectors) for pairs in subsets]
    whole = _score(task, np.concatenate(cosines), np.concatenate([pairs.gold for pairs in subsets]))
    parts = tuple(
        _score(pairs.name, cosine, pairs.gold) for pairs, cosine in zip(subsets, cosines, strict=True)
    )
    return TaskScore(
        name=task, n_pairs=whole.n_pairs, spearman=whole.spearman, pearson=whole.pearson, subsets=parts
    )


def _cosines(pairs: Pairs, vectors: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    left = np.stack([vectors[text] for text in pairs.left])
    right = np.stack([vectors[text] for text in pairs.right])
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", left, right)
    return cosines


def _score(name: str, cosine: NDArray[np.float32], gold: NDArray[np.float64]) -> Score:
    from scipy.stats import pearsonr, spearmanr

    if len(gold) < 2 or np.ptp(cosine) == 0 or np.ptp(gold) == 0:
        return Score(name=name, n_pairs=len(gold), spearman=float("nan"), pearson=float("nan"))
    return Score(
        name=name,
        n_pairs=len(gold),
        spearman=float(spearmanr(cosine, gold).statistic),
        pearson=float(pearsonr(cosine.astype(np.float64), gold).statistic),
    )
