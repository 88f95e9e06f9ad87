"""A terminal: control characters of a corpus are shown on it, not sent to it."""

import os
import sys
from pathlib import Path

import pytest

import una_fast
from una_fast.cli import main

pty = pytest.importorskip("pty")

ORDERS = "\x1b]0;owned\x07 \x1b[2J \x9b31m \x7f \u202e \r \x08"
"""To rename the window, to clear the screen, to colour, to turn the text."""


def on_terminal(*words: str) -> bytes:
    """What a command writes to a terminal."""
    shown = bytearray()

    def read(terminal: int) -> bytes:
        data = os.read(terminal, 4096)
        shown.extend(data)
        return data

    code = f"import sys; from una_fast.cli import main; sys.exit(main({list(words)!r}))"
    with open(os.devnull, "wb") as nowhere:
        out = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            pty.spawn([sys.executable, "-c", code], read)
        finally:
            os.dup2(out, 1)
            os.close(out)
    return bytes(shown).replace(b"\r\n", b"\n")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    una_fast.fit([f"é red {ORDERS} fox{i}" for i in range(20)], tokenizer="whitespace").save(tmp_path / "t")
    return tmp_path / "t"


def is_free_of_orders(shown: bytes) -> bool:
    ours = shown.replace(b"\x1b[1;31m", b"").replace(b"\x1b[0m", b"").decode()
    return not set(ours) & set("\x1b\x07\x9b\x7f\u202e\r\x08")


@pytest.mark.parametrize("options", [[], ["--json"], ["--sentence", f"red {ORDERS} fox1"]])
def test_what_inspect_shows(table: Path, options: list[str]) -> None:
    shown = on_terminal("inspect", str(table), *options)
    assert is_free_of_orders(shown)
    assert b"\\u001b" in shown


@pytest.mark.parametrize("surface", ["reference", "preserve"])
def test_what_augment_shows(table: Path, tmp_path: Path, surface: str) -> None:
    (tmp_path / "x.txt").write_text(f"é red {ORDERS} fox1\n" * 300)
    shown = on_terminal("augment", str(table), str(tmp_path / "x.txt"), "--surface", surface)
    assert is_free_of_orders(shown)
    assert shown.count(b"\n") >= 300
    assert "é".encode() in shown


def test_what_an_error_quotes(tmp_path: Path) -> None:
    shown = on_terminal("fit", str(tmp_path / f"none{ORDERS}"), "-o", str(tmp_path / "t"))
    assert is_free_of_orders(shown)
    assert b"owned" in shown


def test_a_file_gets_what_there_is(table: Path, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("red \x1b[2J fox1\n")
    options = ["--surface", "preserve", "--replace-prob", "0.01", "-o", str(tmp_path / "out.txt")]
    assert main(["augment", str(table), str(tmp_path / "x.txt"), *options]) == 0
    assert "\x1b" in (tmp_path / "out.txt").read_text()
