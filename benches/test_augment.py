"""Augmenting against the plain-Python statement and against tokenising. Each asserts its answer before it is timed."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast
from una_fast import _reference


@pytest.fixture(scope="module")
def table(sentences: list[str]) -> una_fast.TermTable:
    return una_fast.fit(sentences)


@pytest.mark.benchmark(group="augment a batch of 64")
def test_augment_a_batch_by_una_fast(
    benchmark: BenchmarkFixture, sentences: list[str], table: una_fast.TermTable
) -> None:
    augmenter, batch = una_fast.Augmenter(table), sentences[:64]
    assert augmenter.augment(batch) == augmenter.augment(sentences)[:64]
    benchmark(augmenter.augment, batch)


@pytest.mark.benchmark(group="augment a batch of 64")
def test_augment_a_batch_by_plain_python(
    benchmark: BenchmarkFixture, sentences: list[str], table: una_fast.TermTable
) -> None:
    batch = sentences[:64]
    tokens = [found.texts for found in table.tokenize(batch)]
    oracle = _reference.fit(found.texts for found in table.tokenize(sentences[:2000]))
    small = una_fast.Augmenter(una_fast.fit(sentences[:2000]))

    def augment() -> list[str]:
        return [_reference.augment(oracle, words, row=row) for row, words in enumerate(tokens)]

    assert augment() == small.augment(batch)
    benchmark.pedantic(augment, rounds=1)


@pytest.mark.benchmark(group="augment all sentences")
@pytest.mark.parametrize("threads", [1, 2])
def test_augment_all(
    benchmark: BenchmarkFixture, sentences: list[str], table: una_fast.TermTable, threads: int
) -> None:
    augmenter = una_fast.Augmenter(table, threads=threads)
    assert augmenter.augment(sentences) == una_fast.Augmenter(table, threads=3).augment(sentences)
    benchmark(augmenter.augment, sentences)


@pytest.mark.benchmark(group="build an augmenter")
def test_build(benchmark: BenchmarkFixture, table: una_fast.TermTable) -> None:
    benchmark(una_fast.Augmenter, table)
