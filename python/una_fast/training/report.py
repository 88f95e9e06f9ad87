"""One self-contained HTML page of a run: its curves, its settings, and what its negatives look like.

The page is a function of the manifest and the sampled negatives alone, so that equal runs leave equal bytes.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from una_fast.errors import MissingExtraError
from una_fast.page.drawing import COOL, WARM, draw_svg
from una_fast.page.layout import (
    LEGEND,
    AnnotatedSentence,
    escape,
    examples,
    figure,
    page,
    section,
    settings_list,
)
from una_fast.training.output import sts_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_drawing", "render_report"]

Curve = Sequence[tuple[int, float]]


def check_drawing() -> None:
    """Say that pictures cannot be drawn before a run and not at its end.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError(
            "the report of a run needs matplotlib: pip install 'una-fast[train]', or report=False (--no-report)"
        )


def render_report(manifest: dict[str, Any], negatives: Sequence[AnnotatedSentence]) -> str:
    """The page of a run.

    Args:
        manifest: See `training.json` in the output.
        negatives: Sentences with what became of their tokens; none leaves that part out.
    """
    method = (
        "SimCSE with generated hard negatives" if manifest["settings"]["every"] else "unsupervised SimCSE"
    )
    lead = (
        f"{escape(manifest['model'])}, trained by {method} on {manifest['corpus']['sentences']:,} sentences for "
        f"{manifest['steps']:,} steps."
    )
    parts = [
        "<p class='brand'>una-fast</p><h1>A training run</h1>"
        f"<p class='lead'>{lead}</p><ul class='figures'>{''.join(_figures(manifest))}</ul>",
        section("Course of the run", _curves(manifest)),
    ]
    if manifest["sts"]:
        parts.append(section("STS test sets", _scores(manifest["sts"])))
    if negatives:
        parts.append(section("Negatives of the first sentences", LEGEND + examples(negatives)))
    parts.append(section("Settings", settings_list(_settings(manifest))))
    return page("una-fast: a training run", parts)


def _figures(manifest: dict[str, Any]) -> list[str]:
    scores = {step: score for step, score in manifest["dev_scores"] if score is not None}
    shown = [(f"{manifest['losses'][-1][1]:.4f}", "last loss")]
    for step, name in ((manifest["best_step"], "best"), (manifest["steps"], "last")):
        if step in scores:
            shown.append((f"{100 * scores[step]:.2f}", f"STS-B dev, {name} step ({step:,})"))
    return [f"<li><b>{value}</b><span>{name}</span></li>" for value, name in shown]


def _scores(scores: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td class='number'>{score}</td></tr>"
        for name, score in sts_rows(scores)
    )
    return (
        "<p>Spearman correlation (x 100) of the weights that are kept.</p><div class='scroll'><table>"
        "<thead><tr><th scope='col'>task</th><th scope='col' class='number'>score</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _curves(manifest: dict[str, Any]) -> str:
    best = manifest["best_step"]
    scores = [(step, 100 * score) for step, score in manifest["dev_scores"] if score is not None]
    aligned = [(step, value) for step, value, _ in manifest["geometry"]]
    spread = [(step, value) for step, _, value in manifest["geometry"]]
    drawn = [
        (manifest["losses"], "loss", "loss", "Mean loss of the steps since the point before.", None),
        (
            scores,
            "dev",
            "Spearman x 100",
            "STS-B development split; the line marks the step that is kept.",
            best,
        ),
        (
            aligned,
            "alignment",
            "alignment",
            "Squared distance of sentences of like meaning: lower is better.",
            best,
        ),
        (spread, "uniformity", "uniformity", "How evenly sentences fill the sphere: lower is better.", best),
    ]
    return "".join(
        figure(_curve(name, label, curve, mark), caption)
        for curve, name, label, caption, mark in drawn
        if curve
    )


def _curve(name: str, label: str, curve: Curve, mark: int | None) -> str:
    """A curve over steps, a point a value; at `mark` a vertical line."""

    def draw(axes: "Axes") -> None:
        steps, values = zip(*curve, strict=True)
        axes.plot(steps, values, color=COOL, linewidth=2, marker="o" if len(curve) < 40 else "", markersize=4)
        if mark is not None:
            axes.axvline(mark, color=WARM, linewidth=1.4)
        axes.set_xlim(left=0)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")

    return draw_svg(name, f"{label} by step", (8.0, 2.8), draw)


def _settings(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    facts = {
        **manifest["settings"],
        "corpus, sha256": manifest["corpus"]["sha256"][:16],
        "table, digest": (manifest["table"] or "-")[:16],
        "device": manifest.get("gpu", manifest["device"]),
        "precision": manifest["precision"],
        "processes": manifest["processes"],
        **manifest["versions"],
    }
    return [(name, "-" if value is None else str(value)) for name, value in facts.items()]
