"""STS scores as an evaluator.

It takes part in the choice of the best checkpoint: `metric_for_best_model="eval_sts_spearman"`.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers.base.evaluation import BaseEvaluator

from una_fast.errors import OptionError
from una_fast.evaluation.embed import encode_function
from una_fast.evaluation.pairs import PairSource, check_tasks, open_source, read_found
from una_fast.evaluation.sts import StsReport, score_tasks
from una_fast.files import storage_errors

__all__ = ["StsEvaluator"]


class StsEvaluator(BaseEvaluator):
    """Scores a SentenceTransformer on STS tasks, as `una_fast.evaluation.evaluate_sts` does.

    Calling it gives `<name>_spearman`, the mean over its tasks and the metric by which checkpoints are chosen, and
    `<name>_<task>_spearman` and `<name>_<task>_pearson` for each of them: correlations from -1 to 1. Where it is
    given a folder for results, it adds a line to `<name>_results.csv` there.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | PairSource,
        *,
        tasks: Sequence[str] | None = None,
        batch_size: int = 64,
        name: str = "sts",
    ) -> None:
        """Read the tasks, once for all the times the evaluator will be called.

        Args:
            data: As for `evaluate_sts`.
            tasks: As for `evaluate_sts`; each must be there.
            batch_size: Sentences encoded at a time.
            name: What the metrics' names begin with.

        Raises:
            OptionError: An unknown task, a batch size below 1, or no name.
            InputError: A task is missing, or its data damaged.
            StorageError: A file cannot be read, or the hub not be reached.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        if not name or batch_size < 1:
            raise OptionError(
                f"name must not be empty and batch_size at least 1, got {name!r} and {batch_size}"
            )
        source = open_source(data)
        self.name = name
        self.batch_size = batch_size
        self.found = {task: read_found(source, [task])[task] for task in check_tasks(tasks)}
        self.primary_metric = f"{name}_spearman"

    def __call__(
        self,
        model: Any,
        output_path: str | None = None,
        epoch: float = -1,
        steps: int = -1,
    ) -> dict[str, float]:
        """Score the model, which is left in the mode it was in."""
        was_training = model.training
        try:
            encode = encode_function(model, self.batch_size)
            scored = score_tasks(encode, self.found, batch_size=self.batch_size)
        finally:
            model.train(was_training)
        metrics = self._metrics(StsReport(tasks=scored, missing=()))
        if output_path is not None:
            self._append(Path(output_path), {"epoch": epoch, "steps": steps, **metrics})
        self.store_metrics_in_model_card_data(model, metrics, int(epoch), steps)
        return metrics

    def _metrics(self, report: StsReport) -> dict[str, float]:
        mean = report.mean_of_present
        metrics = {"spearman": float("nan") if mean is None else mean}
        for task in report.tasks:
            metrics[f"{task.name}_spearman"] = task.spearman
            metrics[f"{task.name}_pearson"] = task.pearson
        return {f"{self.name}_{key}": value for key, value in metrics.items()}

    def _append(self, folder: Path, row: dict[str, float]) -> None:
        path = folder / f"{self.name}_results.csv"
        with storage_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            with open(path, "a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row))
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)

    def get_config_dict(self) -> dict[str, Any]:
        """Its settings, for the model's card."""
        return {"tasks": list(self.found)}

    @property
    def description(self) -> str:
        """Its name in a model card."""
        return "Semantic Similarity"
