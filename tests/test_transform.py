"""Sentences as a sparse matrix, and a table as files of others."""

import csv
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast.cli import main

sparse = pytest.importorskip("scipy.sparse")

CORPUS = ["the cat sat on the mat", "a dog lay on the rug", "the bird flew over the house"]

corpora = st.lists(
    st.lists(st.sampled_from(["a", "b", "cat", "Dog", "É", "x"]), min_size=1, max_size=8).map(" ".join),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(corpora, corpora, st.integers(1, 3))
def test_values_are_those_of_the_plain_python_statement(
    corpus: list[str], sentences: list[str], repeat: int
) -> None:
    table = una_fast.fit(corpus, tokenizer="whitespace")
    sentences = [*sentences, "", "never seen", "a unseen a"] * repeat
    matrix = table.transform(iter(sentences), threads=3)
    assert matrix.shape == (len(sentences), len(table))
    assert (matrix.dtype, matrix.indices.dtype, matrix.indptr.dtype) == (np.float64, np.int32, np.int32)
    expected = np.zeros(matrix.shape)
    for row, sentence in enumerate(sentences):
        tokens = sentence.lower().split()
        for term, count in Counter(tokens).items():
            if term in table:
                idf = math.log(table.n_documents / table[term].df)
                expected[row, table[term].rank] = math.log(1 + count / len(tokens)) * idf
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-14, atol=1e-16)
    assert all(np.all(np.diff(matrix[row].indices) > 0) for row in range(len(sentences)))
    matrix.check_format()


def test_threads_are_invisible_and_large_input_is_shared_out() -> None:
    table = una_fast.fit(CORPUS)
    sentences = [f"the {word} sat {i}" for i in range(1000) for word in ("cat", "dog", "wolf")]
    one, many = (table.transform(sentences, threads=threads) for threads in (1, 4))
    assert one.nnz == many.nnz
    assert (one != many).nnz == 0
    assert table.transform([]).shape == (0, len(table))


def test_the_highest_value_of_a_term_over_its_corpus_is_its_score() -> None:
    table = una_fast.fit(CORPUS)
    highest = table.transform(CORPUS).max(axis=0).toarray().ravel()
    np.testing.assert_array_equal(highest, table.score)


def test_bad_sentences_are_named() -> None:
    table = una_fast.fit(CORPUS)
    with pytest.raises(una_fast.InputError, match="sentence 1: expected str, found int"):
        table.transform(["fine", 3])  # type: ignore[list-item]
    with pytest.raises(una_fast.InputError, match="not a single str"):
        table.transform("the cat")
    with pytest.raises(una_fast.OptionError, match="threads must be at least 1"):
        table.transform(CORPUS, threads=0)


def test_without_scipy_the_message_says_what_to_install() -> None:
    code = """
import sys
sys.modules["scipy"] = sys.modules["scipy.sparse"] = None
import una_fast
try:
    una_fast.fit(["a b"]).transform(["a"])
except una_fast.MissingExtraError as error:
    print(error)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("transform needs scipy, ")
    assert out.endswith(": pip install scipy\n")


def test_the_three_files_of_the_reference_hold_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = una_fast.fit([*CORPUS, 'he said "yes, no"'])
    table.save(tmp_path / "table")
    folder = tmp_path / "made" / "here"
    assert main(["export", str(tmp_path / "table"), "-o", str(folder), "--reference"]) == 0
    assert str(folder) in capsys.readouterr().out
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open(newline="", encoding="utf-8") as rows:
            header, *body = csv.reader(rows)
        assert [term for term, _ in body] == table.terms
        found[path.name, *header] = [float(value) for _, value in body]
    assert found == {
        ("term_count.csv", "Keys", "Scores_count"): table.df.tolist(),
        ("term_idf.csv", "Keys", "Scores_idf"): table.idf.tolist(),
        ("term_tfidfmax.csv", "Keys", "Scores_max"): table.score.tolist(),
    }
    assert main(["export", str(tmp_path / "table"), "-o", str(tmp_path / "table"), "--reference"]) == 1
    assert "File exists" in capsys.readouterr().err
