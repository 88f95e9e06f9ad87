"""What a notebook shows of objects: well-formed, escaped, and with the figures that the objects have."""

from html.parser import HTMLParser

import pytest

from una_fast import Augmenter, fit
from una_fast.notebook import bar, table_html

CORPUS = [f"the <b>cat</b> & dog {i % 7} ran to New York {i}" for i in range(60)]


class Reader(HTMLParser):
    """The cells of a table, row by row; sees to it that elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and self.open and self.rows[-1]:
            self.rows[-1][-1] += data


def test_a_table_shows_both_of_its_ends() -> None:
    table = fit(CORPUS, tokenizer="whitespace", phrases=["new york"])
    html = table._repr_html_()
    assert "60 sentences, whitespace, 1 phrases" in html
    assert "<b>cat" not in html
    rows = Reader(html).rows
    assert rows[0] == ["term", "rank", "score", "idf", "df"]
    assert [row[1] for row in rows[1:6]] == ["0", "1", "2", "3", "4"]
    assert rows[6][0] == "..."
    assert int(rows[-1][1]) == len(table) - 1
    assert {"<b>cat</b>", "&", "new york"} & {row[0] for row in rows}
    assert len(Reader(fit(["a b", "a c"], tokenizer="whitespace")._repr_html_()).rows) == 4


def test_an_explanation_shows_what_goes() -> None:
    explained = Augmenter(fit(CORPUS), seed=1).explain(CORPUS[3])
    rows = Reader(explained._repr_html_()).rows
    assert [row[0] for row in rows[1:]] == [token.text for token in explained.tokens]
    assert [row[1] for row in rows[1:]] == [token.replacement or "" for token in explained.tokens]
    assert CORPUS[3] not in explained._repr_html_()


def test_statistics_are_shares_of_the_sentences() -> None:
    _, stats = Augmenter(fit(CORPUS)).augment_with_stats(CORPUS)
    rows = Reader(stats._repr_html_()).rows[1:]
    assert len(rows) == 10
    assert sum(float(row[2].rstrip(" %")) for row in rows) == pytest.approx(100, abs=0.5)
    assert Reader(Augmenter(fit(CORPUS)).augment_with_stats([])[1]._repr_html_()).rows


def test_a_report_shows_its_mean(tmp_path: object) -> None:
    pytest.importorskip("torch")
    from una_fast.evaluation.sts import StsReport

    assert len(Reader(StsReport(tasks=(), missing=("STS12",))._repr_html_()).rows) == 1


def test_nothing_gets_out_of_its_cell() -> None:
    html = table_html("<script>\x1b[31m", ("<a>",), [("</td>\x00",)])
    assert "<script>" not in html
    assert "\x1b" not in html
    assert Reader(html).rows == [["<a>"], ["</td>\\x00"]]
    assert "width:100%" in bar(7.0)
    assert "width:0%" in bar(-1.0)
