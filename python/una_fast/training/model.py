"""The encoder in training: a transformer, a pooling and, for "cls_mlp", a head that only training has."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from una_fast.encoder.pooling import Pooling, pool, token_states
from una_fast.encoder.static import StaticBackbone
from una_fast.train_config import TrainingPooling
from una_fast.training.padding import by_length

__all__ = ["SentenceEncoder"]


class SentenceEncoder(nn.Module):
    """Texts' tokens to vectors.

    The head is dense D to D with tanh, newly initialised; at test time it is dropped and the pooled state is
    the embedding. Source: Gao et al. 2021, arXiv 2104.08821, section 6.3.
    """

    def __init__(self, backbone: PreTrainedModel, pooling: TrainingPooling) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling: Pooling = "cls" if pooling == "cls_mlp" else pooling
        self.head = _head(int(backbone.config.hidden_size)) if pooling == "cls_mlp" else None
        self.token_weights: Tensor | None
        self.register_buffer("token_weights", None)

    def weigh(self, token_weights: Tensor) -> None:
        """Takes the weights of tokens, by id, shape (V,), for "idf_mean"."""
        self.token_weights = token_weights.to(next(self.parameters()).device)

    def embed(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The embedding that the trained encoder will give: int64 inputs of shape (R, T) to (R, D)."""
        if self._pays_by_the_token(inputs):
            return by_length(self._embed_together, inputs)
        return self._embed_together(inputs)

    def _embed_together(self, inputs: Mapping[str, Tensor]) -> Tensor:
        states = token_states(self.backbone, inputs, self.pooling)
        return pool(states, inputs, self.pooling, self.token_weights)

    def _pays_by_the_token(self, inputs: Mapping[str, Tensor]) -> bool:
        """Whether the time of a pass is that of its tokens, padding among them."""
        on_cpu = inputs["input_ids"].device.type == "cpu"
        return on_cpu and not isinstance(self.backbone, StaticBackbone) and not torch.compiler.is_compiling()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The vectors that the loss sees, shape (R, D): through the head while in training mode."""
        embeddings = self.embed(inputs)
        if self.head is None or not self.training:
            return embeddings
        projected: Tensor = self.head(embeddings)
        return projected


def _head(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.Tanh())
