"""The table: look-ups, the file, and what others read from it."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import una_fast

CORPUS = ["the cat sat on the mat", "a dog lay on the rug", "the bird flew over the house"]


@pytest.fixture
def table() -> una_fast.TermTable:
    return una_fast.fit(CORPUS)


def test_terms_are_sorted_by_score_then_bytes(table: una_fast.TermTable) -> None:
    order = [(-score, term.encode()) for term, score in zip(table.terms, table.score, strict=True)]
    assert order == sorted(order)
    assert table["cat"] == table.top(3)[2]
    assert table.top(1, least=True)[0].term == "the"
    assert ("cat" in table, "wolf" in table, len(table)) == (True, False, 13)
    with pytest.raises(KeyError, match="wolf"):
        table["wolf"]


def test_the_vicinity_is_clipped_at_both_ends(table: una_fast.TermTable) -> None:
    first, last = table.terms[0], table.terms[-1]
    assert [s.rank for s in table.vicinity(first, 2)] == [0, 1, 2]
    assert [s.rank for s in table.vicinity(last, 1)] == [11, 12]
    assert len(table.vicinity("cat")) == 13


def test_arrays_are_read_only(table: una_fast.TermTable) -> None:
    with pytest.raises(ValueError, match="read-only"):
        table.score[0] = 1


def test_the_file_is_plain_safetensors(table: una_fast.TermTable, tmp_path: Path) -> None:
    numpy_loader = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "table.safetensors"
    table.save(path)
    arrays = numpy_loader.load_file(path)
    text, at = arrays["term_bytes"].tobytes(), arrays["offsets"]
    terms = [text[a:b].decode() for a, b in itertools.pairwise(at)]
    idf = np.log(table.n_documents / arrays["df"])
    score = idf * np.log1p(arrays["best_count"] / arrays["best_length"])
    assert terms == table.terms
    np.testing.assert_allclose(score, table.score, rtol=1e-14, atol=1e-16)


def test_saving_is_canonical_and_loading_checks(table: una_fast.TermTable, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    table.save(first)
    una_fast.TermTable.load(first).save(second)
    assert first.read_bytes() == second.read_bytes()
    assert una_fast.TermTable.load(second) == table
    damaged = bytearray(first.read_bytes())
    damaged[-1] ^= 1
    second.write_bytes(damaged)
    with pytest.raises(una_fast.ArtifactError, match="the checksum of term_bytes does not match"):
        una_fast.TermTable.load(second)
    second.write_text("no table")
    with pytest.raises(una_fast.ArtifactError, match="second: no safetensors file"):
        una_fast.TermTable.load(second)
    with pytest.raises(una_fast.StorageError, match="No such file"):
        una_fast.TermTable.load(tmp_path / "third")
    with pytest.raises(una_fast.StorageError):
        table.save(tmp_path / "no" / "folder")


def test_the_digest_covers_settings_too(table: una_fast.TermTable) -> None:
    assert una_fast.fit(CORPUS, tokenizer="whitespace").digest != table.digest
    assert una_fast.fit(CORPUS, min_df=1, max_terms=13).digest != table.digest


def test_arrow_and_what_reads_it(table: una_fast.TermTable, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    rows = table.to_arrow()
    assert rows.column_names == ["term", "df", "best_count", "best_length", "idf", "score"]
    assert rows["term"].to_pylist() == table.terms
    assert rows.schema.field("term").type == pa.large_string()
    polars = pytest.importorskip("polars")
    from una_fast.cli import main

    table.save(tmp_path / "table")
    for suffix, read in ((".parquet", polars.read_parquet), (".csv", polars.read_csv)):
        out = tmp_path / f"table{suffix}"
        assert main(["export", str(tmp_path / "table"), "-o", str(out)]) == 0
        frame = read(out)
        assert frame["term"].to_list() == table.terms
        np.testing.assert_array_equal(frame["score"].to_numpy(), table.score)


def test_the_metadata_says_how_it_was_made(table: una_fast.TermTable, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    table.save(tmp_path / "table")
    with safetensors.safe_open(tmp_path / "table", framework="numpy") as file:
        facts = json.loads(file.metadata()["una_fast"])
    assert facts["digest"] == table.digest
    assert (facts["tokenizer"], facts["lowercase"], facts["n_documents"]) == ("treebank", True, 3)


def test_tokens_come_with_the_characters_they_cover(table: una_fast.TermTable) -> None:
    sentence = 'İzmir "said" no—thing.'
    (tokens,) = table.tokenize([sentence])
    assert tokens.texts == ["i̇zmir", "``", "said", "''", "no", "—", "thing", "."]
    covered = [sentence[start:end] for start, end in tokens.spans]
    assert covered == ["İzmir", '"', "said", '"', "no", "—", "thing", "."]
