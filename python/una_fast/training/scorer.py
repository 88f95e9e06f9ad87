"""Scores of a model in training: on the development set as it goes, on the test tasks at its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.encoder import Encoder, load_encoder
from una_fast.errors import OptionError
from una_fast.evaluation.geometry import NEAR, geometry_of
from una_fast.evaluation.pairs import (
    SEVEN,
    STS_B_DEV,
    Pairs,
    SentEvalFolder,
    digest_of,
    read_pairs_file,
    read_task,
)
from una_fast.evaluation.sts import StsReport, encode_distinct, score_task, score_tasks
from una_fast.train_config import TrainConfig
from una_fast.training.model import SentenceEncoder

__all__ = ["DevScore", "Scorer", "Tasks"]


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The pairs that a run is scored on.

    Attributes:
        dev: The pairs by which the best step is chosen; None where a run has no development set.
        dev_name: "STS-B-dev", or the name of the user's own file.
        test: The test tasks by name; there may be none.
    """

    dev: list[Pairs] | None
    dev_name: str
    test: dict[str, list[Pairs]]

    @classmethod
    def read(cls, config: TrainConfig) -> Self:
        """The file `dev` and the tasks in the folder `sts`, if they are given; those to test only where `test` asks.

        Raises:
            OptionError: The folder is to give the development set, and has none.
            InputError: The file does not hold pairs with scores.
        """
        dev, name = None, STS_B_DEV
        if config.dev is not None:
            own = read_pairs_file(config.dev)
            dev, name = [own], own.name
        elif config.sts is not None:
            dev = read_task(Path(config.sts), STS_B_DEV)
            if dev is None:
                raise OptionError(
                    f"sts is {str(config.sts)!r}, which has no STS/STSBenchmark/sts-dev.csv: give dev, a file of pairs "
                    "with scores"
                )
        source = None if config.sts is None or not config.test else SentEvalFolder(config.sts)
        found = {} if source is None else {task: source.read(task) for task in SEVEN}
        test = {task: pairs for task, pairs in found.items() if pairs is not None}
        return cls(dev=dev, dev_name=name, test=test)


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """A model on the development set.

    Attributes:
        spearman: Spearman of cosines and gold scores; NaN where it is undefined.
        name: Of the set, as log entries have it: "sts_b_dev", or "dev" for one of the user's own.
        geometry: Alignment and uniformity; None where no pair is near enough to tell, or the scale is the user's own.
    """

    spearman: float
    name: str
    geometry: tuple[float, float] | None

    def figures(self) -> dict[str, float]:
        """The score as a log entry has it."""
        named = () if self.geometry is None else zip(("alignment", "uniformity"), self.geometry, strict=True)
        return {self.name: self.spearman, **dict(named)}


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

    @property
    def dev_name(self) -> str | None:
        """The name of the development set, if there is one."""
        return self._tasks.dev_name if self.has_dev else None

    @property
    def dev_digest(self) -> str | None:
        """SHA-256 of a development set of the user's own."""
        own = self._tasks.dev if self._tasks.dev_name != STS_B_DEV else None
        return None if own is None else digest_of(own[0])

    def score_dev(self) -> DevScore | None:
        """Score the model as it is on the development set; None where there is no set."""
        dev = self._tasks.dev
        if dev is None:
            return None
        encoder = Encoder(
            self._model.backbone,
            self._tokenizer,
            pooling=self._model.pooling,
            token_weights=self._model.token_weights,
        )
        texts = [text for pairs in dev for text in (*pairs.left, *pairs.right)]
        vectors = encode_distinct(encoder, texts, batch_size=self._batch_size)
        is_own = self._tasks.dev_name != STS_B_DEV
        near = [geometry_of(pairs, vectors) for pairs in dev if not is_own and (pairs.gold > NEAR).any()]
        geometry = (near[-1].alignment, near[-1].uniformity) if near else None
        spearman = score_task(self._tasks.dev_name, dev, vectors).spearman
        return DevScore(spearman=spearman, name="dev" if is_own else "sts_b_dev", geometry=geometry)

    def test(self, folder: Path) -> StsReport | None:
        """Score what was saved on the test tasks there are, as its users will find it."""
        if not self._tasks.test:
            return None
        encoder = load_encoder(folder, device=str(self._device))
        scored = score_tasks(encoder, self._tasks.test, batch_size=self._batch_size)
        missing = tuple(name for name in SEVEN if name not in self._tasks.test)
        return StsReport(tasks=scored, missing=missing)
