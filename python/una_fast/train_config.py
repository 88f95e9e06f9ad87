"""The options of a training run, checked when they are given and not an hour later."""

import os
import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass
from typing import ClassVar, Literal

from una_fast import shared_options as same
from una_fast.augment import PRESETS
from una_fast.checks import check_choice
from una_fast.errors import OptionError
from una_fast.options import Options, option
from una_fast.table import TermTable

__all__ = ["TrainConfig", "TrainingPooling"]

Path = str | os.PathLike[str]
Source = Path | Iterable[str] | Sequence[os.PathLike[str]]

TrainingPooling = Literal["cls_mlp", "cls", "mean", "first_last_mean", "idf_mean"]


def _check_protect(name: str, value: object) -> None:
    """Refuses what is neither a file nor a list of terms."""
    if isinstance(value, str | os.PathLike):
        return
    if not isinstance(value, Sequence) or not all(isinstance(term, str) for term in value):
        raise OptionError(f"{name} must be a file or a list of terms, got {value!r}")


LOGGERS = ("jsonl", "tensorboard", "trackio", "wandb")


def _check_loggers(name: str, value: object) -> None:
    """Refuses what are neither names of loggers nor loggers."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise OptionError(f"{name} must be a list of names, got {value!r}")
    for each in value:
        if not callable(getattr(each, "write", None)):
            check_choice(name, each, LOGGERS)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Options):
    """The options of a training run; the defaults are those published for BERT.

    The names are those of the command line (`--batch-size` is `batch_size`) and of TOML files (`from_toml`).

    Raises:
        OptionError: An option is out of range; the message names it and its value.
    """

    shipped: ClassVar[pathlib.Path | None] = pathlib.Path(__file__).parent / "configs"

    corpus: Source | None = option(
        None,
        "One sentence a line: files or a glob.",
        more="In Python also any iterable of sentences.",
        group="text",
        kind="paths",
        positional=True,
    )
    paraphrases: Source | None = option(
        None,
        "Positives, line by line as in the corpus; by default the sentence itself under another dropout mask.",
        group="text",
        kind="paths",
        metavar="FILE",
    )
    pairs: Source | None = option(
        None,
        "Lines of a sentence, a tab and its paraphrase, in place of corpus and paraphrases.",
        group="text",
        kind="paths",
        metavar="FILE",
    )
    mapped_corpus: Path | None = option(
        None,
        "Folder for a copy of the text that is mapped and not held, for corpora larger than memory.",
        more="A later run on the same files takes the copy that is there.",
        group="text",
        metavar="FOLDER",
    )
    text_field: str | None = option(same.TEXT_FIELD)
    column: str | None = option(same.COLUMN)
    distinct: bool = option(
        False,
        "Replace an example of which a text stands in its batch already, token for token.",
        group="text",
        shapes=True,
    )

    model: Path = option(same.MODEL, default=MISSING)
    pooling: Literal["auto", "cls_mlp", "cls", "mean", "first_last_mean", "idf_mean"] = option(
        "auto",
        "What of a transformer's states is the embedding; auto is what the model says, and cls_mlp for one that says "
        "nothing.",
        more='"cls_mlp" is the [CLS] state under a tanh layer that only training has; "first_last_mean" the mean over '
        'tokens of the first and the last layer; "idf_mean" the mean over tokens times their idf in the table.',
        group="model",
        shapes=True,
    )
    max_length: int = option(
        32,
        "Tokens read of a text in training, special tokens included.",
        group="model",
        least=1,
        shapes=True,
    )
    dropout: float | None = option(
        None,
        "Replaces the hidden and attention dropout of the model; by default it keeps its own.",
        group="model",
        least=0.0,
        below=1.0,
        shapes=True,
    )

    every: int = option(
        5,
        "Every so many steps use negatives: 1 is all, 0 never, which is plain SimCSE.",
        group="negatives",
        least=0,
        shapes=True,
    )
    table: Path | TermTable | None = option(
        None,
        "TF-IDF table; by default one is fitted on the corpus (and the paraphrases) and saved in the output.",
        group="negatives",
        metavar="PATH",
    )
    tokenizer: str | None = option(
        same.TOKENIZER,
        "Rules that cut a sentence into terms; by default those of the table, or treebank where one is fitted.",
        group="negatives",
        shapes=True,
    )
    preset: Literal["una", "uda", "tfidf-random", "random"] | None = option(same.PRESET)
    radius: float = option(same.RADIUS)
    replace_prob: float = option(same.REPLACE_PROB)
    select: Literal["tfidf", "inverse", "uniform"] = option(same.SELECT)
    replace: Literal["vicinity", "uniform"] = option(same.REPLACE)
    surface: Literal["reference", "preserve"] = option(same.SURFACE)
    exclude_self: bool = option(same.EXCLUDE_SELF)
    keep_script: bool = option(same.KEEP_SCRIPT)
    protect: Path | Sequence[str] = option(
        same.PROTECT,
        default=(),
        more="In Python and TOML also a list of terms.",
        kind="other",
        parse=str,
        check=_check_protect,
    )
    max_replaced: float | None = option(same.MAX_REPLACED)
    min_score: float = option(same.MIN_SCORE)
    importance: Literal["tfidf", "idf", "attention"] = option(same.IMPORTANCE)
    probe_rows: int = option(
        0,
        "Sentences whose negatives are probed before and after training, see `una_fast.training.probe`.",
        group="negatives",
        least=0,
    )

    batch_size: int = option(
        64,
        "Examples contrasted with each other, on all GPUs together.",
        more="An example is 2 rows, or up to 4 on a step with negatives.",
        group="optimisation",
        least=2,
        shapes=True,
    )
    epochs: int = option(1, "Passes over the corpus.", group="optimisation", least=1, shapes=True)
    max_steps: int | None = option(
        None,
        "Stop after so many steps; the schedule ends there too.",
        group="optimisation",
        least=1,
        shapes=True,
    )
    learning_rate: float = option(
        3e-5, "The highest learning rate.", group="optimisation", above=0.0, shapes=True
    )
    schedule: Literal["linear", "constant"] = option(
        "linear",
        "Course of the learning rate: it falls to 0 at the last step, or stays.",
        group="optimisation",
        shapes=True,
    )
    warmup_steps: int = option(
        0, "Steps over which the learning rate rises from 0.", group="optimisation", least=0, shapes=True
    )
    weight_decay: float = option(
        0.0, "AdamW's weight decay, on matrices alone.", group="optimisation", least=0.0, shapes=True
    )
    max_grad_norm: float | None = option(
        1.0,
        "Norm that gradients are scaled down to; none never does.",
        group="optimisation",
        above=0.0,
        shapes=True,
    )
    loss: Literal["nt_xent", "info_nce", "margin"] = option(
        "nt_xent",
        "What is minimised.",
        more='"nt_xent" as published; "info_nce" contrasts anchors with positives and negatives in three columns; '
        '"margin", which is ours, asks only that a negative be farther than the positive.',
        group="optimisation",
        shapes=True,
    )
    temperature: float = option(
        0.05, "Divides the cosines in the loss.", group="optimisation", above=0.0, shapes=True
    )
    hard_negative_weight: float = option(
        1.0,
        "Of info_nce: weight of an anchor's own negative; of margin: of the hinge.",
        group="optimisation",
        least=0.0,
        shapes=True,
    )
    margin: float = option(
        0.1,
        "Of margin: by how much the positive's cosine is to exceed the negative's.",
        group="optimisation",
        least=0.0,
        shapes=True,
    )
    accumulate: int = option(
        1,
        "Batches whose gradients are added up for a step of the optimiser.",
        group="optimisation",
        least=1,
        shapes=True,
    )
    chunk_size: int | None = option(
        None,
        "Rows encoded at a time by gradient caching, for batches that outgrow the memory.",
        more="It encodes twice; by default a batch is encoded at once.",
        group="optimisation",
        least=1,
        shapes=True,
    )
    seed: int = option(
        same.SEED,
        "Decides the order of rows, the negatives, the dropout masks and the start of the training head.",
        group="optimisation",
    )

    sts: Path | None = option(
        same.STS,
        "Folder of the STS tasks, in SentEval's layout; the output is then the best step on STS-B dev.",
        more="Without it and without `dev`, the output is the last step.",
    )
    dev: Path | None = option(
        None,
        "File of pairs with scores: sentence, sentence, score; the output is then the best step on them.",
        more="Separated by tabs, .csv, or .jsonl with sentence1, sentence2 and score. It takes the place of STS-B dev.",
        group="evaluation",
        metavar="FILE",
    )
    eval_every: int = option(100, "Steps between two scorings.", group="evaluation", least=1, shapes=True)
    patience: int | None = option(
        None,
        "Stop after so many scorings in a row that brought no better score; by default the run goes to its end.",
        group="evaluation",
        least=1,
        shapes=True,
    )
    min_delta: float = option(
        0.0,
        "Of patience: by how much a score, a correlation from -1 to 1, must be better to count.",
        group="evaluation",
        least=0.0,
        shapes=True,
    )
    test: bool = option(
        True,
        "Score the output at the end on all STS tasks that the folder has, for card and report.",
        group="evaluation",
    )

    output: Path = option(
        help="Folder to write the encoder to.",
        more="One that holds something other than a trained model is left alone.",
        group="output",
        kind="path",
        short="o",
        metavar="FOLDER",
    )
    language: Sequence[str] = option(
        (), "Languages of the text, for the card: codes such as en or zh.", group="output", metavar="CODE"
    )
    license: str | None = option(
        None,
        "Licence of the weights, for the card: a name as the hub has it, such as apache-2.0.",
        group="output",
    )
    dataset_names: Sequence[str] = option(
        (), "Datasets of the hub that the text comes from, for the card.", group="output", metavar="NAME"
    )
    report: bool = option(
        True,
        "Write report.html into the output: curves, settings and sampled negatives.",
        group="output",
    )
    loggers: Sequence[Literal["jsonl", "tensorboard", "trackio", "wandb"]] = option(
        ("jsonl",),
        "Where log entries go; none given, nowhere.",
        more='"jsonl" is `<output>.run/metrics.jsonl`. In Python also objects with `write(step, figures)`.',
        group="output",
        check=_check_loggers,
    )
    log_every: int = option(
        10,
        "Steps between two log entries.",
        more="The loop waits for the GPU only there.",
        group="output",
        least=1,
    )
    checkpoint_every: int | None = option(
        None,
        "Steps between two checkpoints, in <output>.run/checkpoints; by default one every ten minutes; 0 is never.",
        more="Ctrl-C leaves one too, unless this is 0 or several processes train.",
        group="output",
        least=0,
    )
    keep_checkpoints: int = option(
        2,
        "Checkpoints kept while the run lasts.",
        more="All are removed when it has ended well.",
        group="output",
        least=1,
    )
    resume: bool = option(
        False, "Continue at the newest whole checkpoint; where there is none, start.", group="output"
    )

    device: str = option(same.DEVICE, more="Under torchrun each process takes its own.")
    precision: Literal["auto", "float32", "bfloat16"] = option(
        same.PRECISION, more="Weights are float32 always."
    )
    compile: Literal["off", "default", "cuda_graphs"] = option(
        "off",
        "Compile the model by torch.compile, and record its kernels as well.",
        group="machine",
    )
    tf32: bool = option(
        False,
        "On a GPU, let float32 products be taken in TF32: faster, 10 bits of mantissa.",
        group="machine",
    )
    deterministic: bool = option(
        False,
        "On a GPU, use algorithms that give the same bits each time, where torch has them.",
        group="machine",
    )
    threads: int | None = option(same.THREADS, "Threads of the Rust core; by default one for each core.")
    prefetch: int = option(4, "Batches made ready ahead of the step.", group="machine", least=1)
    progress: bool = option(False, "Show a progress bar.", group="machine", on_command_line=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._take_preset()
        if self.importance != "tfidf" and self.select == "uniform":
            raise OptionError(
                f'importance={self.importance!r} has no meaning where select="uniform" chooses the tokens'
            )
        if (self.corpus is None) == (self.pairs is None):
            raise OptionError("give either corpus or pairs: the sentences to train on")
        if self.pairs is not None and self.paraphrases is not None:
            raise OptionError("pairs has the paraphrases already: leave paraphrases out")
        if self.compile == "cuda_graphs" and self.chunk_size is not None:
            raise OptionError("compile='cuda_graphs' does not go with chunk_size: a graph reuses its output")
        if self.resume and self.checkpoint_every == 0:
            raise OptionError("resume has no use for checkpoint_every=0, by which a run leaves no checkpoint")
        if self.patience is not None and self.sts is None and self.dev is None:
            raise OptionError("patience needs scores to wait for: give sts or dev")

    def _take_preset(self) -> None:
        """Put what the preset decides in the place of the defaults."""
        if self.preset is None:
            return
        fields = type(self).__dataclass_fields__
        for name, decided in PRESETS[self.preset].items():
            if getattr(self, name) not in (decided, fields[name].default):
                raise OptionError(f"preset {self.preset!r} already decides {name}")
            object.__setattr__(self, name, decided)
