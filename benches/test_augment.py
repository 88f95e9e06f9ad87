"""Augmenting against its peers: the plain-Python statement, nlpaug's TfIdfAug, and tokenising for the encoder.

Each asserts its answer before it is timed. Ratios between rows of one group are the figures to quote.
"""

import os
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast
from una_fast import _reference


@pytest.fixture(scope="module")
def table(sentences: list[str]) -> una_fast.TermTable:
    return una_fast.fit(sentences)


@pytest.fixture(scope="module")
def batch(sentences: list[str]) -> list[str]:
    return sentences[:64]


@pytest.mark.benchmark(group="augment a batch of 64, one thread")
def test_a_batch_by_una_fast(
    benchmark: BenchmarkFixture, sentences: list[str], batch: list[str], table: una_fast.TermTable
) -> None:
    augmenter = una_fast.Augmenter(table, threads=1)
    assert augmenter.augment(batch) == una_fast.Augmenter(table, threads=2).augment(sentences)[:64]
    benchmark(augmenter.augment, batch)


@pytest.mark.benchmark(group="augment a batch of 64, one thread")
@pytest.mark.parametrize("cuts", ["twice", "once"])
def test_a_batch_by_the_published_method(
    benchmark: BenchmarkFixture, batch: list[str], table: una_fast.TermTable, cuts: str
) -> None:
    """Which cuts each sentence twice; the row of one cut shows what that costs it."""
    pytest.importorskip("nltk")
    from reference_method import ReferenceMethod

    method = ReferenceMethod(table)
    for sentence in batch:  # every list that could be asked for
        for term in table.tokenize([sentence])[0].texts:
            method.draw(method.rank[term])
    lengths = [len(found.texts) for found in table.tokenize(batch)]
    augment = method.augment if cuts == "twice" else method.augment_cutting_once
    assert [len(augment(sentence).split(" ")) for sentence in batch] == lengths
    benchmark(lambda: [augment(sentence) for sentence in batch])


@pytest.mark.benchmark(group="augment a batch of 64, one thread")
def test_a_batch_by_plain_python(benchmark: BenchmarkFixture, sentences: list[str], batch: list[str]) -> None:
    some = sentences[:2000]
    small = una_fast.fit(some)
    tokens = [found.texts for found in small.tokenize(batch)]
    oracle = _reference.fit(found.texts for found in small.tokenize(some))

    def augment() -> list[str]:
        return [_reference.augment(oracle, words, row=row) for row, words in enumerate(tokens)]

    assert augment() == una_fast.Augmenter(small).augment(batch)
    benchmark.pedantic(augment, rounds=1)


@pytest.mark.benchmark(group="augment a batch of 64, one thread")
def test_a_batch_by_nlpaug(
    benchmark: BenchmarkFixture, sentences: list[str], batch: list[str], tmp_path: Path
) -> None:
    words = pytest.importorskip("nlpaug.augmenter.word", reason="nlpaug is not installed")
    from nlpaug.model.word_stats import TfIdf

    tokens = [sentence.split() for sentence in sentences[:5000]]
    model = TfIdf()
    model.train(tokens)
    model.save(str(tmp_path))
    augmenter = words.TfIdfAug(model_path=str(tmp_path), tokenizer=str.split, aug_p=0.5, aug_max=None)
    made = augmenter.augment(batch[0])
    assert len(made[0].split()) == len(batch[0].split())
    benchmark.pedantic(lambda: [augmenter.augment(sentence) for sentence in batch], rounds=1)


@pytest.mark.benchmark(group="augment a batch of 64, one thread")
def test_tokenising_the_same_batch(
    benchmark: BenchmarkFixture, sentences: list[str], batch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.setitem(os.environ, "TOKENIZERS_PARALLELISM", "false")
    tokenizer = tokenizers.BertWordPieceTokenizer()
    tokenizer.train_from_iterator(sentences, vocab_size=30_000, show_progress=False)
    backend = tokenizer._tokenizer
    assert [e.ids for e in backend.encode_batch_fast(batch)] == [e.ids for e in backend.encode_batch(batch)]
    benchmark(backend.encode_batch_fast, batch)


@pytest.mark.benchmark(group="augment all sentences")
@pytest.mark.parametrize("threads", [1, 2])
def test_all(
    benchmark: BenchmarkFixture, sentences: list[str], table: una_fast.TermTable, threads: int
) -> None:
    augmenter = una_fast.Augmenter(table, threads=threads)
    assert augmenter.augment(sentences) == una_fast.Augmenter(table, threads=3).augment(sentences)
    benchmark(augmenter.augment, sentences)


@pytest.mark.benchmark(group="build, a term")
def test_build_lists_as_published(benchmark: BenchmarkFixture, table: una_fast.TermTable) -> None:
    pytest.importorskip("nltk")
    from reference_method import ReferenceMethod

    method, ranks = ReferenceMethod(table), iter(range(len(table)))
    assert len(method.draw(next(ranks))) == 8001
    benchmark.pedantic(lambda: method.draw(next(ranks)), rounds=100)


@pytest.mark.benchmark(group="build")
def test_build(benchmark: BenchmarkFixture, table: una_fast.TermTable) -> None:
    assert una_fast.Augmenter(table).augment(["a b"]) == una_fast.Augmenter(table).augment(["a b"])
    benchmark(una_fast.Augmenter, table)
