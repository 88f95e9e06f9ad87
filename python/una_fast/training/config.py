"""The options of a training run, checked when they are given and not an hour later."""

import difflib
import os
import pathlib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from una_fast.checks import check_choice, check_real, check_switch, check_whole
from una_fast.errors import InputError, OptionError
from una_fast.files import read_bytes

if TYPE_CHECKING:
    from una_fast.table import TermTable

__all__ = ["TrainConfig"]

Path = str | os.PathLike[str]
Source = Path | Iterable[str] | Sequence[os.PathLike[str]]

TrainingPooling = Literal["cls_mlp", "cls", "mean", "first_last_mean"]
Loss = Literal["nt_xent", "info_nce", "margin"]
Schedule = Literal["linear", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Compile = Literal["off", "default", "cuda_graphs"]
Logger = Literal["jsonl", "tensorboard", "wandb"]
Select = Literal["tfidf", "inverse", "uniform"]
Replace = Literal["vicinity", "uniform"]
Surface = Literal["reference", "preserve"]
Importance = Literal["tfidf", "idf", "attention"]

_CHOICES = {
    "schedule": Schedule,
    "pooling": TrainingPooling,
    "loss": Loss,
    "precision": Precision,
    "compile": Compile,
    "select": Select,
    "replace": Replace,
    "surface": Surface,
    "importance": Importance,
}

_LEAST = {
    "every": 0,
    "batch_size": 2,
    "accumulate": 1,
    "chunk_size": 1,
    "max_length": 1,
    "epochs": 1,
    "max_steps": 1,
    "warmup_steps": 0,
    "seed": 0,
    "radius": 0,
    "eval_every": 1,
    "checkpoint_every": 1,
    "keep": 1,
    "log_every": 1,
    "probe_rows": 0,
    "threads": 1,
    "prefetch": 1,
}
"""Whole numbers and the least value of each."""

_OPTIONAL = ("max_steps", "threads", "chunk_size", "checkpoint_every")
"""Those of them that may be None."""

_SWITCHES = ("distinct", "test", "tf32", "deterministic", "resume", "report", "progress")

_PORTABLE = (
    "every",
    "batch_size",
    "accumulate",
    "chunk_size",
    "distinct",
    "max_length",
    "epochs",
    "max_steps",
    "learning_rate",
    "schedule",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "loss",
    "temperature",
    "hard_negative_weight",
    "margin",
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

    The names are those of the command line (`--batch-size` is `batch_size`) and of TOML files (`from_toml`).

    Attributes:
        model: The encoder to start from: a folder or a name on the Hugging Face hub.
        output: The folder to write. One that holds something other than a trained model is left alone.
        corpus: One sentence a line: a path, a list of paths, a glob; or any iterable of sentences.
        paraphrases: Positives, line-aligned to the corpus. None takes the anchor itself under another
            dropout mask.
        pairs: In place of `corpus` and `paraphrases`: lines of a sentence, a tab and its paraphrase.
        index: A folder for a copy of the text that is mapped, not held in memory: for corpora larger than
            memory. A later run on the same files takes the copy that is there.
        table: The TF-IDF table, or its path. None fits one on the corpus (and the paraphrases) and saves it
            as `table.safetensors` in the output.
        tokenizer: The rules that split sentences into terms. None takes those of the table, or "treebank"
            where one is fitted; a table made by other rules than those named here is refused.
        every: Every so many optimiser steps, beginning with the first, the batch holds negatives; 0 is
            plain SimCSE.
        batch_size: Examples that are contrasted with each other, on all GPUs together; an example is 2 rows,
            or up to 4 on a step with negatives.
        accumulate: Batches whose gradients are added up for a step of the optimiser.
        chunk_size: Rows encoded at a time by gradient caching, so that memory limits no batch; it encodes
            twice. None encodes a batch at once.
        distinct: Replace a sentence that stands in its batch already, word for word, by another one.
        max_length: Tokens read of a text in training, special tokens included.
        epochs: Passes over the corpus.
        max_steps: Stop after so many steps; the schedule ends there too.
        learning_rate: The highest learning rate.
        schedule: "linear" falls to 0 at the last step, "constant" stays.
        warmup_steps: Steps over which the learning rate rises from 0.
        weight_decay: AdamW's; matrices only, never biases and layer norms.
        max_grad_norm: Gradients are scaled down to this norm, as the trainer of transformers does; None
            never does.
        loss: "nt_xent" as published; "info_nce" contrasts anchors with positives and negatives in three
            columns; "margin", which is ours, asks only that a negative be farther than the positive.
        temperature: Divides the cosines in the loss.
        hard_negative_weight: Of "info_nce": multiplies the term of an anchor's own negative. Of "margin":
            multiplies the hinge.
        margin: Of "margin": by how much the positive's cosine is to exceed the negative's.
        pooling: "cls_mlp" is the [CLS] state under a tanh layer that only training has; "cls"; "mean";
            "first_last_mean", the mean over tokens of the first and the last layer.
        dropout: Replaces the hidden and attention dropout of the model; None keeps its own.
        seed: Decides the order of rows, the negatives, the dropout masks and the start of the training head.
        radius: Half-width, in ranks, of the window that replacements are drawn from.
        replace_prob: Expected share of tokens replaced.
        select: Which tokens go: "tfidf" (important ones), "inverse" (unimportant ones), "uniform".
        replace: What comes: a term of the "vicinity" in rank, or of the "uniform" vocabulary.
        surface: "reference" joins lower-cased tokens by spaces, "preserve" keeps spacing and case.
        importance: What makes a token important: "tfidf"; "idf" alone; the "attention" that it receives in the
            start model. It has no meaning with select="uniform".
        device: "auto" (CUDA, else MPS, else CPU) or a torch device. Under torchrun each process takes its own.
        precision: "auto" computes in bfloat16 on a GPU that can, else in float32. Weights are float32 always.
        tf32: On a GPU, let float32 products be taken in TF32: faster, 10 bits of mantissa.
        deterministic: On a GPU, use algorithms that give the same bits each time, where torch has them.
        compile: "default" compiles the model by torch.compile, "cuda_graphs" records its kernels as well.
        sts: A folder in SentEval's layout. Its STS-B development split is scored every `eval_every` steps
            and at the end, and the best weights are the output; without it, the last ones are.
        eval_every: Steps between two scorings.
        test: Score the output at the end on all STS tasks that the folder `sts` has, for card and report.
        checkpoint_every: Steps between two checkpoints, in `<output>.run/checkpoints`; None makes none.
        keep: Checkpoints kept. All are removed when the run has ended well.
        resume: Continue at the newest whole checkpoint; where there is none, start.
        log_every: Steps between two log entries; the loop waits for the GPU only there.
        loggers: Where log entries go: "jsonl" (`<output>.run/metrics.jsonl`), "tensorboard" (the same folder),
            "wandb".
        report: Whether to write `report.html` into the output: curves, settings and sampled negatives.
        probe_rows: So many sentences are probed before and after training, see `una_fast.training.probe`.
        threads: Threads of the Rust core; None takes what there is. It changes no result.
        prefetch: Batches made ready ahead of the step.
        progress: Show a progress bar.

    Raises:
        OptionError: An option is out of range; the message names it and its value.
    """

    model: Path
    output: Path
    corpus: Source | None = None
    paraphrases: Source | None = None
    pairs: Source | None = None
    index: Path | None = None
    table: "Path | TermTable | None" = None
    tokenizer: str | None = None
    every: int = 5
    batch_size: int = 64
    accumulate: int = 1
    chunk_size: int | None = None
    distinct: bool = False
    max_length: int = 32
    epochs: int = 1
    max_steps: int | None = None
    learning_rate: float = 3e-5
    schedule: Schedule = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float | None = 1.0
    loss: Loss = "nt_xent"
    temperature: float = 0.05
    hard_negative_weight: float = 1.0
    margin: float = 0.1
    pooling: TrainingPooling = "cls_mlp"
    dropout: float | None = None
    seed: int = 0
    radius: int = 4000
    replace_prob: float = 0.5
    select: Select = "tfidf"
    replace: Replace = "vicinity"
    surface: Surface = "reference"
    importance: Importance = "tfidf"
    device: str = "auto"
    precision: Precision = "auto"
    tf32: bool = False
    deterministic: bool = False
    compile: Compile = "off"
    sts: Path | None = None
    eval_every: int = 100
    test: bool = True
    checkpoint_every: int | None = None
    keep: int = 2
    resume: bool = False
    log_every: int = 10
    loggers: Sequence[Logger] = ("jsonl",)
    report: bool = True
    probe_rows: int = 0
    threads: int | None = None
    prefetch: int = 4
    progress: bool = False

    @classmethod
    def from_toml(cls, path: Path, **options: Any) -> Self:
        """The options of a TOML file, under the names of this class; `options` override it.

        Paths in the file are relative to the current directory, as on a command line.

        Raises:
            StorageError: The file cannot be read.
            InputError: It is not TOML.
            OptionError: It names an option that does not exist, or lacks one that must be given.
        """
        return cls.from_options({**read_toml(path), **options}, where=str(path))

    @classmethod
    def from_options(cls, options: dict[str, Any], *, where: str) -> Self:
        """The configuration of these options; `where` names their origin in messages.

        Raises:
            OptionError: An option does not exist, must be given, or is out of range.
        """
        check_names(options, where=where)
        missing = [name for name in ("model", "output") if name not in options]
        if missing:
            raise OptionError(f"{where}: {' and '.join(missing)} must be given")
        return cls(**options)

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            check_choice(name, getattr(self, name), get_args(kind))
        for name, least in _LEAST.items():
            check_whole(name, getattr(self, name), least=least, optional=name in _OPTIONAL)
        for name in _SWITCHES:
            check_switch(name, getattr(self, name))
        for name in ("learning_rate", "temperature", "replace_prob"):
            check_real(name, getattr(self, name), above=0.0)
        for name in ("hard_negative_weight", "margin", "weight_decay"):
            check_real(name, getattr(self, name), least=0.0)
        check_real("max_grad_norm", self.max_grad_norm, above=0.0, optional=True)
        check_real("dropout", self.dropout, least=0.0, below=1.0, optional=True)
        if self.importance != "tfidf" and self.select == "uniform":
            raise OptionError(
                f'importance={self.importance!r} has no meaning where select="uniform" chooses the tokens'
            )
        if self.seed >= 2**63:
            raise OptionError(f"seed must be below 2**63, got {self.seed}")
        self._check_sources()
        self._check_run()

    def _check_sources(self) -> None:
        if (self.corpus is None) == (self.pairs is None):
            raise OptionError("give either corpus or pairs: the sentences to train on")
        if self.pairs is not None and self.paraphrases is not None:
            raise OptionError("pairs has the paraphrases already: leave paraphrases out")

    def _check_run(self) -> None:
        if isinstance(self.loggers, str):
            raise OptionError(f"loggers must be a list of names, got {self.loggers!r}")
        for name in self.loggers:
            check_choice("loggers", name, get_args(Logger))
        if self.compile == "cuda_graphs" and self.chunk_size is not None:
            raise OptionError("compile='cuda_graphs' does not go with chunk_size: a graph reuses its output")
        if self.resume and self.checkpoint_every is None:
            raise OptionError("resume needs checkpoint_every: without it a run leaves no checkpoint")

    def settings(self) -> dict[str, Any]:
        """The options that shape the result, without paths and without what only concerns this machine."""
        return {name: getattr(self, name) for name in _PORTABLE}


def read_toml(path: Path) -> dict[str, Any]:
    """The options of a TOML file; lists of files become paths.

    Raises:
        StorageError: The file cannot be read.
        InputError: It is not TOML.
    """
    name = os.fspath(path)
    try:
        options = tomllib.loads(read_bytes(pathlib.Path(name)).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not TOML: {error}") from error
    for option in ("corpus", "paraphrases", "pairs"):
        if isinstance(options.get(option), list):
            options[option] = [pathlib.Path(file) for file in options[option]]
    return options


def check_names(options: Iterable[str], *, where: str) -> None:
    """Refuse names that are no options, and suggest the nearest one.

    Raises:
        OptionError: `where` has such a name.
    """
    known = [field.name for field in fields(TrainConfig)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
            raise OptionError(
                f"{where}: no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
