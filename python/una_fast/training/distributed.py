"""The processes of a run, as torchrun starts them: one a GPU, each with a share of every batch.

    torchrun --nproc-per-node 8 -m una_fast train CORPUS --model ... --output ...

Alone, a process is rank 0 of 1, and nothing here does anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from una_fast.encoder.backbone import choose_device
from una_fast.errors import OptionError

__all__ = ["Processes", "processes_of_run"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """True for the process that scores, saves and shows."""
        return self.rank == 0

    def share(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model with gradients averaged over all processes in its backward pass; alone, the model itself."""
        if self.world == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in the order of processes: (R, D) to (world * R, D), with gradients for one's own.

        Every rank computes the same loss from them, of which its backward pass takes the part of its rows. The
        gradients of the processes are averaged later where they ought to be summed, so they are made `world` times
        as large here.
        """
        if self.world == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self)
        return gathered

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.world > 1:
            dist.barrier()

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """One rank after another does what is in the block: what the first writes, the others find."""
        for _ in range(self.rank):
            self.wait()
        yield
        for _ in range(self.rank, self.world):
            self.wait()

    def collect(self, value: T) -> list[T]:
        """The values of all processes on rank 0, in their order; nothing on the others."""
        if self.world == 1:
            return [value]
        box: list[Any] | None = [None] * self.world if self.first else None
        dist.gather_object(value, box)
        return box or []

    def from_first(self, value: T) -> T:
        """The value that rank 0 has."""
        if self.world == 1:
            return value
        box: list[Any] = [value if self.first else None]
        dist.broadcast_object_list(box)
        received: T = box[0]
        return received


class _Gather(torch.autograd.Function):
    """All processes' rows forward; the gradient of one's own backward."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        parts = [torch.empty_like(rows) for _ in range(processes.world)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        processes: Processes = ctx.processes
        return gradient.chunk(processes.world)[processes.rank] * processes.world, None


@contextmanager
def processes_of_run(device: str) -> "Iterator[tuple[Processes, torch.device]]":
    """Join the processes that torchrun started, for as long as the block lasts.

    Args:
        device: "auto" or a torch device; among several processes each takes the GPU of its local rank.

    Raises:
        OptionError: The device does not exist, or names one GPU for several processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        yield _joined(), choose_device(device)
        return
    chosen = _own_device(device)
    with _on(chosen):
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        try:
            yield _joined(), chosen
        finally:
            dist.destroy_process_group()


def _joined() -> Processes:
    if not dist.is_initialized():
        return Processes()
    return Processes(rank=dist.get_rank(), world=dist.get_world_size())


def _own_device(device: str) -> torch.device:
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return chosen
    if ":" in device:
        raise OptionError(
            f"device is {device!r}, one GPU for all processes of torchrun: use 'auto' or 'cuda'"
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def _on(device: torch.device) -> Any:
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
