"""The training loop, to be read from top to bottom."""

import math
import platform
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from una_fast.errors import OptionError, UnaError
from una_fast.evaluation.backbone import (
    check_cls,
    choose_device,
    input_names,
    load_backbone,
    load_tokenizer,
    position_limit,
)
from una_fast.evaluation.encoder import Encoder
from una_fast.evaluation.sts import Pairs, encode_distinct, read_task, score_task
from una_fast.training.config import TrainConfig
from una_fast.training.data import (
    BatchBuilder,
    Corpus,
    NegativeSource,
    Prefetcher,
    open_corpus,
    open_negatives,
    permute,
    take,
)
from una_fast.training.loss import nt_xent
from una_fast.training.model import SentenceEncoder
from una_fast.training.output import prepare_output, rewrite_records, save_encoder
from una_fast.training.probe import ProbeReport, probe, seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from una_fast import TermTable

__all__ = ["DivergedError", "Result", "learning_rate_at", "train"]


class DivergedError(UnaError, ArithmeticError):
    """Training ran into NaN or infinity; the message names the step, and what was saved before it stays."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training run came to.

    Attributes:
        output: The folder of the encoder.
        steps: Optimiser steps made.
        losses: (steps made, mean loss since the entry before), one at every log step.
        learning_rates: (steps made, learning rate of the last of them), likewise.
        best_step: The steps after which the saved weights were taken.
        dev_scores: (steps made, Spearman on the STS-B development split, -1 to 1); None for an undefined one.
        rows_per_second: Rows encoded (2 or 4 an example) a second of training, scoring and saving not
            counted.
        wait_share: Share of that time in which the loop waited for a batch.
        probe_before: Geometry of negatives before training, where `probe_rows` asks for it.
        probe_after: The same of the weights at the last step.
    """

    output: Path
    steps: int
    losses: tuple[tuple[int, float], ...]
    learning_rates: tuple[tuple[int, float], ...]
    best_step: int
    dev_scores: tuple[tuple[int, float | None], ...]
    rows_per_second: float
    wait_share: float
    probe_before: ProbeReport | None = None
    probe_after: ProbeReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        probes = {"probe_before": self.probe_before, "probe_after": self.probe_after}
        return {
            "output": str(self.output),
            "steps": self.steps,
            "losses": [list(entry) for entry in self.losses],
            "learning_rates": [list(entry) for entry in self.learning_rates],
            "best_step": self.best_step,
            "dev_scores": [list(entry) for entry in self.dev_scores],
            "rows_per_second": self.rows_per_second,
            "wait_share": self.wait_share,
            **{name: None if report is None else report.to_dict() for name, report in probes.items()},
        }


def train(config: TrainConfig, *, augmenter: NegativeSource | None = None) -> Result:
    """Train a sentence encoder and save it.

    With the same configuration, corpus, number of threads and versions, a run on the CPU gives the same
    bytes.

    Args:
        config: The options.
        augmenter: Another maker of negatives than TF-IDF's; the options of the table then have no effect.

    Returns:
        The course of the run. The random state of torch is left as it was.

    Raises:
        OptionError: An option that does not fit the model, the corpus or the machine.
        InputError: Text that cannot be used, or paraphrases that are not aligned to it.
        DivergedError: The loss or the weights became NaN or infinite.
        StorageError: The output cannot be written.
    """
    device = choose_device(config.device)
    output = prepare_output(config.output)
    dev = None if config.sts is None else _read_dev(Path(config.sts))
    with seeded(config.seed, device):
        tokenizer = load_tokenizer(config.model)
        check_cls(tokenizer, str(config.model), config.pooling)
        backbone = load_backbone(config.model, dropout=config.dropout)
        model = SentenceEncoder(backbone, config.pooling).to(device)
        _check_length(config.max_length, model, tokenizer)
        corpus = open_corpus(config)
        table: TermTable | None = None
        if augmenter is None and (config.every or config.probe_rows):
            table, augmenter = open_negatives(config, corpus)
        run = _Run(config, output, model, tokenizer, corpus, augmenter, table, dev, device)
        return run.train()


class _Run:
    """One training run: what it works on, and what it has recorded so far."""

    def __init__(
        self,
        config: TrainConfig,
        output: Path,
        model: SentenceEncoder,
        tokenizer: PreTrainedTokenizerBase,
        corpus: Corpus,
        negatives: NegativeSource | None,
        table: "TermTable | None",
        dev: list[Pairs] | None,
        device: torch.device,
    ) -> None:
        self.config = config
        self.output = output
        self.model = model
        self.tokenizer = tokenizer
        self.corpus = corpus
        self.negatives = negatives
        self.table = table
        self.dev = dev
        self.device = device
        self.record = _Record()
        self.corpus_digest = corpus.digest()

    def train(self) -> Result:
        config, model, record = self.config, self.model, self.record

        # Data: batch after batch out of one thread, which has a tokenizer of its own (they are
        # not thread-safe).
        builder = self.batch_builder()
        total = config.epochs * builder.steps_per_epoch
        total = total if config.max_steps is None else min(total, config.max_steps)

        # Optimisation: float32 weights; on a GPU the products inside are taken in bfloat16.
        precision = _choose_precision(config, self.device)
        optimizer = _optimizer(model, config, self.device)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bfloat16")

        probe_before = self.probe()
        model.train()
        clock = _Clock()
        with (
            Prefetcher(builder.build, range(total), ahead=config.prefetch) as batches,
            tqdm(total=total, unit="step", disable=not config.progress) as bar,
        ):
            for batch in batches:
                rate = learning_rate_at(batch.step, total, config)
                for group in optimizer.param_groups:
                    group["lr"] = rate

                inputs = {
                    name: value.to(self.device, non_blocking=True) for name, value in batch.inputs.items()
                }
                with autocast:
                    embeddings = model(inputs)
                loss = nt_xent(embeddings.float(), config.temperature)
                torch.autograd.backward(loss)
                if config.max_grad_norm is not None:
                    nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

                # The loss stays a tensor: reading it would make the loop wait for the GPU at every step.
                record.add(batch.rows, loss.detach())
                last = record.steps == total
                scoring = self.dev is not None and (last or record.steps % config.eval_every == 0)
                if last or scoring or record.steps % config.log_every == 0:
                    loss_text, speed = f"{record.log(rate):.4f}", f"{record.rows / clock():.0f}"
                    bar.set_postfix({"loss": loss_text, "lr": f"{rate:.2e}", "rows/s": speed})
                bar.update()
                if scoring or last:
                    with clock.paused():
                        self.checkpoint(precision)
            seconds, waited = clock(), batches.seconds_waited

        rewrite_records(self.output, self.manifest(precision))
        return Result(
            output=self.output,
            steps=record.steps,
            losses=tuple(record.losses),
            learning_rates=tuple(record.learning_rates),
            best_step=record.best_step,
            dev_scores=tuple(record.dev_scores),
            rows_per_second=record.rows / seconds,
            wait_share=waited / seconds,
            probe_before=probe_before,
            probe_after=self.probe(),
        )

    def batch_builder(self) -> BatchBuilder:
        config = self.config
        return BatchBuilder(
            corpus=self.corpus,
            negatives=self.negatives,
            tokenizer=load_tokenizer(config.model),
            names=input_names(self.model.backbone),
            batch_size=config.batch_size,
            max_length=config.max_length,
            every=config.every,
            seed=config.seed,
            pin_memory=self.device.type == "cuda",
        )

    def checkpoint(self, precision: str) -> None:
        """Score the model where there is a development set, and save it if it is the best so far."""
        if not _all_finite(self.model.parameters()):
            raise DivergedError(f"weights are NaN or infinite after step {self.record.steps}")
        if self.record.best(self.score()):
            save_encoder(
                self.output,
                self.model,
                self.tokenizer,
                self.manifest(precision),
                table=self.table if self.config.table is None else None,
            )

    def score(self) -> float | None:
        """Spearman on the development set; None where there is no set, NaN where it is undefined."""
        if self.dev is None:
            return None
        encoder = Encoder(self.model.backbone, self.tokenizer, pooling=self.model.pooling)
        texts = [text for pairs in self.dev for text in (*pairs.left, *pairs.right)]
        vectors = encode_distinct(encoder, texts, batch_size=max(64, self.config.batch_size))
        return score_task("STS-B-dev", self.dev, vectors).spearman

    def probe(self) -> ProbeReport | None:
        config = self.config
        if not config.probe_rows or self.negatives is None:
            return None
        # Epochs are counted from 0, so this one's order and negatives are none that training sees.
        n, epoch = len(self.corpus.sentences), config.epochs
        rows = permute(np.arange(min(config.probe_rows, n)), n=n, seed=config.seed, epoch=epoch)
        anchors = take(self.corpus.sentences, rows)
        return probe(
            self.model,
            self.tokenizer,
            anchors,
            self.negatives.augment(anchors, rows=rows, epoch=epoch, view=0),
            positives=None if self.corpus.paraphrases is None else take(self.corpus.paraphrases, rows),
            max_length=config.max_length,
            batch_size=config.batch_size,
            seed=config.seed,
        )

    def manifest(self, precision: str) -> dict[str, Any]:
        """All that the run depended on and came to, and nothing that differs between two equal runs."""
        record, model = self.record, self.config.model
        return {
            "format": 1,
            "model": Path(model).resolve().name if Path(model).is_dir() else str(model),
            "corpus": {"sentences": len(self.corpus.sentences), "sha256": self.corpus_digest},
            "paraphrases": self.corpus.paraphrases is not None,
            "table": None if self.table is None else self.table.digest,
            "settings": self.config.settings(),
            "pooling": self.model.pooling,
            "device": self.device.type,
            "precision": precision,
            "steps": record.steps,
            "best_step": record.best_step,
            "losses": record.losses,
            "learning_rates": record.learning_rates,
            "dev_scores": record.dev_scores,
            "versions": _versions(),
        }


@dataclass(kw_only=True)
class _Record:
    """The course of a run up to now."""

    steps: int = 0
    rows: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    learning_rates: list[tuple[int, float]] = field(default_factory=list)
    dev_scores: list[tuple[int, float | None]] = field(default_factory=list)
    best_step: int = 0
    best_score: float = -math.inf
    pending: list[Tensor] = field(default_factory=list)

    def add(self, rows: int, loss: Tensor) -> None:
        """Count a step; its loss is not looked at yet."""
        self.steps += 1
        self.rows += rows
        self.pending.append(loss)

    def log(self, rate: float) -> float:
        """Read the losses since the last entry, all in one transfer, and enter their mean."""
        losses = torch.stack(self.pending).tolist()
        first = self.steps - len(losses) + 1
        for step, loss in enumerate(losses, first):
            if not math.isfinite(loss):
                raise DivergedError(f"the loss of step {step} is {loss}: a lower learning rate may help")
        self.pending.clear()
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


class _Clock:
    """Seconds since it was made, pauses left out."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self) -> float:
        return time.perf_counter() - self._began

    @contextmanager
    def paused(self) -> "Iterator[None]":
        stopped = time.perf_counter()
        yield
        self._began += time.perf_counter() - stopped


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


def _optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """AdamW; weight decay, if any, pulls on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type == "cuda")


def _choose_precision(config: TrainConfig, device: torch.device) -> str:
    if config.precision != "auto":
        return config.precision
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"


def _read_dev(root: Path) -> list[Pairs]:
    pairs = read_task(root, "STS-B-dev")
    if pairs is None:
        raise OptionError(f"sts is {str(root)!r}, which has no STS/STSBenchmark folder")
    return pairs


def _check_length(max_length: int, model: SentenceEncoder, tokenizer: PreTrainedTokenizerBase) -> None:
    limit, special = position_limit(model.backbone, tokenizer), tokenizer.num_special_tokens_to_add()
    if not special < max_length <= limit:
        raise OptionError(
            f"max_length must be {special + 1} .. {limit} for this model (it adds {special} special tokens), "
            f"got {max_length}"
        )


def _all_finite(parameters: Iterable[nn.Parameter]) -> bool:
    with torch.no_grad():
        return bool(torch.stack([parameter.isfinite().all() for parameter in parameters]).all())


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("una-fast", "torch", "transformers", "tokenizers"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
