"""A self-contained HTML page: no script, no request, nothing to install. Its parts, shared by all reports."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from una_fast.augment import Explanation

__all__ = [
    "LEGEND",
    "AnnotatedSentence",
    "AnnotatedToken",
    "annotate",
    "escape",
    "example_rows",
    "examples",
    "figure",
    "page",
    "section",
    "settings_list",
]


@dataclass(frozen=True, kw_only=True)
class AnnotatedToken:
    """A token: how likely it was to be replaced (may exceed 1), and what came in its place, if anything."""

    text: str
    probability: float
    replacement: str | None = None


@dataclass(frozen=True, kw_only=True)
class AnnotatedSentence:
    """A sentence, token by token, and the negative made of it."""

    tokens: tuple[AnnotatedToken, ...]
    negative: str


def annotate(explanation: "Explanation") -> AnnotatedSentence:
    """An explained sentence for `examples`."""
    tokens = (
        AnnotatedToken(
            text=explanation.sentence[token.start : token.end],
            probability=token.probability,
            replacement=token.replacement,
        )
        for token in explanation.tokens
    )
    return AnnotatedSentence(tokens=tuple(tokens), negative=explanation.negative)


def example_rows(sentences: Sequence[str], count: int) -> list[int]:
    """Rows of some sentences of middling length from all over the corpus: at most `count`, at least one."""
    stride = max(1, len(sentences) // (40 * count))
    rows = range(0, len(sentences), stride)
    fitting = [row for row in rows if 8 <= len(sentences[row].split()) <= 20] or list(rows)
    return fitting[:: max(1, len(fitting) // count)][:count]


def page(title: str, parts: Iterable[str]) -> str:
    """The page of some parts, each HTML; write it as UTF-8."""
    filled = {"TITLE": escape(title), "STYLE": _stylesheet(), "BODY": "\n".join(parts)}
    # In one pass: what is filled in is no template.
    return re.sub(r"\{\{(TITLE|STYLE|BODY)\}\}", lambda place: filled[place[1]], _PAGE)


def section(title: str, body: str) -> str:
    """A part of the page under a heading; both are HTML."""
    return f"<section><h2>{title}</h2>{body}</section>"


def figure(svg: str, caption: str) -> str:
    """A picture and what is to be seen in it; both are HTML."""
    return f"<figure><div class='scroll'>{svg}</div><figcaption>{caption}</figcaption></figure>"


def settings_list(settings: Sequence[tuple[str, str]]) -> str:
    """Names and values, which may be any text."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in settings)
    return f"<dl class='settings'>{rows}</dl>"


LEGEND = (
    "<p class='legend'>Chance of being replaced: <span class='token' style='--p:0'>never</span> "
    "<span class='token' style='--p:.35'>at times</span> <span class='token' style='--p:.7'>often</span> "
    "<span class='token' style='--p:1'>always</span> &ensp; Replaced: "
    "<del class='token' style='--p:.7'>old</del> <ins>new</ins>, at times by the same word, which lies in its "
    "own window</p>"
)
"""How `examples` are to be read."""


def examples(sentences: Iterable[AnnotatedSentence]) -> str:
    """Sentences with what became of their tokens, and their negatives."""
    return f"<ol class='examples'>{''.join(map(_example, sentences))}</ol>"


def _example(sentence: AnnotatedSentence) -> str:
    tokens = " ".join(map(_token, sentence.tokens))
    return f"<li><p>{tokens}</p><p class='negative'>{escape(sentence.negative)}</p></li>"


def _token(token: AnnotatedToken) -> str:
    chance = min(1.0, max(0.0, token.probability))
    element = "span" if token.replacement is None else "del"
    marked = (
        f"<{element} class='token' style='--p:{chance:.2f}' title='replaced with probability {chance:.2f}'>"
        f"{escape(token.text)}</{element}>"
    )
    return marked if token.replacement is None else f"{marked} <ins>{escape(token.replacement)}</ins>"


def escape(text: str) -> str:
    """Escape what came from outside: a corpus may well contain HTML."""
    return html.escape(text, quote=True)


def _stylesheet() -> str:
    return files("una_fast.page").joinpath("page.css").read_text(encoding="utf-8").strip()


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{TITLE}}</title>
<link rel="icon" href="data:,">
<style>
{{STYLE}}
</style>
</head>
<body>
<main>
{{BODY}}
</main>
</body>
</html>
"""
