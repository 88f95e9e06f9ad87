"""Batches: the order of rows, the layout of a batch, the thread that builds them."""

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training_support import WordSwapper, make_sentences, tiny_bert
from una_fast.encoder.backbone import load_tokenizer, tokenise
from una_fast.errors import InputError, OptionError
from una_fast.training.corpus import Corpus
from una_fast.training.data import Batch, BatchBuilder, Prefetcher, lay_out
from una_fast.training.shuffle import permute

NAMES = frozenset({"input_ids", "attention_mask"})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("data") / "bert")


def builder(
    model: Path, *, every: int = 5, paraphrases: list[str] | None = None, **options: Any
) -> BatchBuilder:
    corpus = Corpus(sentences=make_sentences(100), paraphrases=paraphrases)
    return BatchBuilder(
        corpus=corpus,
        negatives=WordSwapper(),
        tokenizer=load_tokenizer(model),
        names=NAMES,
        batch_size=8,
        max_length=32,
        every=every,
        seed=0,
        **options,
    )


class Characters:
    """A tokenizer whose tokens are characters."""

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [list(map(ord, text)) for text in texts]}


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 3000), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 100))
def test_permute_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    """Protects that every row comes once an epoch, for every size of corpus."""
    rows = permute(np.arange(n), n=n, seed=seed, epoch=epoch)
    assert np.array_equal(np.sort(rows), np.arange(n))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 10**7), seed=st.integers(0, 99), data=st.data())
def test_a_row_depends_on_its_position_alone(n: int, seed: int, data: st.DataObject) -> None:
    """Protects resuming and other batch sizes: a position gives the same alone and among others."""
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20)))
    together = permute(positions, n=n, seed=seed, epoch=3)
    alone = [permute(positions[i : i + 1], n=n, seed=seed, epoch=3)[0] for i in range(len(positions))]
    assert together.tolist() == alone


def test_order_changes_with_epoch_and_seed_and_never_again() -> None:
    """Protects the key, and by a golden value the order that saved runs were made with."""
    first = permute(np.arange(1000), n=1000, seed=0, epoch=0)
    assert not np.array_equal(first, permute(np.arange(1000), n=1000, seed=0, epoch=1))
    assert not np.array_equal(first, permute(np.arange(1000), n=1000, seed=1, epoch=0))
    assert first[:8].tolist() == [204, 437, 101, 616, 716, 913, 69, 79]


def test_rows_are_spread_evenly() -> None:
    """Protects the mixing: over many keys each row comes first equally often (chi-square, 99.9 %)."""
    n, draws = 20, 8000
    counts = np.zeros(n)
    for seed in range(draws):
        counts[permute(np.zeros(1, np.int64), n=n, seed=seed, epoch=0)[0]] += 1
    assert ((counts - draws / n) ** 2 / (draws / n)).sum() < 43.8


def test_neighbours_are_scattered() -> None:
    """Protects against an order that keeps neighbouring sentences together."""
    rows = permute(np.arange(10_000), n=10_000, seed=0, epoch=0)
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 0.05


def test_positions_outside_are_refused() -> None:
    """Protects against an endless cycle walk."""
    with pytest.raises(OptionError, match=r"0 \.\. 9"):
        permute(np.array([10]), n=10, seed=0, epoch=0)


def test_layout_of_every_kind_of_step() -> None:
    """Protects the rows of an example: a, a+, n, n' next to each other, texts that repeat tokenised once."""
    a, p, n = ["a0", "a1"], ["p0", "p1"], ["n0", "n1"]

    def rows(positives: list[str] | None, negatives: list[str] | None) -> tuple[list[str], int]:
        texts, order = lay_out(a, positives, negatives)
        return [texts[i] for i in order.tolist()], len(texts)

    assert rows(None, None) == (["a0", "a0", "a1", "a1"], 2)
    assert rows(p, None) == (["a0", "p0", "a1", "p1"], 4)
    assert rows(None, n) == (["a0", "a0", "n0", "n0", "a1", "a1", "n1", "n1"], 4)
    assert rows(p, n) == (["a0", "p0", "n0", "n0", "a1", "p1", "n1", "n1"], 6)


def test_negatives_on_every_fifth_step_only(model: Path) -> None:
    """Protects the schedule of the paper, and that other steps do no augmenting at all."""
    batches = builder(model)
    sizes = [batches.build(step).rows for step in range(11)]
    assert sizes == [32, 16, 16, 16, 16, 32, 16, 16, 16, 16, 32]
    swapper = batches.negatives
    assert isinstance(swapper, WordSwapper)
    assert len(swapper.calls) == 3
    assert {builder(model, every=0).build(step).rows for step in range(6)} == {16}


def test_negatives_belong_to_their_anchors(model: Path) -> None:
    """Protects that the augmenter gets the row of each sentence in the corpus, and the epoch."""
    batches = builder(model)
    batches.build(0)
    batches.build(15)  # 12 batches an epoch: step 15 is in the second
    swapper = batches.negatives
    assert isinstance(swapper, WordSwapper)
    (rows, epoch), (_, later) = swapper.calls
    assert rows == tuple(permute(np.arange(8), n=100, seed=0, epoch=0).tolist())
    assert (epoch, later) == (0, 1)


def test_batches_hold_the_right_texts(model: Path) -> None:
    """Protects the way from sentence to token: row 4k is the anchor k, row 4k + 2 its negative."""
    batches = builder(model, paraphrases=[f"{text} again" for text in make_sentences(100)])
    ids = batches.build(0).inputs["input_ids"]
    rows = permute(np.arange(8), n=100, seed=0, epoch=0)
    decoded = batches.tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert torch.equal(ids[2::4], ids[3::4])
    for k, row in enumerate(rows):
        anchor = batches.corpus.sentences[row].replace(" ", "")
        assert decoded[4 * k].replace(" ", "").replace("##", "") == anchor
        assert not torch.equal(ids[4 * k], ids[4 * k + 1])
        assert not torch.equal(ids[4 * k], ids[4 * k + 2])


def test_an_epoch_takes_no_row_twice_and_drops_the_rest(model: Path) -> None:
    """Protects the decision on the last batch: 100 rows are 12 batches of 8, and 4 are left out."""
    batches = builder(model, every=1)
    for step in range(12):
        batches.build(step)
    swapper = batches.negatives
    assert isinstance(swapper, WordSwapper)
    seen = [row for rows, _ in swapper.calls for row in rows]
    assert batches.steps_per_epoch == 12
    assert len(seen) == len(set(seen)) == 96


def test_a_corpus_smaller_than_a_batch_is_refused(model: Path) -> None:
    """Protects against a run of no steps."""
    with pytest.raises(OptionError, match="batch_size is 101, but the corpus has 100"):
        BatchBuilder(
            corpus=Corpus(sentences=make_sentences(100)),
            negatives=None,
            tokenizer=load_tokenizer(model),
            names=NAMES,
            batch_size=101,
            max_length=32,
            every=0,
            seed=0,
        )


def test_paraphrases_must_be_aligned() -> None:
    """Protects against positives that belong to other sentences."""
    with pytest.raises(InputError, match="2 paraphrases, 3 sentences"):
        Corpus(sentences=["a", "b", "c"], paraphrases=["a", "b"])


def test_digest_tells_corpora_apart() -> None:
    """Protects the manifest: other sentences, another order or other line ends are another corpus."""
    digests = {
        Corpus(sentences=["a", "b"]).digest(),
        Corpus(sentences=["b", "a"]).digest(),
        Corpus(sentences=["ab"]).digest(),
        Corpus(sentences=["a", "b"], paraphrases=["a", "b"]).digest(),
    }
    assert len(digests) == 4


@pytest.mark.parametrize(("max_length", "width"), [(32, 16), (12, 12), (9, 9)])
def test_width_is_rounded_up_and_capped(model: Path, max_length: int, width: int) -> None:
    """Protects few shapes without exceeding max_length; the padding must be masked."""
    tokenizer = load_tokenizer(model)
    inputs = tokenise(tokenizer, ["a guitar " * 5, "a"], max_length=max_length, names=NAMES)
    assert inputs["input_ids"].shape == (2, width)
    assert inputs["attention_mask"][1].tolist() == [1, 1, 1] + [0] * (width - 3)
    assert (inputs["input_ids"][1, 3:] == tokenizer.pad_token_id).all()


def make_batch(step: int) -> Batch:
    return Batch(step=step, views=2, inputs={"input_ids": torch.full((2, 1), step)})


def test_prefetcher_keeps_the_order() -> None:
    """Protects that step s gets batch s."""
    with Prefetcher(make_batch, range(3, 40), ahead=2) as batches:
        assert [batch.step for batch in batches] == list(range(3, 40))


def test_prefetcher_carries_an_error_to_its_step() -> None:
    """Protects against a silent hang: what fails in the thread fails in the loop, after the good batches."""

    def build(step: int) -> Batch:
        if step == 2:
            raise InputError("row 7 is bad")
        return make_batch(step)

    with Prefetcher(build, range(9), ahead=4) as batches:
        stream = iter(batches)
        seen = [next(stream).step, next(stream).step]
        with pytest.raises(InputError, match="row 7"):
            next(stream)
    assert seen == [0, 1]


def test_prefetcher_is_no_further_ahead_than_asked() -> None:
    """Protects memory: with nobody taking, `ahead` batches wait and one is in the hand."""
    built = []

    def build(step: int) -> Batch:
        built.append(step)
        return make_batch(step)

    with Prefetcher(build, range(1000), ahead=3):
        time.sleep(0.3)
    assert len(built) <= 4


def test_leaving_early_ends_the_thread() -> None:
    """Protects Ctrl-C and errors in the loop: no thread is left behind."""

    def loop() -> None:
        with Prefetcher(make_batch, range(10**6), ahead=2) as batches:
            next(iter(batches))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop()
    assert not [thread for thread in threading.enumerate() if thread.name == "una_fast batches"]


@settings(max_examples=20, deadline=None)
@given(world=st.sampled_from([1, 2, 4]), index=st.integers(0, 30), distinct=st.booleans())
def test_ranks_share_a_batch_between_them(world: int, index: int, distinct: bool) -> None:
    """Protects data parallel runs: together the ranks take the rows of one process, each row once."""
    whole = BatchRows(distinct=distinct)
    shares = [BatchRows(distinct=distinct, rank=rank, world=world) for rank in range(world)]
    assert whole.of(index) == [row for share in shares for row in share.of(index)]


class BatchRows:
    """The rows that a builder takes, without a tokenizer."""

    def __init__(self, sentences: list[str] | None = None, **options: Any) -> None:
        self.builder = BatchBuilder(
            corpus=Corpus(sentences=sentences or [f"s{i % 70}" for i in range(100)]),
            negatives=None,
            tokenizer=Characters(),  # type: ignore[arg-type]
            names=NAMES,
            batch_size=8,
            max_length=32,
            every=5,
            seed=0,
            **options,
        )

    def of(self, index: int) -> list[int]:
        place = index % (self.builder.steps_per_epoch * self.builder.accumulate)
        epoch = index // (self.builder.steps_per_epoch * self.builder.accumulate)
        return self.builder._rows(index, epoch, place).tolist()


def test_accumulated_batches_make_up_a_step(model: Path) -> None:
    """Protects the rows of a step: those of its batches, one after another, each batch with the step's negatives."""
    single, double = BatchRows(), BatchRows(accumulate=2)
    assert [double.of(i) for i in range(12)] == [single.of(i) for i in range(12)]
    assert double.builder.steps_per_epoch == 6
    batches = builder(model, every=2, accumulate=2)
    assert [(batches.build(i).step, batches.build(i).views) for i in range(6)] == [
        (0, 4),
        (0, 4),
        (1, 2),
        (1, 2),
        (2, 4),
        (2, 4),
    ]


def test_three_columns_hold_each_negative_once(model: Path) -> None:
    """Protects the layout that the three-column losses read."""
    assert builder(model, negative_views=1).build(0).views == 3
    texts, order = lay_out(["a"], ["p"], ["n"], negative_views=1)
    assert [texts[i] for i in order.tolist()] == ["a", "p", "n"]


def test_distinct_batches(tmp_path: Path) -> None:
    """Protects `distinct`: repeats are exchanged, other rows stay, and the same number gives the same batch."""
    sentences = [f"s{i % 12}" for i in range(100)]
    plain, apart = BatchRows(sentences), BatchRows(sentences, distinct=True)
    exchanged = 0
    for index in range(12):
        before, after = plain.of(index), apart.of(index)
        texts = [sentences[row] for row in before]
        assert len({sentences[row] for row in after}) == 8
        firsts = [i for i, text in enumerate(texts) if text not in texts[:i]]
        assert [before[i] for i in firsts] == [after[i] for i in firsts]
        assert after == BatchRows(sentences, distinct=True).of(index)
        exchanged += before != after
    assert exchanged > 6


def test_too_few_distinct_sentences_are_an_error() -> None:
    """Protects against a search that never ends."""
    with pytest.raises(InputError, match="hold no 8 examples without a text in common"):
        BatchRows(["same"] * 100, distinct=True).of(0)


def test_a_batch_that_ranks_cannot_share_is_refused() -> None:
    """Protects equal shares, on which gathering depends."""
    with pytest.raises(OptionError, match="batch_size is 8, which 3 processes cannot share equally"):
        BatchRows(rank=0, world=3)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux tells them")
def test_a_thread_that_builds_batches_gets_no_threads_of_torch(model: Path) -> None:
    """Protects the step: beside a second team of OpenMP the threads of the first sleep between operations."""
    corpus = Corpus(sentences=[" ".join([sentence] * 8) for sentence in make_sentences(200)])
    building = dataclasses.replace(builder(model), corpus=corpus, batch_size=96)
    building.build(0)  # the threads of the tokenizer

    def count() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    counts = []

    def work() -> None:
        before = count()
        building.build(1)
        counts.append(count() - before)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert counts == [0]
