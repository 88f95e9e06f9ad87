"""What objects look like to a person: small tables, in HTML without a style sheet for a notebook, and in plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["bar", "escaped", "marked", "printable", "table_html", "table_text"]

_NUMBER = "padding:.1em .5em;text-align:right;font-variant-numeric:tabular-nums"
_TEXT = "padding:.1em .5em;text-align:left"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """Any value as text of HTML; control characters show as what they are."""
    return value if isinstance(value, Html) else Html(escape(printable(str(value))))


def printable(text: str) -> str:
    """Text of which control characters show as what they are."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def marked(value: object) -> Html:
    """Text that stands out."""
    return Html(f"<b>{escaped(value)}</b>")


def bar(share: float) -> Html:
    """A share from 0 to 1 as a bar; beyond, it is full."""
    width = round(100 * min(max(share, 0.0), 1.0))
    return Html(
        f'<span style="display:inline-block;width:6em;border:1px solid currentColor;opacity:.7">'
        f'<span style="display:block;width:{width}%;height:.6em;background:currentColor"></span></span>'
    )


def table_html(
    caption: object, head: Sequence[str], rows: Iterable[Sequence[object]], *, text: int = 1
) -> str:
    """A table under a line of text; its first `text` columns are words, the others numbers."""

    def line(cells: Sequence[object], tag: str) -> str:
        styles = [_TEXT if column < text else _NUMBER for column in range(len(cells))]
        made = (
            f'<{tag} style="{style}">{escaped(cell)}</{tag}>'
            for style, cell in zip(styles, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<div><p>{escaped(caption)}</p><table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table></div>"


def table_text(head: Sequence[str], rows: Iterable[Sequence[object]], *, text: int = 1) -> str:
    """A table in plain text, indented by two; its last `text` columns are words, the others numbers."""
    lines = [[printable(str(cell)) for cell in line] for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = len(head) - text
    return "\n".join(
        "  "
        + "  ".join(
            f"{cell:>{width}}" if column < numbers else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
