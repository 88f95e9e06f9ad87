"""Files that change while they are read or used: noticed, and named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import una_fast
from una_fast import _core, sources
from una_fast.mapped_corpus import map_sentences
from una_fast.sources import load_sentences

LINES = "".join(f"sentence number {i} of a file that is read in many blocks\n" for i in range(200_000))


CHANGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: os.truncate(path, 3_000_000),
    "grown": lambda path: path.open("a").write("more\n"),
    "written to": lambda path: os.utime(path, ns=(0, 0)),
    "replaced": lambda path: os.replace(path.with_name("other"), path),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", ["fit", "load", "map", "augment"])
def test_a_file_of_lines_that_changes_is_named(tmp_path: Path, change: str, way: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(LINES)
    (tmp_path / "other").write_text(LINES)
    changed = []

    def tick(*_: object) -> None:
        if not changed:
            changed.append(CHANGES[change](path))

    how = sources.reading()
    parts = sources.opened(path, how).parts
    core = una_fast.TermCounter()._core

    def read() -> None:
        # By way of what shows progress, which is called while the file is read.
        if way == "fit":
            core.update(parts[0], reading=how.core, threads=1, tick=tick, custom=None)
        elif way == "load":
            _core.read_sentences(parts, reading=how.core, tick=tick)
        elif way == "map":
            ends = tmp_path / "ends"
            _core.write_mapped_corpus(parts, tmp_path / "text", ends, reading=how.core, tick=tick)
        else:
            blocks = _core.Lines.of_file(path, reading=how.core)
            next(blocks)
            tick()
            list(blocks)

    with pytest.raises(una_fast.InputError, match=r"corpus\.txt: it changed while it was read"):
        read()
    assert changed
    assert core.n_documents == 0


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows", "feather", "csv"])
def test_a_table_that_changes_is_named(tmp_path: Path, kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.feather
    import pyarrow.parquet
    from pyarrow import csv

    path = tmp_path / f"x.{kind}"
    # Delimited text is read ahead, on a busy machine all of a small file before the first tick.
    table = pa.table({"text": LINES.splitlines() * (6 if kind == "csv" else 1)})
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, path)
    elif kind == "csv":
        csv.write_csv(table, path)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
    changed = []

    def tick(*_: object) -> None:
        if not changed:
            changed.append(os.utime(path, ns=(0, 0)))

    how = sources.reading()
    core = una_fast.TermCounter()._core
    with pytest.raises(una_fast.InputError, match="it changed while it was read"):
        core.update(sources.opened(path, how).parts[0], reading=how.core, threads=1, tick=tick, custom=None)
    assert changed


def test_a_copy_that_is_cut_short_in_use_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(LINES)
    sentences = map_sentences(tmp_path / "corpus.txt", tmp_path / "copy")
    loaded = load_sentences(tmp_path / "corpus.txt")
    rows = [0, 199_999, 7, 7]
    assert sentences.take(rows) == loaded.take(rows)
    assert list(sentences[5:9]) == list(loaded[5:9])
    assert sentences.digest() == loaded.digest()
    assert una_fast.fit(sentences) == una_fast.fit(loaded) == una_fast.fit(tmp_path / "corpus.txt")
    os.truncate(tmp_path / "copy" / "text.utf8", 4096)
    assert sentences[0] == loaded[0]
    with pytest.raises(una_fast.ArtifactError, match=r"text\.utf8 was cut short while it was in use"):
        sentences[199_999]
    with pytest.raises(una_fast.ArtifactError, match="cut short"):
        una_fast.fit(sentences)
    os.truncate(tmp_path / "copy" / "ends.u64", 8)
    with pytest.raises(una_fast.ArtifactError, match=r"ends\.u64 was cut short"):
        sentences.take([5])


@pytest.mark.parametrize(
    ("file", "at"), [("text.utf8", 0), ("text.utf8", -1), ("ends.u64", 8), ("ends.u64", -1)]
)
def test_every_byte_of_a_copy_is_checked_when_it_is_found(tmp_path: Path, file: str, at: int) -> None:
    (tmp_path / "corpus.txt").write_text(LINES[:100_000])
    map_sentences(tmp_path / "corpus.txt", tmp_path / "copy")
    data = bytearray((tmp_path / "copy" / file).read_bytes())
    data[at] ^= 1
    (tmp_path / "copy" / file).write_bytes(data)
    with pytest.raises(una_fast.ArtifactError, match=f"{file} is damaged"):
        map_sentences(tmp_path / "corpus.txt", tmp_path / "copy")
