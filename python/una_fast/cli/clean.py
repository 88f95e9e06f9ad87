"""`una-fast clean`: remove what killed runs have left."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from una_fast import shared_options as same
from una_fast.cli.terminal import shown
from una_fast.errors import StorageError
from una_fast.files import clean
from una_fast.options import Options, add_options, option


@dataclass(frozen=True, kw_only=True)
class CleanOptions(Options):
    """The options of `una-fast clean`."""

    folders: list[Path] = option(
        help="Folders to look in, and below.", group="text", positional=True, metavar="FOLDER"
    )
    dry_run: bool = option(False, "Name what would be removed, and leave it.", group="output")
    json: bool = option(same.JSON)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "clean",
        help="remove temporary files of runs that were killed",
        usage="una-fast clean FOLDER... [options]",
        description="Remove the hidden files and folders, .una-fast-*.tmp, that runs which were killed have left in "
        "these folders and below. Each is locked as long as a process writes it, and what is locked stays. The next "
        "run that writes into a folder does the same there without being told.",
    )
    add_options(parser, CleanOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Finds, removes, tells."""
    options = CleanOptions.from_arguments(args)
    found: dict[str, int] = {}
    for top in options.folders:
        for folder, names, _ in os.walk(top, onerror=_raise):
            sizes = {path: _size(path) for path in clean(Path(folder), remove=False)}
            gone = list(sizes) if options.dry_run else clean(Path(folder))
            found |= {str(path): sizes.get(path, 0) for path in gone}
            names[:] = sorted(name for name in names if Path(folder, name) not in sizes)
    if options.json:
        print(json.dumps({"removed": not options.dry_run, "bytes": found}, ensure_ascii=False))
        return 0
    for path, size in found.items():
        print(shown(f"{size:>15,}  {path}"))
    told = "would be removed" if options.dry_run else "removed"
    print(f"{len(found):,} temporary files and folders, {sum(found.values()):,} bytes, {told}")
    return 0


def _raise(error: OSError) -> None:
    raise StorageError(error.errno, error.strerror, error.filename) from error


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; what vanishes meanwhile counts as nothing."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    size = 0
    for file in files:
        try:
            size += file.lstat().st_size if not file.is_dir() else 0
        except FileNotFoundError:
            continue
    return size
