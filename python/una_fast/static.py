"""Static encoders: one vector a token, whose mean is a text's. One is made of a term table, with nothing trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import numpy as np

from una_fast.checks import whole
from una_fast.encode import backend_of, plain_copy
from una_fast.errors import OptionError
from una_fast.extras import require
from una_fast.files import replacing_folder, write_text
from una_fast.table import as_sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from una_fast.encode import TokenizerLike
    from una_fast.table import TermTable

__all__ = ["StaticEmbedding", "idf_of_tokens", "static_embedding"]


class StaticEmbedding:
    """A vector for each token of a tokenizer; a text's is the mean of its tokens', without special tokens.

    What sentence-transformers calls by the same name: `save_pretrained` writes a folder that `SentenceTransformer`
    loads, `una_fast.training.train` starts from, and `una_fast.evaluation.evaluate_sts` scores.

    Attributes:
        tokenizer: a `tokenizers.Tokenizer`.
        vectors: float32, shape (V, D), by token id.
    """

    def __init__(self, tokenizer: Tokenizer, vectors: NDArray[np.float32]) -> None:
        self.tokenizer = tokenizer
        self.vectors = vectors

    def encode(self, sentences: Iterable[str]) -> NDArray[np.float32]:
        """The vectors of texts, float32, shape (n, D), not normalised; a text without a token is zero.

        Raises:
            InputError: for what are no sentences.
        """
        texts = list(as_sequence(sentences))
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        made = np.zeros((len(ids), self.vectors.shape[1]), np.float32)
        for row, tokens in enumerate(ids):
            if tokens:
                made[row] = self.vectors[tokens].mean(axis=0)
        return made

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Saves it as sentence-transformers does: whole or not at all.

        Raises:
            StorageError: where the system refuses.
            MissingExtraError: without safetensors.
        """
        save_file = require("save_pretrained", "safetensors.numpy").save_file
        with replacing_folder(Path(folder)) as place:
            save_file({"embedding.weight": self.vectors}, place / "model.safetensors")
            self.tokenizer.save(str(place / "tokenizer.json"))
            write_text(place / "modules.json", json.dumps(MODULES, indent=2) + "\n")
            write_text(place / "config_sentence_transformers.json", json.dumps(SETTINGS, indent=2) + "\n")

    def __repr__(self) -> str:
        rows, width = self.vectors.shape
        return f"StaticEmbedding({rows:,} tokens of {width} dimensions)"


MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}]
SETTINGS: dict[str, Any] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}


def static_embedding(
    table: TermTable,
    tokenizer: TokenizerLike,
    dim: int = 256,
    seed: int = 0,
    *,
    char_ngrams: tuple[int, int] | None = (3, 4),
) -> StaticEmbedding:
    """A static encoder of nothing but a table: random directions by spelling, each as long as the idf of its token.

    Directions drawn at random are nearly orthogonal, so that the cosine of two texts is about the weight of the tokens
    that they share. A token's direction is the sum of those of its n-grams of characters, the rarer the longer:
    *dance*, *dancer* and *dancing* lie near each other. Nothing is trained: it is a start, and the line that a trained
    encoder has to pass.

    The idf of a token is ln(N / df), its df the sum of those of the terms that it is a part of, and N at most; a token
    of no term has df = 1. Terms are tokenized as they stand at the start of a text and as they stand within one. A
    token without a letter or a digit weighs nothing: punctuation says how a text is set.

    Args:
        table: the fitted table.
        tokenizer: a `tokenizers.Tokenizer`, a fast tokenizer of transformers, or the path of a tokenizer.json.
        dim: width of the vectors.
        seed: of the draws, numpy's PCG64.
        char_ngrams: the least and the greatest length of n-grams, the marks of a word's start and of a token's end
            included; a token that is shorter is one of its own. None gives every token a direction of its own.

    Raises:
        OptionError: for a tokenizer or a number of another kind.
        MissingExtraError: without tokenizers.

    Source: vectors of words from n-grams of characters, Bojanowski et al. 2017, arXiv 1607.04606, section 3.2, which
        trains them.
    """
    whole("dim", dim, least=1, below=1 << 16)
    chosen = plain_copy(backend_of(tokenizer, "static_embedding"))
    weights = idf_of_tokens(table, chosen)
    rng = np.random.default_rng(whole("seed", seed))
    if char_ngrams is None:
        vectors = rng.standard_normal((len(weights), dim), np.float32)
    else:
        vectors = _directions(_spelt(chosen, len(weights)), *_lengths(char_ngrams), dim, rng)
    return StaticEmbedding(chosen, vectors * weights[:, None].astype(np.float32))


def idf_of_tokens(table: TermTable, tokenizer: Any) -> NDArray[np.float64]:
    """The idf of each token id, shape (V,), as `static_embedding` says it."""
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    df = np.zeros(size, np.float64)
    terms, counts = table.terms, table.df
    for first in range(0, len(terms), _AT_A_TIME):
        for term, count in zip(
            _tokens(tokenizer, terms[first : first + _AT_A_TIME]), counts[first:].tolist(), strict=False
        ):
            df[term] += count
    idf = np.log(table.n_documents / np.clip(df, 1, table.n_documents))
    written = tokenizer.decode_batch([[number] for number in range(size)], skip_special_tokens=False)
    idf[[not any(map(_says_something, text)) for text in written]] = 0.0
    return idf


def _says_something(character: str) -> bool:
    """True for letters and digits, marks of vowels, and what stands for a part of a character's bytes."""
    return character == "\ufffd" or category(character)[0] in "LMN"


def _lengths(char_ngrams: object) -> tuple[int, int]:
    if not (isinstance(char_ngrams, tuple | list) and len(char_ngrams) == 2):
        raise OptionError(f"char_ngrams must be two lengths, such as (3, 4), or None, got {char_ngrams!r}")
    least = whole("char_ngrams[0]", char_ngrams[0], least=1, below=1 << 8)
    return least, whole("char_ngrams[1]", char_ngrams[1], least=least, below=1 << 8)


def _spelt(tokenizer: Any, size: int) -> list[str]:
    """Each token between marks: one where a word starts, as the vocabulary has it, and one at the token's end."""
    tokens = [tokenizer.id_to_token(number) or "" for number in range(size)]
    mark = "\u0120" if any(token.startswith("\u0120") for token in tokens) else "\u2581"
    if any(token.startswith("##") for token in tokens):  # word pieces mark what is within a word
        tokens = [token[2:] if token.startswith("##") else mark + token for token in tokens]
    return [token + mark for token in tokens]


def _directions(
    spelt: Sequence[str], least: int, most: int, dim: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Vectors of length sqrt(dim), shape (V, D): sums of those of n-grams, drawn in the order of code points."""
    found = [sorted(_grams(text, least, most)) for text in spelt]
    numbers = {
        gram: number for number, gram in enumerate(sorted({gram for grams in found for gram in grams}))
    }
    tokens = np.repeat(np.arange(len(found)), [len(grams) for grams in found])
    grams = np.array([numbers[gram] for each in found for gram in each], np.int64)
    rarity = np.log((1 + len(spelt)) / np.bincount(grams, minlength=len(numbers)))
    order = np.argsort(grams, kind="stable")
    tokens, grams = tokens[order], grams[order]
    vectors = np.zeros((len(spelt), dim), np.float32)
    for first in range(0, len(numbers), _AT_A_TIME):
        count = min(_AT_A_TIME, len(numbers) - first)
        drawn = rng.standard_normal((count, dim), np.float32) * rarity[first : first + count, None].astype(
            np.float32
        )
        here = slice(*np.searchsorted(grams, (first, first + count)))
        np.add.at(vectors, tokens[here], drawn[grams[here] - first])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors *= np.sqrt(np.float32(dim)) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return vectors


def _grams(text: str, least: int, most: int) -> set[str]:
    """The n-grams of a text; the text where it is shorter."""
    return {
        text[start : start + n] for n in range(least, most + 1) for start in range(len(text) - n + 1)
    } or {text}


def _tokens(tokenizer: Any, terms: Sequence[str]) -> list[list[int]]:
    """The distinct tokens of each term, at the start of a text and after a space."""
    written = [
        tokenizer.encode_batch([before + term for term in terms], add_special_tokens=False)
        for before in ("", " ")
    ]
    return [sorted({*start.ids, *within.ids}) for start, within in zip(*written, strict=True)]


_AT_A_TIME = 1 << 14
