"""The words of a quickstart while it runs: short titled sections, plain wherever plain is wanted."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

__all__ = ["Terminal"]

_WIDTH = 88


class Terminal:
    """Writes sections, lines and small tables to a stream.

    It is plain text, but for a few colours where the stream is a terminal, NO_COLOR is unset and TERM is not
    "dumb".
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colors = (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") != "dumb"
        )

    @property
    def is_interactive(self) -> bool:
        """True where somebody may be watching: progress bars are for them."""
        return self._stream.isatty()

    def section(self, title: str) -> None:
        """Open a section."""
        self._write(f"\n{self._paint('1', title)}")

    def line(self, text: str) -> None:
        """Write one line."""
        self._write(f"  {text}")

    def text(self, text: str) -> None:
        """Write a paragraph, broken into lines."""
        self._write(textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  "))

    def change(self, old: str, new: str) -> None:
        """Write two versions of a sentence, one under the other."""
        for sign, color, text in (("-", "31", old), ("+", "34", new)):
            body = textwrap.fill(text, _WIDTH - 4, subsequent_indent="    ")
            self._write(f"  {self._paint(color, sign)} {body}")

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows in aligned columns: the first to the left, the others to the right."""
        cells = [list(row) for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for first, *others in cells:
            columns = [first.ljust(widths[0])]
            columns += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            self.line("  ".join(columns).rstrip())

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colors else text

    def _write(self, text: str) -> None:
        # A corpus may hold characters that the terminal's encoding lacks; that must not end the run.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), file=self._stream, flush=True)
