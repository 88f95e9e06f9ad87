"""Fitting: what is counted, from where, and what happens when it goes wrong."""

import copy
import gzip
import io
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import una_fast
from una_fast import _reference
from una_fast.errors import OptionError
from una_fast.sources import load_sentences

CORPUS = ["The cat sat on the mat.", "a dog lay on the rug", "the bird flew over the house"]

sentences = st.lists(
    st.lists(st.sampled_from(["a", "b", "cat", "Dog", "É", "x", "the"]), min_size=1, max_size=8).map(
        " ".join
    ),
    min_size=1,
    max_size=30,
)


@given(sentences)
def test_statistics_are_those_of_the_plain_python_statement(corpus: list[str]) -> None:
    table = una_fast.fit(corpus, tokenizer="whitespace", threads=2)
    expected = _reference.fit(sentence.lower().split() for sentence in corpus)
    assert table.n_documents == expected.n_documents
    for term, df, idf, score in zip(expected.terms, expected.df, expected.idf, expected.score, strict=True):
        stats = table[term]
        assert stats.df == df
        assert math.isclose(stats.idf, idf, abs_tol=1e-14)
        assert math.isclose(stats.score, score, abs_tol=1e-14)


@given(sentences, st.integers(1, 4))
def test_files_lists_and_iterators_give_the_same_bytes(corpus: list[str], threads: int) -> None:
    whole = una_fast.fit(corpus, threads=threads).digest
    assert una_fast.fit(iter(reversed(corpus)), threads=1).digest == whole


def test_plain_and_gzip_files_and_globs_give_the_same_bytes(tmp_path: Path) -> None:
    plain, packed, second = tmp_path / "a.txt", tmp_path / "a.gz", tmp_path / "b.txt"
    plain.write_text("\n".join(CORPUS))
    # Two members, as `cat a.gz b.gz` makes them: both are read.
    packed.write_bytes(
        gzip.compress(f"{CORPUS[0]}\n".encode()) + gzip.compress("\r\n".join(CORPUS[1:]).encode())
    )
    whole = una_fast.fit(CORPUS).digest
    assert una_fast.fit(plain).digest == whole
    assert una_fast.fit(str(plain)).digest == whole
    assert una_fast.fit(packed).digest == whole
    plain.write_text(f"\n{CORPUS[0]}\n \n")
    second.write_text("\n".join(CORPUS[1:]))
    assert una_fast.fit([second, plain]).digest == whole
    assert una_fast.fit(str(tmp_path / "*.txt")).digest == whole


def test_counts_add_up_over_updates_merges_and_files(tmp_path: Path) -> None:
    left, right = una_fast.TermCounter(), una_fast.TermCounter(threads=1)
    left.update(CORPUS[:1])
    right.update([*CORPUS[1:], "", "  "])
    assert (right.n_documents, right.n_empty) == (2, 2)
    left.save(tmp_path / "counts")
    resumed = una_fast.TermCounter.load(tmp_path / "counts")
    resumed.merge(right)
    assert resumed.n_documents == 3
    assert resumed.freeze() == una_fast.fit(CORPUS)
    with pytest.raises(una_fast.OptionError, match=r"tokenizer is \"treebank\" here and \"word\" there"):
        resumed.merge(una_fast.TermCounter(tokenizer="word"))


def test_pruning_is_by_document_frequency() -> None:
    assert sorted(una_fast.fit(CORPUS, min_df=2).terms) == ["on", "the"]
    assert sorted(una_fast.fit(CORPUS, max_terms=1).terms) == ["the"]
    with pytest.raises(una_fast.OptionError, match="min_df = 9"):
        una_fast.fit(CORPUS, min_df=9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\nbad \xff\n", r"x\.txt: line 2: invalid UTF-8 at byte 9"),
        (b"fine\nn\0l\n", r"x\.txt: line 2: NUL byte at byte 6"),
        ("fine\n".encode("utf-16"), r"x\.txt: line 1: invalid UTF-8 at byte 0 \(the file starts like UTF-16"),
        (b"", "the corpus is empty"),
        (b"\n \n\r\n", "the corpus is empty"),
        (gzip.compress(b"text\n" * 1000)[:-9], r"x\.txt: compressed data ends too early"),
        (gzip.compress(b"text\n" * 1000)[:20] + b"junk" * 9, r"x\.txt: damaged compressed data"),
    ],
    ids=["not UTF-8", "a NUL", "UTF-16", "empty", "blank lines", "cut short", "damaged"],
)
def test_bad_files_are_named_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(una_fast.InputError, match=message):
        una_fast.fit(path)


def test_malformed_lines_can_be_repaired_or_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"fine\nbad \xff\n")
    assert una_fast.fit(path, errors="replace").terms == ["fine", "bad", "�"]
    counter = una_fast.TermCounter(errors="skip")
    counter.update(path)
    assert (counter.n_documents, counter.n_skipped) == (1, 1)


def test_unreadable_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(una_fast.StorageError) as missing:
        una_fast.fit(tmp_path / "none.txt")
    assert isinstance(missing.value, OSError)
    assert (missing.value.errno, missing.value.filename) == (2, str(tmp_path / "none.txt"))
    with pytest.raises(una_fast.StorageError, match="Is a directory"):
        una_fast.fit(tmp_path)
    with pytest.raises(una_fast.StorageError, match="no file matches"):
        una_fast.fit(str(tmp_path / "*.txt"))


def test_a_list_of_file_names_is_not_taken_for_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("text")
    with pytest.raises(una_fast.InputError, match=r"pathlib\.Path objects are files"):
        una_fast.fit([str(path)])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (["fine", 3], "sentence 1: expected str, found int"),
        (["fine", "n\0l"], "sentence 1: NUL byte"),
        (["fine", "\ud800"], "sentence 1: a lone surrogate"),
    ],
)
def test_bad_items_are_named_by_row(source: list[object], message: str) -> None:
    with pytest.raises(una_fast.InputError, match=message):
        una_fast.fit(source)  # type: ignore[arg-type]


def test_an_exception_of_the_iterable_comes_through_and_nothing_is_counted() -> None:
    def failing():  # type: ignore[no-untyped-def]
        yield from CORPUS * 10_000
        raise RuntimeError("from the source")

    counter = una_fast.TermCounter()
    with pytest.raises(RuntimeError, match="from the source"):
        counter.update(failing())
    assert counter.n_documents == 0
    counter.update(CORPUS)
    assert counter.freeze() == una_fast.fit(CORPUS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": "moses"}, 'tokenizer must be one of .*"treebank".* not "moses"'),
        ({"errors": "ignore"}, "errors must be"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"min_df": 0}, "min_df must be at least 1, not 0"),
        ({"max_terms": 0}, "max_terms must be at least 1, not 0"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(una_fast.OptionError, match=message):
        una_fast.fit(CORPUS, **options)  # type: ignore[arg-type]


def test_the_gil_is_free_while_a_file_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("".join(f"word{i} and word{i * 7 % 1000} again\n" for i in range(800_000)))
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    una_fast.fit(path)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(start < moment < end for moment in ticks) > 5


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("source", ["endless()", "fifo", "fifo that nobody writes to"])
def test_ctrl_c_ends_the_count_and_leaves_the_counter_usable(tmp_path: Path, source: str) -> None:
    script = f"""
import itertools, os, sys, threading, una_fast
def endless():
    for i in itertools.count():
        yield f"sentence number {{i}}"
if {source!r}.startswith("fifo"):
    path = {str(tmp_path / "fifo")!r}
    os.mkfifo(path)
    def write():
        with open(path, "wb") as out:
            while True:
                out.write(b"a line of text\\n" * 10000)
    if {source!r} == "fifo":
        threading.Thread(target=write, daemon=True).start()
    endless = lambda: __import__("pathlib").Path(path)
counter = una_fast.TermCounter()
print("ready", flush=True)
try:
    counter.update(endless())
except KeyboardInterrupt:
    assert counter.n_documents == 0
    counter.update(["still usable"])
    print("stopped", counter.n_documents, flush=True)
    os._exit(0)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out == "stopped 1\n"


def test_sentences_in_memory_are_the_documents_of_the_count(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("\ufefferste Zeile\r\n\n \nzweite\nletzte é".encode())
    read = load_sentences(path)
    assert list(read) == ["erste Zeile", "zweite", "letzte é"]
    assert read.n_empty == 2
    assert read.take(np.array([2, 0])) == ["letzte é", "erste Zeile"]
    assert (read[-1], read[1:]) == ("letzte é", ["zweite", "letzte é"])
    assert list(load_sentences(["a", " ", "é"])) == ["a", "é"]
    with pytest.raises(IndexError):
        read[3]


def test_importing_the_package_is_light() -> None:
    code = "import sys, una_fast; print([m for m in ('torch', 'transformers', 'pyarrow', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
    assert os.fspath(Path(una_fast.__file__).parent)


@pytest.mark.parametrize("limited", [False, True])
def test_a_counter_goes_through_pickle_and_copy(limited: bool, tmp_path: Path) -> None:
    """Protects counts that come back from a process pool: what was counted, what was left out, and the options."""
    options: dict[str, Any] = {"memory_limit": "16MiB", "temp_dir": tmp_path} if limited else {}
    counter = una_fast.TermCounter(tokenizer="word", errors="skip", threads=1, shard=(1, 2), **options)
    counter.update(io.BytesIO(b"red fox\nx\n\nblue fox\n\xff\nz\n"))
    for copied in (
        lambda: pickle.loads(pickle.dumps(counter)),
        lambda: copy.deepcopy(counter),
        lambda: copy.copy(counter),
    ):
        again = copied()
        for each in (again, counter):
            each.update(io.BytesIO(b"green fox\nleft out\n\n\xff\n"))
        figures = [
            (each.n_documents, each.n_empty, each.n_skipped, each.freeze().digest)
            for each in (again, counter)
        ]
        assert figures[0] == figures[1]


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.int64])
def test_whole_numbers_of_numpy_are_whole_numbers(kind: Any) -> None:
    def fit(one: Any) -> una_fast.TermTable:
        counter = una_fast.TermCounter(threads=one, shard=(one, one), max_line_bytes=kind(99))
        counter.update(["red fox", "blue fox"])
        return counter.freeze(min_df=one, max_terms=one)

    assert fit(kind(1)) == fit(1)


@pytest.mark.parametrize(
    "options",
    [
        {"min_df": 2.0},
        {"min_df": True},
        {"min_df": 2**70},
        {"max_terms": "9"},
        {"threads": 1.0},
        {"threads": 2**40},
        {"memory_limit": 0.5 * 2**30},
        {"memory_limit": 2**70},
        {"max_line_bytes": None},
    ],
)
def test_what_is_no_whole_number_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        una_fast.fit(["a b"], **options)


@pytest.mark.parametrize("shard", [1, (1,), (1.0, 2), ("1", "2"), (0, 2), (3, 2), (1, 2**64)])
def test_a_shard_is_two_whole_numbers(shard: Any) -> None:
    with pytest.raises(OptionError, match="shard"):
        una_fast.TermCounter(shard=shard)
