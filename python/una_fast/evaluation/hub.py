"""The STS tasks from the Hugging Face hub, through the library `datasets`.

    from una_fast.evaluation import HubDatasets, evaluate_sts

    report = evaluate_sts(encoder, HubDatasets())

MTEB's copies hold the pairs of a task without their subsets, so a year is one subset here and only its score over all
pairs can be told. Its SICK-R is another task than the one that papers report: train, trial and test together, 9,927
pairs under the one split "test", from which the 4,927 of the test cannot be told apart. It is called SICK-R-all here,
and SICK-R itself has to come from SentEval's files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import InputError, StorageError, UnaError
from una_fast.evaluation.pairs import Pairs, check_published
from una_fast.extras import require

__all__ = ["DATASETS", "HubDatasets"]

DATASETS = {
    "STS12": ("mteb/sts12-sts", "test"),
    "STS13": ("mteb/sts13-sts", "test"),
    "STS14": ("mteb/sts14-sts", "test"),
    "STS15": ("mteb/sts15-sts", "test"),
    "STS16": ("mteb/sts16-sts", "test"),
    "STS-B": ("mteb/stsbenchmark-sts", "test"),
    "STS-B-dev": ("mteb/stsbenchmark-sts", "validation"),
    "SICK-R-all": ("mteb/sickr-sts", "test"),
}
"""Name and split of each task's dataset on the hub."""

COLUMNS = ("sentence1", "sentence2", "score")

LoadDataset = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class HubDatasets:
    """A source of pairs, see `una_fast.evaluation.pairs.PairSource`.

    Attributes:
        load: Called as `load(name, split=split)`; None takes `datasets.load_dataset`. A function of your own reads
            copies from elsewhere, with `datasets.load_from_disk` for one.
    """

    load: LoadDataset | None = None

    def read(self, task: str) -> list[Pairs] | None:
        """The pairs of a task as one subset; None for SICK-R, which the hub has only within SICK-R-all.

        Raises:
            MissingExtraError: `datasets` is not installed.
            StorageError: The hub cannot be reached, or has no such dataset.
            InputError: The dataset has other columns, pairs or scores than expected.
        """
        if task not in DATASETS:
            return None
        name, split = DATASETS[task]
        return check_published(task, [_pairs(task, self._fetch(name, split), name)], name)

    def _fetch(self, name: str, split: str) -> Any:
        load = _load_dataset() if self.load is None else self.load
        try:
            return load(name, split=split)
        except UnaError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise StorageError(
                f"dataset {name!r}, split {split!r}, cannot be had from the hub ({type(error).__name__}: {error}); "
                f"a folder in SentEval's layout needs no hub"
            ) from error

    def __str__(self) -> str:
        return "the Hugging Face hub"


def _load_dataset() -> LoadDataset:
    load: LoadDataset = require("reading tasks from the hub", "datasets").load_dataset
    return load


def _pairs(task: str, dataset: Any, name: str) -> Pairs:
    lacking = [column for column in COLUMNS if column not in dataset.column_names]
    if lacking:
        raise InputError(f"dataset {name!r} has the columns {dataset.column_names}, but not {lacking}")
    left, right, score = (list(dataset[column]) for column in COLUMNS)
    for row, text in enumerate(zip(left, right, strict=True)):
        if not all(isinstance(side, str) for side in text):
            raise InputError(f"dataset {name!r}, row {row}: expected two sentences, found {text!r}")
    return Pairs(name=task, left=left, right=right, gold=_gold(score, name))


def _gold(scores: Sequence[Any], name: str) -> NDArray[np.float64]:
    for row, score in enumerate(scores):
        if not isinstance(score, int | float) or not np.isfinite(score):
            raise InputError(f"dataset {name!r}, row {row}: the gold score is {score!r}, not a finite number")
    return np.array(scores, np.float64)
