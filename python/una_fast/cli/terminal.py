"""Text of a corpus on a terminal: its control characters are shown, not sent.

A corpus from the web may hold any character, and a terminal takes some of them for orders: to clear the screen, to
rename the window, to answer as if the user had typed. A file or a pipe gets what there is, byte for byte.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from typing import BinaryIO, TextIO

__all__ = ["TerminalBytes", "shown"]

_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of what follows."""


def shown(text: str, stream: TextIO | None = None) -> str:
    """The text as that stream, or standard output, may have it: on a terminal with its controls by number."""
    stream = sys.stdout if stream is None else stream
    return _visible(text) if stream.isatty() else text


def _visible(text: str) -> str:
    return _ORDERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class TerminalBytes(io.RawIOBase):
    """A binary stream for UTF-8 that is shown on the terminal behind `stream`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # a narrower type than any buffer
        """Writes what the bytes show, up to the last whole character."""
        self._stream.write(_visible(self._decoder.decode(bytes(data))).encode())
        return len(data)

    def flush(self) -> None:
        """Has it on the terminal."""
        self._stream.flush()
