"""Other measures of what a word matters to its sentence than TF-IDF: which words go is then decided by these.

What replaces a word is decided by the table's ranks as before.
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from una_fast.encoder.backbone import (
    choose_device,
    input_names,
    load_backbone,
    load_tokenizer,
    position_limit,
    tokenise,
)
from una_fast.errors import OptionError

if TYPE_CHECKING:
    from una_fast.augment import Augmenter, Explanation
    from una_fast.table import TermTable, Tokens

__all__ = ["AttentionWeights", "WeightedNegatives", "idf_weights"]

Weights = NDArray[np.float64]
Weigh = Callable[[str, "Tokens"], Weights]
"""From a sentence and its L tokens to a weight a token, shape (L,), finite and not negative."""


class WeightedNegatives:
    """An augmenter whose words are chosen by another measure: a `NegativeSource` for training.

    A negative is a function of (seed, epoch, row, view, sentence, settings) as long as the weights are one of the
    sentence.
    """

    def __init__(self, augmenter: "Augmenter", weigh: Weigh) -> None:
        self._augmenter = augmenter
        self._weigh = weigh

    def augment(
        self, sentences: Sequence[str], *, rows: NDArray[np.int64], epoch: int = 0, view: int = 0
    ) -> list[str]:
        """One negative a sentence, see `una_fast.Augmenter.augment`."""
        weights = self.weights(sentences)
        return self._augmenter.augment(sentences, rows=rows, epoch=epoch, view=view, weights=weights)

    def explain(self, sentence: str, *, row: int = 0, epoch: int = 0, view: int = 0) -> "Explanation":
        """Explains a negative, see `una_fast.Augmenter.explain`."""
        (weights,) = self.weights([sentence])
        return self._augmenter.explain(sentence, row=row, epoch=epoch, view=view, weights=weights)

    def weights(self, sentences: Sequence[str]) -> list[Weights]:
        """The weights of the tokens of each sentence."""
        tokens = self._augmenter.table.tokenize(sentences)
        return [self._weigh(sentence, each) for sentence, each in zip(sentences, tokens, strict=True)]


def idf_weights(table: "TermTable") -> Weigh:
    """The inverse document frequency of each token, however often it stands in its sentence: ln(N / df).

    A term that the table does not hold has a document frequency of 1, as everywhere.
    """
    unseen = math.log(table.n_documents)

    def weigh(_sentence: str, tokens: "Tokens") -> Weights:
        found = [table[term].idf if term in table else unseen for term in tokens.texts]
        return np.array(found, np.float64)

    return weigh


class AttentionWeights:
    """The attention that each token receives from the others, in the last layer of an encoder.

    The weight of a word piece is the mean over heads and over all other pieces of the attention that these pay to it;
    special tokens neither pay nor receive. A token's weight is the sum over the pieces whose first character lies in
    it. What lies beyond the positions of the model has weight 0. Each sentence is encoded by itself, without dropout,
    so that its weights do not depend on its batch.
    """

    def __init__(self, model: str | os.PathLike[str], *, device: str = "auto") -> None:
        """Load the encoder, in a form that gives its attention away.

        Raises:
            OptionError: It cannot be loaded, its tokenizer does not tell which characters a piece covers, or its
                family does not give its attention.
        """
        self._tokenizer = load_tokenizer(model)
        if not self._tokenizer.is_fast:
            raise OptionError(
                f'importance="attention" needs a fast tokenizer, which model {str(model)!r} has not'
            )
        backbone: Any = load_backbone(model)  # its methods carry no types
        backbone.set_attn_implementation("eager")
        self._backbone = backbone.to(choose_device(device)).eval()
        self._names = input_names(self._backbone)
        self._limit = position_limit(self._backbone, self._tokenizer)

    def __call__(self, sentence: str, tokens: "Tokens") -> Weights:
        """The weights of a sentence's L tokens, shape (L,)."""
        encoded = self._tokenizer(
            sentence,
            truncation=True,
            max_length=self._limit,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        ordinary = np.flatnonzero(np.asarray(encoded["special_tokens_mask"]) == 0)
        received = received_attention(self._attention(sentence), ordinary)
        return _by_token(received, np.asarray(encoded["offset_mapping"])[ordinary, 0], tokens.spans)

    def _attention(self, sentence: str) -> Weights:
        """Mean over the heads of the last layer, shape (T, T): row i is what piece i pays to each."""
        inputs = tokenise(self._tokenizer, [sentence], max_length=self._limit, names=self._names)
        with torch.inference_mode():
            moved = {name: value.to(self._backbone.device) for name, value in inputs.items()}
            attention: Tensor = self._backbone(**moved, output_attentions=True).attentions[-1]
        mean: Weights = attention[0].mean(dim=0).double().cpu().numpy()
        return mean


def received_attention(attention: Weights, ordinary: NDArray[np.intp]) -> Weights:
    """The attention that each ordinary piece receives from the other ordinary ones, on average.

    Args:
        attention: Shape (T, T), from row to column.
        ordinary: The n pieces that are neither special nor padding.

    Returns:
        Shape (n,); 0 for a piece that is alone.
    """
    among = attention[np.ix_(ordinary, ordinary)]
    others = max(1, len(ordinary) - 1)
    received: Weights = (among.sum(axis=0) - np.diag(among)) / others
    return received


def _by_token(received: Weights, starts: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> Weights:
    """Sum pieces to the tokens in whose span (start, end) they begin, shape (L,)."""
    ends = np.array([end for _, end in spans], np.int64)
    token = np.searchsorted(ends, starts, side="right")
    inside = token < len(spans)
    return np.bincount(token[inside], weights=received[inside], minlength=len(spans)).astype(np.float64)
