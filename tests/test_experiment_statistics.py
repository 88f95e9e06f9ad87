"""Statistics of experiments, against values computed by hand and against the slow way."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

pytest.importorskip("torch", reason="experiments need the train extra")

from una_fast.errors import InputError
from una_fast.experiment.statistics import (
    compare,
    holm,
    largest_coverage,
    over_pairs,
    resampled_means,
    resampled_spearman,
    sign_flip_p,
)


def test_a_difference_is_paired_by_seed() -> None:
    """By hand: differences 1, 3, 2; mean 2, standard deviation 1; unpaired scores would spread by 20."""
    difference = compare([11.0, 33.0, 52.0], [10.0, 30.0, 50.0])
    assert difference.by_seed == (1.0, 3.0, 2.0)
    assert difference.mean == 2.0
    assert difference.spread == 1.0


def test_the_interval_over_three_seeds_is_their_range() -> None:
    """All three resampled values are the lowest with probability 1/27, which is more than 2.5 %: so is the bound."""
    interval = compare([11.0, 33.0, 52.0], [10.0, 30.0, 50.0]).over_seeds
    assert interval is not None
    assert (interval.low, interval.high) == (1.0, 3.0)


def test_the_interval_over_many_seeds_nears_that_of_the_normal_law() -> None:
    values = np.random.default_rng(1).normal(size=400)
    interval = compare(values.tolist(), [0.0] * 400).over_seeds
    assert interval is not None
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_one_seed_has_no_interval_and_equal_scores_do_not_fail() -> None:
    single = compare([2.0], [1.0])
    assert (single.spread, single.over_seeds, single.p) == (None, None, 1.0)
    equal = compare([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    assert (equal.mean, equal.p) == (0.0, 1.0)


@pytest.mark.parametrize(("scores", "baseline"), [([], []), ([1.0], [1.0, 2.0])])
def test_scores_without_partners_are_refused(scores: list[float], baseline: list[float]) -> None:
    with pytest.raises(InputError, match="seed by seed"):
        compare(scores, baseline)


def test_sign_flip_p_by_hand() -> None:
    """Of the 8 signs of (1, 2, 3) only +++ and --- sum to 6; of (1, 2, -3), whose sum is 0, all do as well."""
    assert sign_flip_p([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_p([1.0, 2.0, -3.0]) == 1.0
    assert sign_flip_p([3.0, 2.0, -1.0]) == 4 / 8  # 4: so are 6 and their opposites
    assert sign_flip_p([0.1] * 3) == 2 / 8
    assert sign_flip_p([1.0] * 40) < 1e-4


def test_the_largest_coverage_is_the_chance_that_values_lie_on_both_sides() -> None:
    assert [largest_coverage(n) for n in (1, 2, 3, 5)] == [0.0, 0.5, 0.75, 0.9375]
    drawn = np.random.default_rng(0).normal(size=(20_000, 3))
    covered = np.mean((drawn.min(axis=1) < 0) & (drawn.max(axis=1) > 0))
    assert covered == pytest.approx(largest_coverage(3), abs=0.01)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_resampled_spearman_is_that_of_the_pairs_written_out(digits: int) -> None:
    """The slow twin is scipy on the written-out pairs; few digits make ties on both sides."""
    draw = np.random.default_rng(digits)
    left = draw.normal(size=120).round(digits).astype(np.float32)
    right = (left + draw.normal(size=120)).round(digits)
    drawn = draw.integers(0, 120, size=(20, 120))
    counts = np.stack([np.bincount(rows, minlength=120) for rows in drawn]).astype(np.float64)
    slow = [spearmanr(left[rows], right[rows]).statistic for rows in drawn]
    np.testing.assert_allclose(resampled_spearman(left, right, counts), slow, rtol=0, atol=1e-12)


def test_an_interval_over_pairs_holds_the_difference_and_narrows_with_pairs() -> None:
    def interval(n: int) -> tuple[float, float, float]:
        draw = np.random.default_rng(7)
        gold = draw.normal(size=n)
        near, far = ((gold + noise * draw.normal(size=n)).astype(np.float32) for noise in (0.5, 1.0))
        found = over_pairs(*(resampled_means([{"t": side}], {"t": gold}) for side in (near, far)))
        return found.low, spearmanr(near, gold).statistic - spearmanr(far, gold).statistic, found.high

    low, difference, high = interval(400)
    assert low < difference < high
    few = interval(50)
    assert high - low < few[2] - few[0]


def test_an_encoder_against_itself_differs_by_nothing() -> None:
    """Protects the pairing: both sides meet the same resample."""
    draw = np.random.default_rng(3)
    cosines = {"t": draw.normal(size=60).astype(np.float32)}
    gold = {"t": draw.normal(size=60)}
    interval = over_pairs(resampled_means([cosines], gold), resampled_means([cosines] * 2, gold))
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_holm_by_hand() -> None:
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9, 0.01]) == pytest.approx([1.0, 1.0, 0.03])
    scipy = pytest.importorskip("statsmodels.stats.multitest", reason="the twin needs statsmodels")
    draw = np.random.default_rng(0)
    for n in range(1, 9):
        p = draw.random(n) ** 3
        assert holm(p.tolist()) == pytest.approx(scipy.multipletests(p, method="holm")[1].tolist())
