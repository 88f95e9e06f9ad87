"""Plain numbers to inline SVG that follows the page's light or dark colours.

Equal numbers give equal bytes: ids are salted, dates are left out, text stays text whatever fonts there are.
Colours are drawn as stand-ins and written as variables of the page: `--ink`, `--grid`, `--warm`, `--cool`.
"""

import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from una_fast.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COOL", "GRID", "INK", "WARM", "draw_svg", "whole_numbers"]

INK, GRID, WARM, COOL = "#000001", "#000002", "#000003", "#000004"
_VARIABLES = {INK: "var(--ink)", GRID: "var(--grid)", WARM: "var(--warm)", COOL: "var(--cool)"}

_STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 12,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "una-fast",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelcolor": INK,
    "ytick.color": INK,
    "ytick.labelcolor": INK,
}


def draw_svg(name: str, title: str, inches: tuple[float, float], draw: "Callable[[Axes], None]") -> str:
    """Draw into axes and return an <svg> element that fits into a page.

    Args:
        name: Distinct among the pictures of a page: its ids begin with it.
        title: What the picture shows, for those who do not see it.
        inches: Width and height, on which the size of text depends; the page scales the whole.
        draw: Called with the axes.
    """
    matplotlib = require("a picture", "matplotlib", "matplotlib.figure")

    with matplotlib.rc_context(), io.StringIO() as file:
        matplotlib.rcdefaults()  # The page must not depend on a matplotlibrc of the user's.
        matplotlib.rcParams.update(_STYLE)
        figure = matplotlib.figure.Figure(figsize=inches, layout="constrained")
        draw(figure.subplots())
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
        drawn = file.getvalue()
    return _inline(drawn, name, title)


def whole_numbers(axes: "Axes") -> None:
    """Have the horizontal axis count: steps or ranks, at whole numbers alone."""
    ticker = require("a picture", "matplotlib.ticker")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")


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
