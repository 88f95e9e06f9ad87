"""`una-fast train`: train a sentence encoder on a corpus of one sentence a line."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from una_fast.training import Result

__all__ = ["add_parser", "run"]

_WHOLE = {
    "every": "steps from one batch with negatives to the next; 0 is plain SimCSE (5)",
    "batch_size": "examples contrasted with each other, on all GPUs together (64)",
    "accumulate": "batches whose gradients are added up for a step (1)",
    "chunk_size": "rows encoded at a time by gradient caching, for batches that outgrow the memory",
    "max_length": "tokens read of a sentence (32)",
    "epochs": "passes over the corpus (1)",
    "max_steps": "stop after so many steps",
    "warmup_steps": "steps over which the learning rate rises (0)",
    "seed": "decides order, negatives, dropout and the training head (0)",
    "radius": "half-width in ranks of the window that replacements come from (4000)",
    "eval_every": "steps between two scorings (100)",
    "checkpoint_every": "steps between two checkpoints in OUTPUT.run",
    "keep": "checkpoints kept while the run lasts (2)",
    "log_every": "steps between two log entries (10)",
    "probe_rows": "sentences whose negatives are probed before and after training (0)",
    "threads": "threads of the core",
    "prefetch": "batches made ready ahead (4)",
}
_REAL = {
    "learning_rate": "highest learning rate (3e-5)",
    "weight_decay": "AdamW's weight decay (0)",
    "max_grad_norm": "norm that gradients are scaled down to; 0 never does (1)",
    "temperature": "divides the cosines in the loss (0.05)",
    "hard_negative_weight": "of info_nce: weight of an anchor's own negative; of margin: of the hinge (1)",
    "margin": "of margin: by how much the positive is to be nearer than the negative (0.1)",
    "dropout": "replaces the dropout of the model",
    "replace_prob": "expected share of tokens replaced (0.5)",
}
_CHOICES = {
    "loss": (("nt_xent", "info_nce", "margin"), "what is minimised (nt_xent)"),
    "schedule": (("linear", "constant"), "course of the learning rate (linear)"),
    "pooling": (
        ("cls_mlp", "cls", "mean", "first_last_mean"),
        "what of the states is the embedding (cls_mlp)",
    ),
    "select": (("tfidf", "inverse", "uniform"), "which tokens are replaced (tfidf)"),
    "replace": (("vicinity", "uniform"), "what replaces them (vicinity)"),
    "surface": (("reference", "preserve"), "form of the negatives (reference)"),
    "importance": (("tfidf", "idf", "attention"), "what makes a token important (tfidf)"),
    "precision": (("auto", "float32", "bfloat16"), "type of the products inside the model (auto)"),
    "compile": (("off", "default", "cuda_graphs"), "whether torch compiles the model (off)"),
}
_TEXT = {
    "tokenizer": "rules that split sentences into terms (those of the table, or treebank)",
    "device": "auto, cpu, cuda, cuda:1, ... (auto)",
}
_PATHS = {
    "model": "folder or hub name of the model to start from",
    "output": "folder to write the encoder to",
    "table": "TF-IDF table; without it one is fitted on the corpus",
    "paraphrases": "positives, line by line as in the corpus",
    "pairs": "lines of a sentence, a tab and its paraphrase, in place of CORPUS and --paraphrases",
    "index": "folder for a copy of the text that is mapped, for corpora larger than memory",
    "sts": "SentEval folder; the output is the best step on STS-B dev",
}
_SWITCHES = {
    "distinct": "let no sentence stand twice in a batch",
    "tf32": "on a GPU, let float32 products be taken in TF32",
    "deterministic": "on a GPU, use algorithms that give the same bits each time",
    "test": "score the output on all STS tasks of --sts at the end (yes)",
    "report": "write report.html into OUTPUT (yes)",
    "resume": "continue at the newest checkpoint; where there is none, start",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command; options that are not given take those of the file, then those of `TrainConfig`."""
    parser = subparsers.add_parser(
        "train",
        help="train a sentence encoder with generated hard negatives",
        description="Train a sentence encoder; defaults stand in brackets. Every option can stand in a TOML file "
        "under its name, with _ for -, which --config reads. Several GPUs: torchrun --nproc-per-node N "
        "-m una_fast train ...",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("corpus", nargs="*", help="one or more files of one sentence a line, or a glob")
    parser.add_argument(
        "--config", type=Path, default=None, help="TOML file of options; those given here win"
    )
    for name, text in _PATHS.items():
        parser.add_argument(_flag(name), metavar="PATH", help=text)
    for options, kind in ((_WHOLE, int), (_REAL, float), (_TEXT, str)):
        for name, text in options.items():
            parser.add_argument(_flag(name), type=kind, metavar="N" if kind is not str else "NAME", help=text)
    for name, (choices, text) in _CHOICES.items():
        parser.add_argument(_flag(name), choices=choices, help=text)
    for name, text in _SWITCHES.items():
        parser.add_argument(_flag(name), action=argparse.BooleanOptionalAction, help=text)
    parser.add_argument(
        "--loggers",
        nargs="*",
        metavar="NAME",
        help="where log entries go: jsonl, tensorboard, wandb; none given, nowhere (jsonl)",
    )
    parser.add_argument("--json", action="store_true", default=False, help="print the result as JSON")
    parser.set_defaults(run=run)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def run(args: argparse.Namespace) -> int:
    """Train and print where the encoder lies and how the run went."""
    from una_fast.training import TrainConfig, train

    options = _options(args)
    where = "the command line" if args.config is None else str(args.config)
    result = train(TrainConfig.from_options(options, where=where))
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result.to_dict()) if args.json else _summary(result))
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    from una_fast.training.config import read_toml

    given = {
        name: value for name, value in vars(args).items() if name not in ("run", "json", "command", "config")
    }
    files = given.pop("corpus", [])
    if files:
        given["corpus"] = files[0] if len(files) == 1 else [Path(path) for path in files]
    options = {
        "progress": sys.stderr.isatty(),
        **({} if args.config is None else read_toml(args.config)),
        **given,
    }
    if options.get("max_grad_norm") == 0:
        options["max_grad_norm"] = None
    return options


def _summary(result: "Result") -> str:
    resumed = f", resumed after {result.resumed_at}" if result.resumed_at else ""
    lines = [
        f"{result.output}: {result.steps} steps{resumed}, last loss {result.losses[-1][1]:.4f}",
        f"{result.rows_per_second:.0f} rows/s, {100 * result.wait_share:.1f} % of the time waiting for data",
    ]
    scores = {step: score for step, score in result.dev_scores if score is not None}
    if result.best_step in scores:
        best = 100 * scores[result.best_step]
        lines.append(f"STS-B dev {best:.2f} at step {result.best_step}, whose weights are kept")
    if result.last != result.output:
        score = scores.get(result.steps)
        shown = "" if score is None else f", STS-B dev {100 * score:.2f}"
        lines.append(f"the last step's weights: {result.last}{shown}")
    if result.sts is not None:
        lines.append(str(result.sts))
    return "\n".join(lines)
