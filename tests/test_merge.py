"""Counts made apart: saved, resumed, shared out, handed to other engines, and added up to the same bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast.cli import main

pa = pytest.importorskip("pyarrow")

CORPUS = ["The cat sat on the mat.", "a dog lay on the rug", "", "the bird flew over", "the cat again"]

corpora = st.lists(
    st.lists(st.sampled_from(["a", "b", "cat", "Dog", "É", "x"]), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=20,
)


def counter(corpus: list[str], **options: object) -> una_fast.TermCounter:
    made = una_fast.TermCounter(**options)  # type: ignore[arg-type]
    made.update(corpus)
    return made


@settings(deadline=None)
@given(corpora, corpora, corpora)
def test_saved_resumed_and_merged_is_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str], third: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("counts")
    counter(first).save(folder / "first")
    resumed = una_fast.TermCounter.load(folder / "first")
    resumed.update(second)
    resumed.merge(counter(third))
    resumed.save(folder / "merged")
    counter([*third, *first, *second]).save(folder / "whole")
    assert (folder / "merged").read_bytes() == (folder / "whole").read_bytes()


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shares_fitted_and_merged_by_command_are_one_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], n: int
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(CORPUS))
    for i in range(1, n + 1):
        out = str(tmp_path / f"{i}.counts")
        assert main(["fit", str(corpus), "--shard", f"{i}/{n}", "--counts", out, "--json"]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert figures["sentences"] + figures["empty_lines"] == len(CORPUS[i - 1 :: n])
        assert "table" not in figures
    shares = [str(tmp_path / f"{i}.counts") for i in range(n, 0, -1)]
    assert main(["merge", *shares, "-o", str(tmp_path / "table"), "--counts", str(tmp_path / "all")]) == 0
    assert "4 sentences" in capsys.readouterr().out
    assert main(["fit", str(corpus), "-o", str(tmp_path / "t"), "--counts", str(tmp_path / "c")]) == 0
    assert (tmp_path / "table").read_bytes() == (tmp_path / "t").read_bytes()
    assert (tmp_path / "all").read_bytes() == (tmp_path / "c").read_bytes()


def test_counts_of_other_settings_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = str(tmp_path / "left"), str(tmp_path / "right")
    counter(CORPUS).save(left)
    for options, message in (
        ({"tokenizer": "word"}, 'tokenizer is "treebank" here and "word" there'),
        ({"lowercase": False}, "lowercase is true here and false there"),
    ):
        counter(CORPUS, **options).save(right)
        assert main(["merge", left, right, "-o", str(tmp_path / "table")]) == 1
        error = f"una-fast merge: {left} and {right}: counts do not merge: {message}\n"
        assert capsys.readouterr().err == error
    assert not (tmp_path / "table").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "{corpus}"], "nothing to write"),
        (["merge", "{counts}"], "nothing to write"),
        (["merge", "{table}", "-o", "{out}"], 'it holds "table", not "counts"'),
        (["merge", "{counts}", "{corpus}", "-o", "{out}"], "corpus: no safetensors file"),
        (["fit", "{corpus}", "-o", "{out}", "--shard", "0/2"], "shard must be (i, n) with 1 <= i <= n"),
    ],
)
def test_impossible_commands_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    places = {name: str(tmp_path / name) for name in ("corpus", "counts", "table", "out")}
    Path(places["corpus"]).write_text("\n".join(CORPUS))
    counter(CORPUS).save(places["counts"])
    una_fast.fit(CORPUS).save(places["table"])
    assert main([argument.format(**places) for argument in arguments]) == 1
    assert message in capsys.readouterr().err
    assert not Path(places["out"]).exists()


def test_a_share_that_is_no_fraction_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("1", "1/", "a/b", "-1/2", "1/2/3"):
        with pytest.raises(SystemExit) as done:
            main(["fit", "x", "-o", "y", f"--shard={text}"])
        assert done.value.code == 2
        assert "is not of the form I/N" in capsys.readouterr().err


@settings(deadline=None)
@given(corpora)
def test_counts_come_back_from_arrow_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("arrow")
    counts = counter(corpus, tokenizer="whitespace")
    rows = counts.to_arrow()
    assert rows.column_names == ["term", "df", "best_count", "best_length"]
    terms = [term.encode() for term in rows["term"].to_pylist()]
    assert terms == sorted(terms)
    reverse = rows.take(list(range(len(terms)))[::-1])
    sliced = pa.concat_tables([rows, rows]).slice(len(terms))
    for name, table in (("same", rows), ("reverse", reverse), ("sliced", sliced)):
        una_fast.TermCounter.from_arrow(table).save(folder / name)
    counts.save(folder / "whole")
    for name in ("same", "reverse", "sliced"):
        assert (folder / name).read_bytes() == (folder / "whole").read_bytes()


def test_the_group_by_of_another_engine_merges_counts() -> None:
    pl = pytest.importorskip("polars")
    parts = [counter(CORPUS[:2]).to_arrow(), counter(CORPUS[2:]).to_arrow()]
    ratio = pl.col("best_count") / pl.col("best_length")
    merged = (
        pl.concat([pl.from_arrow(part) for part in parts])
        .sort(ratio, descending=True)
        .group_by("term")
        .agg(pl.col("df").sum(), pl.col("best_count").first(), pl.col("best_length").first())
        .to_arrow()
    )
    facts = [json.loads(part.schema.metadata[b"una_fast"]) for part in parts]
    facts[0]["n_documents"] += facts[1]["n_documents"]
    merged = merged.replace_schema_metadata({"una_fast": json.dumps(facts[0])})
    assert una_fast.TermCounter.from_arrow(merged).freeze() == una_fast.fit(CORPUS)


def test_arrow_tables_that_are_no_counts_are_refused() -> None:
    rows = counter(CORPUS).to_arrow()
    facts = json.loads(rows.schema.metadata[b"una_fast"])

    def changed(name: str, values: object) -> object:
        at = rows.column_names.index(name)
        return rows.set_column(at, name, pa.array(values))

    def described(**changes: object) -> object:
        return rows.replace_schema_metadata({"una_fast": json.dumps(facts | changes)})

    n = len(rows)
    for table, message in (
        (rows.replace_schema_metadata(None), "no metadata key 'una_fast'"),
        (rows.replace_schema_metadata({"una_fast": "{"}), "no metadata key 'una_fast' that holds JSON"),
        (described(kind="table"), "not counts of format 1"),
        (described(format=2), "not counts of format 1"),
        (described(lowercase=1), "metadata lowercase is missing or no bool"),
        (described(n_documents=-1), "metadata n_documents is -1"),
        (described(n_documents=0), "df of term 0 is"),
        (rows.drop_columns(["df"]), "no column 'df'"),
        (changed("df", [0] * n), "df of term 0 is 0, not in 1 to 4"),
        (changed("df", [-1] * n), "column 'df' cannot be uint64"),
        (changed("df", [None] * n), "column 'df' holds"),
        (changed("best_count", [2] * n), r"is not in \(0, 1\] in lowest terms"),
        (changed("term", ["same"] * n), "term 1 stands twice"),
        (changed("term", [""] * n), "the offsets of term 0"),
        (changed("term", [1] * n), "stands twice"),
    ):
        with pytest.raises(una_fast.InputError, match=message):
            una_fast.TermCounter.from_arrow(table)
    with pytest.raises(una_fast.OptionError, match="tokenizer must be one of"):
        una_fast.TermCounter.from_arrow(described(tokenizer="moses"))
    empty = una_fast.TermCounter().to_arrow()
    assert una_fast.TermCounter.from_arrow(empty).n_terms == 0
