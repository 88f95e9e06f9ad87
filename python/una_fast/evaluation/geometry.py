"""Alignment and uniformity: are paraphrases near each other, and do sentences fill the sphere?

Both are measured on the development split of STS-B: alignment over its pairs of a gold score above 4, uniformity over
all its sentences. Sources: Wang and Isola 2020, arXiv 2005.10242; Gao et al. 2021, arXiv 2104.08821, for the choice of
pairs and sentences. Lower is better for both.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from una_fast.errors import InputError
from una_fast.evaluation.embed import Encodes, Vector, encode_distinct, encode_function
from una_fast.evaluation.pairs import Pairs, PairSource, open_source, read_found

__all__ = ["GeometryReport", "alignment", "evaluate_geometry", "geometry_of", "uniformity"]

TASK = "STS-B-dev"
NEAR = 4.0
"""Pairs of a gold score above this, on STS-B's scale from 0 to 5, say the same thing."""

ROWS = 512
"""Rows of the matrix of distances held at a time; it shows in no result but its rounding."""


@dataclass(frozen=True, kw_only=True)
class GeometryReport:
    """Alignment over `n_pairs` pairs of like meaning, uniformity over `n_sentences` distinct sentences."""

    alignment: float
    uniformity: float
    n_pairs: int
    n_sentences: int

    def __str__(self) -> str:
        return (
            f"alignment {self.alignment:.4f} over {self.n_pairs} pairs, "
            f"uniformity {self.uniformity:.4f} over {self.n_sentences} sentences (STS-B dev)"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return asdict(self)


def evaluate_geometry(
    encode: Encodes,
    data: str | os.PathLike[str] | PairSource,
    *,
    batch_size: int = 64,
    progress: bool = False,
) -> GeometryReport:
    """Measure alignment and uniformity on the development split of STS-B.

    Args:
        encode: As for `evaluate_sts`.
        data: As for `evaluate_sts`; it needs the task STS-B-dev.
        batch_size: Sentences encoded at a time.
        progress: Show a progress bar.

    Raises:
        InputError: The data is not there or damaged, or no pair has a gold score above 4.
    """
    function = encode_function(encode, batch_size)
    (pairs,) = read_found(open_source(data), [TASK])[TASK]
    texts = sorted({*pairs.left, *pairs.right})
    vectors = encode_distinct(function, texts, batch_size=batch_size, progress=progress)
    return geometry_of(pairs, vectors)


def geometry_of(pairs: Pairs, vectors: Mapping[str, Vector]) -> GeometryReport:
    """Alignment and uniformity of vectors of length 1, one for each sentence of the pairs.

    Raises:
        InputError: No pair has a gold score above 4.
    """
    texts = sorted({*pairs.left, *pairs.right})
    near = _near(pairs)
    return GeometryReport(
        alignment=alignment(_rows(near[0], vectors), _rows(near[1], vectors)),
        uniformity=uniformity(_rows(texts, vectors)),
        n_pairs=len(near[0]),
        n_sentences=len(texts),
    )


def _rows(texts: Sequence[str], vectors: Mapping[str, Vector]) -> Vector:
    return cast("Vector", np.stack([vectors[text] for text in texts]))


def _near(pairs: Pairs) -> tuple[list[str], list[str]]:
    rows = np.flatnonzero(pairs.gold > NEAR)
    if len(rows) == 0:
        raise InputError(
            f"{TASK} has no pair with a gold score above {NEAR:g}, which alignment is measured on"
        )
    return [pairs.left[row] for row in rows], [pairs.right[row] for row in rows]


def alignment(left: Vector, right: Vector) -> float:
    """Mean squared distance of paired vectors of length 1, each of shape (n, D): 0 where they coincide, at most 4."""
    return float(np.square(left.astype(np.float64) - right).sum(axis=1).mean())


def uniformity(vectors: Vector) -> float:
    """Log of the mean of exp(-2 squared distance) over all pairs of n vectors of length 1, shape (n, D), n > 1.

    Returns:
        From -8 towards 0: 0 where all vectors coincide, near -4 where they are spread evenly over many dimensions.
    """
    total = 0.0
    for start in range(0, len(vectors), ROWS):
        cosines = (vectors[start : start + ROWS] @ vectors.T).astype(np.float64)
        kernel = np.exp(4.0 * (cosines - 1.0))  # 2 |x - y|^2 = 4 - 4 cos on the unit sphere
        total += float(np.triu(kernel, k=start + 1).sum())
    return float(np.log(total / (len(vectors) * (len(vectors) - 1) / 2)))
