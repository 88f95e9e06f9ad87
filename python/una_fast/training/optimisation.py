"""Steps of the optimiser: gradients at once or by gradient caching, the learning rate, the numerics."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from una_fast.train_config import TrainConfig

__all__ = ["all_finite", "backward", "backward_in_chunks", "learning_rate_at", "make_optimizer", "numerics"]


def learning_rate_at(step: int, total: int, config: TrainConfig) -> float:
    """The learning rate of a step counted from 0: a linear rise over the warm-up, then the schedule.

    The formula is that of `get_linear_schedule_with_warmup` in transformers, with which the published figures
    were made.
    """
    if step < config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (total - step) / max(1, total - config.warmup_steps)


def make_optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """AdamW, its update as one fused kernel where torch has it; weight decay, if any, pulls on matrices only."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim >= 2]
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type in ("cuda", "cpu"))


def all_finite(parameters: Iterable[nn.Parameter]) -> bool:
    """Returns true where no weight is NaN or infinite; one transfer from the GPU."""
    with torch.no_grad():
        return bool(torch.stack([parameter.isfinite().all() for parameter in parameters]).all())


@contextmanager
def numerics(config: TrainConfig) -> Iterator[None]:
    """TF32 and deterministic algorithms as asked for, and as they were afterwards."""
    precision, strict = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    if config.tf32:
        torch.set_float32_matmul_precision("high")
    if config.deterministic:
        # cuBLAS reads this when it starts; without it torch refuses.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(strict)


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
    """The random state that dropout will draw from: that of the CPU, and of the GPU where the inputs are on one."""
    device = next(iter(inputs.values())).device
    on_gpu = (device, torch.cuda.get_rng_state(device)) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


def _set_random_state(state: RandomState) -> None:
    on_cpu, on_gpu = state
    torch.set_rng_state(on_cpu)
    if on_gpu is not None:
        torch.cuda.set_rng_state(on_gpu[1], on_gpu[0])
