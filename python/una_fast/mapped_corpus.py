"""Sentences on disk: a copy of a source that is read where it is needed, for corpora larger than memory.

    sentences = map_sentences("corpus/*.txt.gz", "index")
    sentences.take([17, 4])

The folder holds the text of all sentences one after another, where each stops, and what the copy was made of. Rows are
those of `load_sentences`, and so those that `fit` counts.

A copy that is found is checked before it is used: all of it is read once, by as many threads as there are cores, and
compared with the sums of its blocks. That takes about as long as reading the files does, some two gigabytes a second a
core where they are in memory. Sentences are then read with the file, not mapped into memory: a copy that is cut short
while it is in use is an error, where a mapped one would end the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from una_fast import _core
from una_fast.errors import ArtifactError, OptionError
from una_fast.files import replacing_folder, storage_errors, write_text
from una_fast.progress import counting
from una_fast.sources import (
    MAX_LINE_BYTES,
    Opened,
    Reading,
    Sentences,
    Source,
    default_threads,
    opened,
    reading,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["map_sentences"]

_FORMAT = 2
_TEXT, _ENDS, _FACTS = "text.utf8", "ends.u64", "index.json"
_BLOCK_BYTES = 16 << 20
"""Bytes of a file whose sum is kept, so that threads can check a copy side by side."""


def map_sentences(
    source: Source,
    folder: str | os.PathLike[str],
    *,
    errors: str = "strict",
    max_line_bytes: int = MAX_LINE_BYTES,
    text_field: str | None = None,
    column: str | None = None,
    aligned: bool = False,
    lines: bool = False,
    progress: bool = False,
) -> Sentences:
    """Copies a source to a folder, unless a copy of these very files is there.

    Whether it is there is told by the names, sizes and times of change of the files; what is no file is copied each
    time. Sentences take no memory but what the system keeps of the files, and gives back where it is needed.

    Args:
        source: see `una_fast.sources`.
        folder: where the copy goes; made if it is missing. A copy of other files in it is replaced.
        errors: see `load_sentences`.
        max_line_bytes: see `load_sentences`.
        text_field: see `load_sentences`.
        column: see `load_sentences`.
        aligned: see `load_sentences`.
        lines: see `load_sentences`.
        progress: whether to show a bar.

    Raises:
        OptionError: for a folder that holds something else.
        InputError: for malformed text, by file, line and byte.
        StorageError: for files that cannot be read or written; an older copy then stays.
        ArtifactError: for a copy that is damaged.
    """
    target = Path(folder)
    options = {
        "errors": errors,
        "max_line_bytes": max_line_bytes,
        "text_field": text_field,
        "column": column,
        "aligned": aligned,
    }
    how = reading(
        errors=errors,
        max_line_bytes=max_line_bytes,
        text_field=text_field,
        column=column,
        aligned=aligned,
        lines=lines,
    )
    what = opened(source, how)
    files = what.files
    facts: dict[str, Any] = {"format": _FORMAT, "options": options, "files": _described(files)}
    found = _facts_of(target)
    if found is not None and files is not None and {name: found.get(name) for name in facts} == facts:
        return _checked(target, found)
    with storage_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(target) as fresh:
            facts |= _copy(what, fresh, how, progress=progress)
            write_text(fresh / _FACTS, json.dumps(facts, indent=1))
    return _map(target, facts)


def _described(files: list[Path] | None) -> list[list[Any]] | None:
    if files is None:
        return None
    with storage_errors():
        return [[str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def _facts_of(folder: Path) -> dict[str, Any] | None:
    """The facts that the copy in a folder was made of; None where there is none.

    Raises:
        OptionError: The folder holds something else, which a copy must not replace.
        StorageError: The operating system refused to read it.
    """
    if not folder.exists():
        return None
    with storage_errors(folder):
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            facts = None
        if isinstance(facts, dict) and "format" in facts:
            return facts
        if folder.is_dir() and not any(folder.iterdir()):
            return None
    raise OptionError(f"{folder} holds something other than mapped sentences: name another folder")


def _copy(what: Opened, folder: Path, how: Reading, *, progress: bool) -> dict[str, Any]:
    """Writes text and ends; what the copy comes to."""
    with counting("copying", what.n_bytes(), show=progress) as tick:
        counts = _core.write_mapped_corpus(
            what.parts, folder / _TEXT, folder / _ENDS, reading=how.core, tick=tick
        )
    facts: dict[str, Any] = dict(zip(("n_documents", "n_bytes", "n_empty", "n_skipped"), counts, strict=True))
    facts["sums"] = {name: _sums(folder / name) for name in (_TEXT, _ENDS)}
    return {**facts, "sha256": _map(folder, {**facts, "sha256": None}).digest()}


def _sums(path: Path) -> list[str]:
    """SHA-256 of each block of a file."""

    def sum_of(start: int) -> str:
        # Opened by each, since a position is shared.
        with path.open("rb") as file:
            file.seek(start)
            return hashlib.sha256(file.read(_BLOCK_BYTES)).hexdigest()

    with storage_errors(path), ThreadPoolExecutor(default_threads(None)) as pool:
        return list(pool.map(sum_of, range(0, path.stat().st_size, _BLOCK_BYTES)))


def _map(folder: Path, facts: dict[str, Any]) -> Sentences:
    text = _FileBytes(folder / _TEXT, facts["n_bytes"])
    ends = _FileNumbers(_FileBytes(folder / _ENDS, 8 * facts["n_documents"]))
    return Sentences(
        text, ends, n_empty=facts["n_empty"], n_skipped=facts["n_skipped"], digest=facts["sha256"]
    )


def _checked(folder: Path, facts: dict[str, Any]) -> Sentences:
    """A copy that was found, which may have been damaged since it was made.

    Raises:
        ArtifactError: It is not what was written.
    """
    try:
        found = _map(folder, facts)
        for name in (_TEXT, _ENDS):
            if _sums(folder / name) != facts["sums"][name]:
                raise ArtifactError(
                    f"{folder / name} is damaged: it is not what was copied; remove the folder"
                )
    except ArtifactError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / _FACTS} holds no facts of a copy: remove the folder") from error
    return found


class _FileBytes:
    """The bytes of a file, each part read as it is asked for."""

    def __init__(self, path: Path, size: int) -> None:
        with storage_errors(path):
            self._file = path.open("rb", buffering=0)
            found = os.fstat(self._file.fileno()).st_size
        if found != size:
            raise ArtifactError(f"{path} has {found} bytes, not {size}: remove its folder")
        self._path, self._size, self._lock = path, size, threading.Lock()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        with storage_errors(self._path):
            found = self._read(start, max(stop - start, 0))
        if len(found) < stop - start:
            raise ArtifactError(f"{self._path} was cut short while it was in use: remove its folder")
        return found

    def _read(self, start: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (part := self._read_some(start, size)):
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_some(self, start: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, start)
        with self._lock:  # Windows reads where the file stands
            self._file.seek(start)
            return self._file.read(size)


class _FileNumbers:
    """Little-endian 64-bit numbers in a file."""

    def __init__(self, data: _FileBytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data) // 8

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> NDArray[np.uint64]: ...
    def __getitem__(self, index: int | slice) -> int | NDArray[np.uint64]:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return np.frombuffer(self._data[8 * start : 8 * stop], "<u8")
        return int.from_bytes(self._data[8 * index : 8 * index + 8], "little")
