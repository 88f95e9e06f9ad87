"""Fitting against libraries made to compute the same statistics. Each asserts its answer before it is timed.

Sentences are joined with single spaces first, so that all agree on what a term is: what stands between spaces, in its
own case. The libraries are given the text in memory, in the form they like best; una_fast reads a file.
"""

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast

GROUP = pytest.mark.benchmark(group="fit all sentences, whitespace")

SQL = """
with tokens as (select doc, len(terms) as length, unnest(terms) as term
                from (select doc, string_split(text, ' ') as terms from sentences)),
     counts as (select term, length, count(*) as n from tokens group by doc, length, term)
select term, count(*) as df, max(n / length) as best from counts group by term
"""


@pytest.fixture(scope="module")
def spaced(sentences: list[str]) -> list[str]:
    return [" ".join(sentence.split()) for sentence in sentences]


@pytest.fixture(scope="module")
def file(spaced: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaced") / "corpus.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in spaced), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected(spaced: list[str]) -> dict[str, tuple[int, float]]:
    """Document frequency and largest part of a sentence by term, as plain Python finds them."""
    df: Counter[str] = Counter()
    best: dict[str, float] = {}
    for sentence in spaced:
        terms = sentence.split(" ")
        counts = Counter(terms)
        df.update(counts.keys())
        best.update((t, max(best.get(t, 0.0), n / len(terms))) for t, n in counts.items())
    return {term: (df[term], best[term]) for term in df}


def check(terms: list[str], df: Any, best: Any, expected: dict[str, tuple[int, float]]) -> None:
    assert len(terms) == len(expected)
    wanted_df, wanted_best = zip(*(expected[term] for term in terms), strict=True)
    np.testing.assert_array_equal(df, wanted_df)
    if best is not None:
        np.testing.assert_array_equal(best, wanted_best)


@GROUP
@pytest.mark.parametrize("threads", [1, 2])
def test_by_una_fast(
    benchmark: BenchmarkFixture, file: Path, expected: dict[str, tuple[int, float]], threads: int
) -> None:
    table = una_fast.fit(file, tokenizer="whitespace", lowercase=False, threads=threads)
    columns = table.to_arrow()
    best = np.asarray(columns["best_count"]) / np.asarray(columns["best_length"])
    check(table.terms, table.df, best, expected)
    benchmark(una_fast.fit, file, tokenizer="whitespace", lowercase=False, threads=threads)


@GROUP
def test_by_polars(
    benchmark: BenchmarkFixture, spaced: list[str], expected: dict[str, tuple[int, float]]
) -> None:
    """On all cores, or as many as POLARS_MAX_THREADS says."""
    pl = pytest.importorskip("polars")
    sentences = pl.DataFrame({"doc": np.arange(len(spaced)), "text": spaced}).lazy()
    terms = sentences.with_columns(term=pl.col("text").str.split(" ")).with_columns(
        length=pl.col("term").list.len()
    )
    counts = terms.select("doc", "length", "term").explode("term").group_by("doc", "length", "term").len("n")
    query = counts.group_by("term").agg(df=pl.len(), best=(pl.col("n") / pl.col("length")).max())
    found = query.collect()
    check(found["term"].to_list(), found["df"], found["best"], expected)
    benchmark.pedantic(query.collect, rounds=2)


@GROUP
@pytest.mark.parametrize("threads", [1, 2])
def test_by_duckdb(
    benchmark: BenchmarkFixture, spaced: list[str], expected: dict[str, tuple[int, float]], threads: int
) -> None:
    duckdb, pa = pytest.importorskip("duckdb"), pytest.importorskip("pyarrow")
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.register("given", pa.table({"doc": np.arange(len(spaced)), "text": spaced}))
        connection.execute("create table sentences as select * from given")
        found = connection.execute(SQL).fetchnumpy()
        check(found["term"].tolist(), found["df"], found["best"], expected)
        benchmark.pedantic(lambda: connection.execute(SQL).fetchnumpy(), rounds=2)


@GROUP
def test_by_gensim(
    benchmark: BenchmarkFixture, spaced: list[str], expected: dict[str, tuple[int, float]]
) -> None:
    """Document frequencies and idf; it has no largest part of a sentence."""
    corpora, models = pytest.importorskip("gensim.corpora"), pytest.importorskip("gensim.models")

    def fit() -> Any:
        dictionary = corpora.Dictionary((sentence.split(" ") for sentence in spaced), prune_at=None)
        models.TfidfModel(dictionary=dictionary)
        return dictionary

    dictionary = fit()
    check(
        list(dictionary.token2id), [dictionary.dfs[i] for i in dictionary.token2id.values()], None, expected
    )
    benchmark.pedantic(fit, rounds=1)


@GROUP
def test_by_wc(benchmark: BenchmarkFixture, spaced: list[str], file: Path) -> None:
    """It counts tokens and keeps nothing: what reading and splitting alone cost."""
    command = ["wc", "-w", str(file)]

    def count() -> int:
        done = subprocess.run(command, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C"})
        return int(done.stdout.split()[0])

    try:
        found = count()
    except FileNotFoundError:
        pytest.skip("there is no wc")
    # To wc, a word holds something printable; in the C locale that is ASCII.
    terms = (term for sentence in spaced for term in sentence.split(" "))
    assert found == sum(any(char <= "~" for char in term) for term in terms)
    benchmark(count)
