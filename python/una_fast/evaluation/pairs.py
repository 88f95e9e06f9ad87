"""The sentence pairs of the STS tasks, and where they are read from: a folder in SentEval's layout.

Whatever has `read(task)` is a source of pairs; `una_fast.evaluation.hub` has another. The reader is strict: a
subset that is missing, a ragged line or another number of pairs than published is an error, since each would give a
score that looks like the published one and is not.
"""

import csv
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from una_fast.arrow import arrow_errors, opened_table, table_format
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.files import read_bytes
from una_fast.sources import JSON_LINES, reading

__all__ = [
    "PAIRS",
    "SEVEN",
    "STS_B_DEV",
    "SUBSETS",
    "FirstOf",
    "PairSource",
    "Pairs",
    "SentEvalFolder",
    "check_published",
    "check_tasks",
    "digest_of",
    "lines_of",
    "open_source",
    "read_found",
    "read_pairs_file",
    "read_task",
    "rows_of",
]

PAIRS = {
    "STS12": 3108,
    "STS13": 1500,
    "STS14": 3750,
    "STS15": 3000,
    "STS16": 1186,
    "STS-B": 1379,
    "SICK-R": 4927,
    "STS-B-dev": 1500,
    "SICK-R-all": 9927,
}
"""Scored pairs of each task as published. STS-B-dev chooses checkpoints, and SICK-R-all is SICK's train, trial and
test together, which is what MTEB calls SICK-R; neither is one of the seven.
"""

SCALES = {"SICK-R": (1.0, 5.0), "SICK-R-all": (1.0, 5.0)}
"""The least and the highest gold score of a task; of all others 0 and 5."""

SEVEN = ("STS12", "STS13", "STS14", "STS15", "STS16", "STS-B", "SICK-R")

SUBSETS: dict[str, tuple[str, ...]] = {
    "STS12": ("MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"),
    "STS13": ("FNWN", "headlines", "OnWN"),
    "STS14": ("deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"),
    "STS15": ("answers-forums", "answers-students", "belief", "headlines", "images"),
    "STS16": ("answer-answer", "headlines", "plagiarism", "postediting", "question-question"),
}
"""The subsets of each year. STS13 is without SMT, whose licence keeps it out of SentEval and of published scores."""

STS_B_DEV = "STS-B-dev"
"""The task that chooses checkpoints."""

_STS_B = {"STS-B": "sts-test.csv", STS_B_DEV: "sts-dev.csv"}
_SICK = {
    "SICK-R": {"test": "SICK_test_annotated.txt"},
    "SICK-R-all": {
        "train": "SICK_train.txt",
        "trial": "SICK_trial.txt",
        "test": "SICK_test_annotated.txt",
    },
}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The sentence pairs of one subset: `left` and `right` of n sentences, `gold` of shape (n,), float64."""

    name: str
    left: list[str]
    right: list[str]
    gold: NDArray[np.float64]


@runtime_checkable
class PairSource(Protocol):
    """A source of the pairs of a task."""

    def read(self, task: str) -> list[Pairs] | None:
        """The scored pairs of a task, one entry a subset; None where this source has no such task."""


@dataclass(frozen=True)
class SentEvalFolder:
    """A folder in SentEval's layout, with `STS/` and `SICK/` in it.

    Raises:
        InputError: `root` is no folder.
    """

    root: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if not Path(self.root).is_dir():
            raise InputError(f"{self.root} is no folder: STS data in SentEval's layout is expected there")

    def read(self, task: str) -> list[Pairs] | None:
        """See `PairSource`; a task is missing where its folder is, or of STS-B its file."""
        return read_task(Path(self.root), task)

    def __str__(self) -> str:
        return os.fspath(self.root)


@dataclass(frozen=True)
class FirstOf:
    """Several sources as one: each task comes from the first that has it."""

    sources: tuple[PairSource, ...]

    def read(self, task: str) -> list[Pairs] | None:
        """See `PairSource`."""
        found = (source.read(task) for source in self.sources)
        return next((subsets for subsets in found if subsets is not None), None)

    def __str__(self) -> str:
        return " and ".join(str(source) for source in self.sources)


def open_source(data: str | os.PathLike[str] | PairSource) -> PairSource:
    """A source as it is, and a path as a folder in SentEval's layout."""
    return SentEvalFolder(data) if isinstance(data, str | os.PathLike) else data


def check_tasks(tasks: Sequence[str] | None) -> tuple[str, ...]:
    """The tasks asked for, checked; by default the seven.

    Raises:
        OptionError: A task that is unknown or named twice, or none at all.
    """
    if tasks is None:
        return SEVEN
    for task in tasks:
        if task not in PAIRS:
            raise OptionError(f"tasks has {task!r}; known are {', '.join(PAIRS)}")
    if not tasks or len(set(tasks)) != len(tasks):
        raise OptionError(f"tasks must name one task or more, each once, got {list(tasks)!r}")
    return tuple(tasks)


def read_found(source: PairSource, tasks: Sequence[str]) -> dict[str, list[Pairs]]:
    """The tasks that a source has, with their pairs.

    Raises:
        InputError: It has none of them.
    """
    found = {task: subsets for task in tasks if (subsets := source.read(task)) is not None}
    if not found:
        raise InputError(
            f"{source} has none of {', '.join(tasks)}: expected are folders such as STS/STS12-en-test, "
            f"STS/STSBenchmark and SICK"
        )
    return found


def read_task(root: Path, task: str) -> list[Pairs] | None:
    """Read a task from a folder in SentEval's layout; None where the task's own folder is missing.

    Raises:
        InputError: A subset is missing, a line is ragged, a gold score is no number, or the number of pairs is not
            the published one.
        StorageError: A file cannot be read.
    """
    if task in SUBSETS:
        subsets = _read_year(root / "STS" / f"{task}-en-test", task)
    elif task in _STS_B:
        subsets = _read_sts_b(root / "STS" / "STSBenchmark", task)
    else:
        subsets = _read_sick(root / "SICK", task)
    return None if subsets is None else check_published(task, subsets, root)


def check_published(task: str, subsets: list[Pairs], where: object) -> list[Pairs]:
    """The subsets as they are, if they have as many pairs together as published, and gold scores on the task's scale.

    Raises:
        InputError: They have not.
    """
    low, high = SCALES.get(task, (0.0, 5.0))
    for pairs in subsets:
        outside = np.flatnonzero(~((pairs.gold >= low) & (pairs.gold <= high)))
        if len(outside):
            first = int(outside[0])
            raise InputError(
                f"{task} under {where}: {pairs.name} has the gold score {pairs.gold[first]:g} for pair {first + 1}, "
                f"and {len(outside)} like it: the scale is {low:g} to {high:g}"
            )
    count = sum(len(pairs.left) for pairs in subsets)
    if count != PAIRS[task]:
        names = ", ".join(pairs.name for pairs in subsets)
        raise InputError(
            f"{task} under {where} has {count} scored pairs ({names}), published were {PAIRS[task]}"
        )
    return subsets


def _read_sts_b(folder: Path, task: str) -> list[Pairs] | None:
    path = folder / _STS_B[task]
    if not path.is_file():
        return None
    rows = [[row[5], row[6], row[4]] for row in rows_of(path, columns=7)]
    return [_pairs(task, path, rows)]


def _read_sick(folder: Path, task: str) -> list[Pairs] | None:
    if not folder.is_dir():
        return None
    return [_read_sick_split(folder / file, name) for name, file in _SICK[task].items()]


def _read_sick_split(path: Path, name: str) -> Pairs:
    return _pairs(name, path, [row[1:4] for row in rows_of(path, columns=4, skip=1)], first_line=2)


def _pairs(name: str, path: Path, rows: list[list[str]], first_line: int = 1) -> Pairs:
    """Pairs out of rows of (left, right, gold)."""
    gold = [_gold(row[2], path, line) for line, row in enumerate(rows, first_line)]
    return Pairs(
        name=name,
        left=[row[0] for row in rows],
        right=[row[1] for row in rows],
        gold=np.array(gold, np.float64),
    )


def _read_year(folder: Path, task: str) -> list[Pairs] | None:
    if not folder.is_dir():
        return None
    inputs = [folder / f"STS.input.{name}.txt" for name in SUBSETS[task]]
    missing = [path.name for path in inputs if not path.is_file()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}: {task} is scored over all its subsets")
    return [_read_subset(path) for path in inputs]


def _read_subset(path: Path) -> Pairs:
    gold_path = path.with_name(path.name.replace("STS.input.", "STS.gs.", 1))
    rows = rows_of(path, columns=2)
    gold = lines_of(gold_path)
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


def read_pairs_file(path: str | os.PathLike[str]) -> Pairs:
    """Pairs with scores, of any scale, out of a file of the user's.

    It is JSON lines of `sentence1`, `sentence2` and `score`; or a table: delimited text (by commas in `.csv`, else by
    tabs), Parquet, Arrow or Feather. A table has these three columns by name, or three alone in this order.

    Raises:
        InputError: A row has not two sentences and a finite score, or there are fewer than two pairs, or all scores are
            equal.
        StorageError: The file cannot be read.
        MissingExtraError: A binary table, without pyarrow.
    """
    path = Path(path)
    if path.suffix.lower() in JSON_LINES:
        rows, first = _json_rows(path), 1
    elif table_format(path) in ("parquet", "ipc", "feather"):
        rows, first = _arrow_rows(path), 1
    else:
        rows, first = _delimited_rows(path)
    pairs = _pairs(path.name, path, rows, first_line=first)
    if len(rows) < 2 or np.ptp(pairs.gold) == 0:
        raise InputError(
            f"{path}: {len(rows)} pairs whose scores do not differ: nothing can be ranked by them"
        )
    return pairs


_NAMES = ("sentence1", "sentence2", "score")


def _json_rows(path: Path) -> list[list[str]]:
    rows = []
    for number, line in enumerate(lines_of(path), 1):
        try:
            row = json.loads(line)
            texts = [row[name] for name in _NAMES[:2]]
            score = row["score"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: expected an object with {', '.join(_NAMES)}: {error!r}"
            ) from error
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"{path}, line {number}: sentence1 and sentence2 must be strings")
        rows.append([*texts, json.dumps(score)])
    return rows


def _arrow_rows(path: Path) -> list[list[str]]:
    pa = require(path.name, "pyarrow")
    with arrow_errors(path, pa), opened_table(path, reading().core) as (schema, batches):
        columns = _places(schema.names, path)
        if columns is None:
            raise InputError(f"{path}: its columns are {schema.names}, expected {', '.join(_NAMES)}")
        rows = [
            [row[schema.names[place]] for place in columns]
            for batch in batches(None)
            for row in batch.to_pylist()
        ]
    for number, row in enumerate(rows, 1):
        if not (isinstance(row[0], str) and isinstance(row[1], str)):
            raise InputError(f"{path}, row {number}: {_NAMES[0]} and {_NAMES[1]} must be strings")
    return [[row[0], row[1], str(row[2])] for row in rows]


def _delimited_rows(path: Path) -> tuple[list[list[str]], int]:
    """The rows, and the line of the first of them: a first one that names its columns is none."""
    lines = lines_of(path)
    is_csv = path.suffix.lower() == ".csv"
    rows = list(csv.reader(lines)) if is_csv else [line.split("\t") for line in lines]
    named = {*_NAMES} <= {cell.strip().lower() for cell in rows[0]} if rows else False
    places = _places(rows[0], path) if named else (0, 1, 2)
    assert places is not None
    found = []
    for number, row in enumerate(rows[named:], 1 + named):
        if len(row) <= max(places) or (not named and len(row) != len(_NAMES)):
            raise InputError(
                f"{path}, line {number}: {len(row)} cells, expected sentence, sentence and score"
                + ("" if named else f" (more columns must be named in the first line: {', '.join(_NAMES)})")
            )
        found.append([row[place] for place in places])
    return found, 1 + named


def _places(names: Sequence[str], path: Path) -> tuple[int, ...] | None:
    """The places of the three columns; None where they are not to be told."""
    known = [name.strip().lower() for name in names]
    if {*_NAMES} <= {*known}:
        twice = [name for name in _NAMES if known.count(name) > 1]
        if twice:
            raise InputError(f"{path}: two columns are called {twice[0]}")
        return tuple(known.index(name) for name in _NAMES)
    return (0, 1, 2) if len(known) == len(_NAMES) else None


def digest_of(pairs: Pairs) -> str:
    """SHA-256 of pairs and their scores."""
    rows = zip(pairs.left, pairs.right, pairs.gold.tolist(), strict=True)
    return hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()


def rows_of(path: Path, *, columns: int, skip: int = 0) -> list[list[str]]:
    """The tab-separated fields of each line after the first `skip`. Quotes are text here, never quoting.

    Raises:
        InputError: A line has fewer than `columns` fields.
    """
    rows = [line.split("\t") for line in lines_of(path)[skip:]]
    for number, row in enumerate(rows, skip + 1):
        if len(row) < columns:
            raise InputError(f"{path}, line {number}: {len(row)} tab-separated fields, expected {columns}")
    return rows


def lines_of(path: Path, *, encoding: str = "utf-8") -> list[str]:
    """The lines of a file, split at line feeds only: sentences may hold other line separators.

    Raises:
        InputError: The file is not in `encoding`.
        StorageError: It cannot be read.
    """
    try:
        text = read_bytes(path).decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, byte {error.start}: not UTF-8") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def _gold(value: str, path: Path, line: int) -> float:
    # Python also reads 5_000, and numbers in the digits of other scripts.
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", value.strip(), re.ASCII | re.IGNORECASE):
        what = "finite" if value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity") else "a number"
        raise InputError(f"{path}, line {line}: the gold score is {value!r}, not {what}")
    return float(value)
