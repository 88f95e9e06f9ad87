"""Score an encoder on the STS tasks, and keep the cosine of every pair, which comparing encoders needs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import InputError
from una_fast.evaluation import evaluate_sts
from una_fast.evaluation.pairs import SEVEN, Pairs, open_source, read_found
from una_fast.experiment.plan import Evaluation

__all__ = ["Scores", "read_gold", "score"]

Vectors = NDArray[np.float32]


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
    """Score an encoder by `evaluate_sts`.

    Args:
        encode: From n sentences to an array of shape (n, D).
        evaluation: On what.

    Raises:
        InputError: There is no data of any task, or as `evaluate_sts` raises it.
    """
    vectors: dict[str, Vectors] = {}

    def remembering(sentences: list[str]) -> Vectors:
        encoded = np.asarray(encode(sentences), np.float32)
        vectors.update(zip(sentences, encoded, strict=True))
        return encoded

    report = evaluate_sts(
        remembering, evaluation.sts, tasks=evaluation.tasks, batch_size=evaluation.batch_size
    )
    tasks = report.to_dict()["tasks"]
    if not tasks:
        raise InputError(
            f"evaluation.sts is {evaluation.sts!r}, which has no data of {', '.join(report.missing)}"
        )
    return Scores(
        spearman={name: task["spearman"] for name, task in tasks.items()},
        cosines={name: _cosines(pairs, vectors) for name, pairs in _read_pairs(evaluation).items()},
    )


def read_gold(evaluation: Evaluation) -> dict[str, NDArray[np.float64]]:
    """The gold scores of the pairs of each task there is, in the order of `Scores.cosines`."""
    return {
        name: np.concatenate([each.gold for each in pairs]) for name, pairs in _read_pairs(evaluation).items()
    }


def _read_pairs(evaluation: Evaluation) -> dict[str, list[Pairs]]:
    return read_found(open_source(evaluation.sts), evaluation.tasks or SEVEN)


def _cosines(subsets: list[Pairs], vectors: dict[str, Vectors]) -> Vectors:
    left = np.stack([vectors[text] for pairs in subsets for text in pairs.left])
    right = np.stack([vectors[text] for pairs in subsets for text in pairs.right])
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: Vectors = np.einsum("nd,nd->n", left, right) / np.maximum(norms, np.finfo(np.float32).tiny)
    return cosines
