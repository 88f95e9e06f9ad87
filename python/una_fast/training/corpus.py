"""The input of a run: its sentences, their paraphrases, and the table its negatives come from."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from una_fast.augment import Augmenter, Explanation
from una_fast.errors import InputError, OptionError
from una_fast.fit import TermCounter
from una_fast.table import TermTable
from una_fast.train_config import TrainConfig
from una_fast.training.distributed import Processes
from una_fast.training.shuffle import Rows

if TYPE_CHECKING:
    from una_fast.sources import Sentences, Source

__all__ = [
    "Corpus",
    "Explains",
    "NegativeSource",
    "open_corpus",
    "open_negatives",
    "open_table",
    "protected_terms",
    "take",
]


class NegativeSource(Protocol):
    """Whatever makes a hard negative of a sentence; `una_fast.Augmenter` does."""

    def augment(self, sentences: Sequence[str], *, rows: Rows, epoch: int, view: int) -> list[str]:
        """One negative a sentence, a function of (row, epoch, view, sentence) alone."""


@runtime_checkable
class Explains(Protocol):
    """A maker of negatives that can say how it came to one."""

    def explain(self, sentence: str, *, row: int, epoch: int) -> "Explanation":
        """Explains what happens to each token of the sentence."""


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
        """SHA-256 of the sentences, see `una_fast.sources.Sentences`; with paraphrases, over both of these."""
        from una_fast.sources import load_sentences

        sentences = load_sentences(self.sentences).digest()
        if self.paraphrases is None:
            return sentences
        both = sentences + load_sentences(self.paraphrases).digest()
        return hashlib.sha256(both.encode()).hexdigest()


def open_corpus(config: TrainConfig) -> Corpus:
    """The sentences and paraphrases of a run: compactly in memory, or mapped where the run has an index.

    Raises:
        InputError: Paraphrases are not aligned to the corpus, or a line of either is empty.
    """
    if config.pairs is not None:
        return split_pairs(_open(config, "pairs", aligned=True), config)
    aligned = config.paraphrases is not None
    sentences = _open(config, "corpus", aligned=aligned)
    return Corpus(
        sentences=sentences,
        paraphrases=_open(config, "paraphrases", aligned=True) if aligned else None,
    )


def _open(config: TrainConfig, name: str, source: "Source | None" = None, *, aligned: bool) -> "Sentences":
    """A source of the run, by default the option of that name; `aligned`, if its rows belong to those of another."""
    from una_fast.mapped_corpus import map_sentences
    from una_fast.sources import load_sentences

    source = getattr(config, name) if source is None else source
    # What is no file has neither fields nor columns: the halves of pairs.
    given = isinstance(source, Iterator)
    # Pairs are lines of two cells, whatever they are called.
    lines = name == "pairs"
    field, column = (None, None) if given or lines else (config.text_field, config.column)
    if config.mapped_corpus is None:
        return load_sentences(source, aligned=aligned, text_field=field, column=column, lines=lines)
    folder = Path(config.mapped_corpus) / name
    return map_sentences(
        source,
        folder,
        aligned=aligned,
        text_field=field,
        column=column,
        lines=lines,
        progress=config.progress,
    )


def split_pairs(lines: Sequence[str], config: TrainConfig) -> Corpus:
    """Lines of a sentence, a tab and its paraphrase, as two columns.

    Raises:
        InputError: A line has not two columns with text in both; the message has its number, from 1.
    """

    def column(place: int) -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            cells = line.split("\t")
            if len(cells) != 2 or not all(cell.strip() for cell in cells):
                raise InputError(
                    f"pairs, line {number}: expected a sentence, a tab and its paraphrase, found {line[:80]!r}"
                )
            yield cells[place]

    return Corpus(
        sentences=_open(config, "pairs-sentences", column(0), aligned=True),
        paraphrases=_open(config, "pairs-paraphrases", column(1), aligned=True),
    )


def open_table(config: TrainConfig, corpus: Corpus, processes: Processes) -> TermTable:
    """The TF-IDF table of a run; where none is given, one that rank 0 fits.

    Raises:
        OptionError: The table was fitted by another tokenizer than the one asked for.
    """
    table = config.table
    if table is None:
        fitted = _fit(config, corpus) if processes.first else None
        return cast("TermTable", processes.from_first(fitted))
    name = "the table" if isinstance(table, TermTable) else f"table {os.fspath(table)!r}"
    opened = table if isinstance(table, TermTable) else TermTable.load(table)
    if config.tokenizer not in (None, opened.tokenizer):
        raise OptionError(
            f"tokenizer is {config.tokenizer!r}, but {name} was fitted with {opened.tokenizer!r}: "
            "leave tokenizer out, or fit the table again"
        )
    return opened


def _fit(config: TrainConfig, corpus: Corpus) -> TermTable:
    """Sentences and paraphrases are counted together, as published."""
    counter = TermCounter(tokenizer=config.tokenizer or "treebank", threads=config.threads)
    for texts in (corpus.sentences, corpus.paraphrases):
        if texts is not None:
            counter.update(texts)
    return counter.freeze()


def protected_terms(config: TrainConfig) -> Sequence[str]:
    """The terms that no negative of a run touches.

    Raises:
        InputError: Their file holds something else than lines of text.
        StorageError: It cannot be read.
    """
    from una_fast.sources import load_sentences

    if isinstance(config.protect, str | os.PathLike):
        return load_sentences(Path(config.protect))
    return config.protect or []


def open_negatives(config: TrainConfig, table: TermTable) -> NegativeSource:
    """The maker of negatives that the options describe."""
    augmenter = Augmenter(
        table,
        radius=config.radius,
        replace_prob=config.replace_prob,
        select=config.select,
        replace=config.replace,
        surface=config.surface,
        exclude_self=config.exclude_self,
        keep_script=config.keep_script,
        protect=list(protected_terms(config)),
        max_replaced=config.max_replaced,
        min_score=config.min_score,
        seed=config.seed,
        threads=config.threads,
    )
    return _by_importance(config, augmenter)


def _by_importance(config: TrainConfig, augmenter: "Augmenter") -> NegativeSource:
    """The augmenter as it is, or with tokens chosen by another measure."""
    from una_fast.training.importance import AttentionWeights, WeightedNegatives, idf_weights

    if config.importance == "idf":
        return WeightedNegatives(augmenter, idf_weights(augmenter.table))
    if config.importance == "attention":
        return WeightedNegatives(augmenter, AttentionWeights(config.model, device=config.device))
    return cast("NegativeSource", augmenter)
