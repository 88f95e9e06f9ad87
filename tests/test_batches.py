"""Counting and negatives on Arrow batches: what any engine makes of them is what one process makes."""

import random
import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines_page import run_block
from una_fast import (
    ArtifactError,
    Augmenter,
    InputError,
    OptionError,
    TermCounter,
    TermTable,
    _core,
    fit,
)
from una_fast.batches import (
    augment_batches,
    collect_counts,
    count_batches,
    count_schema,
    merge_batches,
)

CORPUS = [
    "the cat sat on the mat",
    "a dog can't see New York",
    "  ",
    "New York is cold, and the cat knows",
    None,
    "eine Katze saß auf der Matte",
    "the dog and the dog",
] * 5
SENTENCES = [sentence for sentence in CORPUS if sentence is not None]
PHRASES = ["new york", "the dog"]


def batches_of(sentences: Iterable[str | None], sizes: list[int]) -> list[pa.RecordBatch]:
    """The sentences in batches of these sizes, the last of which takes the rest."""
    rows, made = list(sentences), []
    for size in sizes:
        made.append(
            pa.record_batch(
                {"id": pa.array([0] * len(rows[:size])), "text": pa.array(rows[:size], pa.string())}
            )
        )
        rows = rows[size:]
    return [*made, pa.record_batch({"id": pa.array([0] * len(rows)), "text": pa.array(rows, pa.string())})]


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 12), max_size=5),
    parts=st.sampled_from([1, 2, 7, 64]),
    options=st.sampled_from(
        [{}, {"phrases": PHRASES}, {"ngram_range": (1, 2)}, {"tokenizer": "word", "lowercase": False}]
    ),
    tree=st.sampled_from(["none", "all", "pairs"]),
    seed=st.integers(0, 99),
    limited=st.booleans(),
)
def test_the_table_is_that_of_one_process(
    sizes: list[int], parts: int, options: dict[str, Any], tree: str, seed: int, limited: bool
) -> None:
    rows = [
        row
        for batch in batches_of(CORPUS, sizes)
        for row in count_batches([batch], column="text", parts=parts, **options)
    ]
    random.Random(seed).shuffle(rows)
    if tree == "all":
        rows = [merge_batches(rows)]
        assert rows[0].num_rows == parts
    elif tree == "pairs":
        rows = [merge_batches(rows[i : i + 2]) for i in range(0, len(rows), 2)]
    counter = collect_counts(rows, memory_limit="16MiB" if limited else None)
    assert counter.freeze() == fit(SENTENCES, **options)


def test_parts_are_told_by_a_checksum_that_every_engine_has() -> None:
    rows = list(count_batches(batches_of(CORPUS, []), column="text", parts=5))
    assert [row.schema for row in rows] == [count_schema()] * 5
    whole = TermCounter()
    whole.update(SENTENCES)
    for part, row in enumerate(rows):
        assert row.to_pylist()[0] | {"counts": b""} == {
            "part": part,
            "parts": 5,
            "documents": whole.n_documents,
            "counts": b"",
        }
        counts = _core.TermCounter.from_bytes(
            [row["counts"][0].as_py()], (0, 0, 0), memory_limit=None, temp_dir=None
        )
        alone = counts.freeze(min_df=1, max_terms=None, threads=1, tick=None)
        for term in alone.terms():
            assert zlib.crc32(term.encode()) % 5 == part
            # A part can be frozen alone: it has the documents of the whole.
            assert TermTable(alone)[term].score == whole.freeze()[term].score


def test_batches_of_one_iterator_are_counted_together() -> None:
    rows = list(count_batches(iter(batches_of(CORPUS, [3, 3, 9])), column="text", parts=4))
    assert len(rows) == 4
    assert collect_counts(rows).freeze() == fit(SENTENCES)


def test_nothing_comes_of_nothing() -> None:
    assert list(count_batches([])) == []
    assert list(count_batches(batches_of([None, " "], []), column="text")) == []
    assert merge_batches([]).num_rows == 0
    assert merge_batches([]).schema == count_schema()
    with pytest.raises(InputError, match="the corpus is empty"):
        collect_counts([merge_batches([])])


def test_rows_that_are_missing_or_stand_twice_are_found() -> None:
    first, second = ([*count_batches(batches_of(CORPUS, []), column="text", parts=3)] for _ in range(2))
    for rows in [first[:2], [*first, second[1]], [*first, *second[1:]]]:
        with pytest.raises(InputError, match="rows of counts are missing, or stand twice"):
            collect_counts(rows)


def test_counts_that_do_not_belong_together_are_refused() -> None:
    def counted(**options: Any) -> list[pa.RecordBatch]:
        return list(count_batches(batches_of(CORPUS, []), column="text", **{"parts": 2, **options}))

    for bring in (merge_batches, collect_counts):
        with pytest.raises(OptionError, match="they are in 2 parts here and in 3 there"):
            bring([*counted(), *counted(parts=3)])
        with pytest.raises(OptionError, match="tokenizer is"):
            bring([*counted(), *counted(tokenizer="word")])
        with pytest.raises(OptionError, match="the phrases are others here"):
            bring([*counted(), *counted(phrases=PHRASES)])


def changed(row: pa.RecordBatch, **values: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row.to_pylist()[0] | values], schema=count_schema())


def test_damaged_rows_are_named() -> None:
    rows = list(count_batches(batches_of(CORPUS, []), column="text", parts=2))
    damaged = bytearray(rows[1]["counts"][0].as_py())
    damaged[-1] ^= 1
    cases: list[tuple[Any, type[Exception], str]] = [
        (
            changed(rows[1], counts=bytes(damaged)),
            ArtifactError,
            r"counts of part 1 of 2: bytes: the checksum",
        ),
        (changed(rows[1], counts=b""), ArtifactError, r"counts of part 1 of 2: bytes: no safetensors"),
        (changed(rows[1], part=0), ArtifactError, r"the term .* is not of part 0 of 2"),
        (changed(rows[1], part=2), OptionError, "there is no part 2 of 2"),
        (changed(rows[1], part=-1), OptionError, "part must be at least 0"),
        (changed(rows[1], documents=7), InputError, "a row of counts says it has 7 sentences"),
        (changed(rows[1], counts=None), InputError, "a row of counts holds a null"),
        (rows[1].select(["part", "counts"]), InputError, "rows of counts have no column 'parts'"),
        (pa.record_batch({name: ["x"] for name in count_schema().names}), InputError, "rows of counts: "),
    ]
    for row, kind, message in cases:
        for bring in (merge_batches, collect_counts):
            with pytest.raises(kind, match=message):
                bring([rows[0], row])


def test_what_cannot_be_counted_is_named() -> None:
    batches = batches_of(CORPUS, [])
    for options, message in [
        ({"column": "txt"}, "no column 'txt'"),
        ({"parts": 0}, "parts must be at least 1"),
        ({"tokenizer": "words"}, "tokenizer"),
        ({"phrases": "npmi"}, "phrases must be known to count them"),
    ]:
        with pytest.raises(OptionError, match=message):
            list(count_batches(batches, **options))
    bad = pa.record_batch({"text": pa.array([b"fine", b"\xff"])})
    with pytest.raises(InputError, match="column 'text': sentence 1: invalid UTF-8"):
        list(count_batches([bad], column="text"))


def test_a_tokenizer_in_python_is_asked_for_again() -> None:
    rows = list(count_batches(batches_of(CORPUS, []), column="text", parts=2, tokenizer=str.split))
    table = collect_counts(rows, tokenizer=str.split).freeze()
    assert table == fit(SENTENCES, tokenizer=str.split)
    assert table.tokenize(["a b"])[0].texts == ["a", "b"]


@pytest.mark.parametrize("sizes", [[], [1, 0, 5, 7]])
@pytest.mark.parametrize("views", [1, 2])
def test_negatives_are_those_of_one_process(sizes: list[int], views: int) -> None:
    augmenter = Augmenter(fit(SENTENCES), seed=3)
    numbers = pa.array(range(len(CORPUS)), pa.int64())
    table = pa.table({"id": numbers, "text": pa.array(CORPUS)})
    starts = [0, *(sum(sizes[: i + 1]) for i in range(len(sizes))), len(CORPUS)]
    batches = [
        table.slice(a, b - a).combine_chunks().to_batches()[0]
        if b > a
        else table.schema.empty_table().to_batches()
        for a, b in pairwise(starts)
    ]
    given_batches = [batch for batch in batches if isinstance(batch, pa.RecordBatch)]
    made = pa.Table.from_batches(
        list(augment_batches(given_batches, augmenter, row_column="id", epoch=2, views=views, output="n"))
    )
    for view in range(views):
        name = "n" if views == 1 else f"n_{view + 1}"
        expected = augmenter.augment_arrow(table["text"], epoch=2, view=view)
        assert made[name].to_pylist() == expected.to_pylist()
    by_content = pa.Table.from_batches(list(augment_batches(given_batches, augmenter)))
    again = pa.Table.from_batches(list(augment_batches([table.to_batches()[0]], augmenter)))
    assert by_content["negative"].to_pylist() == again["negative"].to_pylist()


def test_an_empty_batch_keeps_its_columns() -> None:
    empty = pa.RecordBatch.from_pylist([], schema=pa.schema([("text", pa.string())]))
    [made] = augment_batches([empty], Augmenter(fit(SENTENCES)))
    assert made.num_rows == 0
    assert made.schema == pa.schema([("text", pa.string()), ("negative", pa.large_string())])


def test_mistakes_about_negatives_are_named() -> None:
    augmenter = Augmenter(fit(SENTENCES))
    batch = pa.record_batch({"text": ["a b"], "id": pa.array([None], pa.int64()), "negative": ["x"]})
    for options, message in [
        ({"column": "txt", "output": "n"}, "no column 'txt'"),
        ({"row_column": "row", "output": "n"}, "no column 'row'"),
        ({}, "has a column 'negative'"),
        ({"output": "n", "views": 0}, "views must be at least 1"),
    ]:
        with pytest.raises(OptionError, match=message):
            list(augment_batches([batch], augmenter, **options))
    with pytest.raises(InputError, match="column 'id' holds 1 nulls: each row needs a key"):
        list(augment_batches([batch], augmenter, row_column="id", output="n"))


def test_real_text_in_parts(read_data: Callable[..., list[str]], tmp_path: Path) -> None:
    for name in ("wiki_en.txt.gz", "wiki_ko.txt.gz", "wiki_zh.txt.gz"):
        sentences = read_data(name, 8000)
        rows = [
            row
            for batch in batches_of(sentences, [1000, 3000])
            for row in count_batches([batch], column="text", parts=7, tokenizer="unicode")
        ]
        merged = collect_counts([merge_batches(rows)])
        saved = merged.freeze_to(tmp_path / "table.safetensors")
        assert saved.digest == fit(sentences, tokenizer="unicode").digest


@pytest.mark.parametrize("name", ["batches", "duckdb", "polars"])
def test_the_page_of_the_docs_runs(name: str) -> None:
    if name != "batches":
        pytest.importorskip(name)
    run_block(name)
