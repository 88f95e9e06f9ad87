"""Score an encoder on pairs with scores, and keep the cosine of every pair, which comparing encoders needs."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import InputError
from una_fast.evaluation.embed import EncodeFunction, encode_function
from una_fast.evaluation.pairs import SEVEN, Pairs, open_source, read_found, read_pairs_file
from una_fast.evaluation.sts import score_tasks
from una_fast.experiment.plan import Evaluation
from una_fast.table import TermTable

__all__ = ["Scores", "read_gold", "score", "score_table"]

Vectors = NDArray[np.float32]
Tasks = dict[str, list[Pairs]]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of an encoder.

    Attributes:
        spearman: By task, from -1 to 1; None where it is undefined.
        cosines: By task, the cosine of each pair in the order of the files, shape (n,), float32.
    """

    spearman: dict[str, float | None]
    cosines: dict[str, Vectors]


def score(encode: Callable[[list[str]], Vectors], evaluation: Evaluation) -> Scores:
    """Score an encoder.

    Args:
        encode: From n sentences to an array of shape (n, D).
        evaluation: On what.

    Raises:
        InputError: There is no data of any task, or as `evaluate_sts` and `evaluate_pairs` raise it.
    """
    found, vectors = _read(evaluation), dict[str, Vectors]()

    def remembering(sentences: list[str]) -> Vectors:
        encoded = np.asarray(encode(sentences), np.float32)
        vectors.update(zip(sentences, encoded, strict=True))
        return encoded

    function = encode_function(remembering, evaluation.batch_size)
    return Scores(
        spearman=_correlations(function, found, evaluation),
        cosines={name: _cosines(pairs, vectors) for name, pairs in found.items()},
    )


def score_table(table: TermTable, evaluation: Evaluation) -> dict[str, float | None]:
    """The correlations that the TF-IDF rows of a table come to, by task."""
    return _correlations(table, _read(evaluation), evaluation)


def read_gold(evaluation: Evaluation) -> dict[str, NDArray[np.float64]]:
    """The gold scores of the pairs of each task there is, in the order of `Scores.cosines`."""
    return {name: np.concatenate([each.gold for each in pairs]) for name, pairs in _read(evaluation).items()}


def _read(evaluation: Evaluation) -> Tasks:
    """The tasks of the folder, then the files by their names."""
    found: Tasks = {}
    if evaluation.sts is not None:
        found.update(read_found(open_source(evaluation.sts), evaluation.tasks or SEVEN))
    for path in evaluation.pairs:
        pairs = read_pairs_file(path)
        if pairs.name in found:
            raise InputError(f"evaluation.pairs has {path}, and there is another task called {pairs.name}")
        found[pairs.name] = [pairs]
    return found


def _correlations(
    encode: EncodeFunction | TermTable, found: Tasks, evaluation: Evaluation
) -> dict[str, float | None]:
    scored = score_tasks(encode, found, batch_size=evaluation.batch_size)
    return {task.name: None if isnan(task.spearman) else task.spearman for task in scored}


def _cosines(subsets: list[Pairs], vectors: dict[str, Vectors]) -> Vectors:
    left = np.stack([vectors[text] for pairs in subsets for text in pairs.left])
    right = np.stack([vectors[text] for pairs in subsets for text in pairs.right])
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: Vectors = np.einsum("nd,nd->n", left, right) / np.maximum(norms, np.finfo(np.float32).tiny)
    return cosines
