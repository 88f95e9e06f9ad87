"""The pretrained transformer under every encoder: loading it and feeding it.

Training and evaluation share these functions, so that a text becomes the same vector in both.
"""

import hashlib
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from una_fast.encoder.hub_files import place_of
from una_fast.encoder.static import is_static, load_static, load_static_tokenizer
from una_fast.errors import OptionError
from una_fast.progress import quiet_transformers

__all__ = [
    "LOAD_ERRORS",
    "check_cls",
    "check_complete",
    "check_vocabulary",
    "choose_device",
    "choose_precision",
    "fault_of_weights",
    "input_names",
    "load_backbone",
    "load_tokenizer",
    "position_limit",
    "positions_of",
    "tokenise",
    "weights_digest",
]

PAD_MULTIPLE = 8
"""Batches are padded to a multiple of so many tokens: few distinct shapes, widths that tensor cores like."""

LONGEST_INPUT = 512
"""Tokens read of a text where neither the tokenizer nor the positions of the model set a limit."""

DROPOUT_OPTIONS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "dropout_rate",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)
"""The names under which model families keep the dropout of hidden states and of attention weights."""


LOAD_ERRORS = (OSError, ValueError, EOFError, RuntimeError, SafetensorError, UnpicklingError)
"""The errors in which a file of weights that is missing, damaged, or of another model ends."""


def choose_device(name: str = "auto") -> torch.device:
    """Resolve a device name; "auto" is CUDA where there is one, then MPS, then the CPU.

    Raises:
        OptionError: `name` is no torch device, or CUDA is asked for where there is none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f'device must be "auto" or one that torch knows, got {name!r}') from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device is {name!r}, but torch finds no CUDA device")
    return torch.device("cuda", torch.cuda.current_device()) if name == "cuda" else device


def choose_precision(asked: str, device: torch.device) -> str:
    """The type of products inside a model: "float32" or "bfloat16"; "auto" is bfloat16 on a GPU that can."""
    if asked != "auto":
        return asked
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over the names and the bytes of all weights."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def load_backbone(model: str | os.PathLike[str], *, dropout: float | None = None) -> PreTrainedModel:
    """Load a transformer's weights in float32, without the pooler that sentence encoders do not use.

    Code that a model brings along is never run, nor asked about.

    Args:
        model: A folder, or a name on the Hugging Face hub.
        dropout: Replaces the hidden and attention dropout of the model's own configuration.

    Raises:
        OptionError: `model` cannot be loaded, or `dropout` is set and its family has no known name for it.
    """
    name = os.fspath(model)
    if is_static(name):
        return load_static(name, dropout=dropout)
    source = _source_of(name)
    try:
        config = AutoConfig.from_pretrained(**source, trust_remote_code=False)
        if dropout is not None:
            _set_dropout(config, dropout, name)
        with quiet_transformers():
            backbone = _without_pooler(name, source, config)
    except LOAD_ERRORS as error:
        if isinstance(error, OptionError):
            raise
        fault = fault_of_weights(Path(source["pretrained_model_name_or_path"])) or error
        raise OptionError(f"model {name!r} cannot be loaded: {fault}") from error
    if "attention_mask" not in input_names(backbone):
        raise OptionError(
            f"model {name!r} ({config.model_type}) takes no attention mask: a text's vector would depend on the texts "
            "beside it"
        )
    # Recent releases load in the type that was saved; training and our scores are defined in float32.
    nn.Module.to(backbone, torch.float32)
    return backbone


def fault_of_weights(folder: Path) -> str | None:
    """The reason why a folder's files of weights cannot be read, where their first bytes tell; loaders do not."""
    for path in sorted(path for suffix in ("safetensors", "bin") for path in folder.glob(f"*.{suffix}")):
        with path.open("rb") as file:
            head = file.read(len(_LFS_POINTER))
        if not head:
            return f"{path} is empty"
        if head == _LFS_POINTER:
            return (
                f"{path} is a Git LFS pointer and not the file itself: run `git lfs pull` in its repository"
            )
        if path.suffix == ".safetensors" and not _has_whole_header(path):
            return f"{path} is no safetensors file, or cut off or damaged"
    return None


def _has_whole_header(path: Path) -> bool:
    try:
        with safe_open(path, framework="numpy"):
            return True
    except (SafetensorError, OSError):
        return False


_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def check_complete(name: str, found: Mapping[str, Any]) -> None:
    """Refuse weights that lack tensors of their model: those are drawn at random, and nothing says so.

    Args:
        name: The model.
        found: What `from_pretrained(output_loading_info=True)` tells. No pooling here asks for a pooler.

    Raises:
        OptionError: Some are missing.
    """
    missing = sorted(key for key in found["missing_keys"] if "pooler" not in key)
    if missing:
        raise OptionError(
            f"model {name!r} cannot be loaded: its file of weights lacks {len(missing)} of the model's tensors, "
            f"{missing[0]!r} for one; it has {len(found['unexpected_keys'])} that the model has not"
        )


ENCODERS = ("t5", "mt5", "umt5")
"""Families of encoder and decoder of which the encoder alone is taken, as sentence-transformers does."""


def _source_of(name: str) -> dict[str, str]:
    """The place of a transformer as the loaders of its library take it."""
    place = place_of(name)
    if Path(name).is_dir():
        return {"pretrained_model_name_or_path": os.path.join(name, place) if place else name}
    return {"pretrained_model_name_or_path": name, **({"subfolder": place} if place else {})}


def _without_pooler(name: str, source: Mapping[str, str], config: PretrainedConfig) -> PreTrainedModel:
    options: dict[str, Any] = {
        **source,
        "config": config,
        "trust_remote_code": False,
        "output_loading_info": True,
    }
    if config.model_type in ENCODERS:
        model, found = AutoModelForTextEncoding.from_pretrained(**options)
    elif config.is_encoder_decoder:
        raise OptionError(
            f"model {name!r} ({config.model_type}) is an encoder and a decoder, of which no vector of a text is known; "
            f"the encoder alone is taken of {', '.join(ENCODERS)}"
        )
    else:
        model, found = _by_itself(options)
    check_complete(name, found)
    if not isinstance(model, PreTrainedModel):
        raise OptionError(f"model {name!r} is not a transformer: got {type(model).__name__}")
    return model


def _by_itself(options: Mapping[str, Any]) -> tuple[Any, Any]:
    try:
        model, found = AutoModel.from_pretrained(**options, add_pooling_layer=False)
    except TypeError as error:
        # Families without a pooler (DistilBERT and others) do not know the option.
        if "add_pooling_layer" not in str(error):
            raise
        model, found = AutoModel.from_pretrained(**options)
    return model, found


def _set_dropout(config: PretrainedConfig, dropout: float, name: str) -> None:
    present = [option for option in DROPOUT_OPTIONS if hasattr(config, option)]
    if not present:
        raise OptionError(f"dropout={dropout} cannot be set: the configuration of {name!r} has none")
    for option in present:
        setattr(config, option, dropout)


def load_tokenizer(model: str | os.PathLike[str]) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model, set to pad on the right so that [CLS] stays at position 0.

    Raises:
        OptionError: There is no tokenizer, or it has no pad token.
    """
    name = os.fspath(model)
    if is_static(name):
        return load_static_tokenizer(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(**_source_of(name), trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise OptionError(f"the tokenizer of model {name!r} cannot be loaded: {error}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise OptionError(f"model {name!r} has a tokenizer of unknown kind {type(tokenizer).__name__}")
    if tokenizer.pad_token_id is None:
        raise OptionError(f"the tokenizer of model {name!r} has no pad token, which batches need")
    tokenizer.padding_side = "right"
    return tokenizer


def check_cls(tokenizer: PreTrainedTokenizerBase, name: str, pooling: str) -> None:
    """Refuse a pooling that reads position 0 where the tokenizer puts no [CLS] there.

    Raises:
        OptionError: Texts do not begin with the tokenizer's [CLS] token.
    """
    if pooling in ("mean", "first_last_mean", "idf_mean"):
        return
    first = tokenizer("a")["input_ids"][0]
    if tokenizer.cls_token_id is None or first != tokenizer.cls_token_id:
        raise OptionError(
            f"pooling={pooling!r} reads the [CLS] token, but the tokenizer of model {name!r} "
            f'puts none first: use pooling="mean"'
        )


def check_vocabulary(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer with tokens for which the model has no embedding.

    Raises:
        OptionError: It has some: tokens were added, and the model was not resized.
    """
    try:
        weight: Any = backbone.get_input_embeddings().weight  # its methods carry no types
    except NotImplementedError as error:
        raise OptionError(
            f"model {backbone.name_or_path!r} ({backbone.config.model_type}) embeds more than tokens: it is no "
            "model of text alone"
        ) from error
    embedded = len(weight)
    if len(tokenizer) > embedded:
        raise OptionError(
            f"the tokenizer of model {backbone.name_or_path!r} has {len(tokenizer)} tokens, and the model embeds "
            f"{embedded}: resize its embeddings, or take the tokenizer that it was made with"
        )


def position_limit(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a text may have: the least of what tokenizer and position embeddings allow."""
    limit = min(int(tokenizer.model_max_length), 10**9)
    positions = positions_of(backbone.config)
    if positions is not None:
        limit = min(limit, positions - _reserved_positions(backbone))
    return limit if limit < 10**6 else LONGEST_INPUT


def positions_of(config: PretrainedConfig) -> int | None:
    """Positions that a model has; None where there is no limit, for which families say nothing, 0 or -1."""
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions) if positions is not None and int(positions) > 0 else None


def _reserved_positions(backbone: PreTrainedModel) -> int:
    """Leading position embeddings that no token uses: RoBERTa counts positions from its padding index + 1."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def input_names(backbone: nn.Module) -> frozenset[str]:
    """The tokenizer outputs that the model's forward takes: not every family takes token types."""
    parameters = inspect.signature(backbone.forward).parameters
    return frozenset({"input_ids", "attention_mask", "token_type_ids"} & set(parameters))


def tokenise(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_length: int, names: frozenset[str]
) -> dict[str, Tensor]:
    """Turn texts into padded model inputs with one call of the tokenizer.

    Args:
        tokenizer: It pads on the right.
        texts: B texts; those over `max_length` tokens are cut.
        max_length: Tokens a text may have, special tokens included.
        names: The inputs to keep, see `input_names`.

    Returns:
        For each name an int64 tensor of shape (B, T): T is the longest text rounded up to a multiple of 8,
        and at most `max_length`.
    """
    encoded = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_length,
        padding="longest",
        return_attention_mask=True,
        return_tensors="np",
    )
    longest = encoded["input_ids"].shape[1]
    # Texts without any token, where the tokenizer adds none either, are one token of padding.
    width = max(longest, min(-(-max(longest, 1) // PAD_MULTIPLE) * PAD_MULTIPLE, max_length))
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    return {
        name: torch.from_numpy(_widened(encoded[name], width, fill.get(name, 0)))
        for name in sorted(names)
        if name in encoded
    }


def _widened(rows: NDArray[Any], width: int, fill: Any) -> NDArray[np.int64]:
    # By NumPy, as a thread that calls torch's own loops has threads of its own from then on: see `data.BatchBuilder`.
    room = ((0, 0), (0, width - rows.shape[1]))
    return np.pad(rows.astype(np.int64), room, constant_values=fill)
