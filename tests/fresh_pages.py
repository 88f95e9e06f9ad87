"""README and docs as a stranger meets them: each page in an environment that has only what the page says to install.

    python tests/fresh_pages.py WHEEL [PAGE...]

An extra that a page needs and does not name fails here and nowhere else: the tests have all of them. Pages that ask for
the same share an environment, which is deleted before the next is made (torch takes gigabytes).
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import docs_pages
from docs_world import make_world

INSTALL = re.compile(r"pip install (?P<words>[^`#&\n]+)")

OURS = re.compile(r"(?:una-fast|\.)(?:\[(?P<extras>[\w,-]+)\])?")

NOT_FOR_USERS = "dev"

Wanted = tuple[tuple[str, ...], tuple[str, ...]]


def wanted(page: Path) -> Wanted:
    """What a page tells its reader to install: extras of ours, and other packages."""
    extras, others = set[str](), set[str]()
    for found in INSTALL.finditer(page.read_text(encoding="utf-8")):
        words = shlex.split(found["words"])
        if "--index-url" in words:  # another way to what is named beside it
            continue
        for word in words:
            ours = OURS.fullmatch(word)
            if ours is None:
                others.add(word)
            elif ours["extras"] and ours["extras"] != NOT_FOR_USERS:
                extras.update(ours["extras"].split(","))
    return tuple(sorted(extras)), tuple(sorted(others))


def main() -> None:
    """Runs pages, and prints what each needed; fails where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("pages", nargs="*", type=Path)
    args = parser.parse_args()
    groups: dict[Wanted, list[Path]] = defaultdict(list)
    for page in args.pages or docs_pages.PAGES:
        if page.name not in docs_pages.ELSEWHERE and any(docs_pages.blocks(page)):
            groups[wanted(page)].append(page.resolve())
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        make_world(world)
        for names, pages in sorted(groups.items()):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                python = fresh(Path(place) / "venv", args.wheel, names)
                failed += [page.name for page in pages if not ran(python, page, world)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def fresh(place: Path, wheel: Path, names: Wanted) -> Path:
    """Makes an environment with the wheel and what a page names; returns its interpreter."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = place / "bin" / "python"
    extras, others = names
    suffix = f"[{','.join(extras)}]" if extras else ""
    install = [python, "-m", "pip", "install", "--quiet", f"{wheel.resolve()}{suffix}", *others]
    subprocess.run(install, check=True)
    told = " ".join([f"una-fast{suffix}", *others])
    print(f"{told}: installed in {time.monotonic() - start:.0f} s", flush=True)
    return python


def ran(python: Path, page: Path, world: Path) -> bool:
    """Runs the blocks of a page; returns whether all ran."""
    start = time.monotonic()
    command = [python, docs_pages.__file__, page, "--world", world]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.strip() if done.returncode == 0 else f"{page.name} FAILED\n{done.stderr[-2000:]}"
    print(f"  {told}, {time.monotonic() - start:.0f} s", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
