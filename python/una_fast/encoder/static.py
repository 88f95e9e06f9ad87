"""Static encoders as backbones: a vector a token, from a folder of StaticEmbedding or of model2vec.

They are trained, scored and saved like transformers with mean pooling. In training whole tokens are dropped, which
gives a text its two views.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput

from una_fast.encoder.hub_files import file_of, modules_of, read_json
from una_fast.errors import OptionError

__all__ = [
    "TOKEN_DROPOUT",
    "StaticBackbone",
    "is_static",
    "load_static",
    "load_static_tokenizer",
    "save_static",
]

TOKEN_DROPOUT = 0.2
"""The share of tokens that are dropped in training where `dropout` does not say it."""

_MODULE = "StaticEmbedding"


class StaticConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """What the rest of the package asks a model's configuration for."""

    model_type = "static"

    def __init__(
        self, vocab_size: int = 1, hidden_size: int = 1, token_dropout: float = 0.0, **kwargs: Any
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.token_dropout = token_dropout
        super().__init__(**kwargs)


class StaticBackbone(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Token ids to their vectors; of tokens that are unknown, to nothing, where the model leaves them out."""

    config_class = StaticConfig
    base_model_prefix = "static"

    def __init__(self, config: StaticConfig, *, vectors: Tensor, source: str, unknown: int | None) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(len(vectors), vectors.shape[1], _weight=vectors.float())
        self.source = source
        self.unknown = unknown

    def get_input_embeddings(self) -> nn.Module:
        """The table of vectors."""
        embeddings: nn.Module = self.embeddings
        return embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """Vectors of shape (B, T, D) for ids of shape (B, T); dropped tokens are zero, and the rest scaled up."""
        kept = attention_mask.bool()
        if self.unknown is not None:
            kept = kept & (input_ids != self.unknown)
        scale = kept.to(self.embeddings.weight.dtype).unsqueeze(-1)
        if self.training:
            scale = nn.functional.dropout(scale, self.config.token_dropout)
        return BaseModelOutput(last_hidden_state=self.embeddings(input_ids) * scale)


def is_static(name: str) -> bool:
    """Returns true for the folder or repository of a static encoder."""
    return _MODULE in modules_of(name) or _is_model2vec(name)


def _is_model2vec(name: str) -> bool:
    return (read_json(name, "config.json") or {}).get("model_type") == "model2vec"


def _place(name: str, file: str) -> Path:
    folder = modules_of(name).get(_MODULE, "").strip("./")
    path = file_of(name, f"{folder}/{file}".lstrip("/"))
    if path is None:
        raise OptionError(f"model {name!r} is a static encoder without {file}")
    return path


def load_static(name: str, *, dropout: float | None = None) -> StaticBackbone:
    """Load the vectors of a static encoder, in float32.

    Raises:
        OptionError: Its files are missing or damaged, or hold other tensors.
    """
    path = _place(name, "model.safetensors")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise OptionError(f"model {name!r} cannot be loaded: {path}: {error}") from error
    vectors = tensors.get("embedding.weight", tensors.get("embeddings"))
    if vectors is None or vectors.ndim != 2:
        raise OptionError(
            f"model {name!r}: {path} has {sorted(tensors)}, not the vectors of a static encoder"
        )
    if "mapping" in tensors:
        vectors = vectors[tensors["mapping"].long()]
    if "weights" in tensors:
        vectors = vectors.float() * tensors["weights"].float()[:, None]
    config = StaticConfig(
        vocab_size=len(vectors),
        hidden_size=vectors.shape[1],
        token_dropout=TOKEN_DROPOUT if dropout is None else dropout,
    )
    unknown = _unknown(_place(name, "tokenizer.json")) if _is_model2vec(name) else None
    return StaticBackbone(config, vectors=vectors, source=name, unknown=unknown)


def _unknown(path: Path) -> int | None:
    """The id of the token for what a tokenizer does not know, which model2vec leaves out."""
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    number = model.get("unk_id")
    if isinstance(model["vocab"], dict):
        number = model["vocab"].get(model.get("unk_token"))
    return None if number is None else int(number)


def load_static_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a static encoder, set to pad on the right and to add no special tokens.

    Raises:
        OptionError: It cannot be read.
    """
    path = _place(name, "tokenizer.json")
    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # the only kind that tokenizers raises
        raise OptionError(f"the tokenizer of model {name!r} cannot be loaded: {error}") from error
    backend.no_padding()
    backend.no_truncation()
    backend.post_processor = TemplateProcessing(single="$A", pair="$A $B")
    # Any token will do for padding: the mask leaves it out.
    padding = backend.id_to_token(0) if backend.token_to_id("[PAD]") is None else "[PAD]"
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, pad_token=padding, padding_side="right"
    )


def save_static(folder: Path, backbone: StaticBackbone) -> None:
    """Write a static encoder as its start was: the same layout, the tokenizer byte for byte, other vectors."""
    name = backbone.source
    key = "embeddings" if _is_model2vec(name) else "embedding.weight"
    place = folder / modules_of(name).get(_MODULE, "").strip("./")
    place.mkdir(parents=True, exist_ok=True)
    vectors = backbone.embeddings.weight.detach().cpu().contiguous()
    save_file({key: vectors}, place / "model.safetensors")
    shutil.copyfile(_place(name, "tokenizer.json"), place / "tokenizer.json")
    for file in ("config.json", "modules.json", "config_sentence_transformers.json"):
        path = file_of(name, file)
        if path is not None:
            shutil.copyfile(path, folder / file)
    for module in modules_of(name).values():  # Normalize has a folder without files
        (folder / module).mkdir(parents=True, exist_ok=True)
