"""What long work says of itself, for `logging.getLogger("una_fast")`: silent until somebody listens.

Counts and tables, training steps, scores, checkpoints and blocks are told at INFO. Warnings are Python's own
(`warnings`), which `logging.captureWarnings(True)` brings here too.
"""

import logging
from collections.abc import Mapping

__all__ = ["log_figures", "logger"]

logger = logging.getLogger("una_fast")
logger.addHandler(logging.NullHandler())


def log_figures(step: int, figures: Mapping[str, float]) -> None:
    """Tells the figures of a training step."""
    logger.info("step %d: %s", step, ", ".join(f"{name} {value:.6g}" for name, value in figures.items()))
