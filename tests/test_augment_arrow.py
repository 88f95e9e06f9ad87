"""Negatives of string columns: those of the same sentences as str, null for null, without a look at the GIL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import una_fast
from una_fast.cli import main

pa = pytest.importorskip("pyarrow")

WORDS = ["the", "cat", "sat", "on", "a", "mat", "Ünïcode", "猫", "dog", "ran", "far"]
CORPUS = [f"{' '.join(WORDS[i % 7 : i % 11 + 2])} number {i}" for i in range(700)]
TABLE = una_fast.fit(CORPUS)
AUGMENTER = una_fast.Augmenter(TABLE, radius=50)
EXPECTED = AUGMENTER.augment(CORPUS)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int16(), pa.string()),
    ],
    ids=str,
)
def test_every_kind_of_string_gives_the_negatives_of_the_list(kind: Any) -> None:
    column = pa.array(CORPUS).cast(kind) if kind != pa.string_view() else pa.array(CORPUS, kind)
    made = AUGMENTER.augment_arrow(column)
    made.validate(full=True)
    assert made.type == pa.large_string()
    assert made.to_pylist() == EXPECTED


@pytest.mark.parametrize(
    "wrap",
    [
        lambda c: pa.chunked_array([c[:300], c[300:300], c[300:]]),
        lambda c: pa.table({"id": list(range(len(c))), "text": c}),
        lambda c: pa.record_batch({"text": c}),
        lambda c: pa.concat_arrays([pa.array(["out", None]), c])[2:],
    ],
    ids=["chunks", "table", "batch", "slice"],
)
def test_every_wrapping_does(wrap: Callable[[Any], Any]) -> None:
    assert AUGMENTER.augment_arrow(wrap(pa.array(CORPUS))).to_pylist() == EXPECTED


def test_columns_of_polars_and_of_datasets_do() -> None:
    polars = pytest.importorskip("polars")
    datasets = pytest.importorskip("datasets")
    assert AUGMENTER.augment_arrow(polars.Series(CORPUS)).to_pylist() == EXPECTED
    dataset = datasets.Dataset.from_dict({"text": CORPUS, "other": CORPUS})
    assert AUGMENTER.augment_arrow(dataset["text"]).to_pylist() == EXPECTED
    assert AUGMENTER.augment_arrow(dataset, column="text").to_pylist() == EXPECTED


@given(
    values=st.lists(st.one_of(st.none(), st.sampled_from(CORPUS), st.just("")), max_size=40),
    start=st.integers(0, 10),
    threads=st.integers(1, 3),
    first=st.integers(0, 2**63),
)
def test_nulls_stay_nulls_and_the_others_are_what_they_were(
    values: list[str | None], start: int, threads: int, first: int
) -> None:
    augmenter = una_fast.Augmenter(TABLE, threads=threads)
    column = pa.array(values, pa.string())[start:]
    rows = np.arange(len(column), dtype=np.uint64) + np.uint64(first)
    made = augmenter.augment_arrow(column, rows=rows, epoch=3, view=2)
    made.validate(full=True)
    texts = [value or "" for value in values[start:]]
    expected = augmenter.augment(texts, rows=rows, epoch=3, view=2)
    pairs = zip(values[start:], expected, strict=True)
    assert made.to_pylist() == [None if value is None else text for value, text in pairs]


def test_a_large_column_is_the_same_on_any_number_of_threads() -> None:
    column = pa.array(CORPUS * 20)
    one, three = (una_fast.Augmenter(TABLE, threads=n).augment_arrow(column) for n in (1, 3))
    assert one.equals(three)


def test_a_callable_cuts_columns_too() -> None:
    table = una_fast.fit(CORPUS, tokenizer=str.split)
    augmenter = una_fast.Augmenter(table)
    column = pa.array([*CORPUS, None])
    assert augmenter.augment_arrow(column).to_pylist() == [*augmenter.augment(CORPUS), None]


def test_no_values_make_no_negatives() -> None:
    assert AUGMENTER.augment_arrow(pa.array([], pa.string())).to_pylist() == []
    assert AUGMENTER.augment_arrow(pa.chunked_array([], pa.string())).to_pylist() == []
    assert AUGMENTER.augment_arrow(pa.nulls(3)).to_pylist() == [None] * 3


def test_what_is_no_text_is_refused() -> None:
    broken = pa.array([b"fine", b"\xff"]).view(pa.string())
    with pytest.raises(una_fast.InputError, match="sentence 1: invalid UTF-8"):
        AUGMENTER.augment_arrow(broken)
    with pytest.raises(una_fast.InputError, match="the column holds int64, not strings"):
        AUGMENTER.augment_arrow(pa.array([1]))
    with pytest.raises(una_fast.OptionError, match=r"rows must have shape \(2,\)"):
        AUGMENTER.augment_arrow(pa.array(["a", "b"]), rows=[1])
    offsets, data = pa.py_buffer(np.array([0, 99, 5], np.int32)), pa.py_buffer(b"short")
    with pytest.raises(
        una_fast.InputError, match="sentence 0: the offsets are out of order or out of bounds"
    ):
        AUGMENTER.augment_arrow(pa.StringArray.from_buffers(2, offsets, data))


def test_the_command_keeps_the_other_columns_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    TABLE.save(tmp_path / "table.una")
    rows = pa.table(
        {
            "text": pa.array([None, *CORPUS[1:]]),
            "when": pa.array(range(len(CORPUS)), pa.timestamp("ns")),  # finer than Python's own
            "kind": pa.array(["x"] * len(CORPUS)).dictionary_encode(),
        }
    )
    parquet.write_table(rows, tmp_path / "in.parquet")
    command = ["augment", str(tmp_path / "table.una"), str(tmp_path / "in.parquet"), "--radius", "50"]
    assert main([*command, "--stats", "-o", str(tmp_path / "out.parquet")]) == 0
    assert f"{len(CORPUS) - 1} sentences" in capsys.readouterr().err
    made = parquet.read_table(tmp_path / "out.parquet")
    assert made.select(rows.column_names).equals(rows)
    assert made["negative"].to_pylist() == [None, *EXPECTED[1:]]

    assert main([*command, "--negative-field", "kind", "-o", str(tmp_path / "other.parquet")]) == 1
    assert "has a column 'kind': name another for the negatives" in capsys.readouterr().err
    assert main([*command, "--column", "when", "-o", str(tmp_path / "other.parquet")]) == 1
    assert "in.parquet: column 'when' holds timestamp[ns], not strings" in capsys.readouterr().err
    content = (tmp_path / "in.parquet").read_bytes()
    (tmp_path / "in.parquet").write_bytes(content[:100] + bytes(200) + content[300:])
    assert main([*command, "-o", str(tmp_path / "other.parquet")]) == 1
    assert "in.parquet" in capsys.readouterr().err
    assert not (tmp_path / "other.parquet").exists()
