"""Sentences on disk: a copy of a source that is mapped, not held, for corpora larger than memory.

    sentences = map_sentences("corpus/*.txt.gz", "index")
    sentences.take([17, 4])

The folder holds the text of all sentences one after another, where each stops, and what the copy was made of. Rows are
those of `load_sentences`, and so those that `fit` counts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from una_fast import _core
from una_fast.errors import ArtifactError, OptionError
from una_fast.files import replacing_folder, storage_errors, write_text
from una_fast.progress import counting
from una_fast.sources import MAX_LINE_BYTES, Opened, Reading, Sentences, Source, opened, reading

__all__ = ["map_sentences"]

_FORMAT = 1
_TEXT, _ENDS, _FACTS = "text.utf8", "ends.u64", "index.json"


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
    """Copies a source to a folder, unless a copy of these very files is there, and maps it.

    Whether it is there is told by the names, sizes and times of change of the files; what is no file is copied each
    time. Memory is what the system keeps of the mapped files, and gives back where it is needed.

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
    return {**facts, "sha256": _map(folder, {**facts, "sha256": None}).digest()}


def _map(folder: Path, facts: dict[str, Any]) -> Sentences:
    data = _mapped(folder / _TEXT, "u1", facts["n_bytes"])
    ends = _mapped(folder / _ENDS, "<u8", facts["n_documents"])
    return Sentences(
        data, ends, n_empty=facts["n_empty"], n_skipped=facts["n_skipped"], digest=facts["sha256"]
    )


def _checked(folder: Path, facts: dict[str, Any]) -> Sentences:
    """A copy that was found, which may have been damaged since it was made: all of it is read once.

    Raises:
        ArtifactError: It is not what was written.
    """
    try:
        digest = _map(folder, {**facts, "sha256": None}).digest()
    except ArtifactError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / _FACTS} holds no facts of a copy: remove the folder") from error
    if digest != facts.get("sha256"):
        raise ArtifactError(f"{folder} is damaged: its text is not what was copied; remove the folder")
    return _map(folder, facts)


def _mapped(path: Path, kind: str, count: int) -> Any:
    with storage_errors(path):
        size = path.stat().st_size
        if size != count * np.dtype(kind).itemsize:
            raise ArtifactError(f"{path} has {size} bytes, not those of {count} entries: remove its folder")
        # Nothing can be mapped of an empty file.
        return np.memmap(path, dtype=kind, mode="r") if count else np.empty(0, dtype=kind)
