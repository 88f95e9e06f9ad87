"""Hugging Face datasets as a source, negatives as a column of them, and pairs into the formats of hard negatives."""

import gc
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import una_fast
from una_fast.datasets import Negatives
from una_fast.draw_keys import rows_of_text
from una_fast.errors import InputError, OptionError

datasets = pytest.importorskip("datasets")

TEXTS = [
    f"the {a} {b} sat on a {c} mat"
    for a in ("red", "blue", "old")
    for b in ("cat", "dog")
    for c in ("dry", "wet")
]
PAIRS = {"query": TEXTS, "answer": TEXTS[1:] + TEXTS[:1], "n": list(range(len(TEXTS)))}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def _augmenter(**options: Any) -> una_fast.Augmenter:
    return una_fast.Augmenter(una_fast.fit(TEXTS), radius=4, seed=2, **options)


def _pairs() -> Any:
    return datasets.Dataset.from_dict(PAIRS)


# --- As a source -----------------------------------------------------------------------------------------------------


def _streamed(**options: Any) -> Any:
    def rows() -> Iterator[dict[str, Any]]:
        yield from ({"text": text, "n": n} for n, text in enumerate([*TEXTS, None]))

    return datasets.IterableDataset.from_generator(rows, **options)


def test_a_stream_and_splits_are_counted_like_their_text() -> None:
    whole = una_fast.fit(TEXTS)
    rows = datasets.Dataset.from_dict({"text": TEXTS, "n": list(range(len(TEXTS)))})
    known = datasets.Features({"text": datasets.Value("string"), "n": datasets.Value("int64")})
    for source in (
        rows.to_iterable_dataset(num_shards=3),
        rows.to_iterable_dataset()["text"],
        _streamed(),
        _streamed(features=known),
        rows.to_iterable_dataset().map(lambda row: {"text": row["text"]}),
        datasets.DatasetDict({"train": rows.select(range(5)), "test": rows.select(range(5, 12))}),
        datasets.IterableDatasetDict({"train": rows.to_iterable_dataset()}),
        {"a": rows.select(range(5)), "b": rows.select(range(5, 12)).to_iterable_dataset()},
    ):
        assert una_fast.fit(source) == whole
    counter = una_fast.TermCounter()
    counter.update(_streamed())
    assert (counter.n_documents, counter.n_null) == (len(TEXTS), 1)


def test_columns_of_streams_and_splits_are_chosen_and_refused_as_elsewhere() -> None:
    with pytest.raises(OptionError, match="the option column must say which one"):
        una_fast.fit(_pairs().to_iterable_dataset())
    with pytest.raises(OptionError, match="no column 'txt'"):
        una_fast.fit({"train": _pairs()}, column="txt")
    assert una_fast.fit(_pairs().to_iterable_dataset(), column="query") == una_fast.fit(TEXTS)
    with pytest.raises(InputError, match="give one of its values"):
        una_fast.fit({"train": _pairs(), "note": ["a"]})
    with pytest.raises(
        ZeroDivisionError
    ):  # what is wrong with the user's own function is the user's own error
        una_fast.fit(_pairs().to_iterable_dataset().map(lambda row: {"text": str(1 // 0)}), column="text")


# --- As a column -----------------------------------------------------------------------------------------------------


def test_map_gives_the_augmenters_negatives_by_index_row_or_text() -> None:
    maker = _augmenter()
    rows = _pairs()
    by_index = rows.map(Negatives(maker, column="query"), batched=True, with_indices=True)
    assert list(by_index["negative"]) == maker.augment(TEXTS)
    assert by_index.column_names == ["query", "answer", "n", "negative"]
    shuffled = rows.shuffle(seed=1)
    by_row = shuffled.map(Negatives(maker, column="query", row_column="n"), batched=True, batch_size=5)
    assert sorted(by_row["negative"]) == sorted(maker.augment(TEXTS))
    by_text = maker.augment(TEXTS, rows=rows_of_text(TEXTS))
    made = Negatives(maker, column="query")
    for batch_size in (1, 5, 100):
        assert list(rows.map(made, batched=True, batch_size=batch_size)["negative"]) == by_text
    assert list(rows.map(made)["negative"]) == by_text, "row by row"
    assert list(rows.map(made, with_indices=True)["negative"]) == maker.augment(TEXTS)
    assert [row["negative"] for row in rows.to_iterable_dataset().map(made, batched=True)] == by_text
    assert list(rows.with_transform(made)[:]["negative"]) == by_text
    assert rows.with_transform(made)[3] == rows[3] | {"negative": by_text[3]}
    for kind in ("arrow", "numpy", "pandas", "torch", "polars"):
        if kind in ("torch", "polars"):
            pytest.importorskip(kind)
        mapped = rows.with_format(kind).map(made, batched=True, batch_size=5).with_format(None)
        assert list(mapped["negative"]) == by_text, kind


def test_processes_make_the_same_and_views_have_columns_of_their_own() -> None:
    maker = _augmenter()
    made = Negatives(maker, column="query", views=2, epoch=3)
    alone = _pairs().map(made, batched=True, with_indices=True)
    shared = _pairs().map(made, batched=True, with_indices=True, num_proc=4)
    for view in (0, 1):
        expected = maker.augment(TEXTS, epoch=3, view=view)
        assert list(alone[f"negative_{view + 1}"]) == list(shared[f"negative_{view + 1}"]) == expected


def test_null_has_null_and_what_is_no_text_is_named() -> None:
    rows = datasets.Dataset.from_dict({"text": [TEXTS[0], None, TEXTS[1]]})
    for kind in (None, "arrow"):
        made = rows.with_format(kind).map(Negatives(_augmenter()), batched=True).with_format(None)["negative"]
        assert [text is None for text in made] == [False, True, False]
    with pytest.raises(InputError, match="column 'text'"):
        Negatives(_augmenter())({"text": [TEXTS[0], 7]})
    with pytest.raises(OptionError, match=r"no column 'txt': its columns are \['text'\]"):
        rows.map(Negatives(_augmenter(), column="txt"), batched=True)
    with pytest.raises(OptionError, match="has a column 'text': give output="):
        Negatives(_augmenter(), output="text")({"text": TEXTS})
    with pytest.raises(OptionError, match="views"):
        Negatives(_augmenter(), views=0)


def test_it_is_pickled_as_the_file_of_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small, without threads, and the same in every process: else `map` would never find what it made."""
    from datasets.fingerprint import Hasher

    monkeypatch.chdir(tmp_path)
    una_fast.fit(TEXTS).save("big.table")
    table = una_fast.TermTable.load("big.table")
    made = [Negatives(una_fast.Augmenter(table, seed=4, threads=threads)) for threads in (1, 2)]
    assert pickle.dumps(made[0]) == pickle.dumps(made[1])
    assert len(pickle.dumps(made[0])) < 700
    code = (
        "import una_fast; from una_fast.datasets import Negatives; from datasets.fingerprint import Hasher;"
        "table = una_fast.TermTable.load('big.table');"
        "print(Hasher.hash(Negatives(una_fast.Augmenter(table, seed=4, threads=3))))"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == Hasher.hash(made[0])
    rows = datasets.Dataset.from_dict({"text": TEXTS})
    fingerprints = {rows.map(negatives, batched=True)._fingerprint for negatives in made}
    assert len(fingerprints) == 1

    with monkeypatch.context() as patched:
        patched.delattr(una_fast.TermTable, "load")  # a table that this process has is not read again
        assert pickle.loads(pickle.dumps(made[0])).augmenter.table == table
    code = f"import pickle; print(pickle.loads({pickle.dumps(made[0])!r}).augmenter.augment({TEXTS!r}))"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == repr(made[0].augmenter.augment(TEXTS))


def test_a_table_is_not_read_again_while_an_equal_one_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    una_fast.fit([f"{text} twice" for text in TEXTS]).save(tmp_path / "table")
    first, second = (
        Negatives(una_fast.Augmenter(una_fast.TermTable.load(tmp_path / "table"))) for _ in range(2)
    )
    pickled = pickle.dumps(second)
    del first
    gc.collect()
    monkeypatch.delattr(una_fast.TermTable, "load")
    assert pickle.loads(pickled).augmenter.table == second.augmenter.table


def test_another_table_under_the_same_name_is_refused_and_a_lost_one_travels(tmp_path: Path) -> None:
    path = tmp_path / "table"
    una_fast.fit(TEXTS).save(path)
    pickled = pickle.dumps(Negatives(una_fast.Augmenter(una_fast.TermTable.load(path))))
    una_fast.fit(TEXTS[:3]).save(path)
    code = f"import pickle; pickle.loads({pickled!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ArtifactError" in other.stderr
    assert f"{path} holds another table" in other.stderr
    kept = Negatives(una_fast.Augmenter(una_fast.TermTable.load(path)))
    path.unlink()
    again = pickle.loads(pickle.dumps(kept))
    assert again({"text": TEXTS}) == kept({"text": TEXTS})


def test_the_tokenizer_travels_too(tmp_path: Path) -> None:
    una_fast.fit(TEXTS, tokenizer=str.split).save(tmp_path / "table")
    table = una_fast.TermTable.load(tmp_path / "table", tokenizer=str.split)
    made = Negatives(una_fast.Augmenter(table))
    code = (
        f"import pickle; print(pickle.loads({pickle.dumps(made)!r})({{'text': {TEXTS[:2]!r}}})['negative'])"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == repr(made({"text": TEXTS[:2]})["negative"])


# --- Pairs with hard negatives ---------------------------------------------------------------------------------------


def _expected(n: int, *, views: int = 3, epoch: int = 0) -> list[str]:
    keys = rows_of_text([TEXTS[n]])
    return [_augmenter().augment([TEXTS[n]], rows=keys, epoch=epoch, view=view)[0] for view in range(views)]


def test_the_four_formats_are_those_of_mine_hard_negatives() -> None:
    rows, maker = _pairs(), _augmenter()
    triplets = una_fast.generate_hard_negatives(rows, maker)
    assert triplets.column_names == ["query", "answer", "negative"]
    assert len(triplets) == 3 * len(TEXTS)
    assert [triplets[i] for i in range(3, 6)] == [
        {"query": TEXTS[1], "answer": TEXTS[2], "negative": negative} for negative in _expected(1)
    ]
    tuples = una_fast.generate_hard_negatives(rows, maker, output_format="n-tuple", num_negatives=2)
    assert tuples.column_names == ["query", "answer", "negative_1", "negative_2"]
    assert list(tuples[4].values()) == [TEXTS[4], TEXTS[5], *_expected(4, views=2)]
    pairs = una_fast.generate_hard_negatives(rows, maker, output_format="labeled-pair")
    assert pairs.column_names == ["query", "answer", "label"]
    assert [tuple(pairs[i].values()) for i in range(4, 8)] == [
        (TEXTS[1], TEXTS[2], 1),
        *((TEXTS[1], negative, 0) for negative in _expected(1)),
    ]
    lists = una_fast.generate_hard_negatives(rows, maker, output_format="labeled-list")
    assert lists[2] == {"query": TEXTS[2], "answer": [TEXTS[3], *_expected(2)], "labels": [1, 0, 0, 0]}


@pytest.mark.parametrize("output_format", ["triplet", "n-tuple", "labeled-pair", "labeled-list"])
def test_streams_shards_and_processes_give_the_same(output_format: Any) -> None:
    rows, maker = _pairs(), _augmenter()
    whole = una_fast.generate_hard_negatives(rows, maker, output_format=output_format, epoch=1)
    stream = una_fast.generate_hard_negatives(
        rows.to_iterable_dataset(num_shards=3), maker, output_format=output_format, epoch=1
    )
    assert list(stream) == list(whole)
    assert stream.features == whole.features
    unknown = datasets.IterableDataset.from_generator(lambda: iter(list(rows)))
    assert list(
        una_fast.generate_hard_negatives(unknown, maker, output_format=output_format, epoch=1)
    ) == list(whole)
    shared = una_fast.generate_hard_negatives(rows, maker, output_format=output_format, epoch=1, num_proc=3)
    assert list(shared) == list(whole)
    splits = una_fast.generate_hard_negatives(
        datasets.DatasetDict({"train": rows, "dev": rows.select([3])}),
        maker,
        output_format=output_format,
        epoch=1,
    )
    assert type(splits) is datasets.DatasetDict
    assert list(splits["train"]) == list(whole)


def test_columns_and_keys_can_be_chosen() -> None:
    rows, maker = _pairs(), _augmenter()
    turned = una_fast.generate_hard_negatives(
        rows,
        maker,
        anchor_column_name="answer",
        positive_column_name="query",
        row_column="n",
        num_negatives=1,
    )
    assert turned.column_names == ["answer", "query", "negative"]
    assert list(turned["negative"]) == maker.augment(PAIRS["answer"], rows=range(len(TEXTS)))
    of_answers = una_fast.generate_hard_negatives(rows, maker, source_column_name="answer", num_negatives=1)
    assert list(of_answers["negative"]) == maker.augment(PAIRS["answer"], rows=rows_of_text(PAIRS["answer"]))
    alone = una_fast.generate_hard_negatives(rows.select_columns(["query"]), maker, num_negatives=1)
    assert alone.column_names == ["query", "positive", "negative"]
    assert alone["query"] == alone["positive"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_format": "pairs"}, "output_format must be one of 'triplet'"),
        ({"num_negatives": 0}, "num_negatives must be at least 1"),
        ({"anchor_column_name": "q"}, r"no column 'q': its columns are \['query', 'answer', 'n'\]"),
        ({"row_column": "id"}, "no column 'id'"),
        ({"source_column_name": "id"}, "no column 'id'"),
    ],
)
def test_what_is_wrong_is_named(options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        una_fast.generate_hard_negatives(_pairs(), _augmenter(), **options)


def test_data_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="no rows"):
        una_fast.generate_hard_negatives(_pairs().select([]), _augmenter())
    with pytest.raises(InputError, match="column 'n' holds list"):
        una_fast.generate_hard_negatives(datasets.Dataset.from_dict({"n": [[1]], "a": ["b"]}), _augmenter())
    for kind, values in {"int64": [1, 2], "double": [1.5, 2], "bool": [True, False]}.items():
        numbered = datasets.Dataset.from_dict({"id": values, "text": TEXTS[:2], "other": TEXTS[2:4]})
        with pytest.raises(InputError, match=f"column 'id' holds {kind}, not strings"):
            una_fast.generate_hard_negatives(numbered, _augmenter())
        with pytest.raises(InputError, match=f"column 'id' holds {kind}, not strings"):
            list(una_fast.generate_hard_negatives(numbered.to_iterable_dataset(), _augmenter()))
    with pytest.raises(OptionError, match="num_proc"):
        una_fast.generate_hard_negatives(_pairs().to_iterable_dataset(), _augmenter(), num_proc=2)
    with pytest.raises(OptionError, match="call it 'anchor'"):
        una_fast.generate_hard_negatives(datasets.Dataset.from_dict({"positive": TEXTS}), _augmenter())


def test_importing_the_package_does_not_import_datasets() -> None:
    code = "import sys, una_fast; assert 'datasets' not in sys.modules and 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_two_tokenizers_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    """A table holds the name of a callable alone, and its digest too: both tables may be alive at once."""
    by_space, by_letter = (lambda text: text.split(), lambda text: [*text])
    made = []
    for tokenizer in (by_space, by_letter):
        path = tmp_path / str(len(made))
        una_fast.fit(TEXTS, tokenizer=by_space).save(path)
        table = una_fast.TermTable.load(path, tokenizer=tokenizer)
        made.append(Negatives(una_fast.Augmenter(table)))
    dill = pytest.importorskip("dill")
    for negatives in made:
        again = dill.loads(dill.dumps(negatives, recurse=True))
        assert again({"text": TEXTS}) == negatives({"text": TEXTS})
    assert made[0]({"text": TEXTS}) != made[1]({"text": TEXTS})
