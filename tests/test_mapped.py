"""Sentences on disk: the same rows as in memory, made once, whole or not at all."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast.errors import ArtifactError, InputError, OptionError, StorageError
from una_fast.mapped_corpus import map_sentences
from una_fast.sources import load_sentences


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("one\n\nzwei süß\r\n三\n", encoding="utf-8")
    return path


def test_rows_are_those_in_memory(corpus: Path, tmp_path: Path) -> None:
    """Protects the numbers of rows, on which negatives depend, and the identity of a corpus in manifests."""
    held, mapped = load_sentences(corpus), map_sentences(corpus, tmp_path / "index")
    assert list(mapped) == list(held) == ["one", "zwei süß", "三"]
    assert mapped.digest() == held.digest()
    assert (mapped.n_empty, mapped.n_skipped) == (1, 0)
    assert mapped.take([2, 0]) == ["三", "one"]


@settings(max_examples=30, deadline=None)
@given(sentences=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=20))
def test_any_iterable_maps_like_it_loads(
    sentences: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Protects the second way in, sentence by sentence."""
    folder = tmp_path_factory.mktemp("any")
    mapped, held = map_sentences(sentences, folder / "index"), load_sentences(iter(sentences))
    assert list(mapped) == list(held)
    assert (mapped.digest(), mapped.n_empty) == (held.digest(), held.n_empty)


def test_counting_takes_them_as_they_lie(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the fast way into the counter: the same table as from the file, whatever the size of a batch."""
    monkeypatch.setattr("una_fast.sources._BATCH", 2)
    expected = una_fast.fit(corpus).digest
    assert una_fast.fit(load_sentences(corpus)).digest == expected
    assert una_fast.fit(map_sentences(corpus, tmp_path / "index")).digest == expected


def test_a_table_file_maps(tmp_path: Path) -> None:
    """Protects columns."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"text": ["a", None, "b"]}), tmp_path / "t.parquet")
    assert list(map_sentences(tmp_path / "t.parquet", tmp_path / "index")) == ["a", "b"]


def test_a_copy_is_made_once_and_again_when_the_file_changes(corpus: Path, tmp_path: Path) -> None:
    """Protects the time of a second run, and its truth."""
    map_sentences(corpus, tmp_path / "index")
    first = (tmp_path / "index" / "text.utf8").stat().st_ino
    map_sentences(corpus, tmp_path / "index")
    assert (tmp_path / "index" / "text.utf8").stat().st_ino == first
    corpus.write_text("other\n", encoding="utf-8")
    os.utime(corpus, ns=(1, 1))
    assert list(map_sentences(corpus, tmp_path / "index")) == ["other"]


def test_other_options_make_another_copy(tmp_path: Path) -> None:
    """Protects against rows read under other rules."""
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"good\n\xff\n")
    assert list(map_sentences(bad, tmp_path / "index", errors="skip")) == ["good"]
    assert list(map_sentences(bad, tmp_path / "index", errors="replace")) == ["good", "\ufffd"]


def test_a_failure_leaves_the_older_copy(corpus: Path, tmp_path: Path) -> None:
    """Protects what was there."""
    map_sentences(corpus, tmp_path / "index")
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"good\n\xff\n")
    with pytest.raises(InputError, match=r"bad\.txt: line 2"):
        map_sentences(bad, tmp_path / "index")
    assert map_sentences(corpus, tmp_path / "index")[0] == "one"
    assert not list(tmp_path.glob(".index*"))


def test_what_is_not_ours_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    """Protects a mistyped folder."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years")
    with pytest.raises(OptionError, match="something other than mapped sentences"):
        map_sentences(corpus, tmp_path / "home")


def test_a_truncated_copy_is_named(corpus: Path, tmp_path: Path) -> None:
    """Protects against reading past the end of a map."""
    map_sentences(corpus, tmp_path / "index")
    (tmp_path / "index" / "ends.u64").write_bytes(b"\0" * 8)
    with pytest.raises(ArtifactError, match=r"ends\.u64 has 8 bytes"):
        map_sentences(corpus, tmp_path / "index")


def test_missing_files_and_streams(tmp_path: Path) -> None:
    """Protects the kinds of errors."""
    with pytest.raises(StorageError, match=r"absent\.txt"):
        map_sentences(tmp_path / "absent.txt", tmp_path / "index")
    assert list(map_sentences(io.BytesIO(b"a\n\nb"), tmp_path / "index")) == ["a", "b"]


def test_empty_sources(tmp_path: Path) -> None:
    """Protects the empty map, which the system refuses."""
    empty: list[Any] = []
    assert len(map_sentences(empty, tmp_path / "index")) == 0
