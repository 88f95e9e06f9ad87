"""Ctrl-C in the command `una-fast`: one line and exit status 130, from the first import on.

Imports take their time, and what they are in the middle of does not always take a `KeyboardInterrupt` for what it is.
So the command watches for the signal itself, from before anything else is imported. A program that imports the package
keeps its own handlers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["INTERRUPTED", "is_command", "seen", "uninterrupted", "watch_imports", "watch_work"]

INTERRUPTED = 130

_seen: list[int] = []
"""The signals that came."""


def is_command() -> bool:
    """True where this process is the command, not a program that imports the package."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name.removesuffix(".exe") == "una-fast" or (name == "-m" and "una_fast" in sys.orig_argv)


def watch_imports() -> None:
    """Has Ctrl-C end the process at once: nothing has begun that would have to be ended well.

    Where Ctrl-C is ignored, as a shell has it for what runs in its background, or somebody else takes it, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def watch_work() -> None:
    """Has Ctrl-C raise `KeyboardInterrupt` again, and remembers that it came."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _interrupt)


def seen() -> bool:
    """True once Ctrl-C came: an exception after that is its doing, whatever it looks like."""
    return bool(_seen)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Has Ctrl-C wait for the end of the block; where it has no handler of Python's, it is left as it is."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[Any] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[-1])


def _end(*_: object) -> None:
    os.write(2, b"una-fast: interrupted\n")
    os._exit(INTERRUPTED)


def _interrupt(number: int, _: object) -> None:
    _seen.append(number)
    raise KeyboardInterrupt
