"""The backward pass of a batch: at once, or in chunks by gradient caching where a batch outgrows the memory."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

__all__ = ["backward", "backward_in_chunks"]

Inputs = Mapping[str, Tensor]
Loss = Callable[[Tensor], Tensor]
Context = Callable[[], AbstractContextManager[object]]


def backward(model: nn.Module, inputs: Inputs, loss: Loss, autocast: Context) -> Tensor:
    """Add the gradient of the loss of a batch to the weights.

    Args:
        model: Inputs to embeddings, shape (R, D).
        inputs: Tensors of shape (R, T).
        loss: Embeddings in float32 to a scalar.
        autocast: Makes the context of a forward pass.

    Returns:
        The loss, detached.
    """
    with autocast():
        embeddings = model(inputs)
    value = loss(embeddings.float())
    torch.autograd.backward(value)
    return value.detach()


def backward_in_chunks(
    model: nn.Module,
    inputs: Inputs,
    loss: Loss,
    autocast: Context,
    *,
    chunk_size: int,
    quiet: Context,
) -> Tensor:
    """The same, holding the activations of `chunk_size` rows at a time; every row is encoded twice.

    The batch is encoded without gradients, the loss gives the gradient of the embeddings, and each chunk is
    encoded again, under the same dropout masks, to take it further. The result is that of `backward` up to
    rounding, dropout apart: its masks are drawn by chunk.

    Args:
        model: See `backward`.
        inputs: See `backward`.
        loss: See `backward`.
        autocast: See `backward`.
        chunk_size: Rows encoded at a time.
        quiet: Makes the context in which gradients are not exchanged with other processes; all chunks but the
            last one are in it.

    Source: Gao et al. 2021, arXiv 2101.06983.
    """
    rows = len(next(iter(inputs.values())))
    chunks = [
        {name: value[start : start + chunk_size] for name, value in inputs.items()}
        for start in range(0, rows, chunk_size)
    ]
    states, parts = [], []
    with torch.no_grad(), autocast():
        for chunk in chunks:
            states.append(_random_state(chunk))
            parts.append(model(chunk).float())
    embeddings = torch.cat(parts).requires_grad_()
    value = loss(embeddings)
    (gradient,) = torch.autograd.grad(value, embeddings)
    after = _random_state(chunks[0])
    for place, (chunk, state, part) in enumerate(
        zip(chunks, states, torch.split(gradient, chunk_size), strict=True)
    ):
        _set_random_state(state)
        with quiet() if place + 1 < len(chunks) else nullcontext():
            with autocast():
                again = model(chunk)
            torch.autograd.backward(again.float(), part)
    _set_random_state(after)
    return value.detach()


RandomState = tuple[Tensor, tuple[torch.device, Tensor] | None]


def _random_state(inputs: Inputs) -> RandomState:
    """What dropout will draw from: the state of the CPU, and of the GPU where the inputs are on one."""
    device = next(iter(inputs.values())).device
    on_gpu = (device, torch.cuda.get_rng_state(device)) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


def _set_random_state(state: RandomState) -> None:
    on_cpu, on_gpu = state
    torch.set_rng_state(on_cpu)
    if on_gpu is not None:
        torch.cuda.set_rng_state(on_gpu[1], on_gpu[0])
