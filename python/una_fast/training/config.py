"""The options of a training run, checked when they are given and not an hour later."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from una_fast.errors import OptionError

if TYPE_CHECKING:
    from una_fast import TermTable

__all__ = ["TrainConfig"]

Path = str | os.PathLike[str]
Source = Path | Iterable[str] | Sequence[os.PathLike[str]]

TrainingPooling = Literal["cls_mlp", "cls", "mean"]
Schedule = Literal["linear", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Select = Literal["tfidf", "inverse", "uniform"]
Replace = Literal["vicinity", "uniform"]
Surface = Literal["reference", "preserve"]
Importance = Literal["tfidf", "idf", "attention"]

_CHOICES = {
    "schedule": Schedule,
    "pooling": TrainingPooling,
    "precision": Precision,
    "select": Select,
    "replace": Replace,
    "surface": Surface,
    "importance": Importance,
}

_LEAST = {
    "every": 0,
    "batch_size": 2,
    "max_length": 1,
    "epochs": 1,
    "max_steps": 1,
    "warmup_steps": 0,
    "seed": 0,
    "radius": 0,
    "eval_every": 1,
    "log_every": 1,
    "probe_rows": 0,
    "threads": 1,
    "prefetch": 1,
}
"""Whole numbers and the least value of each."""

_PORTABLE = (
    "every",
    "batch_size",
    "max_length",
    "epochs",
    "max_steps",
    "learning_rate",
    "schedule",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "temperature",
    "pooling",
    "dropout",
    "seed",
    "radius",
    "replace_prob",
    "select",
    "replace",
    "surface",
    "importance",
    "tokenizer",
    "eval_every",
)
"""Options that shape the result and mean the same on every machine: what a manifest may hold."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What to train on what, and how. The defaults are those published for BERT.

    Attributes:
        model: The encoder to start from: a folder or a name on the Hugging Face hub.
        corpus: One sentence a line: a path, a list of paths, a glob; or any iterable of sentences.
        output: The folder to write. One that holds something other than a trained model is left alone.
        table: The TF-IDF table, or its path. None fits one on the corpus (and the paraphrases) and saves it
            as `table.safetensors` in the output.
        paraphrases: Positives, line-aligned to the corpus. None takes the anchor itself under another
            dropout mask.
        every: Every so many optimiser steps, beginning with the first, the batch holds negatives; 0 is
            plain SimCSE.
        batch_size: Examples a step; an example is 2 rows, or 4 on a step with negatives.
        max_length: Tokens read of a text in training, special tokens included.
        epochs: Passes over the corpus.
        max_steps: Stop after so many steps; the schedule ends there too.
        learning_rate: The highest learning rate.
        schedule: "linear" falls to 0 at the last step, "constant" stays.
        warmup_steps: Steps over which the learning rate rises from 0.
        weight_decay: AdamW's; matrices only, never biases and layer norms.
        max_grad_norm: Gradients are scaled down to this norm, as the trainer of transformers does; None
            never does.
        temperature: Divides the cosines in the loss.
        pooling: "cls_mlp" is the [CLS] state under a tanh layer that only training has; "cls"; "mean".
        dropout: Replaces the hidden and attention dropout of the model; None keeps its own.
        seed: Decides the order of rows, the negatives, the dropout masks and the start of the training head.
        radius: Half-width, in ranks, of the window that replacements are drawn from.
        replace_prob: Expected share of tokens replaced.
        select: Which tokens go: "tfidf" (important ones), "inverse" (unimportant ones), "uniform".
        replace: What comes: a term of the "vicinity" in rank, or of the "uniform" vocabulary.
        surface: "reference" joins lower-cased tokens by spaces, "preserve" keeps spacing and case.
        importance: What makes a token important: "tfidf"; "idf" alone; the "attention" that it receives in the
            start model. It has no meaning with select="uniform".
        tokenizer: The rules that split sentences into terms where a table is fitted.
        device: "auto" (CUDA, else MPS, else CPU) or a torch device.
        precision: "auto" computes in bfloat16 on a GPU that can, else in float32. Weights are float32 always.
        sts: A folder in SentEval's layout. Its STS-B development split is scored every `eval_every` steps
            and at the end, and the best checkpoint is kept; without it, the last one is.
        eval_every: Steps between two scorings.
        log_every: Steps between two log entries; the loop waits for the GPU only there.
        probe_rows: So many sentences are probed before and after training, see `una_fast.training.probe`.
        threads: Threads of the Rust core; None takes what there is. It changes no result.
        prefetch: Batches made ready ahead of the step.
        progress: Show a progress bar.

    Raises:
        OptionError: An option is out of range; the message names it and its value.
    """

    model: Path
    corpus: Source
    output: Path
    table: "Path | TermTable | None" = None
    paraphrases: Source | None = None
    every: int = 5
    batch_size: int = 64
    max_length: int = 32
    epochs: int = 1
    max_steps: int | None = None
    learning_rate: float = 3e-5
    schedule: Schedule = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float | None = 1.0
    temperature: float = 0.05
    pooling: TrainingPooling = "cls_mlp"
    dropout: float | None = None
    seed: int = 0
    radius: int = 4000
    replace_prob: float = 0.5
    select: Select = "tfidf"
    replace: Replace = "vicinity"
    surface: Surface = "reference"
    importance: Importance = "tfidf"
    tokenizer: str = "treebank"
    device: str = "auto"
    precision: Precision = "auto"
    sts: Path | None = None
    eval_every: int = 100
    log_every: int = 10
    probe_rows: int = 0
    threads: int | None = None
    prefetch: int = 4
    progress: bool = False

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            _check_choice(name, getattr(self, name), get_args(kind))
        for name, least in _LEAST.items():
            _check_whole(name, getattr(self, name), least)
        _check_real("learning_rate", self.learning_rate, above=0.0)
        _check_real("temperature", self.temperature, above=0.0)
        _check_real("replace_prob", self.replace_prob, above=0.0)
        _check_real("weight_decay", self.weight_decay, least=0.0)
        _check_real("max_grad_norm", self.max_grad_norm, above=0.0)
        _check_real("dropout", self.dropout, least=0.0)
        if self.dropout is not None and self.dropout >= 1.0:
            raise OptionError(f"dropout must be below 1, got {self.dropout!r}")
        if self.importance != "tfidf" and self.select == "uniform":
            raise OptionError(
                f'importance={self.importance!r} has no meaning where select="uniform" chooses the tokens'
            )
        if self.seed >= 2**63:
            raise OptionError(f"seed must be below 2**63, got {self.seed}")

    def settings(self) -> dict[str, Any]:
        """The options that shape the result, without paths and without what only concerns this machine."""
        return {name: getattr(self, name) for name in _PORTABLE}


_OPTIONAL = ("max_steps", "threads", "max_grad_norm", "dropout")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def _check_whole(name: str, value: object, least: int) -> None:
    if value is None and name in _OPTIONAL:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}, got {value!r}")


def _check_real(name: str, value: object, *, least: float = -math.inf, above: float = -math.inf) -> None:
    if value is None and name in _OPTIONAL:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionError(f"{name} must be a finite number, got {value!r}")
    if value < least:
        raise OptionError(f"{name} must be at least {least:g}, got {value!r}")
    if value <= above:
        raise OptionError(f"{name} must be above {above:g}, got {value!r}")
