"""Hard negatives from a table: near-miss sentences, reproducible to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from una_fast import _core, arrow
from una_fast.checks import check_limit, check_radius, check_switch, whole
from una_fast.draw_keys import check_keys
from una_fast.errors import InputError, OptionError
from una_fast.notebook import bar, marked, printable, table_html, table_text
from una_fast.sources import default_threads
from una_fast.table import as_sequence
from una_fast.tokenizers import is_custom

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

    from una_fast.arrow import ArrowArray, ArrowStream
    from una_fast.encode import EncodedNegatives, NegativeEncoder, TokenizerLike
    from una_fast.table import TermTable

__all__ = [
    "PRESETS",
    "AugmentStats",
    "Augmenter",
    "Explanation",
    "Preset",
    "Replace",
    "Select",
    "Surface",
    "TokenExplanation",
    "ranks_of",
]

Select: TypeAlias = Literal["tfidf", "inverse", "uniform"]
Replace: TypeAlias = Literal["vicinity", "uniform"]
Surface: TypeAlias = Literal["reference", "preserve"]
Preset: TypeAlias = Literal["una", "uda", "tfidf-random", "random"]

PRESETS: Mapping[str, dict[str, Any]] = {
    "una": {"select": "tfidf", "replace": "vicinity"},
    "uda": {"select": "inverse", "replace": "vicinity"},
    "tfidf-random": {"select": "tfidf", "replace": "uniform"},
    "random": {"select": "uniform", "replace": "uniform"},
}
"""The method of the paper, and what it is compared with (section 4, and UDA, arXiv 1904.12848)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenExplanation:
    """One token of a sentence, and its fate.

    Attributes:
        text: the token as tokenised.
        start, end: the characters of the sentence that it covers; none, and start is end, for a token of a callable
            that the sentence does not hold.
        rank: its rank in the table, or None for a term that the table does not hold.
        score: its TF-IDF in this sentence.
        probability: with which it is replaced; may exceed 1, which then counts as 1.
        window: the first and last rank of the terms that may replace it, were it to go.
        replacement: what stands in its place in the negative, or None if it stays.
    """

    text: str
    start: int
    end: int
    rank: int | None
    score: float
    probability: float
    window: tuple[int, int]
    replacement: str | None

    @property
    def replaced(self) -> bool:
        """True where it is replaced in this draw."""
        return self.replacement is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The story of a negative: the sentence, its tokens, and the negative itself."""

    sentence: str
    negative: str
    tokens: tuple[TokenExplanation, ...]

    def __str__(self) -> str:
        """The sentence, a line for each token, and the negative."""
        return "\n\n".join([printable(self.sentence), self.token_table(), printable(self.negative)])

    def token_table(self) -> str:
        """A line for each token: its probability, TF-IDF and rank, the ranks that may replace it, and what did."""
        rows = [
            (
                f"{min(token.probability, 1.0):.2f}",
                f"{token.score:.4f}",
                "unseen" if token.rank is None else f"{token.rank:,}",
                f"{token.window[0]:,} - {token.window[1]:,}",
                token.text,
                "#" * round(10 * min(token.probability, 1.0)),
                "" if token.replacement is None else f"-> {token.replacement}",
            )
            for token in self.tokens
        ]
        return table_text(("p", "score", "rank", "replaced by ranks", "token", "", ""), rows, text=3)

    def _repr_html_(self) -> str:
        rows = [
            (
                token.text,
                "" if token.replacement is None else marked(token.replacement),
                bar(token.probability),
                f"{min(token.probability, 1.0):.2f}",
                f"{token.score:.3f}",
                "unseen" if token.rank is None else f"{token.rank:,}",
            )
            for token in self.tokens
        ]
        head = ("token", "replaced by", "probability", "p", "TF-IDF", "rank")
        return table_html(f"{self.sentence} \N{RIGHTWARDS ARROW} {self.negative}", head, rows, text=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentStats:
    """Numbers of tokens that were really replaced in a number of sentences.

    Attributes:
        sentences: their number.
        tokens: their tokens.
        replaced: tokens that were replaced, were it by their own term, which lies in its own window.
        changed: tokens in whose place another term stands.
        by_percent: number of sentences by the percentage of their tokens replaced, rounded; 101 entries.
    """

    sentences: int
    tokens: int
    replaced: int
    changed: int
    by_percent: tuple[int, ...]

    @property
    def replacement_rate(self) -> float:
        """Replaced tokens over all tokens; 0 where there is none."""
        return self.replaced / self.tokens if self.tokens else 0.0

    def quantile(self, q: float) -> int:
        """The percentage of tokens replaced that a part q of the sentences does not exceed."""
        up_to = np.cumsum(self.by_percent)
        return int(np.searchsorted(up_to, q * self.sentences)) if self.sentences else 0

    def __add__(self, other: AugmentStats) -> AugmentStats:
        """The statistics of both together."""
        return AugmentStats(
            sentences=self.sentences + other.sentences,
            tokens=self.tokens + other.tokens,
            replaced=self.replaced + other.replaced,
            changed=self.changed + other.changed,
            by_percent=tuple(a + b for a, b in zip(self.by_percent, other.by_percent, strict=True)),
        )

    def _repr_html_(self) -> str:
        per_ten = [sum(self.by_percent[start : start + 10]) for start in range(0, 100, 10)]
        per_ten[-1] += self.by_percent[100]
        shares = [count / max(1, self.sentences) for count in per_ten]
        rows = [
            (
                f"{10 * i} to {10 * i + (10 if i == 9 else 9)} %",
                bar(share / max(*shares, 1e-9)),
                f"{share:.1%}",
            )
            for i, share in enumerate(shares)
        ]
        return table_html(
            str(self).replace("\n", "; "), ("tokens replaced", "sentences", "share"), rows, text=2
        )

    def __str__(self) -> str:
        quantiles = ", ".join(f"{name} {self.quantile(q)} %" for name, q in _QUANTILES)
        untouched = self.by_percent[0] / self.sentences if self.sentences else 0.0
        return (
            f"{self.sentences:,} sentences, {self.tokens:,} tokens: {self.replacement_rate:.1%} replaced, "
            f"{self.changed / max(1, self.tokens):.1%} by another term\n"
            f"of a sentence: {quantiles}; {untouched:.1%} of the sentences kept nearly all their words"
        )


_QUANTILES = (("10th percentile", 0.1), ("median", 0.5), ("90th percentile", 0.9), ("99th", 0.99))


class Augmenter:
    """Makes hard negatives by the law of UNA (arXiv 2401.02594, section 3).

    A negative is a pure function of (seed, epoch, row, view, sentence, settings): the same text for any batch size,
    order, thread, worker or rank. Building one takes a pass over the scores, and 8 bytes a term.

    Args:
        table: the fitted table.
        radius: how many ranks away a replacement may be (the paper's r): a whole number, or a float in (0, 1], a share
            of the vocabulary (one rank at least). A window of 4,000 ranks is all of a small vocabulary.
        replace_prob: the paper's p, in (0, 1]: the expected part of the tokens that is replaced.
        select: which tokens go: "tfidf", those that carry the meaning; "inverse", those that carry little (UDA);
            "uniform", any of a sentence of three tokens or more.
        replace: what replaces them: "vicinity", terms of similar rank with probability proportional to score;
            "uniform", any term of the table.
        surface: what comes out: "reference", the tokens joined by single spaces; "preserve", the sentence as
            written with only the replaced spans exchanged, the new words in the case pattern of the old.
        exclude_self: never replace a token by its own term, which otherwise lies in its own window.
        keep_script: replace a term by terms of its own script only: a Chinese word by Chinese ones, a number by what
            has no letters. A term that no other in its window shares a script with stays.
        protect: terms that are never touched: stop words, names. They are lower-cased if the table is. What the
            table's tokenizer cuts ("New York", "don't") is protected where its terms stand in a row. `missing` tells
            which of them the table does not hold.
        max_replaced: the most tokens of a sentence that may go: a whole number of tokens, or a float in (0, 1], a
            share of them (one at least). Where more are drawn, those of highest probability go.
        min_score: tokens whose TF-IDF in their sentence is lower stay.
        seed: the key of all draws, in 0 .. 2**64 - 1.
        threads: threads for large batches; by default one for each core. It changes no text.

    With `protect` or `min_score` the law holds among the tokens that may go, as if they were the sentence.

    It can be pickled, as data loaders that spawn their workers do; the table then travels along.

    Raises:
        OptionError: for an option without meaning.
    """

    def __init__(
        self,
        table: TermTable,
        *,
        radius: float = 4000,
        replace_prob: float = 0.5,
        select: Select = "tfidf",
        replace: Replace = "vicinity",
        surface: Surface = "reference",
        exclude_self: bool = False,
        keep_script: bool = False,
        protect: Iterable[str] = (),
        max_replaced: float | None = None,
        min_score: float = 0.0,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        check_radius("radius", radius)
        seed = whole("seed", seed)
        check_switch("exclude_self", exclude_self)
        check_switch("keep_script", keep_script)
        protect = _terms(protect)
        max_tokens, max_share = _limits(max_replaced)
        self.table = table
        options: dict[str, Any] = {
            "radius": radius,
            "replace_prob": replace_prob,
            "select": select,
            "replace": replace,
            "surface": surface,
            "exclude_self": exclude_self,
            "keep_script": keep_script,
            "protect": protect,
            "max_replaced": max_replaced,
            "min_score": min_score,
            "seed": seed,
            "threads": threads,
        }
        # Numbers of numpy as Python's: what is pickled, and fingerprints of that, are of the values alone.
        self._options = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()
        }
        self.threads = default_threads(threads)
        self.radius = ranks_of(radius, len(table))
        self._encoder: tuple[TokenizerLike, int, NegativeEncoder] | None = None
        self._core = _core.Augmenter(
            table._core,
            radius=self.radius,
            replace_prob=replace_prob,
            select=select,
            replace=replace,
            surface=surface,
            exclude_self=exclude_self,
            keep_script=keep_script,
            max_tokens=max_tokens,
            max_share=max_share,
            min_score=min_score,
            protect=self._sequences(protect),
            seed=seed,
        )

    def _sequences(self, protect: list[str]) -> list[list[str]]:
        """What may not be touched: each entry as a term, and as the terms that the tokenizer makes of it."""
        cut = [list(tokens.texts) for tokens in self.table.tokenize(protect)] if protect else []
        lower = str.lower if self.table.lowercase else str
        self._missing = tuple(
            entry
            for entry, terms in zip(protect, cut, strict=True)
            if lower(entry) not in self.table and not (terms and all(term in self.table for term in terms))
        )
        return [[entry] for entry in protect] + [terms for terms in cut if terms]

    @property
    def covers_all(self) -> bool:
        """True where a window of `radius` ranks either way may be the whole vocabulary: any term may replace any."""
        return self._options["replace"] == "vicinity" and 2 * self.radius + 1 >= len(self.table)

    @property
    def missing(self) -> tuple[str, ...]:
        """What of `protect` the table does not hold, neither as a term nor as a sequence of terms."""
        return self._missing

    @classmethod
    def preset(cls, name: Preset, table: TermTable, **options: Any) -> Augmenter:
        """An augmenter for a named strategy: the paper's or one it is compared with, see `PRESETS`.

        Raises:
            OptionError: for an unknown name, and for an option that the name already decides.
        """
        if name not in PRESETS:
            raise OptionError(f"preset must be one of {', '.join(map(repr, PRESETS))}, not {name!r}")
        decided = sorted(PRESETS[name].keys() & options.keys())
        if decided:
            raise OptionError(f"preset {name!r} already decides {', '.join(decided)}")
        return cls(table, **PRESETS[name], **options)

    @property
    def surface(self) -> str:
        """The form of the negatives: "reference" or "preserve"."""
        return str(self._options["surface"])

    @property
    def options(self) -> dict[str, Any]:
        """The options it was made with; `Augmenter(table, **options)` makes it again."""
        return dict(self._options)

    @property
    def settings(self) -> dict[str, Any]:
        """The options that decide the text of negatives: all but the threads."""
        return {name: value for name, value in self._options.items() if name != "threads"}

    def augment(
        self,
        sentences: Iterable[str],
        *,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
        weights: Iterable[ArrayLike] | None = None,
    ) -> list[str]:
        """One negative for each sentence, in order.

        Args:
            sentences: any iterable of str; their text is copied, some at a time.
            rows: the row of each sentence in its corpus, whole numbers, shape (n,); by default 0 .. n - 1.
            epoch: the pass over the corpus.
            view: which of several negatives of the same row in the same epoch.
            weights: for each sentence one number a token, finite and not negative, shape (L,): another measure of
                importance (attention, part of speech) in place of TF-IDF. `TermTable.tokenize` gives the tokens.

        Returns:
            n negatives.

        Raises:
            InputError: for an item that is no str, or no Unicode text; for what a tokenizer that is a callable or
                pattern may not return, and under surface "preserve" for a token that the sentence does not hold.
            OptionError: for rows or weights of another length, and for a table loaded without such a tokenizer.
        """
        return self.augment_with_stats(sentences, rows=rows, epoch=epoch, view=view, weights=weights)[0]

    def augment_with_stats(
        self,
        sentences: Iterable[str],
        *,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
        weights: Iterable[ArrayLike] | None = None,
    ) -> tuple[list[str], AugmentStats]:
        """`augment`, and how much of the sentences was really replaced."""
        sentences = as_sequence(sentences)
        keys = check_keys(rows, len(sentences), epoch, view)
        negatives, counts = self._core.augment(
            sentences,
            tokens=self._tokens(sentences),
            rows=keys,
            epoch=epoch,
            view=view,
            weights=None if weights is None else _flat_weights(weights, len(sentences)),
            threads=self.threads,
        )
        return negatives, _stats(len(negatives), counts)

    def augment_arrow(
        self,
        source: ArrowStream | ArrowArray,
        *,
        column: str | None = None,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
    ) -> pa.LargeStringArray:
        """`augment` of a string column, without a Python string for a sentence, and without the GIL.

        A table whose tokenizer is a callable or pattern needs both all the same.

        Args:
            source: a column, or a table that holds one, with `__arrow_c_stream__` or `__arrow_c_array__` (pyarrow,
                polars), or a Hugging Face dataset or its column.
            column: which column of a table; not needed where only one holds strings.
            rows: the row of each value in its corpus, whole numbers, shape (n,); by default 0 .. n - 1.
            epoch: the pass over the corpus.
            view: which of several negatives of the same row in the same epoch.

        Returns:
            n negatives; null where the value is null.

        Raises:
            InputError: for a column that holds no strings, or a value that is not UTF-8; and as `augment`.
            OptionError: for a column that is not there, or that has to be named; and as `augment`.
            MissingExtraError: without pyarrow.
        """
        return self._augment_arrow(source, column=column, rows=rows, epoch=epoch, view=view)[0]

    def _augment_arrow(
        self, source: Any, *, column: str | None, rows: ArrayLike | None, epoch: int, view: int
    ) -> tuple[pa.LargeStringArray, AugmentStats]:
        """`augment_arrow`, and how much of the sentences, which nulls are none of, was really replaced."""
        batches = list(arrow.batches_of_object(source, column))
        offsets, data, stats = self._augment_batches(batches, rows=rows, epoch=epoch, view=view)
        return arrow.large_strings(offsets, data, arrow.nulls(batches)), stats

    def _augment_batches(
        self, batches: list[arrow.Batch], *, rows: ArrayLike | None, epoch: int, view: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8], AugmentStats]:
        """The negatives of batches of a column, as offsets and UTF-8; nulls are no sentences, and have none."""
        null = arrow.nulls(batches)
        keys = check_keys(rows, len(null), epoch, view)
        texts = list(arrow.strings(batches, nulls=True)) if is_custom(self.table.tokenizer) else []
        (offsets, data), counts = self._core.augment_columns(
            batches,
            tokens=self._tokens(texts),
            rows=keys,
            epoch=epoch,
            view=view,
            threads=self.threads,
        )
        return offsets, data, _stats(int(len(null) - null.sum()), counts)

    def encoder(self, tokenizer: TokenizerLike, *, max_length: int, **options: Any) -> NegativeEncoder:
        """A maker of the token ids of negatives; built once, used for every batch.

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

    def explain(
        self, sentence: str, *, row: int = 0, epoch: int = 0, view: int = 0, weights: ArrayLike | None = None
    ) -> Explanation:
        """Explains the negative that `augment` gives for the same arguments, token by token."""
        row, epoch = whole("row", row), whole("epoch", epoch)
        view = whole("view", view, below=1 << 32)
        checked = None if weights is None else _checked_weights(weights, 0)
        given = self.table._tokens([sentence], spans=True)
        tokens, negative = self._core.explain(
            sentence, tokens=given, row=row, epoch=epoch, view=view, weights=checked
        )
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
                    window=window,
                    replacement=replacement,
                )
                for text, start, end, rank, score, probability, window, replacement in tokens
            ),
        )

    def _tokens(self, sentences: Sequence[str]) -> _core.Tokens | None:
        return self.table._tokens(sentences, spans=self.surface == "preserve")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.table, self._options)

    def __repr__(self) -> str:
        return f"Augmenter({self.table!r}, {', '.join(f'{name}={value!r}' for name, value in self._options.items())})"


def _stats(sentences: int, counts: tuple[int, int, int, list[int]]) -> AugmentStats:
    tokens, replaced, changed, by_percent = counts
    return AugmentStats(
        sentences=sentences, tokens=tokens, replaced=replaced, changed=changed, by_percent=tuple(by_percent)
    )


def _rebuild(table: TermTable, options: dict[str, Any]) -> Augmenter:
    return Augmenter(table, **options)


def ranks_of(radius: float, n_terms: int) -> int:
    """A radius in ranks: a whole number as it is, a share of so many terms."""
    return int(radius) if isinstance(radius, Integral) else max(1, int(float(radius) * n_terms))


def _terms(protect: Iterable[str]) -> list[str]:
    """The terms of `protect`."""
    if isinstance(protect, str | bytes | Mapping) or not isinstance(protect, Iterable):
        raise OptionError(
            f"protect must be terms, a list for example, not {type(protect).__name__} {protect!r}"
        )
    terms = list(protect)
    for i, term in enumerate(terms):
        if not isinstance(term, str):
            raise OptionError(f"protect must be terms: item {i} is {type(term).__name__}, not str")
    return terms


def _limits(max_replaced: float | None) -> tuple[int | None, float | None]:
    """A limit as tokens and as a share, of which one at most is set."""
    if max_replaced is None:
        return None, None
    check_limit("max_replaced", max_replaced)
    return (int(max_replaced), None) if isinstance(max_replaced, Integral) else (None, float(max_replaced))


def _checked_weights(weights: ArrayLike, row: int) -> NDArray[np.float64]:
    try:
        array = np.ascontiguousarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sentence {row}: weights are no numbers: {error}") from error
    if array.ndim != 1:
        raise InputError(f"sentence {row}: weights must have shape (L,), one a token, not {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise InputError(f"sentence {row}: weights must be finite and not negative")
    return array


def _flat_weights(weights: Iterable[ArrayLike], n: int) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """The weights of all sentences one after another, and their offsets by sentence: one more than sentences."""
    arrays = [_checked_weights(each, row) for row, each in enumerate(weights)]
    if len(arrays) != n:
        raise OptionError(f"weights must be one array for each of {n} sentences, not {len(arrays)}")
    offsets = np.cumsum([0, *map(len, arrays)], dtype=np.uint64)
    return np.concatenate([*arrays, np.empty(0)]), offsets
