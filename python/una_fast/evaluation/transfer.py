"""SentEval's transfer tasks: how well does a logistic regression classify by an embedding alone?

MR, CR, SUBJ and MPQA are scored by nested cross-validation over 10 folds, the inner one choosing the strength of
regularisation; SST2 chooses it on its development split; TREC and MRPC by cross-validation on their training split. The
strengths, folds and seed are those of SentEval with its scikit-learn classifier. Features are embeddings as they
come, and for the two sentences u and v of MRPC |u - v| and u * v side by side. Source: Conneau and Kiela 2018, arXiv
1803.05449.

The solver is L-BFGS to convergence, where SentEval took whatever its version of scikit-learn had as default.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from una_fast.errors import InputError, OptionError
from una_fast.evaluation.embed import Encodes, Vector, embed_distinct, encode_function
from una_fast.evaluation.labelled import TRANSFER, Labelled, read_transfer
from una_fast.extras import require

__all__ = ["TRANSFER", "TransferReport", "TransferScore", "evaluate_transfer"]

STRENGTHS = tuple(2.0**power for power in range(-2, 4))
"""Inverse strengths of regularisation tried where there is a development split or an inner cross-validation."""

STRENGTHS_OF_SPLIT = tuple(2.0**power for power in range(-1, 6))
"""Those tried by cross-validation on a training split."""

MAX_ITERATIONS = 1000

Features = NDArray[np.float64]
Labels = NDArray[np.int64]


class _Classifier(Protocol):
    """A scikit-learn classifier, as far as it is used."""

    best_score_: float

    def fit(self, features: Features, labels: Labels) -> object: ...
    def predict(self, features: Features) -> Labels: ...
    def score(self, features: Features, labels: Labels) -> float: ...


@dataclass(frozen=True, kw_only=True)
class TransferScore:
    """Scores from 0 to 1 of one task.

    Attributes:
        name: The task.
        accuracy: On what the classifier had not seen.
        dev_accuracy: On what the strength of regularisation was chosen by.
        f1: F1 of the class 1; None except for MRPC, which is reported with it.
        n_train: Examples trained on; in nested cross-validation all of them.
        n_test: Examples scored.
    """

    name: str
    accuracy: float
    dev_accuracy: float
    f1: float | None = None
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """Scores of an encoder; `str(report)` is a table of accuracies times 100."""

    tasks: tuple[TransferScore, ...]
    missing: tuple[str, ...]

    @property
    def mean(self) -> float | None:
        """Mean accuracy over the seven tasks; None unless all seven were scored."""
        scores = [task.accuracy for task in self.tasks]
        return float(np.mean(scores)) if len(scores) == len(TRANSFER) else None

    def __getitem__(self, task: str) -> TransferScore:
        for score in self.tasks:
            if score.name == task:
                return score
        raise KeyError(task)

    def __str__(self) -> str:
        columns = [(task.name, task.accuracy) for task in self.tasks]
        if self.mean is not None:
            columns.append(("mean", self.mean))
        lines = [
            "  ".join(f"{name:>5}" for name, _ in columns),
            "  ".join(f"{100 * value:5.2f}" for _, value in columns),
        ]
        if self.missing:
            lines.append(f"missing: {', '.join(self.missing)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: accuracies from 0 to 1."""
        return {
            "tasks": {task.name: asdict(task) for task in self.tasks},
            "missing": list(self.missing),
            "mean": self.mean,
        }


def evaluate_transfer(
    encode: Encodes,
    data_dir: str | os.PathLike[str],
    *,
    tasks: Sequence[str] | None = None,
    batch_size: int = 64,
    folds: int = 10,
    seed: int = 1111,
    jobs: int | None = None,
    progress: bool = False,
) -> TransferReport:
    """Score an encoder on SentEval's transfer tasks.

    Args:
        encode: As for `evaluate_sts`.
        data_dir: A folder in SentEval's layout, with `MR/`, `CR/`, `SUBJ/`, `MPQA/`, `SST/`, `TREC/`, `MRPC/` in it.
        tasks: Names out of `TRANSFER`; by default all seven.
        batch_size: Sentences encoded at a time.
        folds: Folds of every cross-validation.
        seed: Decides the folds; SentEval's by default.
        jobs: Processes that cross-validate side by side; None is one, -1 one a core.
        progress: Show progress bars.

    Returns:
        One score a task found; tasks without data are listed as missing.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        OptionError: An unknown task, or an option out of range.
        InputError: `data_dir` is no folder or has none of the tasks, or a file is damaged.
        StorageError: A file is missing or cannot be read.
    """
    names = _check_tasks(tasks)
    if folds < 2:
        raise OptionError(f"folds must be at least 2, got {folds}")
    protocol = _Protocol(folds=folds, seed=seed, jobs=jobs)
    function = encode_function(encode, batch_size)
    found = _read_found(Path(data_dir), names)
    scores = []
    for name, splits in tqdm(found.items(), desc="transfer", disable=not progress):
        texts = [text for split in splits.values() for side in split.sentences for text in side]
        vectors = embed_distinct(function, texts, batch_size=batch_size, progress=progress)
        examples = {key: (_features(split, vectors), split.labels) for key, split in splits.items()}
        scores.append(protocol.score(name, examples))
    return TransferReport(tasks=tuple(scores), missing=tuple(name for name in names if name not in found))


def _check_tasks(tasks: Sequence[str] | None) -> tuple[str, ...]:
    names = TRANSFER if tasks is None else tuple(tasks)
    for task in names:
        if task not in TRANSFER:
            raise OptionError(f"tasks has {task!r}; known are {', '.join(TRANSFER)}")
    if not names or len(set(names)) != len(names):
        raise OptionError(f"tasks must name one task or more, each once, got {list(names)!r}")
    return names


def _read_found(root: Path, names: Sequence[str]) -> dict[str, dict[str, Labelled]]:
    if not root.is_dir():
        raise InputError(f"{root} is no folder: transfer tasks in SentEval's layout are expected there")
    found = {name: splits for name in names if (splits := read_transfer(root, name)) is not None}
    if not found:
        raise InputError(f"{root} has none of {', '.join(names)}: each is expected in a folder of its name")
    return found


def _features(split: Labelled, vectors: Mapping[str, Vector]) -> Features:
    """The features that the classifier sees: shape (n, D), or (n, 2 D) for pairs of sentences."""
    sides = [np.stack([vectors[text] for text in side]).astype(np.float64) for side in split.sentences]
    if len(sides) == 1:
        return sides[0]
    left, right = sides
    return np.concatenate([np.abs(left - right), left * right], axis=1)


@dataclass(frozen=True, kw_only=True)
class _Protocol:
    """SentEval's three ways of scoring, told apart by the splits that a task has."""

    folds: int
    seed: int
    jobs: int | None

    def __post_init__(self) -> None:
        require("a transfer task", "sklearn")

    def score(self, task: str, examples: Mapping[str, tuple[Features, Labels]]) -> TransferScore:
        if "dev" in examples:
            return self._by_dev_split(task, examples)
        return self._nested(task, *examples["all"]) if "all" in examples else self._by_folds(task, examples)

    def _nested(self, task: str, features: Features, labels: Labels) -> TransferScore:
        self._check_folds(task, labels)
        tested, chosen = [], []
        for train, test in self._split().split(features, labels):
            search = self._search(STRENGTHS)
            search.fit(features[train], labels[train])
            chosen.append(search.best_score_)
            tested.append(search.score(features[test], labels[test]))
        return TransferScore(
            name=task,
            accuracy=float(np.mean(tested)),
            dev_accuracy=float(np.mean(chosen)),
            n_train=len(labels),
            n_test=len(labels),
        )

    def _by_folds(self, task: str, examples: Mapping[str, tuple[Features, Labels]]) -> TransferScore:
        (train, train_labels), (test, test_labels) = examples["train"], examples["test"]
        self._check_folds(task, train_labels)
        search = self._search(STRENGTHS_OF_SPLIT)
        search.fit(train, train_labels)
        return TransferScore(
            name=task,
            accuracy=float(search.score(test, test_labels)),
            dev_accuracy=float(search.best_score_),
            f1=_f1(test_labels, search.predict(test)) if task == "MRPC" else None,
            n_train=len(train_labels),
            n_test=len(test_labels),
        )

    def _by_dev_split(self, task: str, examples: Mapping[str, tuple[Features, Labels]]) -> TransferScore:
        fitted = []
        for strength in STRENGTHS:
            classifier = _regression(strength)
            classifier.fit(*examples["train"])
            fitted.append((classifier.score(*examples["dev"]), classifier))
        dev, best = max(fitted, key=lambda entry: entry[0])
        return TransferScore(
            name=task,
            accuracy=float(best.score(*examples["test"])),
            dev_accuracy=float(dev),
            n_train=len(examples["train"][1]),
            n_test=len(examples["test"][1]),
        )

    def _check_folds(self, task: str, labels: Labels) -> None:
        rarest = int(np.bincount(labels)[np.unique(labels)].min())
        if rarest < self.folds:
            raise InputError(f"{task} has a class of {rarest} examples, too few for {self.folds} folds")

    def _split(self) -> Any:
        from sklearn.model_selection import StratifiedKFold

        return StratifiedKFold(n_splits=self.folds, shuffle=True, random_state=self.seed)

    def _search(self, strengths: Sequence[float]) -> _Classifier:
        from sklearn.model_selection import GridSearchCV

        grid = {"C": list(strengths)}
        search = GridSearchCV(_regression(1.0), grid, cv=self._split(), n_jobs=self.jobs)
        return cast("_Classifier", search)


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)


def _f1(labels: Labels, predicted: Labels) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted))
