"""The pictures of the quickstart's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from una_fast.page.drawing import COOL, INK, WARM, draw_svg, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Window", "loss_curve", "margin_histograms", "score_curve"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """The ranks `low` to `high` that the replacement of one example term is drawn from."""

    term: str
    rank: int
    low: int
    high: int


def score_curve(points: Sequence[tuple[int, float]], window: Window | None) -> str:
    """Draw score against rank, and around one term the ranks its replacement is drawn from.

    Args:
        points: (rank, score), by rising rank.
        window: One example, or nothing.
    """

    def draw(axes: "Axes") -> None:
        ranks, scores = zip(*points, strict=True)
        axes.plot(ranks, scores, color=COOL, linewidth=2.2)
        if window is not None:
            axes.axvspan(window.low, window.high, color=WARM, alpha=0.22, linewidth=0)
            axes.axvline(window.rank, color=WARM, linewidth=1.6)
            axes.annotate(
                window.term,
                (window.rank, scores[0]),
                xytext=(6, -4),
                textcoords="offset points",
                color=WARM,
                va="top",
                weight="bold",
                parse_math=False,  # In a formula a dollar sign would be more than itself.
            )
        axes.set_xlim(0, ranks[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("rank, most important first")
        axes.set_ylabel("score")
        whole_numbers(axes)

    return draw_svg("score-curve", "Score of every term against its rank in the table", (8.0, 3.2), draw)


def loss_curve(losses: Sequence[tuple[int, float]], every: int) -> str:
    """Draw the loss; steps with hard negatives, which face a harder task, are a curve of their own.

    Args:
        losses: (step, loss), steps counted from 1.
        every: Steps 1, 1 + `every`, 1 + 2 `every`, ... carried negatives; 0 if none did.
    """

    def draw(axes: "Axes") -> None:
        kinds = (("without negatives", COOL, False), ("with generated negatives", WARM, True))
        for label, color, hard in kinds:
            curve = [(step, loss) for step, loss in losses if (every > 0 and (step - 1) % every == 0) is hard]
            if curve:
                axes.plot(*zip(*curve, strict=True), color=color, linewidth=2, label=label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        whole_numbers(axes)
        axes.set_ylabel("loss")
        axes.legend(loc="best")

    return draw_svg("loss-curve", "Training loss, step by step", (8.0, 3.2), draw)


def margin_histograms(before: Sequence[int], after: Sequence[int], edges: Sequence[float]) -> str:
    """Draw by how much each anchor is closer to its second view than to its negative, before and after.

    Args:
        before: Sentences by margin, before training.
        after: The same of the trained model.
        edges: Edges of the bins, one more than there are counts.
    """
    occupied = [place for place, counts in enumerate(zip(before, after, strict=True)) if any(counts)]
    low, high = min(-0.1, edges[occupied[0]]), max(0.1, edges[occupied[-1] + 1])

    def draw(axes: "Axes") -> None:
        axes.stairs(before, edges, fill=True, color=WARM, alpha=0.65, label="before training")
        axes.stairs(after, edges, fill=True, color=COOL, alpha=0.65, label="after training")
        axes.axvline(0.0, color=INK, linewidth=1.2)
        axes.set_xlim(low, high)
        axes.set_xlabel("cosine to the second view - cosine to the negative")
        axes.set_ylabel("sentences")
        axes.legend(loc="best")

    return draw_svg("margins", "Histograms of the margin before and after training", (8.0, 3.2), draw)
