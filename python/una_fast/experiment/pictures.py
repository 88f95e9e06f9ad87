"""The pictures of an experiment's page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from una_fast.experiment.summary import ArmSummary, Comparison
from una_fast.page.drawing import COOL, INK, WARM, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["differences", "scores"]

_ROW_INCHES = 0.42
_FRAME_INCHES = 1.15


def scores(comparison: Comparison, name: str) -> str:
    """Draw every run as a dot and the mean of each arm as a line, over the score of the start models."""

    def draw(axes: "Axes") -> None:
        for place, arm in enumerate(comparison.arms):
            dots = [100 * score for score in arm.by_seed]
            axes.plot(dots, [place] * len(dots), "o", color=COOL, alpha=0.65, markersize=6)
            axes.plot([100 * arm.mean.mean] * 2, [place - 0.3, place + 0.3], color=WARM, linewidth=2.4)
        for start in comparison.starts:
            if start.mean is not None:
                axes.axvline(100 * start.mean, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        _name_rows(axes, comparison.arms)
        axes.set_xlabel("mean Spearman x 100")

    return draw_svg(name, "Scores of all runs by arm", _size(comparison.arms), draw)


def differences(comparison: Comparison, name: str) -> str:
    """Draw each arm's differences from the baseline: seeds as dots, the mean as a line, both intervals as bars.

    The comparison has an arm with a difference.
    """
    arms = [arm for arm in comparison.arms if arm.difference is not None]

    def draw(axes: "Axes") -> None:
        for place, arm in enumerate(arms):
            difference = arm.difference
            assert difference is not None, "the others are left out above"
            for interval, color, below in (
                (difference.over_seeds, COOL, 0.0),
                (difference.over_pairs, WARM, 0.24),
            ):
                if interval is not None:
                    ends = [100 * interval.low, 100 * interval.high]
                    axes.plot(ends, [place + below] * 2, color=color, linewidth=5, alpha=0.4)
            dots = [100 * value for value in difference.by_seed]
            axes.plot(dots, [place] * len(dots), "o", color=COOL, markersize=6)
            axes.plot([100 * difference.mean] * 2, [place - 0.2, place + 0.36], color=INK, linewidth=2)
        axes.axvline(0.0, color=INK, linewidth=1.2)
        _name_rows(axes, arms)
        axes.set_xlabel("difference from the baseline, points")

    return draw_svg(name, "Paired differences from the baseline", _size(arms), draw)


def _size(arms: Sequence[ArmSummary]) -> tuple[float, float]:
    return 8.0, _FRAME_INCHES + _ROW_INCHES * len(arms)


def _name_rows(axes: "Axes", arms: Sequence[ArmSummary]) -> None:
    """One row an arm, the first on top."""
    axes.set_yticks(range(len(arms)), [arm.arm for arm in arms], parse_math=False)
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
