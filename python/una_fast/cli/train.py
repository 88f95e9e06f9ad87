"""`una-fast train`: train a sentence encoder on a corpus of one sentence a line."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from una_fast.training import Result

__all__ = ["add_parser", "run"]

_WHOLE = {
    "every": "steps from one batch with negatives to the next; 0 is plain SimCSE (5)",
    "batch_size": "examples a step (64)",
    "max_length": "tokens read of a sentence (32)",
    "epochs": "passes over the corpus (1)",
    "max_steps": "stop after so many steps",
    "warmup_steps": "steps over which the learning rate rises (0)",
    "seed": "decides order, negatives, dropout and the training head (0)",
    "radius": "half-width in ranks of the window that replacements come from (4000)",
    "eval_every": "steps between two scorings (100)",
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
    "dropout": "replaces the dropout of the model",
    "replace_prob": "expected share of tokens replaced (0.5)",
}
_CHOICES = {
    "schedule": (("linear", "constant"), "course of the learning rate (linear)"),
    "pooling": (("cls_mlp", "cls", "mean"), "what of the last layer is the embedding (cls_mlp)"),
    "select": (("tfidf", "inverse", "uniform"), "which tokens are replaced (tfidf)"),
    "replace": (("vicinity", "uniform"), "what replaces them (vicinity)"),
    "surface": (("reference", "preserve"), "form of the negatives (reference)"),
    "importance": (("tfidf", "idf", "attention"), "what makes a token important (tfidf)"),
    "precision": (("auto", "float32", "bfloat16"), "type of the products inside the model (auto)"),
}
_TEXT = {
    "tokenizer": "rules that split sentences into terms where a table is fitted (treebank)",
    "device": "auto, cpu, cuda, cuda:1, ... (auto)",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command; options that are not given take the defaults of `TrainConfig`."""
    parser = subparsers.add_parser(
        "train",
        help="train a sentence encoder with generated hard negatives",
        description="Train a sentence encoder; defaults stand in brackets.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("corpus", nargs="+", help="one or more files of one sentence a line, or a glob")
    parser.add_argument("--model", required=True, help="folder or hub name of the model to start from")
    parser.add_argument("--output", required=True, type=Path, help="folder to write the encoder to")
    parser.add_argument("--table", type=Path, help="TF-IDF table; without it one is fitted on the corpus")
    parser.add_argument("--paraphrases", type=Path, help="positives, line by line as in the corpus")
    parser.add_argument("--sts", type=Path, help="SentEval folder; keeps the best checkpoint on STS-B dev")
    for options, kind in ((_WHOLE, int), (_REAL, float), (_TEXT, str)):
        for name, text in options.items():
            parser.add_argument(_flag(name), type=kind, metavar="N" if kind is not str else "NAME", help=text)
    for name, (choices, text) in _CHOICES.items():
        parser.add_argument(_flag(name), choices=choices, help=text)
    parser.add_argument("--json", action="store_true", default=False, help="print the result as JSON")
    parser.set_defaults(run=run)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def run(args: argparse.Namespace) -> int:
    """Train and print where the encoder lies and how the run went."""
    from una_fast.training import TrainConfig, train

    config = TrainConfig(**_options(args), progress=sys.stderr.isatty())
    result = train(config)
    print(json.dumps(result.to_dict()) if args.json else _summary(result))
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    options = {name: value for name, value in vars(args).items() if name not in ("run", "json", "command")}
    options["corpus"] = args.corpus[0] if len(args.corpus) == 1 else [Path(path) for path in args.corpus]
    if options.get("max_grad_norm") == 0:
        options["max_grad_norm"] = None
    return options


def _summary(result: "Result") -> str:
    lines = [
        f"{result.output}: {result.steps} steps, last loss {result.losses[-1][1]:.4f}",
        f"{result.rows_per_second:.0f} rows/s, {100 * result.wait_share:.1f} % of the time waiting for data",
    ]
    scores = {step: score for step, score in result.dev_scores if score is not None}
    if result.best_step in scores:
        best = 100 * scores[result.best_step]
        lines.append(f"STS-B dev {best:.2f} at step {result.best_step}, whose weights are kept")
    return "\n".join(lines)
