"""What a run reads: its sentences, their paraphrases, and the table its negatives come from."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from una_fast.errors import InputError, OptionError
from una_fast.training.config import TrainConfig
from una_fast.training.order import Rows

if TYPE_CHECKING:
    from una_fast import Augmenter, TermTable
    from una_fast.sources import Sentences, Source

__all__ = ["Corpus", "NegativeSource", "open_corpus", "open_negatives", "take"]


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
    """The sentences and paraphrases of a run, read into memory compactly.

    Raises:
        InputError: Paraphrases are not aligned, or lines left empty make it impossible to tell.
    """
    from una_fast.sources import load_sentences

    if config.pairs is not None:
        return split_pairs(load_sentences(config.pairs))
    sentences = load_sentences(cast("Source", config.corpus))  # the configuration has seen that one is given
    if config.paraphrases is None:
        return Corpus(sentences=sentences)
    paraphrases = load_sentences(config.paraphrases)
    for name, texts in (("corpus", sentences), ("paraphrases", paraphrases)):
        _refuse_gaps(name, texts)
    return Corpus(sentences=sentences, paraphrases=paraphrases)


def _refuse_gaps(name: str, texts: "Sentences") -> None:
    """Refuse lines left out in reading: all that follows them would meet the paraphrase of another."""
    left_out = texts.n_empty + texts.n_skipped
    if left_out:
        raise InputError(f"{name} has {left_out} empty lines, so corpus and paraphrases cannot be aligned")


def split_pairs(lines: Sequence[str]) -> Corpus:
    """Lines of a sentence, a tab and its paraphrase, as two columns.

    Raises:
        InputError: A line has not two columns with text in both; the message has its number from 1, empty
            lines left out.
    """
    from una_fast.sources import load_sentences

    def column(place: int) -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            cells = line.split("\t")
            if len(cells) != 2 or not all(cell.strip() for cell in cells):
                raise InputError(
                    f"pairs, line {number}: expected a sentence, a tab and its paraphrase, found {line[:80]!r}"
                )
            yield cells[place]

    return Corpus(sentences=load_sentences(column(0)), paraphrases=load_sentences(column(1)))


def open_negatives(config: TrainConfig, corpus: Corpus) -> "tuple[TermTable, NegativeSource]":
    """The TF-IDF table of a run, fitted where none is given, and the augmenter over it.

    Raises:
        OptionError: The table was fitted by another tokenizer than the one asked for.
    """
    import una_fast

    table = _open_table(config, corpus)
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


def _open_table(config: TrainConfig, corpus: Corpus) -> "TermTable":
    import una_fast

    table = config.table
    if table is None:
        return una_fast.fit(
            chain(corpus.sentences, corpus.paraphrases or ()),
            tokenizer=config.tokenizer or "treebank",
            threads=config.threads,
        )
    name = "the table" if isinstance(table, una_fast.TermTable) else f"table {os.fspath(table)!r}"
    opened = table if isinstance(table, una_fast.TermTable) else una_fast.TermTable.load(table)
    if config.tokenizer not in (None, opened.tokenizer):
        raise OptionError(
            f"tokenizer is {config.tokenizer!r}, but {name} was fitted with {opened.tokenizer!r}: "
            "leave tokenizer out, or fit the table again"
        )
    return opened
