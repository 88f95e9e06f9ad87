"""The blocks of README and docs, run as they stand, page by page.

    python tests/docs_pages.py PAGE... [--world FOLDER]   runs pages, each in a copy of that folder or a new one
    python tests/docs_pages.py --world FOLDER             makes such a folder, with the files that the pages speak of

A page is a story: its Python blocks share their names, its shell blocks the folder. A block of `text` right after one
that is run is what it prints, where `...` stands for anything. What is not run says why, in a comment before it.
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

ELSEWHERE = {"engines.md": "the tests of each engine run the blocks of theirs"}
"""Pages that are run by other tests."""

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<kind>[\w-]*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

RUN = ("python", "sh")

INSTALLED = "pip() { :; }\n"
"""What is tested is what is installed: a page's `pip install` does nothing."""


@dataclass
class Block:
    """A block of a page that is to be run."""

    kind: str
    text: str
    line: int
    prints: str | None = None
    """What it prints, where the page says so."""


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page to be run, each with what it prints."""
    text = page.read_text(encoding="utf-8")
    last: tuple[int, Block] | None = None
    for found in BLOCK.finditer(text):
        kind = found["kind"]
        if kind == "text" and last and not text[last[0] : found.start()].strip():
            last[1].prints = found["text"]
        if last:
            yield last[1]
            last = None
        if kind in RUN and not found["reason"]:
            last = found.end(), Block(kind, found["text"], text[: found.start()].count("\n") + 2)
    if last:
        yield last[1]


def unnamed(page: Path) -> list[int]:
    """Lines of blocks of code by indentation, which no test would find."""
    inside, faults = False, []
    lines = page.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            inside = not inside
        before = lines[number - 2] if number > 1 else ""
        if not inside and line.startswith("    ") and not before.strip():
            faults.append(number)
    return faults


def matches(printed: str, expected: str) -> bool:
    """Whether a block printed what the page says, but for `...` and white space at ends of lines."""

    def tidy(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip().split("\n"))

    pattern = ".*?".join(re.escape(part) for part in tidy(expected).split("..."))
    return re.fullmatch(pattern, tidy(printed), re.DOTALL) is not None


def shell(text: str) -> str:
    """What a shell prints; an error where it fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", INSTALLED + text],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        raise RuntimeError(f"the shell failed with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment() -> dict[str, str]:
    """The commands of this interpreter first, and no network."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def run(page: Path) -> int:
    """Runs the blocks of a page in the working folder; returns how many."""
    os.environ.update(environment())
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        try:
            if block.kind == "sh":
                printed = shell(block.text)
            else:
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(compile(block.text, str(page), "exec"), names)
                printed = out.getvalue()
        except Exception as error:
            traceback.print_exc()
            raise SystemExit(f"{where}: {error}") from error
        if block.prints is not None and not matches(printed, block.prints):
            raise SystemExit(f"{where} prints\n{printed}\nwhere the page says\n{block.prints}")
        count += 1
    return count


def main() -> None:
    """Run pages, or make a world."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--world", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = args.world or Path(folder) / "world"
        if not world.exists():
            from docs_world import make_world

            make_world(world)
        for page in [page.resolve() for page in args.pages]:
            place = Path(folder) / page.stem
            shutil.copytree(world, place)
            with contextlib.chdir(place):
                print(f"{page.name}: {run(page)} blocks", flush=True)


if __name__ == "__main__":
    main()
