"""The command as a newcomer meets it, on a corpus small enough for a test."""

import argparse
import hashlib
import io
import json
from pathlib import Path

import pytest

pytest.importorskip("una_fast.training", reason="the quickstart needs the train extra")

from una_fast.cli import quickstart as command
from una_fast.errors import OptionError
from una_fast.quickstart.flow import QuickstartOptions
from una_fast.quickstart.terminal import Terminal

WORDS = ("river", "stone", "garden", "winter", "letter", "candle", "harbour", "orchard")
SENTENCES = [
    f"The {first} that we saw beside the {second} was not the {third} of last year."
    for first in WORDS
    for second in WORDS
    for third in WORDS[:3]
    if len({first, second, third}) == 3
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in SENTENCES), encoding="utf-8")
    return path


def invoke(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["quickstart", *map(str, arguments)])
    code: int = args.run(args)
    return code


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_run_leaves_what_it_promises_and_another_leaves_the_same(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--corpus", corpus, "--max-steps", 3, "--batch-size", 8, "--seed", 3, "--threads", 1)
    assert invoke(*small, "--output", tmp_path / "a", "--json") == 0
    told = capsys.readouterr()
    figures = json.loads(told.out)
    assert figures["sentences"] == len(SENTENCES)
    assert figures["steps"] == len(figures["losses"]) == 3
    assert 0 <= figures["after"]["win_rate"] <= 1
    assert json.loads((tmp_path / "a" / "una-fast-quickstart.json").read_text("utf-8")) == figures

    names = set(digests(tmp_path / "a"))
    assert {
        "report.html",
        "table.safetensors",
        "model/model.safetensors",
        "starter/model.safetensors",
    } <= names
    for name in names:
        assert str(tmp_path).encode() not in (tmp_path / "a" / name).read_bytes(), name

    assert invoke(*small, "--output", tmp_path / "elsewhere") == 0
    story = capsys.readouterr().out
    assert "\x1b" not in story
    assert digests(tmp_path / "elsewhere") == digests(tmp_path / "a")

    # Over its own folder a run starts afresh, and keeps what else was put there.
    (tmp_path / "a" / "notes.txt").write_text("mine")
    assert invoke(*small[:-2], "--threads", 1, "--output", tmp_path / "a") == 0
    assert (tmp_path / "a" / "notes.txt").read_text() == "mine"
    (tmp_path / "a" / "notes.txt").unlink()
    assert digests(tmp_path / "a") == digests(tmp_path / "elsewhere")


def test_a_folder_of_somebody_else_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "report.html").write_text("years of work")
    with pytest.raises(OptionError, match="thesis"):
        invoke("--corpus", corpus, "--output", folder)
    with pytest.raises(OptionError, match="no folder"):
        invoke("--corpus", corpus, "--output", corpus)
    assert (folder / "report.html").read_text() == "years of work"
    assert [path.name for path in folder.iterdir()] == ["report.html"]


@pytest.mark.parametrize("option", ["max_steps", "batch_size", "threads"])
def test_numbers_without_meaning_are_refused_by_name(option: str) -> None:
    with pytest.raises(OptionError, match=f"{option} must be at least ., not 0"):
        QuickstartOptions(**{option: 0})


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def said(stream: io.StringIO) -> str:
        Terminal(stream).section("Title")
        return stream.getvalue()

    assert "\x1b" in said(Screen())
    assert said(io.StringIO()) == "\nTitle\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert said(Screen()) == "\nTitle\n"


def test_a_character_that_the_terminal_lacks_does_not_end_the_run() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(stream).line("caf\u00e9")
    assert raw.getvalue() == b"  caf?\n"
