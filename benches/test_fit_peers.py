"""Fitting against libraries made to compute the same statistics. Each asserts its answer before it is timed.

Two notions of a term: what stands between single spaces, in its own case, which costs a library least; and
scikit-learn's words of lower-cased text. The libraries are given the text in memory, in the form they like best and
in lower case already where that is wanted; una_fast reads a file, and lower-cases nothing either.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast

# What Python calls a word character, said in the general categories of Unicode.
WORD = r"[\p{L}\p{N}_]{2,}"

SQL = """
with lists as (select doc, {all} as terms from (select doc, {terms} as terms from sentences)),
     tokens as (select doc, len(terms) as length, unnest(terms) as term from lists),
     counts as (select term, length, count(*) as n from tokens group by doc, length, term)
select term, count(*) as df, max(n / length) as best from counts group by term
"""

WITH_PAIRS = (
    "list_concat(terms, list_transform(range(1, len(terms)), lambda i: terms[i] || ' ' || terms[i + 1]))"
)


@dataclass
class Task:
    """A corpus, its terms, and what is to come out."""

    tokenizer: str
    # Tokens in a row that are a term too.
    ngrams: int
    sentences: list[str]
    file: Path
    # Document frequency and largest part of a sentence by term, as plain Python finds them.
    expected: dict[str, tuple[int, float]]

    def terms(self) -> Iterator[list[str]]:
        if self.ngrams == 2:
            return (tokens + [" ".join(two) for two in pairwise(tokens)] for tokens in self.tokens())
        return self.tokens()

    def tokens(self) -> Iterator[list[str]]:
        if self.tokenizer == "word":
            return map(re.compile(r"(?u)\b\w\w+\b").findall, self.sentences)
        return (sentence.split(" ") for sentence in self.sentences)


@pytest.fixture(scope="module", params=["whitespace", "word", "word pairs"])
def task(
    request: pytest.FixtureRequest, sentences: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Task:
    text = [" ".join(sentence.split()) for sentence in sentences]
    tokenizer, *pairs = request.param.split()
    if tokenizer == "word":
        text = [sentence.lower() for sentence in text]
    path = tmp_path_factory.mktemp("peers") / "corpus.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in text), encoding="utf-8")
    task = Task(tokenizer, 2 if pairs else 1, text, path, {})
    df: Counter[str] = Counter()
    best: dict[str, float] = {}
    for terms in task.terms():
        counts = Counter(terms)
        df.update(counts.keys())
        best.update((t, max(best.get(t, 0.0), n / len(terms))) for t, n in counts.items())
    task.expected = {term: (df[term], best[term]) for term in df}
    return task


@pytest.fixture(autouse=True)
def group(benchmark: BenchmarkFixture, task: Task) -> None:
    benchmark.group = f"fit all sentences, {task.tokenizer}{' pairs' if task.ngrams == 2 else ''}"


def check(terms: list[str], df: Any, best: Any, expected: dict[str, tuple[int, float]]) -> None:
    assert len(terms) == len(expected)
    wanted_df, wanted_best = zip(*(expected[term] for term in terms), strict=True)
    np.testing.assert_array_equal(df, wanted_df)
    if best is not None:
        np.testing.assert_array_equal(best, wanted_best)


@pytest.mark.parametrize("threads", [1, 2])
def test_by_una_fast(benchmark: BenchmarkFixture, task: Task, threads: int) -> None:
    options: dict[str, Any] = {"tokenizer": task.tokenizer, "lowercase": False, "threads": threads}
    options["ngram_range"] = (1, task.ngrams)
    table = una_fast.fit(task.file, **options)
    columns = table.to_arrow()
    best = np.asarray(columns["best_count"]) / np.asarray(columns["best_length"])
    check(table.terms, table.df, best, task.expected)
    benchmark(una_fast.fit, task.file, **options)


def test_by_polars(benchmark: BenchmarkFixture, task: Task) -> None:
    """On all cores, or as many as POLARS_MAX_THREADS says."""
    pl = pytest.importorskip("polars")
    sentences = pl.DataFrame({"doc": np.arange(len(task.sentences)), "text": task.sentences}).lazy()
    text = pl.col("text").str
    term = text.extract_all(WORD) if task.tokenizer == "word" else text.split(" ")
    terms = sentences.with_columns(term=term).with_columns(length=pl.col("term").list.len())
    terms = terms.filter(pl.col("length") > 0).select("doc", "length", "term").explode("term")
    if task.ngrams == 2:
        terms = terms.with_columns(length=2 * pl.col("length") - 1)
        follows = pl.col("doc") == pl.col("doc").shift(-1)
        pair = pl.when(follows).then(pl.col("term") + " " + pl.col("term").shift(-1))
        terms = pl.concat([terms, terms.with_columns(term=pair).drop_nulls()])
    counts = terms.group_by("doc", "length", "term").len("n")
    query = counts.group_by("term").agg(df=pl.len(), best=(pl.col("n") / pl.col("length")).max())
    found = query.collect()
    check(found["term"].to_list(), found["df"], found["best"], task.expected)
    benchmark.pedantic(query.collect, rounds=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_by_duckdb(benchmark: BenchmarkFixture, task: Task, threads: int) -> None:
    duckdb, pa = pytest.importorskip("duckdb"), pytest.importorskip("pyarrow")
    with duckdb.connect(config={"threads": threads}) as connection:
        given = {"doc": np.arange(len(task.sentences)), "text": task.sentences}
        connection.register("given", pa.table(given))
        connection.execute("create table sentences as select * from given")
        terms = (
            f"regexp_extract_all(text, '{WORD}')" if task.tokenizer == "word" else "string_split(text, ' ')"
        )
        query = SQL.format(terms=terms, all="terms" if task.ngrams == 1 else WITH_PAIRS)
        found = connection.execute(query).fetchnumpy()
        check(found["term"].tolist(), found["df"], found["best"], task.expected)
        benchmark.pedantic(lambda: connection.execute(query).fetchnumpy(), rounds=2)


def test_by_gensim(benchmark: BenchmarkFixture, task: Task) -> None:
    """Document frequencies and idf; it has no largest part of a sentence."""
    corpora, models = pytest.importorskip("gensim.corpora"), pytest.importorskip("gensim.models")

    def fit() -> Any:
        dictionary = corpora.Dictionary(task.terms(), prune_at=None)
        models.TfidfModel(dictionary=dictionary)
        return dictionary

    if task.ngrams > 1:
        pytest.skip("single tokens tell how it compares")
    dictionary = fit()
    df = [dictionary.dfs[i] for i in dictionary.token2id.values()]
    check(list(dictionary.token2id), df, None, task.expected)
    benchmark.pedantic(fit, rounds=1)


def test_by_wc(benchmark: BenchmarkFixture, task: Task) -> None:
    """It counts tokens and keeps nothing: what reading and splitting alone cost."""
    if task.ngrams > 1:
        pytest.skip("it counts no pairs")
    command = ["wc", "-w", str(task.file)]

    def count() -> int:
        done = subprocess.run(command, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C"})
        return int(done.stdout.split()[0])

    try:
        found = count()
    except FileNotFoundError:
        pytest.skip("there is no wc")
    # To wc, a word holds something printable; in the C locale that is ASCII.
    terms = (term for sentence in task.sentences for term in sentence.split(" "))
    assert found == sum(any(char <= "~" for char in term) for term in terms)
    benchmark(count)
