"""Hard negatives straight to token ids: what a model reads, without the text in between.

Needs the package `tokenizers` (extra `train`), and no torch.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from una_fast import _core
from una_fast.draw_keys import check_keys
from una_fast.errors import OptionError
from una_fast.extras import require

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from tokenizers import Tokenizer

    from una_fast.augment import Augmenter

__all__ = ["EncodedNegatives", "NegativeEncoder", "TokenizerLike", "backend_of", "plain_copy"]


@runtime_checkable
class _Fast(Protocol):
    """A fast tokenizer of transformers."""

    @property
    def backend_tokenizer(self) -> Tokenizer: ...


TokenizerLike: TypeAlias = "Tokenizer | _Fast | str | os.PathLike[str]"

SAMPLE = 1000
"""Negatives that the constructor encodes both ways."""

IRREGULAR_TERMS, IRREGULAR_SHARE = 8, 0.01
"""So many terms, or this part of them, may send their negatives to the tokenizer whole: more, and it is refused."""

PADDING = ("[PAD]", "<pad>", "<|endoftext|>")
"""What tokenizers without padding of their own call it."""

ODD_WORDS = (
    *("n't", "'s", "``", "''", "--", "...", ".", "!", "?!", "(", "/", "3.14", "1,000", "2", "½", "ii"),
    *("é", "e\u0301", "\u0301", "\u00b4", "\u00a8", "ß", "ς", "i\u0307", "ﬁ", "o\u0308o", "naïve"),
    *("中", "中文", "日本語", "한국", "ไทย", "שלום", "سلام", "мир", "ñandú", "a中b", "🙂", "👩\u200d🚀"),
    *("\u200b", "x\u200b", "\u200bx", "\u00ad", "\ufeff", "\x07", "\ufffd", "▁", "▁x", "Ġ", "##s", "x" * 120),
    *("[SEP]", "[sep]", "[MASK]", "<s>", "</s>", "<mask>", "<pad>", "[UNK]", "<unk>", "a", "the"),
)
"""Words that one tokenizer or another treats in its own way; the check sets each beside each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedNegatives:
    """Model inputs of n negatives.

    Attributes:
        input_ids: token ids, padded on the right; int64, shape (n, T).
        attention_mask: 1 for a token and 0 for padding; int64, shape (n, T).
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.input_ids)


class NegativeEncoder:
    """Makes the token ids of hard negatives, equal, id for id, to tokenising the text of `Augmenter.augment`.

    The ids of every term of the table are computed once, and a negative is put together from them; words that the
    table does not hold go through the tokenizer when they first come. The tokenizer must be word-compositional: the
    ids of a text are those of its words, one after another. That holds for BERT's WordPiece, for byte-level BPE
    (RoBERTa, GPT-2) and for Unigram over whitespace (XLM-R, T5). It is verified on a sample of negatives and on odd
    words set beside each other. Single words for which it does not hold (an added token that swallows the space
    behind it) are handled: negatives that hold one go to the tokenizer whole.

    The tokenizer given is never changed; its parts are shared, so it must not be trained afterwards. Memory: 8 bytes
    a term and 4 a token id, twice where the first word of a text has other ids than a later one.

    Args:
        augmenter: what draws the negatives; its surface must be "reference".
        tokenizer: a `tokenizers.Tokenizer`, a fast tokenizer of transformers, or the path of a tokenizer.json.
        max_length: tokens a negative may have, special tokens included; longer ones are cut on the right.
        pad_to_multiple_of: T is the longest negative rounded up to a multiple of this, and at most `max_length`.
        pad_id: the id of padding; by default the tokenizer's own.
        sample: sentences whose negatives are verified; by default made up from the terms of the table.
        cache: words beyond the table whose ids are kept.

    Raises:
        OptionError: for a tokenizer that is not word-compositional (the message has the first text that differs, and
            both lists of ids), that cuts or pads on the left, or that has no padding; for another surface.
        MissingExtraError: without tokenizers.
    """

    def __init__(
        self,
        augmenter: Augmenter,
        tokenizer: TokenizerLike,
        *,
        max_length: int,
        pad_to_multiple_of: int = 8,
        pad_id: int | None = None,
        sample: Iterable[str] | None = None,
        cache: int = 1 << 16,
    ) -> None:
        if augmenter.surface != "reference":
            raise OptionError(f'token ids need surface="reference", not {augmenter.surface!r}')
        if pad_to_multiple_of < 1:
            raise OptionError(f"pad_to_multiple_of must be at least 1, not {pad_to_multiple_of}")
        if cache < 0:
            raise OptionError(f"cache must be at least 0, not {cache}")
        self._augmenter = augmenter
        self._multiple = pad_to_multiple_of
        self.max_length = max_length
        original = backend_of(tokenizer)
        _check_sides(tokenizer, original)
        self.pad_id = _pad_id(tokenizer, original) if pad_id is None else pad_id
        self._backend = plain_copy(original)
        _refuse_spanning_tokens(self._backend)
        prefix, suffix = _special_ids(self._backend)
        self._core = _core.Encoder(
            augmenter._core,
            self._tokenize,
            prefix=prefix,
            suffix=suffix,
            pad_id=self.pad_id,
            max_length=max(max_length, 0),
            cache=cache,
        )
        self._verify(sample)

    def encode(
        self,
        sentences: Iterable[str],
        *,
        rows: ArrayLike | None = None,
        epoch: int = 0,
        view: int = 0,
        out: tuple[Any, Any] | None = None,
    ) -> EncodedNegatives:
        """The token ids of one negative for each sentence: of those that `Augmenter.augment` gives.

        Args:
            sentences: any iterable of str; their text is not copied.
            rows: the row of each sentence in its corpus, whole numbers, shape (n,); by default 0 .. n - 1.
            epoch: the pass over the corpus.
            view: which of several negatives of the same row in the same epoch.
            out: memory for input_ids and attention_mask, such as that of pinned tensors (`tensor.numpy()`): int64,
                C-contiguous, at least n * T numbers each, in any shape. The result is a view of their beginning.

        Returns:
            input_ids and attention_mask of n negatives.

        Raises:
            InputError: for an item that is no str, or no Unicode text.
            OptionError: for rows of another length, or memory that cannot be used.
        """
        if not isinstance(sentences, Sequence):
            sentences = list(sentences)
        keys = check_keys(rows, len(sentences), epoch, view)
        threads = self._augmenter.threads
        tokens = self._augmenter.table._tokens(sentences, spans=False)
        drawn = self._core.draw(sentences, tokens=tokens, rows=keys, epoch=epoch, view=view, threads=threads)
        return self._assemble(drawn, out)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self._backend.encode_batch_fast(texts, add_special_tokens=False)]

    def _assemble(self, drawn: _core.DrawnWords, out: tuple[Any, Any] | None = None) -> EncodedNegatives:
        encoded = self._core.assemble(drawn, self._tokenize)
        n, longest = len(encoded), encoded.longest
        width = min(-(-longest // self._multiple) * self._multiple, self.max_length)
        if out is None:
            ids, mask = np.empty((n, width), np.int64), np.empty((n, width), np.int64)
        else:
            ids, mask = (_memory(buffer, n, width) for buffer in out)
            if np.may_share_memory(ids, mask):
                raise OptionError("out must be two buffers that share no memory")
        encoded.fill(ids, mask)
        return EncodedNegatives(input_ids=ids, attention_mask=mask)

    def _verify(self, sample: Iterable[str] | None) -> None:
        """Encodes texts both ways, and refuses the tokenizer on the first difference."""
        self._refuse_irregular()
        terms = self._augmenter.table.terms
        sentences = list(islice(_made_up(terms) if sample is None else sample, SAMPLE))
        self._compare(self._augmenter.augment(sentences), self.encode(sentences))
        rows = [*_odd_rows(terms), *_spanning_rows(self._backend)]
        self._compare([" ".join(row) for row in rows], self._assemble(self._core.compose(rows)))

    def _compare(self, texts: list[str], encoded: EncodedNegatives) -> None:
        self._backend.enable_truncation(self.max_length)
        expected = [encoding.ids for encoding in self._backend.encode_batch_fast(texts)]
        self._backend.no_truncation()
        lengths = encoded.attention_mask.sum(axis=1).tolist()
        for text, ids, row, length in zip(texts, expected, encoded.input_ids, lengths, strict=True):
            if row[:length].tolist() != ids:
                _refuse(text, ids, row[:length].tolist())

    def _refuse_irregular(self) -> None:
        ranks = self._core.irregular_terms()
        if len(ranks) <= max(IRREGULAR_TERMS, IRREGULAR_SHARE * len(self._augmenter.table)):
            return
        term = self._augmenter.table.terms[ranks[0]]
        text = f"{term} a {term} a {term}"
        whole, alone, anchor, twice = self._tokenize([text, term, "a", "a a"])
        _refuse(text, whole, [*alone, *(twice[len(anchor) :] + alone) * 2])


def _refuse(text: str, expected: list[int], composed: list[int]) -> None:
    raise OptionError(
        f"the tokenizer is not word-compositional: {text!r} is {expected}, but {composed} word by word"
    )


def backend_of(tokenizer: TokenizerLike, what: str = "a negative as token ids") -> Tokenizer:
    """The compiled half of a tokenizer; `what` needs it.

    Raises:
        OptionError: for what is no fast tokenizer.
        MissingExtraError: without tokenizers.
    """
    require(what, "tokenizers")
    from tokenizers import Tokenizer

    if isinstance(tokenizer, str | os.PathLike):
        try:
            return Tokenizer.from_file(os.fspath(tokenizer))
        except Exception as error:  # the only kind that tokenizers raises
            raise OptionError(f"tokenizer {os.fspath(tokenizer)!r} cannot be loaded: {error}") from error
    if isinstance(tokenizer, _Fast):
        tokenizer = tokenizer.backend_tokenizer
    if not isinstance(tokenizer, Tokenizer):
        raise OptionError(
            "tokenizer must be a tokenizers.Tokenizer, a fast tokenizer of transformers or the path of a "
            f"tokenizer.json, not {type(tokenizer).__name__}"
        )
    return tokenizer


def plain_copy(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer of the same parts that neither cuts nor pads.

    Not by way of JSON: that moves the scores of a Unigram model by a last bit, and breaks ties the other way.
    """
    from tokenizers import Tokenizer

    copy = Tokenizer(tokenizer.model)
    copy.normalizer = tokenizer.normalizer
    copy.pre_tokenizer = tokenizer.pre_tokenizer
    copy.post_processor = tokenizer.post_processor
    for _, token in sorted(tokenizer.get_added_tokens_decoder().items()):
        (copy.add_special_tokens if token.special else copy.add_tokens)([token])
    copy.encode_special_tokens = tokenizer.encode_special_tokens
    if copy.get_vocab() != tokenizer.get_vocab():
        raise OptionError("the tokenizer has added tokens with ids out of order")
    return copy


def _check_sides(tokenizer: TokenizerLike, backend: Tokenizer) -> None:
    truncation, padding = backend.truncation or {}, backend.padding or {}
    sides = {
        "cuts": getattr(tokenizer, "truncation_side", truncation.get("direction", "right")),
        "pads": getattr(tokenizer, "padding_side", padding.get("direction", "right")),
    }
    for verb, side in sides.items():
        if side.lower() != "right":
            raise OptionError(f"the tokenizer {verb} on the {side.lower()}; negatives need the right")


def _pad_id(tokenizer: TokenizerLike, backend: Tokenizer) -> int:
    own = getattr(tokenizer, "pad_token_id", None)
    if own is None and backend.padding is not None:
        own = backend.padding["pad_id"]
    candidates = (own, *map(backend.token_to_id, PADDING))
    found = next((candidate for candidate in candidates if candidate is not None), None)
    if found is None:
        raise OptionError("the tokenizer has no pad token: give pad_id")
    return int(found)


def _refuse_spanning_tokens(backend: Tokenizer) -> None:
    """Added tokens are found in the text before it is cut into words."""
    for token in backend.get_added_tokens_decoder().values():
        if len(token.content.split()) > 1:
            raise OptionError(
                f"the tokenizer is not word-compositional: its added token {token.content!r} spans words"
            )


def _special_ids(backend: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids before and after every text."""
    encoding = backend.encode("a")
    inside = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence is not None]
    if not inside:
        raise OptionError(f"the tokenizer gives 'a' no token of its own: {encoding.ids}")
    return encoding.ids[: inside[0]], encoding.ids[inside[-1] + 1 :]


def _made_up(terms: list[str]) -> Iterator[str]:
    """Sentences of terms of the table, some of them empty and some too long."""
    draw = random.Random(0)
    for _ in range(SAMPLE):
        yield " ".join(draw.choices(terms, k=draw.choice((0, 1, 2, 8, 16, 32, 200))))


def _odd_rows(terms: list[str]) -> Iterator[list[str]]:
    """Each odd word beside each, and beside terms of the table."""
    draw = random.Random(0)
    for left, right in product(ODD_WORDS, repeat=2):
        yield [left, right]
        yield [draw.choice(terms), left, right, draw.choice(terms)]
    for word in ODD_WORDS:
        yield [word]
        yield [word, *draw.choices(terms, k=2), word]


def _spanning_rows(backend: Tokenizer) -> Iterator[list[str]]:
    """The words of pieces that hold a space before a letter: a tokenizer that can use them joins words."""
    found = 0
    for piece in sorted(backend.get_vocab()):
        text = piece.replace("▁", " ").replace("Ġ", " ").lstrip()
        if " " in text and found < SAMPLE:
            found += 1
            yield [*text.split(), "a"]


def _memory(buffer: Any, n: int, width: int) -> NDArray[np.int64]:
    """The first n * width numbers of a buffer, as a matrix."""
    if not isinstance(buffer, np.ndarray) and not hasattr(buffer, "__array_interface__"):
        try:
            buffer = memoryview(buffer)
        except TypeError as error:
            raise OptionError(f"out must be two buffers of int64, not {type(buffer).__name__}") from error
    array: NDArray[Any] = np.asarray(buffer)
    if array.dtype != np.int64 or not array.flags.c_contiguous or not array.flags.writeable:
        raise OptionError("out must be two buffers of int64, C-contiguous and writeable")
    if array.size < n * width:
        raise OptionError(f"out must hold {n} rows of {width}, but one has room for {array.size} ids")
    return array.reshape(-1)[: n * width].reshape(n, width)
