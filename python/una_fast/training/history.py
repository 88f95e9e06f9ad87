"""The course of a run: losses, learning rates and scores, the logs they go to while it runs, and its result.

A log entry is a step and some named figures. A resumed run goes on where its checkpoint was: entries after it are
taken back where the medium allows.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from una_fast.errors import UnaError
from una_fast.evaluation.sts import StsReport
from una_fast.extras import require
from una_fast.files import read_bytes, replacing, storage_errors
from una_fast.hub import Uploads
from una_fast.train_config import TrainConfig
from una_fast.training.output import LAST, MANIFEST
from una_fast.training.probe import ProbeReport

__all__ = [
    "METRICS",
    "Callback",
    "Clock",
    "DivergedError",
    "History",
    "Log",
    "OutOfMemoryError",
    "Result",
    "TrainingInterrupted",
    "open_loggers",
]


class DivergedError(UnaError, ArithmeticError):
    """Training ran into NaN or infinity; the message names the step, and what was saved before it stays."""


@dataclass(kw_only=True)
class History:
    """The course of a run up to now.

    Attributes:
        steps: Steps done.
        losses: Mean loss of the steps since the entry before, by step counted from 1.
        learning_rates: By step.
        dev_scores: Spearman on the development set by step; None where it is undefined.
        geometry: Step, alignment and uniformity there; see `una_fast.evaluation.evaluate_geometry`.
        best_step: The step whose weights are the output so far; 0 before the first.
        best_score: Its score.
        unrecorded: True where the last step is done and its log entry and scores are still to come.
    """

    steps: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    learning_rates: list[tuple[int, float]] = field(default_factory=list)
    dev_scores: list[tuple[int, float | None]] = field(default_factory=list)
    geometry: list[tuple[int, float, float]] = field(default_factory=list)
    best_step: int = 0
    best_score: float = -math.inf
    unrecorded: bool = False
    _pending: list[Tensor] = field(default_factory=list)

    def add(self, loss: Tensor) -> None:
        """Count a step; its loss is not looked at yet."""
        self.steps, self.unrecorded = self.steps + 1, True
        self._pending.append(loss)

    def log(self, rate: float) -> float:
        """Read the losses since the last entry, all in one transfer, and enter their mean."""
        losses = self._read()
        self._pending.clear()
        mean = math.fsum(losses) / len(losses)
        self.losses.append((self.steps, mean))
        self.learning_rates.append((self.steps, rate))
        return mean

    def best(self, score: float | None) -> bool:
        """Enter a score and say whether the weights are to be kept; without scores the latest always are."""
        if score is not None:
            self.dev_scores.append((self.steps, None if math.isnan(score) else score))
            if self.best_step and not score > self.best_score:
                return False
            self.best_score = -math.inf if math.isnan(score) else score
        self.best_step = self.steps
        return True

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Enters what the block says of the last step; where it is interrupted, nothing of it."""
        before = self._entries()
        try:
            yield
        except BaseException:
            for name, entries in before.items():
                setattr(self, name, entries)
            raise

    def _entries(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}

    def is_stale(self, patience: int | None, min_delta: float) -> bool:
        """Returns true where so many scores in a row have not been better than the best before them."""
        peak, waited = -math.inf, 0
        for _, score in self.dev_scores:
            if score is not None and score > peak + min_delta:
                peak, waited = score, 0
            else:
                waited += 1
        return patience is not None and waited >= patience

    def adopt_best(self, step: int, score: float) -> None:
        """Take over what this same run had saved after its last checkpoint, before it was interrupted."""
        self.best_step, self.best_score = step, score

    def state(self) -> dict[str, Any]:
        """All of it as JSON holds it, losses not entered yet included."""
        state = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "_pending"}
        state["best_score"] = None if self.best_score == -math.inf else self.best_score
        return {**state, "pending": self._read()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The history that `state` was of."""
        tables = ("losses", "learning_rates", "dev_scores", "geometry")
        return cls(
            steps=state["steps"],
            **{name: [tuple(entry) for entry in state[name]] for name in tables},
            best_step=state["best_step"],
            best_score=-math.inf if state["best_score"] is None else state["best_score"],
            unrecorded=state["unrecorded"],
            _pending=[torch.tensor(loss) for loss in state["pending"]],
        )

    def _read(self) -> list[float]:
        if not self._pending:
            return []
        losses: list[float] = torch.stack([loss.cpu() for loss in self._pending]).tolist()
        for step, loss in enumerate(losses, self.steps - len(losses) + 1):
            if not math.isfinite(loss):
                raise DivergedError(f"the loss of step {step} is {loss}: a lower learning rate may help")
        return losses


class Clock:
    """Seconds since it was made, pauses left out."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self) -> float:
        """Seconds up to now."""
        return time.perf_counter() - self._began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock for the block."""
        stopped = time.perf_counter()
        yield
        self._began += time.perf_counter() - stopped


METRICS = "metrics.jsonl"


class Callback:
    """What a user's program does as a run goes on; override either. On several GPUs rank 0 calls it."""

    def on_step(self, step: int, figures: Mapping[str, float]) -> None:
        """Called at every log entry: `loss`, `learning_rate` and `rows_per_second` up to a step, counted from 1."""

    def on_score(self, step: int, scores: Mapping[str, float]) -> bool | None:
        """Called when the model was scored on the development set; True ends the run after this step."""


class TrainingInterrupted(KeyboardInterrupt):  # it is Ctrl-C, and no error
    """Ctrl-C ended a run; the message says where, and how to go on."""


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
    makers = {"jsonl": _json_lines, "tensorboard": _tensorboard, "trackio": _trackio, "wandb": _wandb}
    with ExitStack() as stack:
        with storage_errors():
            if any(isinstance(each, str) for each in config.loggers):
                folder.mkdir(parents=True, exist_ok=True)
            logs = [
                stack.enter_context(makers[each](config, folder, done)) if isinstance(each, str) else each
                for each in config.loggers
            ]
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
    require("loggers=tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

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
def _trackio(config: TrainConfig, folder: Path, done: int) -> Iterator[Log]:
    trackio = require("loggers=trackio", "trackio")
    run = trackio.init(
        project=os.environ.get("TRACKIO_PROJECT", "una-fast"),
        name=folder.name.removesuffix(".run"),
        config=config.settings(),
        resume="allow" if done else "never",
    )
    try:
        yield _WandB(run)
    finally:
        run.finish()


@contextmanager
def _wandb(config: TrainConfig, folder: Path, done: int) -> Iterator[Log]:
    wandb = require("loggers=wandb", "wandb")
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


class OutOfMemoryError(UnaError, MemoryError):
    """The GPU has too little memory for a batch; the message says what to lower."""


@dataclass(frozen=True, kw_only=True)
class Result(Uploads):
    """The result of a training run.

    Attributes:
        output: The folder of the encoder: the best step's weights, or the last's without a development set.
        last: The folder of the last step's weights; `output` itself where that step is the best.
        steps: Steps of the optimiser.
        resumed_at: Steps that a checkpoint had done already.
        losses: Mean loss of the steps since the entry before, by step counted from 1.
        learning_rates: By step.
        best_step: The step whose weights are the output.
        dev_set: The development set: "STS-B-dev", or the name of a file; None where there is none.
        dev_scores: Spearman on it by step, None where it is undefined.
        sts: The scores of the output on the STS tasks there are; None where it was not tested.
        rows_per_second: Rows encoded with gradients, by the time outside of scoring and saving; on this rank.
        wait_share: Share of that time in which the loop waited for a batch.
        probe_before: Geometry of negatives before training, where `probe_rows` asks for it.
        probe_after: The same of the weights at the last step.
    """

    output: Path
    last: Path
    steps: int
    losses: tuple[tuple[int, float], ...]
    learning_rates: tuple[tuple[int, float], ...]
    best_step: int
    dev_scores: tuple[tuple[int, float | None], ...]
    rows_per_second: float
    wait_share: float
    resumed_at: int = 0
    dev_set: str | None = None
    sts: StsReport | None = None
    probe_before: ProbeReport | None = None
    probe_after: ProbeReport | None = None

    @contextmanager
    def _to_upload(self) -> Iterator[tuple[Path, list[str], str]]:
        """What the run wrote, its last weights beside the best left out; other files in the folder stay here."""
        written = json.loads(read_bytes(self.output / MANIFEST))["files"]
        files = [file for file in written if not file.startswith(f"{LAST}/")]
        yield self.output, files, f"An encoder trained for {self.steps} steps"

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        probes = {"probe_before": self.probe_before, "probe_after": self.probe_after}
        return {
            "output": str(self.output),
            "last": str(self.last),
            "steps": self.steps,
            "resumed_at": self.resumed_at,
            "losses": [list(entry) for entry in self.losses],
            "learning_rates": [list(entry) for entry in self.learning_rates],
            "best_step": self.best_step,
            "dev_set": self.dev_set,
            "dev_scores": [list(entry) for entry in self.dev_scores],
            "sts": None if self.sts is None else self.sts.to_dict(),
            "rows_per_second": self.rows_per_second,
            "wait_share": self.wait_share,
            **{name: None if report is None else report.to_dict() for name, report in probes.items()},
        }
