"""What a run comes to: a result, or the lack of memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from una_fast.errors import UnaError
from una_fast.evaluation.sts import StsReport
from una_fast.training.probe import ProbeReport

__all__ = ["OutOfMemoryError", "Result"]


class OutOfMemoryError(UnaError, MemoryError):
    """The GPU has too little memory for a batch; the message says what to lower."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training run came to.

    Attributes:
        output: The folder of the encoder: the best step's weights, or the last's without a development set.
        last: The folder of the last step's weights; `output` itself where that step is the best.
        steps: Steps of the optimiser.
        resumed_at: Steps that a checkpoint had done already.
        losses: Mean loss of the steps since the entry before, by step counted from 1.
        learning_rates: By step.
        best_step: The step whose weights are the output.
        dev_scores: Spearman on the development set by step, None where it is undefined.
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
    sts: StsReport | None = None
    probe_before: ProbeReport | None = None
    probe_after: ProbeReport | None = None

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
            "dev_scores": [list(entry) for entry in self.dev_scores],
            "sts": None if self.sts is None else self.sts.to_dict(),
            "rows_per_second": self.rows_per_second,
            "wait_share": self.wait_share,
            **{name: None if report is None else report.to_dict() for name, report in probes.items()},
        }
