"""Builds the documentation site into site/, and fails where a link of it leads nowhere: `make site`.

    python tests/site_pages.py [--no-pictures]

Needs the extras `docs` and `train`, and for the pictures a Chromium. The site works from a folder, without a network.
"""

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).resolve().parent.parent

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

PICTURES = {"report.png": (1100, 900)}
"""The screens of reports that pages show, and their sizes."""

_SHIM = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*></script>')
_LINK = re.compile(r'\b(?:href|src)="([^"]*)"')
_ANCHOR = re.compile(r'\b(?:id|name)="([^"]*)"')
_LOADED = re.compile(
    r'<(?:script|img|iframe)[^>]*\bsrc="(https?:[^"]*)"|<link[^>]*rel="stylesheet"[^>]*href="(https?:[^"]*)"'
)


def build(root: Path, *, pictures: bool) -> Path:
    """The site of the documentation under `root`; SystemExit says what is wrong with it."""
    faults = list(lost_pages(root))
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(
        command, cwd=root, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if built.returncode:
        raise SystemExit("\n".join([*faults, built.stdout]))
    site = root / "site"
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = re.sub(
            r'href="docs/', 'href="', page.read_text(encoding="utf-8")
        )  # the changelog's, for the root
        text = _SHIM.sub(f'<script src="{up}javascripts/local-worker.js"></script>', text)
        page.write_text(text, encoding="utf-8")
    if pictures:
        take_pictures(site)
    else:
        leave_out_pictures(site)
    faults += broken(site)
    if faults:
        raise SystemExit("\n".join(faults))
    return site


def lost_pages(root: Path) -> Iterator[str]:
    """Pages that the navigation has and nobody wrote, and the other way round."""
    nav = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    named = set(_names(nav))
    there = {path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    yield from (f"zensical.toml names {page}, which is not in docs/" for page in sorted(named - there))
    yield from (f"docs/{page} is not in the navigation" for page in sorted(there - named))


def _names(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from _names(inner)


def browser() -> str | None:
    """A browser that takes pictures of pages."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def take_pictures(site: Path) -> None:
    """Makes a report, and pictures of it."""
    found = browser()
    if found is None:
        raise SystemExit(
            f"no browser for the pictures (one of {', '.join(BROWSERS)}); --no-pictures does without"
        )
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        quickstart = [
            sys.executable,
            "-m",
            "una_fast",
            "quickstart",
            "--max-steps",
            "60",
            "--output",
            str(run),
        ]
        subprocess.run(quickstart, check=True, stdout=sys.stderr)
        (site / "assets").mkdir(exist_ok=True)
        for name, (width, height) in PICTURES.items():
            options = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
            ]
            picture = [f"--screenshot={site / 'assets' / name}", f"--window-size={width},{height}"]
            page = (run / "report.html").as_uri()
            subprocess.run([found, *options, *picture, page], check=True, capture_output=True)


def leave_out_pictures(site: Path) -> None:
    """Takes the pictures out of pages."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for name in PICTURES:
            text = re.sub(rf'<p><img [^>]*src="[^"]*{re.escape(name)}"[^>]*></p>', "", text)
        page.write_text(text, encoding="utf-8")


def broken(site: Path) -> Iterator[str]:
    """Links within the site that lead nowhere, and what would be loaded from elsewhere."""
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    anchors = {page: {html.unescape(name) for name in _ANCHOR.findall(text)} for page, text in texts.items()}
    for page, text in texts.items():
        where = page.relative_to(site)
        yield from (f"{where} loads {a or b}" for a, b in _LOADED.findall(text))
        if page.name == "404.html":
            continue
        for link in sorted(set(_LINK.findall(text))):
            path, anchor = urldefrag(html.unescape(link))
            if re.match(r"[a-z]+:", path):
                continue
            target = Path(os.path.normpath(page.parent / unquote(path))) if path else page
            if not target.exists():
                yield f"{where}: {link} leads nowhere"
            elif anchor and target in anchors and unquote(anchor) not in anchors[target]:
                yield f"{where}: {link} has no such heading"


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-pictures", action="store_true")
    args = parser.parse_args()
    print(build(ROOT, pictures=not args.no_pictures) / "index.html")


if __name__ == "__main__":
    main()
