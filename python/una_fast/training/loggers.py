"""Where the log entries of a run go while it runs: a JSON-lines file, TensorBoard, Weights & Biases.

An entry is a step and some named figures. A resumed run goes on where its checkpoint was: entries after it are
taken back where the medium allows.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from una_fast.errors import MissingExtraError
from una_fast.files import replacing, storage_errors
from una_fast.training.config import TrainConfig

__all__ = ["METRICS", "Log", "open_loggers"]

METRICS = "metrics.jsonl"


class Log(Protocol):
    """One place for log entries."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Enter the figures of a step, counted from 1."""


@contextmanager
def open_loggers(config: TrainConfig, folder: Path, *, done: int) -> Iterator[list[Log]]:
    """The loggers that a run asks for, closed at the end of the block.

    Args:
        config: Its `loggers`.
        folder: Of the run; made where a logger needs it.
        done: Steps done already; entries of later ones are of an interrupted run.

    Raises:
        MissingExtraError: A logger's package is not installed.
        StorageError: The folder or a file cannot be written.
    """
    makers = {"jsonl": _json_lines, "tensorboard": _tensorboard, "wandb": _wandb}
    with ExitStack() as stack:
        with storage_errors():
            if config.loggers:
                folder.mkdir(parents=True, exist_ok=True)
            logs = [stack.enter_context(makers[name](config, folder, done)) for name in config.loggers]
        yield logs


@contextmanager
def _json_lines(config: TrainConfig, folder: Path, done: int) -> Iterator[Log]:  # noqa: ARG001
    path = folder / METRICS
    earlier = [line for line in _lines(path) if line["step"] <= done]
    with replacing(path) as fresh:
        fresh.write_text("".join(json.dumps(line) + "\n" for line in earlier), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        yield _JsonLines(file)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The entries of a file, but for a last line that was cut off."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


class _JsonLines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self._file.write(json.dumps({"step": step, **figures}) + "\n")
        self._file.flush()


@contextmanager
def _tensorboard(config: TrainConfig, folder: Path, done: int) -> Iterator[Log]:  # noqa: ARG001
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("loggers=tensorboard needs tensorboard: pip install tensorboard") from error
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1 if done else None)
    try:
        yield _TensorBoard(writer)
    finally:
        writer.close()


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)


@contextmanager
def _wandb(config: TrainConfig, folder: Path, done: int) -> Iterator[Log]:
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError("loggers=wandb needs wandb: pip install wandb") from error
    name = folder / "wandb-run"
    known = name.read_text(encoding="utf-8") if done and name.is_file() else None
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "una-fast"),
        dir=str(folder),
        config=config.settings(),
        id=known,
        resume="allow",
    )
    name.write_text(run.id, encoding="utf-8")
    try:
        yield _WandB(run)
    finally:
        run.finish()


class _WandB:
    def __init__(self, run: Any) -> None:
        self._run = run

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)
