"""The report's pictures: plain numbers to inline SVG that follows the page's light or dark colours.

Equal numbers give equal bytes: ids are salted, dates are left out, text stays text whatever fonts there are.
Colours are drawn as stand-ins and written as variables of the page: `--ink`, `--grid`, `--warm`, `--cool`.
"""

import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from una_fast.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Window", "loss_curve", "margin_histograms", "score_curve"]

_INK, _GRID, _WARM, _COOL = "#000001", "#000002", "#000003", "#000004"
_VARIABLES = {_INK: "var(--ink)", _GRID: "var(--grid)", _WARM: "var(--warm)", _COOL: "var(--cool)"}

_STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 12,
    "grid.color": _GRID,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "una-fast",
    "text.color": _INK,
    "xtick.color": _INK,
    "xtick.labelcolor": _INK,
    "ytick.color": _INK,
    "ytick.labelcolor": _INK,
}


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
        axes.plot(ranks, scores, color=_COOL, linewidth=2.2)
        if window is not None:
            axes.axvspan(window.low, window.high, color=_WARM, alpha=0.22, linewidth=0)
            axes.axvline(window.rank, color=_WARM, linewidth=1.6)
            axes.annotate(
                window.term,
                (window.rank, scores[0]),
                xytext=(6, -4),
                textcoords="offset points",
                color=_WARM,
                va="top",
                weight="bold",
                parse_math=False,  # In a formula a dollar sign would be more than itself.
            )
        axes.set_xlim(0, ranks[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("rank, most important first")
        axes.set_ylabel("score")
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")

    return _svg("score-curve", "Score of every term against its rank in the table", (8.0, 3.2), draw)


def loss_curve(losses: Sequence[tuple[int, float]], every: int) -> str:
    """Draw the loss; steps with hard negatives, which face a harder task, are a curve of their own.

    Args:
        losses: (step, loss), steps counted from 1.
        every: Steps 1, 1 + `every`, 1 + 2 `every`, ... carried negatives; 0 if none did.
    """

    def draw(axes: "Axes") -> None:
        kinds = (("without negatives", _COOL, False), ("with generated negatives", _WARM, True))
        for label, color, hard in kinds:
            curve = [(step, loss) for step, loss in losses if (every > 0 and (step - 1) % every == 0) is hard]
            if curve:
                axes.plot(*zip(*curve, strict=True), color=color, linewidth=2, label=label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(loc="best")

    return _svg("loss-curve", "Training loss, step by step", (8.0, 3.2), draw)


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
        axes.stairs(before, edges, fill=True, color=_WARM, alpha=0.65, label="before training")
        axes.stairs(after, edges, fill=True, color=_COOL, alpha=0.65, label="after training")
        axes.axvline(0.0, color=_INK, linewidth=1.2)
        axes.set_xlim(low, high)
        axes.set_xlabel("cosine to the second view - cosine to the negative")
        axes.set_ylabel("sentences")
        axes.legend(loc="best")

    return _svg("margins", "Histograms of the margin before and after training", (8.0, 3.2), draw)


def _svg(name: str, title: str, inches: tuple[float, float], draw: "Callable[[Axes], None]") -> str:
    """Draw into axes and return an <svg> element that fits into a page."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(f"{error}; pip install 'una-fast[train]' brings it") from error

    with matplotlib.rc_context(), io.StringIO() as file:
        matplotlib.rcdefaults()  # The page must not depend on a matplotlibrc of the user's.
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.subplots())
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
        drawn = file.getvalue()
    return _inline(drawn, name, title)


def _inline(svg: str, name: str, title: str) -> str:
    """Make an SVG part of a page: sized and coloured by the page, with ids and a title of its own."""
    body = svg[svg.index("<svg") :].strip()
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"\bid=\"", f'id="{name}-', body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body)
    # A rule for every element, which would reach the whole page; the page has it for its pictures.
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", body)
    body = re.sub(r"font: ((?:[a-z0-9]+ )?[\d.]+px) [^;\"]*", r"font: \1 var(--sans)", body)
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, variable)
    view_box = re.search(r"viewBox=\"[^\"]*\"", body)
    opening = (
        f'<svg {view_box.group() if view_box else ""} role="img" aria-labelledby="{name}-title" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{html.escape(title)}</title>'
    )
    return opening + body[body.index(">") + 1 :]
