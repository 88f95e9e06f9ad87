"""Batches: which rows a step takes, their negatives, their tokens; built in one thread ahead of the step.

A batch is a function of its number alone (and of seed and corpus), so the place of a run in its data is one
integer.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.backbone import tokenise
from una_fast.errors import InputError, OptionError
from una_fast.training.corpus import Corpus, NegativeSource, take
from una_fast.training.shuffle import Rows, permute

__all__ = ["Batch", "BatchBuilder", "Prefetcher", "lay_out"]


_Ids: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Model inputs: int64 tensors of shape (R, T), the rows of an example next to each other.

    Attributes:
        step: The step of the optimiser that the batch belongs to.
        views: Rows an example: 2 (a, a+), 3 (a, a+, n) or 4 (a, a+, n, n' with the text of n).
        inputs: By the name that the model's forward gives them.
    """

    step: int
    views: int
    inputs: dict[str, Tensor]

    @property
    def rows(self) -> int:
        """R: `views` an example."""
        return len(self.inputs["input_ids"])


@dataclass(frozen=True, kw_only=True)
class BatchBuilder:
    """Builds any batch of a run, or one rank's share of it.

    A thread beside the loop calls it, and it uses none of torch's loops. OpenMP would keep a second team of threads for
    them, and threads of two teams sleep between operations where those of one wait awake: a fifth of a step of two
    layers.

    The rows of an epoch that do not fill a step are left out (other rows in each epoch): every batch then
    has the same number of negatives, on which the loss depends, and the same shapes.

    Attributes:
        corpus: Sentences and paraphrases.
        negatives: The maker of negatives, or None.
        tokenizer: It is used by one thread alone.
        names: The inputs that the model takes.
        batch_size: Examples a batch, on all ranks together.
        accumulate: Batches a step.
        max_length: Tokens of a text.
        every: Steps from one with negatives to the next; 0 has none.
        negative_views: Times that a negative stands in its batch, 1 or 2.
        distinct: Whether no two rows of a batch have the same token ids, but for the two of an example.
        seed: Of the order of rows.
        rank: Which share of each batch is built here, of `world` equal ones.
        pin_memory: Whether tensors lie in memory that a GPU copies from by itself.
    """

    corpus: Corpus
    negatives: NegativeSource | None
    tokenizer: PreTrainedTokenizerBase
    names: frozenset[str]
    batch_size: int
    max_length: int
    every: int
    seed: int
    accumulate: int = 1
    negative_views: int = 2
    distinct: bool = False
    rank: int = 0
    world: int = 1
    pin_memory: bool = False

    def __post_init__(self) -> None:
        n, needed = len(self.corpus.sentences), self.batch_size * self.accumulate
        if n < needed:
            times = f" and accumulate {self.accumulate}" if self.accumulate > 1 else ""
            raise OptionError(f"batch_size is {self.batch_size}{times}, but the corpus has {n} sentences")
        if self.batch_size % self.world:
            raise OptionError(
                f"batch_size is {self.batch_size}, which {self.world} processes cannot share equally"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full steps in one pass over the corpus."""
        return len(self.corpus.sentences) // (self.batch_size * self.accumulate)

    def build(self, index: int) -> Batch:
        """The batch of a number; batches 0 to `accumulate` - 1 make up step 0."""
        step = index // self.accumulate
        epoch, place = divmod(index, self.steps_per_epoch * self.accumulate)
        rows = self._rows(index, epoch, place)
        anchors = take(self.corpus.sentences, rows)
        positives = None if self.corpus.paraphrases is None else take(self.corpus.paraphrases, rows)
        negatives = self._negatives(step, anchors, rows, epoch)
        texts, order = lay_out(anchors, positives, negatives, negative_views=self.negative_views)
        inputs = tokenise(self.tokenizer, texts, max_length=self.max_length, names=self.names)
        laid_out = {name: torch.from_numpy(value.numpy()[order]) for name, value in inputs.items()}
        if self.pin_memory:
            laid_out = {name: value.pin_memory() for name, value in laid_out.items()}
        return Batch(step=step, views=len(order) // len(rows), inputs=laid_out)

    def _rows(self, index: int, epoch: int, place: int) -> Rows:
        """This rank's rows of a batch."""
        positions = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
        rows = permute(positions, n=len(self.corpus.sentences), seed=self.seed, epoch=epoch)
        if self.distinct:
            rows = self._without_repeats(rows, index, epoch)
        return np.split(rows, self.world)[self.rank]

    def _without_repeats(self, rows: Rows, index: int, epoch: int) -> Rows:
        """Puts other rows, drawn by the batch's number, where a text of an example stands in the batch already."""
        kept, repeats, seen = rows.copy(), [], set[_Ids]()
        for place, ids in enumerate(self._token_ids(rows)):
            if seen.isdisjoint(ids):
                seen |= ids
            else:
                repeats.append(place)
        spare = self._spare_rows(index, epoch) if repeats else iter(())
        for place in repeats:
            kept[place], fresh = next(row for row in spare if seen.isdisjoint(row[1]))
            seen |= fresh
        return kept

    def _token_ids(self, rows: Rows) -> list[frozenset[_Ids]]:
        """What the model sees of each example: the token ids of its sentence and of its paraphrase, if it has one."""
        columns = [take(self.corpus.sentences, rows)]
        if self.corpus.paraphrases is not None:
            columns.append(take(self.corpus.paraphrases, rows))
        ids = [
            self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
            for texts in columns
        ]
        return [frozenset(map(tuple, example)) for example in zip(*ids, strict=True)]

    def _spare_rows(self, index: int, epoch: int) -> Iterator[tuple[int, frozenset[_Ids]]]:
        n, bulk = len(self.corpus.sentences), self.batch_size
        for start in range(0, min(n, 64 * bulk), bulk):
            positions = np.arange(start, min(start + bulk, n))
            rows = permute(positions, n=n, seed=self.seed, epoch=epoch, stream=f"spare {index}")
            yield from zip(rows.tolist(), self._token_ids(rows), strict=True)
        raise InputError(
            f"distinct=True, but {min(n, 64 * bulk)} rows drawn for batch {index} hold no {bulk} examples without a "
            "text in common"
        )

    def _negatives(self, step: int, anchors: list[str], rows: Rows, epoch: int) -> list[str] | None:
        """Negatives for the steps that use them, and no work for those that do not."""
        if self.negatives is None or self.every == 0 or step % self.every:
            return None
        made = self.negatives.augment(anchors, rows=rows, epoch=epoch, view=0)
        if isinstance(made, str) or len(made) != len(anchors):
            number = "one str" if isinstance(made, str) else f"{len(made)} negatives"
            raise InputError(
                f"the maker of negatives returned {number} for {len(anchors)} sentences: one each is needed"
            )
        return list(made)


def lay_out(
    anchors: list[str], positives: list[str] | None, negatives: list[str] | None, *, negative_views: int = 2
) -> tuple[list[str], NDArray[np.int64]]:
    """The place of each text in the batch, so that one that stands there twice is tokenised once.

    Args:
        anchors: B sentences.
        positives: B paraphrases; None repeats the anchor, which meets another dropout mask.
        negatives: B hard negatives, or None on a step without.
        negative_views: Times that each negative stands there.

    Returns:
        The texts to tokenise, and for each row its place among them, int64 of shape (2B,) to (4B,): per
        example a, a+ and then n, n' with n' the same text as n.
    """
    anchor = np.arange(len(anchors))
    texts, columns = list(anchors), [anchor, anchor]
    if positives is not None:
        columns[1] = anchor + len(texts)
        texts += positives
    if negatives is not None:
        columns += [anchor + len(texts)] * negative_views
        texts += negatives
    return texts, np.stack(columns, axis=1).ravel()


_POLL_SECONDS = 0.1


class Prefetcher:
    """Runs `build` for number after number in one thread, a few batches ahead of the loop.

    Use it as a context manager: leaving it, for whatever reason, ends the thread. An exception in the
    thread is raised in the loop, at the batch it belongs to.
    """

    def __init__(self, build: Callable[[int], Batch], numbers: range, *, ahead: int) -> None:
        """Prepare to build the batches of `numbers`, at most `ahead` of them waiting; nothing starts yet."""
        self.seconds_waited = 0.0
        self._build = build
        self._numbers = numbers
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
        for _ in self._numbers:
            began = time.perf_counter()
            item = self._ready.get()
            self.seconds_waited += time.perf_counter() - began
            if isinstance(item, BaseException):
                raise item
            yield item

    def _work(self) -> None:
        try:
            for number in self._numbers:
                if not self._put(self._build(number)):
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
