"""Reading in blocks: the same sentences as the reader that training uses, or an error that names the place."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.paraphrase import corpus
from una_fast.paraphrase.corpus import Tally, blocks, read
from una_fast.sources import load_sentences
from una_fast.training.data import Corpus

ODD = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=12) | st.sampled_from(
    ["", " ", "\r", "\ufeff", "a\rb", "\u2028", "\x85", "\x1c", "\u3000", "a\r"]
)


@given(lines=st.lists(ODD, max_size=8), last=st.sampled_from(["\n", "\r\n", ""]))
def test_sentences_are_those_that_training_reads(
    lines: list[str], last: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Protects the alignment: row for row what `load_sentences` gives, or a refusal where that leaves a line out."""
    path = tmp_path_factory.mktemp("corpus") / "c.txt"
    path.write_bytes(("\n".join(lines) + last).encode())
    loaded = load_sentences(path)
    if loaded.n_empty:
        with pytest.raises(InputError, match=r"c\.txt, line \d+ is empty"):
            list(read([path]))
    else:
        assert list(read([path])) == list(loaded)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Protects several members in one file, and a truncated one from being a shorter corpus."""
    path = tmp_path / "c"
    path.write_bytes(compress(b"one\ntw") + compress(b"o\nthree\n"))
    assert list(read([path, path])) == ["one", "two", "three"] * 2
    path.write_bytes(compress(b"one\ntwo\n" * 500)[:-9])
    with pytest.raises(InputError, match="c: damaged or truncated"):
        list(read([path]))


def test_column_files(tmp_path: Path) -> None:
    """Protects Parquet corpora."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"text": ["one", "two\nlines"]}), path)
    assert list(read([path])) == list(load_sentences(path)) == ["one", "two\nlines"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\n\ntwo\n", r"c\.txt, line 2 is empty: no paraphrase could stand on its line"),
        (b"one\nt\xffo\n", r"c\.txt, line 2, byte 1 of the line: not UTF-8"),
        (b"o\0ne\n", r"c\.txt, line 1, byte 1 of the line: a NUL"),
        (b"\x28\xb5\x2f\xfd....", r"compressed by zstd, which is not read in blocks"),
    ],
)
def test_bad_text_is_placed(tmp_path: Path, data: bytes, message: str) -> None:
    """Protects the message: file, line, byte."""
    path = tmp_path / "c.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(read([path]))


def test_long_lines_are_refused_before_they_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects memory from a file without line ends; the longest line allowed is read."""
    monkeypatch.setattr(corpus, "MAX_LINE_BYTES", 8)
    path = tmp_path / "c.txt"
    path.write_bytes(b"12345678\r\n12345678\n")
    assert list(read([path])) == ["12345678"] * 2
    path.write_bytes(b"123456789\n")
    with pytest.raises(InputError, match="line 1 is longer than 8 bytes"):
        list(read([path]))


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Protects JSON from being paraphrased as text, and the message for a missing file."""
    with pytest.raises(OptionError, match="holds JSON"):
        list(read([tmp_path / "c.jsonl.gz"]))
    with pytest.raises(StorageError, match=r"missing\.txt"):
        list(read([tmp_path / "missing.txt"]))


@given(sentences=st.lists(st.text(min_size=1, max_size=5), max_size=20), size=st.integers(1, 7))
def test_blocks_and_digest(sentences: list[str], size: int) -> None:
    """Protects the digest, which is the one that training records, whatever the blocks are."""
    cut = list(blocks(sentences, size))
    assert [sentence for block in cut for sentence in block] == sentences
    assert all(len(block) == size for block in cut[:-1])
    tally = Tally()
    for block in cut:
        tally.add(block)
    assert (tally.facts.sentences, tally.facts.sha256) == (
        len(sentences),
        Corpus(sentences=sentences).digest(),
    )
