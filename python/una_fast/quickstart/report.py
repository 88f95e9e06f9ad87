"""One self-contained HTML page that shows what a quickstart did: no script, no request, nothing to install.

The page is a function of `QuickstartReport` alone. It holds no time, date, duration or path, so that two runs
with the same settings leave the same bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from una_fast.errors import OptionError
from una_fast.page.layout import (
    LEGEND,
    AnnotatedSentence,
    AnnotatedToken,
    escape,
    examples,
    figure,
    page,
    section,
    settings_list,
)
from una_fast.quickstart.pictures import Window, loss_curve, margin_histograms, score_curve

__all__ = [
    "AnnotatedSentence",
    "AnnotatedToken",
    "QuickstartReport",
    "RankedTerm",
    "StsRow",
    "ViewProbe",
    "Window",
    "render_report",
]


@dataclass(frozen=True, kw_only=True)
class RankedTerm:
    """A row of the term table."""

    term: str
    rank: int
    df: int
    score: float


@dataclass(frozen=True, kw_only=True)
class ViewProbe:
    """The nearness of sentences to a second view of themselves and to their negatives.

    Attributes:
        sentences: How many were probed.
        win_rate: Share of them whose second view is closer than the negative.
        positive_cosine: Mean cosine to the second view.
        negative_cosine: Mean cosine to the negative.
        margin_counts: Histogram of the difference of the two cosines.
        margin_edges: Its edges, one more than counts.
    """

    sentences: int
    win_rate: float
    positive_cosine: float
    negative_cosine: float
    margin_counts: tuple[int, ...]
    margin_edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.margin_edges) != len(self.margin_counts) + 1 or not any(self.margin_counts):
            raise OptionError(
                f"a histogram has one edge more than counts, and a count above 0: "
                f"{len(self.margin_edges)} edges, counts {self.margin_counts}"
            )

    @property
    def margin(self) -> float:
        """Mean of (cosine to the second view - cosine to the negative)."""
        return self.positive_cosine - self.negative_cosine


@dataclass(frozen=True, kw_only=True)
class StsRow:
    """Spearman correlation x 100 on one similarity task: of a static encoder of the table alone, before and after."""

    task: str
    pairs: int
    untrained: float
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class QuickstartReport:
    """Everything the page shows, as plain data.

    Attributes:
        corpus: What was read, in words.
        model: What was trained, in words.
        settings: (name, value) pairs in the order of the page.
        documents: Sentences read.
        terms: Distinct terms in the table.
        most_important: The first terms of the table.
        least_important: The last terms of the table.
        curve: (rank, score) points by rising rank.
        window: One example of a draw's window.
        examples: Sentences with their negatives.
        every: Steps 1, 1 + `every`, 1 + 2 `every`, ... carried negatives.
        losses: (step, loss), steps counted from 1.
        before: The probe before training.
        after: The same probe after training.
        sts: Similarity tasks, if there were any.
    """

    corpus: str
    model: str
    settings: tuple[tuple[str, str], ...]
    documents: int
    terms: int
    most_important: tuple[RankedTerm, ...]
    least_important: tuple[RankedTerm, ...]
    curve: tuple[tuple[int, float], ...]
    window: Window | None
    examples: tuple[AnnotatedSentence, ...]
    every: int
    losses: tuple[tuple[int, float], ...]
    before: ViewProbe
    after: ViewProbe
    sts: tuple[StsRow, ...] = ()


def render_report(report: QuickstartReport) -> str:
    """Return the page; write it as UTF-8."""
    sections = [
        _header(report),
        section("What the corpus says", _corpus(report)),
        section("What the negatives look like", _negatives(report)),
        section("What training changed", _training(report)),
    ]
    if report.sts:
        sections.append(section("Sentence similarity", _similarity(report.sts)))
    sections.append(section("Settings of this run", _settings(report)))
    return page("una-fast quickstart", sections)


def _header(report: QuickstartReport) -> str:
    figures = (
        (f"{report.documents:,}", "sentences read"),
        (f"{report.terms:,}", "terms ranked"),
        (f"{len(report.losses):,}", "training steps"),
        (
            f"{_share(report.before.win_rate)} <span class='to'>to</span> {_share(report.after.win_rate)}",
            "of second views beat the negative",
        ),
    )
    cards = "".join(f"<li><b>{figure}</b><span>{label}</span></li>" for figure, label in figures)
    return (
        "<header><p class='brand'>una-fast quickstart</p>"
        "<h1>A sentence encoder, trained against negatives made from its own corpus</h1>"
        f"<p class='lead'>{escape(report.model)}, trained on {escape(report.corpus)}.</p>"
        f"<ul class='figures'>{cards}</ul></header>"
    )


def _corpus(report: QuickstartReport) -> str:
    window = report.window
    caption = "The score of a term is its highest TF-IDF in any sentence."
    if window is not None:
        caption += (
            f" The band shows the ranks that a replacement for <b>{escape(window.term)}</b> is drawn from: "
            f"{window.low:,} to {window.high:,}."
        )
    return (
        "<p>Every term is ranked by how much it can matter to a sentence. "
        "Rare words that make up much of a short sentence come first; words found everywhere come last, and "
        "with them words seen in nothing but long sentences.</p>"
        f"{figure(score_curve(report.curve, window), caption)}"
        "<div class='pair'>"
        f"{_term_table('Most important', report.most_important)}"
        f"{_term_table('Least important', report.least_important)}"
        "</div>"
    )


def _term_table(title: str, terms: Iterable[RankedTerm]) -> str:
    rows = "".join(
        f"<tr><td class='number'>{term.rank:,}</td><td><code>{escape(term.term)}</code></td>"
        f"<td class='number'>{term.df:,}</td><td class='number'>{term.score:.3f}</td></tr>"
        for term in terms
    )
    return (
        f"<div class='scroll'><table><caption>{title}</caption><thead><tr>"
        "<th scope='col' class='number'>rank</th><th scope='col'>term</th>"
        "<th scope='col' class='number'>sentences</th>"
        f"<th scope='col' class='number'>score</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _negatives(report: QuickstartReport) -> str:
    return (
        "<p>The words that carry a sentence are the likely ones to go, and a word of similar importance "
        "takes their place: the sentence keeps its shape and loses its meaning. That is a negative worth "
        "learning from.</p>"
        f"{LEGEND}"
        f"{examples(report.examples)}"
    )


def _training(report: QuickstartReport) -> str:
    before, after = report.before, report.after
    rows = "".join(
        f"<tr><th scope='row'>{label}</th><td class='number'>{old}</td><td class='number'>{new}</td></tr>"
        for label, old, new in (
            ("second view closer than the negative", f"{before.win_rate:.1%}", f"{after.win_rate:.1%}"),
            (
                "mean cosine to the second view",
                f"{before.positive_cosine:.3f}",
                f"{after.positive_cosine:.3f}",
            ),
            ("mean cosine to the negative", f"{before.negative_cosine:.3f}", f"{after.negative_cosine:.3f}"),
            ("mean margin between the two", f"{before.margin:+.3f}", f"{after.margin:+.3f}"),
        )
    )
    return (
        "<p>Each sentence is encoded twice, through two dropout masks: its anchor and its second view. A "
        "good encoder keeps these two together and its negative away from them.</p>"
        f"<div class='scroll'><table><caption>{before.sentences:,} sentences, probed in the same way "
        "before and after</caption><thead><tr><td></td><th scope='col' class='number'>before</th>"
        f"<th scope='col' class='number'>after</th></tr></thead><tbody>{rows}</tbody></table></div>"
        + figure(
            margin_histograms(before.margin_counts, after.margin_counts, before.margin_edges),
            "To the right of 0 the second view is closer than the negative, to the left the negative is.",
        )
        + figure(
            loss_curve(report.losses, report.every),
            "Steps with generated negatives are a harder task on a larger batch, so their loss is a curve of "
            "its own.",
        )
    )


def _similarity(rows: Sequence[StsRow]) -> str:
    body = "".join(
        f"<tr><th scope='row'>{escape(row.task)}</th><td class='number'>{row.pairs:,}</td>"
        f"<td class='number'>{row.untrained:.2f}</td><td class='number'>{row.before:.2f}</td>"
        f"<td class='number'>{row.after:.2f}</td>"
        f"<td class='number'>{_change(row.before, row.after)}</td></tr>"
        for row in rows
    )
    before, after = fmean(row.before for row in rows), fmean(row.after for row in rows)
    mean = (
        f"<tr><th scope='row'>mean</th><td></td><td class='number'>{fmean(row.untrained for row in rows):.2f}</td>"
        f"<td class='number'>{before:.2f}</td>"
        f"<td class='number'>{after:.2f}</td><td class='number'>{_change(before, after)}</td></tr>"
    )
    return (
        "<p>Spearman correlation (x 100) between the cosine of two sentences and how alike people found "
        "them. The line to beat is a static encoder of the table alone: random vectors, each times the idf of its word "
        "piece, and nothing trained.</p><div class='scroll'><table><thead><tr><th scope='col'>task</th>"
        "<th scope='col' class='number'>pairs</th><th scope='col' class='number'>line to beat</th>"
        "<th scope='col' class='number'>before</th>"
        "<th scope='col' class='number'>after</th><th scope='col' class='number'>change</th></tr></thead>"
        f"<tbody>{body}</tbody><tfoot>{mean}</tfoot></table></div>"
    )


def _settings(report: QuickstartReport) -> str:
    return (
        f"{settings_list(report.settings)}"
        "<p>The same settings on the same corpus give this page again, byte for byte.</p>"
    )


def _share(share: float) -> str:
    """A share in percent: whole, but where that would make nearly all of it all."""
    return f"{share:.1%}" if 0.99 <= share < 1 or 0 < share <= 0.01 else f"{share:.0%}"


def _change(before: float, after: float) -> str:
    """The difference, without a sign where it is none to two digits."""
    return f"{round(after - before, 2) + 0.0:+.2f}".replace("+0.00", "0.00")
