"""An encoder for evaluation: texts in, one float32 vector a text out, no dropout and no training head."""

import os
from collections.abc import Sequence
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from una_fast.checks import whole
from una_fast.encoder.backbone import (
    check_cls,
    check_vocabulary,
    choose_device,
    input_names,
    load_backbone,
    load_tokenizer,
    position_limit,
    tokenise,
)
from una_fast.encoder.hub_files import (
    default_prompt,
    file_of,
    modules_of,
    read_json,
    require_model,
    text_settings,
)
from una_fast.encoder.pooling import Pooling, pool, token_states
from una_fast.encoder.static import is_static
from una_fast.encoder.token_weights import WEIGHTS, weights_for
from una_fast.errors import OptionError
from una_fast.table import TermTable

__all__ = ["ELSEWHERE", "Encoder", "declared_pooling", "load_encoder"]


class Encoder:
    """A transformer, its tokenizer and a pooling: the test-time form of a sentence encoder."""

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        pooling: Pooling,
        max_length: int | None = None,
        token_weights: Tensor | None = None,
        device: torch.device | None = None,
        lowercase: bool = False,
        prompt: str = "",
    ) -> None:
        """Wrap a loaded model; nothing is copied.

        Args:
            backbone: The transformer; it is moved to `device` where one is given.
            tokenizer: It pads on the right.
            pooling: "cls", "mean", "first_last_mean" or "idf_mean", see `una_fast.encoder.pooling.pool`.
            max_length: Tokens read of a text, special ones included, at most (and by default) as many as the model
                has positions.
            token_weights: For "idf_mean", by token id, shape (V,).
            device: Where to compute; by default where the model is.
            lowercase: Lower the case of the texts first, for models whose tokenizer does not.
            prompt: Put before every text.

        Raises:
            OptionError: `max_length` leaves no room for text, or the tokenizer has tokens that the model has not.
        """
        check_vocabulary(backbone, tokenizer)
        limit = position_limit(backbone, tokenizer)
        if device is not None:
            nn.Module.to(backbone, device)
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.max_length = limit if max_length is None else min(_checked_length(max_length, tokenizer), limit)
        self.lowercase = lowercase
        self.prompt = prompt
        self._names = input_names(backbone)
        self.token_weights = None if token_weights is None else token_weights.to(backbone.device)

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Encode the sentences as one batch, in float32 and without dropout.

        Returns:
            Shape (len(sentences), D), not normalised.
        """
        texts = [self.prompt + sentence for sentence in sentences] if self.prompt else sentences
        texts = [text.lower() for text in texts] if self.lowercase else texts
        inputs = tokenise(self.tokenizer, texts, max_length=self.max_length, names=self._names)
        device = self.backbone.device
        was_training = self.backbone.training
        self.backbone.train(False)
        try:
            with torch.inference_mode():
                moved = {name: value.to(device) for name, value in inputs.items()}
                states = token_states(self.backbone, moved, self.pooling)
                vectors = pool(states, moved, self.pooling, self.token_weights)
        finally:
            self.backbone.train(was_training)
        return cast("NDArray[np.float32]", vectors.float().cpu().numpy())


def load_encoder(
    model: str | os.PathLike[str],
    *,
    pooling: Literal["auto", "cls", "mean", "first_last_mean", "idf_mean"] = "auto",
    table: TermTable | None = None,
    device: str = "auto",
    max_length: int | None = None,
) -> Encoder:
    """Load an encoder from a folder or the Hugging Face hub.

    Args:
        model: A folder written by `una_fast.training.train` or sentence-transformers, or a hub name.
        pooling: "auto" reads what the model says in `1_Pooling/config.json`; a plain transformer says
            nothing, and then "cls", "mean", "first_last_mean" or "idf_mean" must be given.
        table: For "idf_mean" of a model that has no weights of tokens: the idf of tokens is taken from it, see
            `una_fast.encoder.token_weights`.
        device: "auto" or a torch device.
        max_length: Tokens read of a text; by default what the model says, else what its positions allow.

    Raises:
        OptionError: The model cannot be loaded, its pooling is unknown or not one of ours, or it has further
            layers (a dense one, say) that this encoder would silently leave out; `max_length` leaves no room for
            text.
    """
    name = os.fspath(model)
    require_model(name)
    if pooling != "auto" and pooling not in get_args(Pooling):
        known = ", ".join(map(repr, ("auto", *get_args(Pooling))))
        raise OptionError(f"pooling must be one of {known}, got {pooling!r}")
    chosen = _declared_or_refused(name) if pooling == "auto" else pooling
    if table is not None and chosen != "idf_mean":
        raise OptionError(f'pooling {chosen!r} takes no table: give pooling="idf_mean"')
    settings = text_settings(name)
    tokenizer = load_tokenizer(name)
    check_cls(tokenizer, name, chosen)
    backbone = load_backbone(name)
    return Encoder(
        backbone,
        tokenizer,
        pooling=chosen,
        token_weights=weights_for(name, backbone, tokenizer, table) if chosen == "idf_mean" else None,
        max_length=settings.get("max_seq_length") if max_length is None else max_length,
        device=choose_device(device),
        lowercase=bool(settings.get("do_lower_case", False)),
        prompt=_prompt(name),
    )


def _prompt(name: str) -> str:
    """The text that the model puts before every other.

    Raises:
        OptionError: It is one whose own tokens are left out of the mean.
    """
    prompt = default_prompt(name)
    pooling = read_json(name, f"{modules_of(name).get('Pooling', '1_Pooling')}/config.json") or {}
    if prompt and pooling.get("include_prompt") is False:
        raise OptionError(f"model {name!r} leaves its prompt {prompt!r} out of the mean: {ELSEWHERE}")
    return prompt


def _checked_length(max_length: int, tokenizer: PreTrainedTokenizerBase) -> int:
    """Refuses a length that special tokens take whole: every text would be the same vector."""
    special = tokenizer.num_special_tokens_to_add(pair=False)
    length = whole("max_length", max_length, least=1)
    if length <= special:
        raise OptionError(f"max_length must be above {special}, the number of special tokens, not {length}")
    return length


def _declared_or_refused(name: str) -> Pooling:
    declared = declared_pooling(name)
    if declared is None:
        raise OptionError(
            f"model {name!r} has no 1_Pooling/config.json to read the pooling from: "
            f'give pooling="cls", "mean", "first_last_mean" or "idf_mean"'
        )
    return declared


def declared_pooling(name: str) -> Pooling | None:
    """The pooling that a model's own files declare, in the notation of any sentence-transformers release.

    Returns:
        "cls", "mean", "first_last_mean" or "idf_mean"; None for a plain transformer, which declares nothing.

    Raises:
        OptionError: The model pools otherwise, or has further layers.
    """
    modules = modules_of(name)
    _refuse_further_modules(name, modules)
    if is_static(name):
        return "mean"
    config = read_json(name, f"{modules.get('Pooling', '1_Pooling')}/config.json")
    if config is None:
        return None
    mode = config.get("pooling_mode")
    modes = [mode] if isinstance(mode, str) else list(mode or [])
    modes += [key for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
    known: dict[str, Pooling] = {
        "cls": "cls",
        "mean": "mean",
        "pooling_mode_cls_token": "cls",
        "pooling_mode_mean_tokens": "mean",
    }
    if len(modes) != 1 or modes[0] not in known:
        raise OptionError(f"model {name!r} pools by {modes}; only cls and mean are read here: {ELSEWHERE}")
    if WEIGHTS in modules:
        if known[modes[0]] != "mean" or LAYERS in modules:
            raise OptionError(f"model {name!r} weights its tokens, and then pools by {modes}: {ELSEWHERE}")
        return "idf_mean"
    if LAYERS not in modules:
        return known[modes[0]]
    if modes[0] not in ("mean", "pooling_mode_mean_tokens") or not _first_and_last(name, modules[LAYERS]):
        raise OptionError(f"model {name!r} weights its layers otherwise than first and last: {ELSEWHERE}")
    return "first_last_mean"


ELSEWHERE = "load it with sentence-transformers and pass that object"


LAYERS = "WeightedLayerPooling"
"""The module by which sentence-transformers mixes layers: ours, for "first_last_mean", takes the first and the last."""


def _refuse_further_modules(name: str, modules: dict[str, str]) -> None:
    further = [
        kind
        for kind in modules
        if kind not in ("Transformer", LAYERS, WEIGHTS, "Pooling", "Normalize", "StaticEmbedding")
    ]
    if further:
        raise OptionError(f"model {name!r} has further modules {further}: {ELSEWHERE}")


def _first_and_last(name: str, folder: str) -> bool:
    """Returns true where the layers after the embeddings are weighted 1, 0, ..., 0, 1."""
    config = read_json(name, f"{folder}/config.json") or {}
    path = file_of(name, f"{folder}/model.safetensors")
    if config.get("layer_start") != 1 or path is None:
        return False
    weights = load_file(path).get("layer_weights", torch.empty(0)).tolist()
    return weights[:1] == weights[-1:] == [1.0] and not any(weights[1:-1])
