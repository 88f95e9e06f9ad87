"""Hard negatives from a table: near-miss sentences, reproducible to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from una_fast import _core
from una_fast.errors import OptionError
from una_fast.sources import default_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from una_fast.encode import EncodedNegatives, NegativeEncoder, TokenizerLike
    from una_fast.table import TermTable

__all__ = ["Augmenter", "Explanation", "Replace", "Select", "Surface", "TokenExplanation"]

Select: TypeAlias = Literal["tfidf", "inverse", "uniform"]
Replace: TypeAlias = Literal["vicinity", "uniform"]
Surface: TypeAlias = Literal["reference", "preserve"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenExplanation:
    """One token of a sentence, and its fate.

    Attributes:
        text: the token as tokenised.
        start, end: the characters of the sentence that it covers.
        rank: its rank in the table, or None for a term that the table does not hold.
        score: its TF-IDF in this sentence.
        probability: with which it is replaced; may exceed 1, which then counts as 1.
        replacement: what stands in its place in the negative, or None if it stays.
    """

    text: str
    start: int
    end: int
    rank: int | None
    score: float
    probability: float
    replacement: str | None

    @property
    def replaced(self) -> bool:
        """Whether it is replaced in this draw."""
        return self.replacement is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """How a negative came about: the sentence, its tokens, and the negative itself."""

    sentence: str
    negative: str
    tokens: tuple[TokenExplanation, ...]


class Augmenter:
    """Makes hard negatives by the law of UNA (arXiv 2401.02594, section 3).

    A negative is a pure function of (seed, epoch, row, view, sentence, settings): the same text for any batch size,
    order, thread, worker or rank. Building one takes a pass over the scores, and 8 bytes a term.

    Args:
        table: the fitted table.
        radius: how many ranks away a replacement may be (the paper's r).
        replace_prob: the paper's p, in (0, 1]: the expected part of the tokens that is replaced.
        select: which tokens go: "tfidf", those that carry the meaning; "inverse", those that carry little (UDA);
            "uniform", any of a sentence of three tokens or more.
        replace: what replaces them: "vicinity", terms of similar rank with probability proportional to score;
            "uniform", any term of the table.
        surface: what comes out: "reference", the tokens joined by single spaces; "preserve", the sentence as
            written with only the replaced spans exchanged, the new words in the case pattern of the old.
        seed: the key of all draws, in 0 .. 2**64 - 1.
        threads: threads for large batches; by default one for each core. It changes no text.

    Raises:
        OptionError: for an option without meaning.
    """

    def __init__(
        self,
        table: TermTable,
        *,
        radius: int = 4000,
        replace_prob: float = 0.5,
        select: Select = "tfidf",
        replace: Replace = "vicinity",
        surface: Surface = "reference",
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        if not 0 <= radius < 1 << 32:
            raise OptionError(f"radius must be at least 0 and below 2**32, not {radius}")
        _check_word("seed", seed)
        self.table = table
        self.surface: Surface = surface
        self.threads = default_threads(threads)
        self._encoder: tuple[TokenizerLike, int, NegativeEncoder] | None = None
        self._core = _core.Augmenter(
            table._core,
            radius=radius,
            replace_prob=replace_prob,
            select=select,
            replace=replace,
            surface=surface,
            seed=seed,
        )

    def augment(
        self,
        sentences: Iterable[str],
        *,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
    ) -> list[str]:
        """One negative for each sentence, in order.

        Args:
            sentences: any iterable of str; their text is not copied.
            rows: the row of each sentence in its corpus, whole numbers, shape (n,); by default 0 .. n - 1.
            epoch: the pass over the corpus.
            view: which of several negatives of the same row in the same epoch.

        Returns:
            n negatives.

        Raises:
            InputError: for an item that is no str, or no Unicode text.
            OptionError: for rows of another length.
        """
        if not isinstance(sentences, Sequence):
            sentences = list(sentences)
        keys = check_place(rows, len(sentences), epoch, view)
        return self._core.augment(sentences, rows=keys, epoch=epoch, view=view, threads=self.threads)

    def encoder(self, tokenizer: TokenizerLike, *, max_length: int, **options: Any) -> NegativeEncoder:
        """What makes the token ids of negatives; built once, used for every batch.

        The arguments, and what is raised, are those of `una_fast.encode.NegativeEncoder`.
        """
        from una_fast.encode import NegativeEncoder

        return NegativeEncoder(self, tokenizer, max_length=max_length, **options)

    def encode(
        self,
        sentences: Iterable[str],
        *,
        tokenizer: TokenizerLike,
        max_length: int,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
        out: tuple[Any, Any] | None = None,
    ) -> EncodedNegatives:
        """The token ids of one negative for each sentence: `augment` and the tokenizer in one.

        The first call builds the encoder, which takes seconds for a large table; later ones with the same tokenizer
        and length use it again.

        Args:
            sentences: any iterable of str; their text is not copied.
            tokenizer: a `tokenizers.Tokenizer`, a fast tokenizer of transformers, or the path of a tokenizer.json.
            max_length: tokens a negative may have, special tokens included.
            rows: the row of each sentence in its corpus, as for `augment`.
            epoch: the pass over the corpus.
            view: which of several negatives of the same row in the same epoch.
            out: memory to write to, see `una_fast.encode.NegativeEncoder.encode`.

        Returns:
            input_ids and attention_mask, each int64 of shape (n, T), padded on the right.

        Raises:
            InputError: for an item that is no str, or no Unicode text.
            OptionError: for a tokenizer that is not word-compositional, and as `augment`.
        """
        if self._encoder is None or self._encoder[:2] != (tokenizer, max_length):
            self._encoder = (tokenizer, max_length, self.encoder(tokenizer, max_length=max_length))
        return self._encoder[2].encode(sentences, rows=rows, epoch=epoch, view=view, out=out)

    def explain(self, sentence: str, *, row: int = 0, epoch: int = 0, view: int = 0) -> Explanation:
        """How the negative that `augment` gives for the same arguments comes about, token by token."""
        _check_word("row", row)
        _check_word("epoch", epoch)
        tokens, negative = self._core.explain(sentence, row=row, epoch=epoch, view=view)
        return Explanation(
            sentence=sentence,
            negative=negative,
            tokens=tuple(
                TokenExplanation(
                    text=text,
                    start=start,
                    end=end,
                    rank=rank,
                    score=score,
                    probability=probability,
                    replacement=replacement,
                )
                for text, start, end, rank, score, probability, replacement in tokens
            ),
        )


def check_place(
    rows: ArrayLike | None, n: int, epoch: int, view: int
) -> np.ndarray[tuple[int], np.dtype[np.uint64]] | None:
    """The rows of n sentences as the core takes them.

    Raises:
        OptionError: for rows of another length, and for numbers out of range.
    """
    _check_word("epoch", epoch)
    if not 0 <= view < 1 << 32:
        raise OptionError(f"view must be at least 0 and below 2**32, not {view}")
    return None if rows is None else _row_keys(rows, n)


def _check_word(name: str, value: int) -> None:
    if not 0 <= value < 1 << 64:
        raise OptionError(f"{name} must be at least 0 and below 2**64, not {value}")


def _row_keys(rows: ArrayLike, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    array = np.asarray(rows)
    if array.shape != (n,):
        raise OptionError(f"rows must have shape ({n},), one for each sentence, not {array.shape}")
    if n and (array.dtype.kind not in "iu" or array.min() < 0):
        raise OptionError("rows must be whole numbers, none negative")
    return np.ascontiguousarray(array, dtype=np.uint64)
