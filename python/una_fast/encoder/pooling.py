"""One vector a text out of the states of a transformer."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

__all__ = ["Pooling", "last_hidden", "pool", "token_states"]

Pooling = Literal["cls", "mean", "first_last_mean", "idf_mean"]
"""See `pool`."""


def pool(
    hidden: Tensor, inputs: Mapping[str, Tensor], pooling: Pooling, token_weights: Tensor | None = None
) -> Tensor:
    """One vector a text out of one vector a token.

    Args:
        hidden: What `token_states` gives for this pooling, shape (B, T, D).
        inputs: Those of the model: of `attention_mask`, 1 for tokens and 0 for padding, shape (B, T), and with weights
            also `input_ids`.
        pooling: "cls" takes the state at position 0, "mean" and "first_last_mean" the mean over the tokens that are
            not padding, "idf_mean" the same, each token times its weight.
        token_weights: Those weights, by token id, shape (V,), not negative.

    Returns:
        Shape (B, D), of the type of `hidden`.
    """
    if pooling == "cls":
        return hidden[:, 0]
    mask = inputs["attention_mask"]
    if token_weights is not None:
        mask = token_weights[inputs["input_ids"]] * mask
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    # A text whose tokens weigh nothing is the zero vector, not 0/0.
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)


def last_hidden(backbone: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """The last hidden state of a backbone, shape (B, T, D), for inputs of shape (B, T)."""
    output: Any = backbone(**inputs)
    hidden: Tensor = output.last_hidden_state
    return hidden


def token_states(backbone: nn.Module, inputs: Mapping[str, Tensor], pooling: Pooling) -> Tensor:
    """One vector a token, shape (B, T, D), for `pool` to make one a text of.

    They are the last hidden state, and for "first_last_mean" its mean with the state after the first layer. Source of
    the latter: Su et al. 2021, arXiv 2103.15316; the first layer is counted as in SimCSE's published evaluation.
    """
    if pooling != "first_last_mean":
        return last_hidden(backbone, inputs)
    output: Any = backbone(**inputs, output_hidden_states=True)
    states: Tensor = (output.hidden_states[1] + output.last_hidden_state) / 2
    return states
