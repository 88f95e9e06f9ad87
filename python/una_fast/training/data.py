"""Batches: which rows a step takes, their negatives, their tokens; built in one thread ahead of the step.

A step's batch is a function of the step's number alone (and of seed and corpus), so the place of a run in
its data is one integer.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from una_fast.errors import InputError, OptionError
from una_fast.evaluation.backbone import tokenise
from una_fast.training.config import TrainConfig

if TYPE_CHECKING:
    from una_fast import Augmenter, TermTable

__all__ = [
    "Batch",
    "BatchBuilder",
    "Corpus",
    "NegativeSource",
    "Prefetcher",
    "open_corpus",
    "permute",
    "take",
]

Rows = NDArray[np.int64]


class NegativeSource(Protocol):
    """Whatever makes a hard negative of a sentence; `una_fast.Augmenter` does."""

    def augment(self, sentences: Sequence[str], *, rows: Rows, epoch: int, view: int) -> list[str]:
        """One negative a sentence, a function of (row, epoch, view, sentence) alone."""


@runtime_checkable
class _Takes(Protocol):
    def take(self, indices: Rows) -> list[str]: ...


def take(sentences: Sequence[str], rows: Rows) -> list[str]:
    """The sentences at `rows`, in bulk where the sequence can."""
    if isinstance(sentences, _Takes):
        return sentences.take(rows)
    return [sentences[row] for row in rows.tolist()]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Sentences, and their paraphrases line by line where there are any."""

    sentences: Sequence[str]
    paraphrases: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.paraphrases is not None and len(self.paraphrases) != len(self.sentences):
            raise InputError(
                f"paraphrases must be aligned to the corpus line by line: "
                f"{len(self.paraphrases)} paraphrases, {len(self.sentences)} sentences"
            )

    def digest(self) -> str:
        """SHA-256 over all sentences, then all paraphrases, each ended by a line feed."""
        digest = hashlib.sha256()
        for texts in (self.sentences, self.paraphrases or ()):
            for start in range(0, len(texts), 1 << 16):
                block = take(texts, np.arange(start, min(start + (1 << 16), len(texts))))
                digest.update("".join(f"{text}\n" for text in block).encode())
        return digest.hexdigest()


def open_corpus(config: TrainConfig) -> Corpus:
    """Read the sentences and paraphrases of a run into memory, compactly.

    Raises:
        InputError: Paraphrases are not aligned, or lines left empty make it impossible to tell.
    """
    from una_fast.sources import load_sentences

    sentences = load_sentences(config.corpus)
    if config.paraphrases is None:
        return Corpus(sentences=sentences)
    paraphrases = load_sentences(config.paraphrases)
    for name, texts in (("corpus", sentences), ("paraphrases", paraphrases)):
        _refuse_gaps(name, texts)
    return Corpus(sentences=sentences, paraphrases=paraphrases)


def _refuse_gaps(name: str, texts: Sequence[str]) -> None:
    """Refuse lines left out in reading: all that follows them would meet the paraphrase of another."""
    left_out = getattr(texts, "n_empty", 0) + getattr(texts, "n_skipped", 0)
    if left_out:
        raise InputError(f"{name} has {left_out} empty lines, so corpus and paraphrases cannot be aligned")


def open_negatives(config: TrainConfig, corpus: Corpus) -> "tuple[TermTable, NegativeSource]":
    """The TF-IDF table of a run, fitted where none is given, and the augmenter over it."""
    import una_fast

    table = config.table
    if table is None:
        texts = corpus.sentences if corpus.paraphrases is None else [*corpus.sentences, *corpus.paraphrases]
        table = una_fast.fit(texts, tokenizer=config.tokenizer, threads=config.threads)
    elif not isinstance(table, una_fast.TermTable):
        table = una_fast.TermTable.load(table)
    augmenter = una_fast.Augmenter(
        table,
        radius=config.radius,
        replace_prob=config.replace_prob,
        select=config.select,
        replace=config.replace,
        surface=config.surface,
        seed=config.seed,
        threads=config.threads,
    )
    return table, _by_importance(config, augmenter)


def _by_importance(config: TrainConfig, augmenter: "Augmenter") -> NegativeSource:
    """The augmenter as it is, or with tokens chosen by another measure."""
    from una_fast.training.importance import AttentionWeights, WeightedNegatives, idf_weights

    if config.importance == "idf":
        return WeightedNegatives(augmenter, idf_weights(augmenter.table))
    if config.importance == "attention":
        return WeightedNegatives(augmenter, AttentionWeights(config.model, device=config.device))
    return cast("NegativeSource", augmenter)


_ROUNDS = 6
"""Feistel rounds: four give a pseudorandom permutation where the round function is ideal (Luby, Rackoff)."""

_MASK = (1 << 64) - 1


def permute(positions: Rows, *, n: int, seed: int, epoch: int) -> Rows:
    """Rows at positions of a random order of 0 .. n - 1: a keyed permutation, nothing of which is stored.

    A Feistel network permutes the least square power of two that holds n; whatever lands at n or above is
    sent through again until it lands below (cycle walking), which keeps it a permutation of 0 .. n - 1.

    Args:
        positions: int64 of any shape, each in 0 .. n - 1.
        n: Size of the corpus.
        seed: With `epoch`, the key.
        epoch: Another epoch is another order.

    Returns:
        int64 of the same shape; distinct positions give distinct rows.

    Raises:
        OptionError: A position is outside 0 .. n - 1.

    Source: Black and Rogaway 2002, Ciphers with arbitrary finite domains.
    """
    if positions.size and (positions.min() < 0 or positions.max() >= n):
        raise OptionError(f"positions must lie in 0 .. {n - 1}, got {positions.min()} .. {positions.max()}")
    half = max(2, ((n - 1).bit_length() + 1) // 2)
    keys = _round_keys(seed, epoch)
    rows = _feistel(positions.astype(np.uint64), half, keys)
    while (outside := rows >= n).any():
        rows[outside] = _feistel(rows[outside], half, keys)
    return rows.astype(np.int64)


def _feistel(values: NDArray[np.uint64], half: int, keys: list[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of 0 .. 4**half - 1."""
    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = values >> bits, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << bits) | right


def _round_keys(seed: int, epoch: int) -> list[np.uint64]:
    digest = hashlib.blake2b(f"una_fast order {seed} {epoch}".encode(), digest_size=8 * _ROUNDS).digest()
    return list(np.frombuffer(digest, dtype="<u8").astype(np.uint64))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every input bit reaches every output bit. Products wrap around."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Model inputs of one step: int64 tensors of shape (R, T), rows laid out for `nt_xent`."""

    step: int
    inputs: dict[str, Tensor]

    @property
    def rows(self) -> int:
        """R: 2 or 4 an example."""
        return len(self.inputs["input_ids"])


@dataclass(frozen=True, kw_only=True)
class BatchBuilder:
    """Builds the batch of any step.

    The rows of an epoch that do not fill a batch are left out (other rows in each epoch): every step then
    has the same number of negatives, on which the loss depends, and the same shapes.
    """

    corpus: Corpus
    negatives: NegativeSource | None
    tokenizer: PreTrainedTokenizerBase
    names: frozenset[str]
    batch_size: int
    max_length: int
    every: int
    seed: int
    pin_memory: bool = False

    def __post_init__(self) -> None:
        if len(self.corpus.sentences) < self.batch_size:
            raise OptionError(
                f"batch_size is {self.batch_size}, but the corpus has {len(self.corpus.sentences)} sentences"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass over the corpus."""
        return len(self.corpus.sentences) // self.batch_size

    def build(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        positions = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
        rows = permute(positions, n=len(self.corpus.sentences), seed=self.seed, epoch=epoch)
        anchors = take(self.corpus.sentences, rows)
        positives = None if self.corpus.paraphrases is None else take(self.corpus.paraphrases, rows)
        negatives = self._negatives(step, anchors, rows, epoch)
        texts, order = lay_out(anchors, positives, negatives)
        inputs = tokenise(self.tokenizer, texts, max_length=self.max_length, names=self.names)
        laid_out = {name: value[order] for name, value in inputs.items()}
        if self.pin_memory:
            laid_out = {name: value.pin_memory() for name, value in laid_out.items()}
        return Batch(step=step, inputs=laid_out)

    def _negatives(self, step: int, anchors: list[str], rows: Rows, epoch: int) -> list[str] | None:
        """Negatives for the steps that use them, and no work for those that do not."""
        if self.negatives is None or self.every == 0 or step % self.every:
            return None
        return self.negatives.augment(anchors, rows=rows, epoch=epoch, view=0)


def lay_out(
    anchors: list[str], positives: list[str] | None, negatives: list[str] | None
) -> tuple[list[str], Tensor]:
    """Where each text stands in the batch, so that one that stands there twice is tokenised once.

    Args:
        anchors: B sentences.
        positives: B paraphrases; None repeats the anchor, which meets another dropout mask.
        negatives: B hard negatives, or None on a step without.

    Returns:
        The texts to tokenise, and for each row its place among them, int64 of shape (2B,) or (4B,): per
        example a, a+ and then n, n' with n' the same text as n.
    """
    anchor = torch.arange(len(anchors))
    texts, columns = list(anchors), [anchor, anchor]
    if positives is not None:
        columns[1] = anchor + len(texts)
        texts += positives
    if negatives is not None:
        columns += [anchor + len(texts)] * 2
        texts += negatives
    return texts, torch.stack(columns, dim=1).flatten()


_POLL_SECONDS = 0.1


class Prefetcher:
    """Runs `build` for step after step in one thread, a few batches ahead of the loop.

    Use it as a context manager: leaving it, for whatever reason, ends the thread. An exception in the
    thread is raised in the loop, at the step it belongs to.
    """

    def __init__(self, build: Callable[[int], Batch], steps: range, *, ahead: int) -> None:
        """Prepare to build the batches of `steps`, at most `ahead` of them waiting; nothing starts yet."""
        self.seconds_waited = 0.0
        self._build = build
        self._steps = steps
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="una_fast batches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Batch]:
        for _ in self._steps:
            began = time.perf_counter()
            item = self._ready.get()
            self.seconds_waited += time.perf_counter() - began
            if isinstance(item, BaseException):
                raise item
            yield item

    def _work(self) -> None:
        try:
            for step in self._steps:
                if not self._put(self._build(step)):
                    return
        except BaseException as error:
            self._put(error)

    def _put(self, item: Batch | BaseException) -> bool:
        """Hand an item over; False where the loop has gone."""
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
