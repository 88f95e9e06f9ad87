"""Weights of tokens in a mean: the idf of a term table, or what a model brings along.

A token's idf is that of the terms that it is a part of (`una_fast.static_embedding` says how); special tokens stand in
every text, and so have an idf of 0. sentence-transformers knows such weights as its module `WordWeights`.
"""

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from una_fast.encoder.hub_files import file_of, modules_of
from una_fast.encoder.static import StaticBackbone
from una_fast.errors import ArtifactError, OptionError
from una_fast.static import idf_of_tokens
from una_fast.table import TermTable

__all__ = ["TENSOR", "WEIGHTS", "declared_weights", "idf_weights", "weights_for"]

WEIGHTS = "WordWeights"
"""The module of sentence-transformers, and the name under which a saved model has its weights."""

TENSOR = "emb_layer.weight"


def weights_for(
    name: str, backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, table: TermTable | None
) -> Tensor:
    """The weights of a model's tokens, by id, float32 of shape (V,): those of a table, or else its own.

    Raises:
        OptionError: There is neither; the model is static, whose vectors have weights in them.
        ArtifactError: The model's own are no weights, or not of its tokens.
    """
    if isinstance(backbone, StaticBackbone):
        raise OptionError(f"model {name!r} is static: its vectors are weighted themselves, if at all")
    rows = _rows(backbone)
    if table is not None:
        return idf_weights(table, tokenizer, rows)
    found = declared_weights(name)
    if found is None:
        raise OptionError(
            f'model {name!r} has no weights of its tokens: pooling "idf_mean" takes them from a term table'
        )
    if found.shape != (rows,) or not bool(torch.isfinite(found).all()) or bool((found < 0).any()):
        raise ArtifactError(
            f"model {name!r}: its {WEIGHTS} are of shape {tuple(found.shape)}, or not finite or negative; {rows} "
            "tokens need a weight each"
        )
    return found


def idf_weights(table: TermTable, tokenizer: PreTrainedTokenizerBase, rows: int) -> Tensor:
    """The idf of so many token ids, float32; 0 for special tokens, and for ids that no token has."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise OptionError('pooling "idf_mean" needs a fast tokenizer, which this model has not')
    weights = torch.zeros(rows)
    idf = torch.from_numpy(idf_of_tokens(table, backend)).float()[:rows]
    weights[: len(idf)] = idf
    weights[[i for i in tokenizer.all_special_ids if i < rows]] = 0.0
    return weights


def declared_weights(name: str) -> Tensor | None:
    """The weights that a model brings along, if it does.

    Raises:
        ArtifactError: Their file holds something else.
    """
    place = modules_of(name).get(WEIGHTS)
    path = None if place is None else file_of(name, f"{place}/model.safetensors")
    if path is None:
        return None
    try:
        weights: Any = load_file(path)[TENSOR]
    except Exception as error:
        raise ArtifactError(f"{path} holds no weights of tokens: {error}") from error
    made: Tensor = weights.float().reshape(-1)
    return made


def _rows(backbone: PreTrainedModel) -> int:
    embeddings: Any = backbone.get_input_embeddings()
    return len(embeddings.weight)
