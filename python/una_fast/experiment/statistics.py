"""Statistics of the difference between two arms: over seeds, and over the pairs of the test.

Two things vary. Another seed trains another encoder; other test pairs give the same encoder another score. An
interval over seeds answers for the first and takes the test as given; one over pairs answers for the second and takes
the encoders as given. Neither includes the other.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import InputError

__all__ = [
    "Difference",
    "Interval",
    "compare",
    "holm",
    "largest_coverage",
    "over_pairs",
    "resampled_means",
    "resampled_spearman",
    "sign_flip_p",
]

CONFIDENCE = 0.95
RESAMPLES = 2000
_SEED_RESAMPLES = 9999
_KEY = 20240102
"""Of the bootstrap's draws: equal scores give equal intervals."""

_BLOCK = 250
"""Resamples ranked at a time: some 10 MB for a task of 5,000 pairs."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A percentile interval of the bootstrap, at 95 %."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An arm against the baseline, seed by seed.

    Attributes:
        by_seed: Score minus the baseline's score of the same seed.
        mean: Their mean.
        spread: Their standard deviation (n - 1); None for a single seed.
        over_seeds: Interval of the mean, seeds resampled; None for a single seed.
        coverage: The most that an interval over so few seeds can cover, see `largest_coverage`.
        p: Of the exact sign-flip test, see `sign_flip_p`.
        over_pairs: Interval of the mean, test pairs resampled; None where the cosines are not at hand.
    """

    by_seed: tuple[float, ...]
    mean: float
    spread: float | None
    over_seeds: Interval | None
    coverage: float
    p: float
    over_pairs: Interval | None = None


def compare(
    scores: Sequence[float], baseline: Sequence[float], *, over_pairs: Interval | None = None
) -> Difference:
    """Compare scores with those of the baseline, both in the order of the seeds.

    Raises:
        InputError: There is no score, or another number of them.
    """
    if not scores or len(scores) != len(baseline):
        raise InputError(
            f"scores are compared seed by seed: {len(scores)} here, {len(baseline)} of the baseline"
        )
    differences = tuple(score - other for score, other in zip(scores, baseline, strict=True))
    several = len(differences) > 1
    return Difference(
        by_seed=differences,
        mean=fmean(differences),
        spread=stdev(differences) if several else None,
        over_seeds=_over_seeds(differences) if several else None,
        coverage=largest_coverage(len(differences)),
        p=sign_flip_p(differences),
        over_pairs=over_pairs,
    )


def _over_seeds(differences: Sequence[float]) -> Interval:
    """Percentile interval of the mean. BCa has nothing to correct with so few values, and fails on equal ones."""
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(differences, np.float64),),
        np.mean,
        n_resamples=_SEED_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(_KEY),
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high))


def largest_coverage(n: int) -> float:
    """The chance that n values reach around the median of what they are drawn from: 1 - 2 ** (1 - n).

    No resample of n differences has a mean outside their range, so an interval of the bootstrap cannot cover the
    centre of a symmetric law more often than the range itself does: 75 % for 3 seeds, whatever it is called, and
    95 % from 6 on.
    """
    return 1.0 - 2.0 ** (1 - n)


_EXACT_UP_TO = 16


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the exact sign-flip test of a mean of 0; with n values never below 2 ** (1 - n).

    Were arm and baseline alike, each difference might as well have had the other sign: p is the share of the 2 ** n
    signs whose mean is at least as far from 0. Beyond 16 values 2 ** 16 drawn signs stand for all.
    """
    values = np.asarray(differences, np.float64)
    if len(values) <= _EXACT_UP_TO:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    else:
        draw = np.random.default_rng(_KEY)
        signs = draw.choice((1.0, -1.0), size=(1 << _EXACT_UP_TO, len(values)))
        signs[0] = 1.0
    means = np.abs(signs @ values)
    # The signs as they are must count among those as far away, whatever rounding does.
    return float(np.mean(means >= abs(values.sum()) * (1 - 1e-12) - 1e-300))


Cosines = Mapping[str, NDArray[np.float32]]
"""The cosine of each test pair, by task."""


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, corrected so that any of them below a level is so by chance that often at most.

    The k-th least of n is multiplied by n - k + 1, and none is below one before it. Nothing is asked of how the
    comparisons depend on each other, as those with one baseline do. Source: Holm 1979, A simple sequentially rejective
    multiple test procedure.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected


def over_pairs(arm: NDArray[np.float64], baseline: NDArray[np.float64]) -> Interval:
    """Interval of the mean difference over seeds and tasks, the pairs of each task resampled, encoders as given.

    Args:
        arm: Of the arm's encoders, what `resampled_means` gives.
        baseline: Of the baseline's. Both sides, and all seeds, have met the same resamples.
    """
    low, high = np.quantile(arm - baseline, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Interval(low=float(low), high=float(high))


def resampled_means(
    encoders: Sequence[Cosines], gold: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The mean score over encoders and tasks under each resample of the pairs, shape (RESAMPLES,).

    Args:
        encoders: Cosines of encoders, a mapping each.
        gold: What people said of the pairs, by task.
    """
    means = np.zeros(RESAMPLES)
    for task, truth in gold.items():
        draw = np.random.default_rng((_KEY, len(truth)))
        for start in range(0, RESAMPLES, _BLOCK):
            block = slice(start, min(start + _BLOCK, RESAMPLES))
            counts = _resamples(draw, len(truth), block.stop - block.start)
            right = _centred_ranks(truth, counts)
            for cosines in encoders:
                scores = _correlation(_centred_ranks(cosines[task], counts), right, counts)
                means[block] += scores / (len(encoders) * len(gold))
    return means


def _resamples(draw: np.random.Generator, n: int, count: int) -> NDArray[np.float64]:
    """The number of times that each of n pairs is drawn in each of `count` resamples, shape (count, n)."""
    drawn = draw.integers(0, n, size=(count, n)) + n * np.arange(count)[:, None]
    return np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)


def resampled_spearman(
    left: NDArray[np.floating], right: NDArray[np.floating], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's correlation of n pairs, pair i taken `counts[b, i]` times: as of the pairs written out.

    A value's rank among the pairs written out follows from sums of counts in the order of the values, so each vector
    is sorted once and not once a resample.

    Args:
        left: Shape (n,).
        right: Shape (n,).
        counts: Shape (B, n), each row of the same sum.

    Returns:
        Shape (B,); 0 where one side is constant.
    """
    return _correlation(_centred_ranks(left, counts), _centred_ranks(right, counts), counts)


def _correlation(
    x: NDArray[np.float64], y: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's of two shapes (B, n) that are centred; 0 where one is constant."""
    weighed = x * counts
    product, norms = (weighed * y).sum(axis=1), (weighed * x).sum(axis=1) * (y * y * counts).sum(axis=1)
    scores: NDArray[np.float64] = np.zeros_like(product)
    np.divide(product, np.sqrt(norms), out=scores, where=norms > 0)
    return scores


def _centred_ranks(values: NDArray[np.floating], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-ranks of the values among the pairs written out, less their mean; shape (B, n)."""
    ranks = _ranks(values, counts)
    ranks -= ((ranks * counts).sum(axis=1) / counts.sum(axis=1))[:, None]
    return ranks


def _ranks(values: NDArray[np.floating], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-ranks of the values among the pairs written out, but for a constant; shape (B, n)."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    middles = np.cumsum(sizes, axis=1) - sizes / 2
    ranks: NDArray[np.float64] = middles[:, group]
    return ranks
