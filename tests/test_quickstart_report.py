"""The quickstart page: self-contained, escaped, the same bytes every time, and true to its figures."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the pictures need the train extra")

from page_support import inspect
from una_fast.errors import OptionError
from una_fast.quickstart.report import (
    AnnotatedSentence,
    AnnotatedToken,
    QuickstartReport,
    RankedTerm,
    StsRow,
    ViewProbe,
    Window,
    render_report,
)

HOSTILE = "<script>alert('$x$ & \"y\"')</script>"


def make_probe(win_rate: float, negative_cosine: float, margin_counts: tuple[int, ...]) -> ViewProbe:
    return ViewProbe(
        sentences=4,
        win_rate=win_rate,
        positive_cosine=0.8,
        negative_cosine=negative_cosine,
        margin_counts=margin_counts,
        margin_edges=(-1.0, -0.25, 0.25, 1.0),
    )


def make_report(word: str = "river") -> QuickstartReport:
    terms = tuple(
        RankedTerm(term=f"{word}{rank}", rank=rank, df=3 + rank, score=2.0 / (1 + rank)) for rank in range(20)
    )
    tokens = (
        AnnotatedToken(text="the", probability=0.0),
        AnnotatedToken(text=word, probability=1.7, replacement=f"{word}s"),
    )
    return QuickstartReport(
        corpus=word,
        model=word,
        settings=(("seed", "0"), (word, word)),
        documents=12_345,
        terms=20,
        most_important=terms[:5],
        least_important=terms[-5:],
        curve=tuple((term.rank, term.score) for term in terms),
        window=Window(term=word, rank=7, low=3, high=11),
        examples=(AnnotatedSentence(tokens=tokens, negative=f"the {word}s"),),
        every=5,
        losses=tuple((step, 4.0 / step) for step in range(1, 13)),
        before=make_probe(win_rate=0.25, negative_cosine=0.9, margin_counts=(3, 1, 0)),
        after=make_probe(win_rate=0.75, negative_cosine=0.2, margin_counts=(1, 0, 3)),
    )


def test_the_page_is_well_formed_and_asks_for_nothing() -> None:
    page = render_report(make_report())
    seen = inspect(page)
    assert seen.fetched == ["data:,"]
    assert "script" not in seen.tags
    assert "@import" not in page
    assert seen.tags.count("svg") == 3
    assert len(set(seen.ids)) == len(seen.ids)


def test_every_picture_has_a_title() -> None:
    seen = inspect(render_report(make_report()))
    assert seen.tags.count("title") == 1 + 3
    assert {"score-curve-title", "loss-curve-title", "margins-title"} <= set(seen.ids)


def test_text_of_the_corpus_stays_text() -> None:
    plain, hostile = inspect(render_report(make_report())), inspect(render_report(make_report(HOSTILE)))
    assert hostile.tags == plain.tags
    assert HOSTILE in "".join(hostile.text)


def test_the_figures_are_those_of_the_run() -> None:
    page = render_report(make_report())
    for figure in ("12,345", "25.0%", "75.0%", "-0.100", "+0.600", "3 to 11"):
        assert figure in page


def test_similarity_is_shown_only_where_it_was_measured() -> None:
    report = make_report()
    assert "Sentence similarity" not in render_report(report)
    rows = (
        StsRow(task="STS12", pairs=3108, untrained=61.25, before=30.0, after=40.5),
        StsRow(task="STS13", pairs=1500, untrained=60.25, before=20.0, after=10.0),
    )
    page = render_report(replace(report, sts=rows))
    for figure in ("Sentence similarity", "3,108", "+10.50", "-10.00", "25.25", "line to beat", "60.75"):
        assert figure in page


def test_another_process_renders_the_same_bytes(tmp_path: Path) -> None:
    here = render_report(make_report())
    assert render_report(make_report()) == here
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\n")
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from test_quickstart_report import make_report, render_report;"
        "sys.stdout.buffer.write(render_report(make_report()).encode())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == here


def test_a_histogram_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="4 edges"):
        make_probe(0.5, 0.5, (1, 2))
    with pytest.raises(OptionError, match="above 0"):
        make_probe(0.5, 0.5, (0, 0, 0))
