"""Fitting against the published method and scikit-learn. Each asserts its answer before it is timed."""

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast


@pytest.mark.benchmark(group="fit all sentences, treebank")
def test_fit_by_the_published_method(benchmark: BenchmarkFixture, sentences: list[str], corpus: Path) -> None:
    """Two passes, once: minutes where the sentences are many."""
    pytest.importorskip("nltk")
    import reference_method

    idf, score = benchmark.pedantic(reference_method.fit, args=(sentences,), rounds=1)
    table = una_fast.fit(corpus)
    assert sorted(table.terms) == sorted(idf)
    np.testing.assert_allclose(table.idf, [idf[term] for term in table.terms], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(table.score, [score[term] for term in table.terms], rtol=1e-13, atol=1e-13)


@pytest.mark.benchmark(group="fit all sentences, treebank")
@pytest.mark.parametrize("threads", [1, 2])
def test_fit_all_by_una_fast(benchmark: BenchmarkFixture, corpus: Path, threads: int) -> None:
    benchmark.extra_info["MB"] = corpus.stat().st_size / 1e6
    table = una_fast.fit(corpus, threads=threads)
    assert table.digest == una_fast.fit(corpus, threads=3).digest
    benchmark(una_fast.fit, corpus, threads=threads)


@pytest.mark.benchmark(group="fit all sentences, word")
def test_fit_words_by_scikit_learn(benchmark: BenchmarkFixture, sentences: list[str]) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    fitted = benchmark.pedantic(lambda: text.TfidfVectorizer().fit(sentences), rounds=1)
    assert len(fitted.vocabulary_) > 1000


@pytest.mark.benchmark(group="fit all sentences, word")
@pytest.mark.parametrize("threads", [1, 2])
def test_fit_words_by_una_fast(
    benchmark: BenchmarkFixture, sentences: list[str], corpus: Path, threads: int
) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    table = una_fast.fit(corpus, tokenizer="word", threads=threads)
    fitted = text.TfidfVectorizer(smooth_idf=False).fit(sentences)
    terms = fitted.get_feature_names_out().tolist()
    assert sorted(table.terms) == sorted(terms)
    # scikit-learn's idf is ln(N / df) + 1.
    np.testing.assert_allclose(table.idf[[table[term].rank for term in terms]] + 1, fitted.idf_, rtol=1e-13)
    benchmark(una_fast.fit, corpus, tokenizer="word", threads=threads)


@pytest.mark.benchmark(group="fit all sentences, treebank, by source")
@pytest.mark.parametrize("source", ["file", "list", "iterator"])
def test_fit_by_source(benchmark: BenchmarkFixture, sentences: list[str], corpus: Path, source: str) -> None:
    make = {"file": lambda: corpus, "list": lambda: sentences, "iterator": lambda: iter(sentences)}[source]
    assert una_fast.fit(make()).digest == una_fast.fit(corpus, threads=1).digest
    benchmark(lambda: una_fast.fit(make()))
