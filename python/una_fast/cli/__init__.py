"""The command `una-fast`: one module a subcommand, each with `add_parser` and `run`."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from una_fast._core import __version__
from una_fast._interrupt import INTERRUPTED, seen, watch_work
from una_fast.cli.terminal import shown
from una_fast.errors import UnaError
from una_fast.extras import require

__all__ = ["main"]

COMMANDS = (
    "quickstart",
    "fit",
    "merge",
    "inspect",
    "augment",
    "export",
    "paraphrase",
    "train",
    "evaluate",
    "experiment",
    "clean",
)
"""In the order in which a user meets them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C."""
    _prepare_streams()
    args = parser().parse_args(argv)
    watch_work()
    if sys.stdout is None:  # before any work: what the first file opened would be, is where prints go
        print(f"una-fast {args.command}: standard output is closed", file=sys.stderr)
        return 1
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        return _interrupted(args.command, str(interrupt))
    except Exception as error:
        if seen():  # raised by code that does not let an interrupt through as it is
            return _interrupted(args.command)
        return _failed(args.command, error)
    return status


def _failed(command: str, error: Exception) -> int:
    """Tells of an error in one line; those that are a fault of ours come through."""
    match error:
        case UnaError():
            what: object = error
        case MemoryError():
            what = "out of memory"
        case BrokenPipeError():
            # The reader of a pipe, `head` for one, has had enough.
            _drop_output()
            return 0
        case OSError():
            # Of files there are StorageErrors, by name: what has no name is a stream.
            named = error.filename is not None
            what = error if named else f"standard output cannot be written: {error.strerror}"
            _drop_output()
        case _:
            raise error
    print(shown(f"una-fast {command}: {what}", sys.stderr), file=sys.stderr)
    return 1


def _interrupted(command: str, where: str = "") -> int:
    print(shown(f"una-fast {command}: interrupted {where}".rstrip(), sys.stderr), file=sys.stderr)
    return INTERRUPTED


def _prepare_streams() -> None:
    """Let no character end a command: what the encoding of a terminal has not is shown by its number."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Leave what is still to be written to nobody: Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviation, and arguments in any order among options.

    Of an unknown option it says which one is near, under the usage of its own command.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self._parsing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._parsing:  # what is intermixed is parsed in two turns, by this method
            return super().parse_known_args(args, namespace)
        parse = super().parse_known_args if self._subparsers else self.parse_known_intermixed_args
        self._parsing = True
        try:
            known, unknown = parse(args, namespace)
        finally:
            self._parsing = False
        if unknown:
            name = unknown[0].split("=")[0]
            near = difflib.get_close_matches(name, self._option_string_actions, n=1)
            kind = "option" if name.startswith("-") else "argument"
            self.error(f"no {kind} {name}" + (f"; did you mean {near[0]}?" if near else ""))
        return known, unknown


class _PrintCompletion(argparse.Action):
    """Prints the completion of a shell, and ends the command."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> None:
        try:
            shtab = require("--print-completion", "shtab")
        except UnaError as error:
            parser.exit(1, f"una-fast: {error}\n")
        print(shtab.complete(parser, shell=given[1]))
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; none of them imports torch to be described."""
    top = _Parser(prog="una-fast", description="Train sentence encoders with generated hard negatives.")
    top.add_argument("--version", action="version", version=f"una-fast {__version__}")
    top.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print a script that completes commands and options in this shell (needs shtab)",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"una_fast.cli.{name}").add_parser(commands)
    return top
