"""How weights move: the optimiser, its learning rate, and the numbers that products are computed in."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from una_fast.training.config import TrainConfig

__all__ = ["all_finite", "learning_rate_at", "make_optimizer", "numerics"]


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
    """AdamW; weight decay, if any, pulls on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type == "cuda")


def all_finite(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether no weight is NaN or infinite; one transfer from the GPU."""
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
