"""Scores of a model in training: on the development set as it goes, on the test tasks at its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.encoder import Encoder, load_encoder
from una_fast.errors import OptionError
from una_fast.evaluation.geometry import NEAR, geometry_of
from una_fast.evaluation.pairs import SEVEN, Pairs, SentEvalFolder, read_task
from una_fast.evaluation.sts import StsReport, encode_distinct, score_task, score_tasks
from una_fast.train_config import TrainConfig
from una_fast.training.model import SentenceEncoder

__all__ = ["DevScore", "Scorer", "Tasks"]


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The pairs that a run is scored on.

    Attributes:
        dev: STS-B's development split; None where a run has no development set.
        test: The test tasks by name; there may be none.
    """

    dev: list[Pairs] | None
    test: dict[str, list[Pairs]]

    @classmethod
    def read(cls, config: TrainConfig) -> Self:
        """The tasks in the folder `sts`, if there is one; the test tasks only where `test` asks for them.

        Raises:
            OptionError: The folder has no development split.
        """
        if config.sts is None:
            return cls(dev=None, test={})
        root = Path(config.sts)
        dev = read_task(root, "STS-B-dev")
        if dev is None:
            raise OptionError(f"sts is {str(root)!r}, which has no STS/STSBenchmark/sts-dev.csv")
        source = SentEvalFolder(root)
        test = {task: pairs for task in SEVEN if config.test and (pairs := source.read(task)) is not None}
        return cls(dev=dev, test=test)


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """A model on the development set.

    Attributes:
        spearman: Spearman of cosines and gold scores; NaN where it is undefined.
        geometry: Alignment and uniformity; None where no pair is near enough to tell.
    """

    spearman: float
    geometry: tuple[float, float] | None

    def figures(self) -> dict[str, float]:
        """The score as a log entry has it."""
        named = () if self.geometry is None else zip(("alignment", "uniformity"), self.geometry, strict=True)
        return {"sts_b_dev": self.spearman, **dict(named)}


class Scorer:
    """Scores one model while it is trained, without dropout and without the training head."""

    def __init__(
        self,
        config: TrainConfig,
        model: SentenceEncoder,
        tokenizer: PreTrainedTokenizerBase,
        tasks: Tasks,
        device: torch.device,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._tasks = tasks
        self._device = device
        self._batch_size = max(64, config.batch_size)

    @property
    def has_dev(self) -> bool:
        """True where there is a development set."""
        return self._tasks.dev is not None

    def score_dev(self) -> DevScore | None:
        """Score the model as it is on the development set; None where there is no set."""
        dev = self._tasks.dev
        if dev is None:
            return None
        encoder = Encoder(self._model.backbone, self._tokenizer, pooling=self._model.pooling)
        texts = [text for pairs in dev for text in (*pairs.left, *pairs.right)]
        vectors = encode_distinct(encoder, texts, batch_size=self._batch_size)
        near = [geometry_of(pairs, vectors) for pairs in dev if (pairs.gold > NEAR).any()]
        geometry = (near[-1].alignment, near[-1].uniformity) if near else None
        return DevScore(spearman=score_task("STS-B-dev", dev, vectors).spearman, geometry=geometry)

    def test(self, folder: Path) -> StsReport | None:
        """Score what was saved on the test tasks there are, as its users will find it."""
        if not self._tasks.test:
            return None
        encoder = load_encoder(folder, device=str(self._device))
        scored = score_tasks(encoder, self._tasks.test, batch_size=self._batch_size)
        missing = tuple(name for name in SEVEN if name not in self._tasks.test)
        return StsReport(tasks=scored, missing=missing)
