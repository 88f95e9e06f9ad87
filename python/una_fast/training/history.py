"""The course of a run: losses, learning rates, scores, and which step is the best so far."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Self

import torch
from torch import Tensor

from una_fast.errors import UnaError

__all__ = ["Clock", "DivergedError", "Record"]


class DivergedError(UnaError, ArithmeticError):
    """Training ran into NaN or infinity; the message names the step, and what was saved before it stays."""


@dataclass(kw_only=True)
class Record:
    """The course of a run up to now.

    Attributes:
        steps: Steps done.
        losses: Mean loss of the steps since the entry before, by step counted from 1.
        learning_rates: By step.
        dev_scores: Spearman on the development set by step; None where it is undefined.
        geometry: Step, alignment and uniformity there; see `una_fast.evaluation.evaluate_geometry`.
        best_step: The step whose weights are the output so far; 0 before the first.
        best_score: Its score.
    """

    steps: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    learning_rates: list[tuple[int, float]] = field(default_factory=list)
    dev_scores: list[tuple[int, float | None]] = field(default_factory=list)
    geometry: list[tuple[int, float, float]] = field(default_factory=list)
    best_step: int = 0
    best_score: float = -math.inf
    _pending: list[Tensor] = field(default_factory=list)

    def add(self, loss: Tensor) -> None:
        """Count a step; its loss is not looked at yet."""
        self.steps += 1
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
        """The record that `state` was of."""
        tables = ("losses", "learning_rates", "dev_scores", "geometry")
        return cls(
            steps=state["steps"],
            **{name: [tuple(entry) for entry in state[name]] for name in tables},
            best_step=state["best_step"],
            best_score=-math.inf if state["best_score"] is None else state["best_score"],
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
        """What happens in the block takes no time."""
        stopped = time.perf_counter()
        yield
        self._began += time.perf_counter() - stopped
