"""Rows a second of training, on the GPU where there is one: our loop against two others, in one run and one table.

    python benches/gpu/train_speed.py [--corpus FILE] [--steps 400] [--shapes bert-base minilm] [--batches 64 512]

Needs: pip install 'una-fast[dev]' datasets accelerate. Models have the published shapes and random weights, since speed
does not depend on them; the vocabulary is trained on the corpus. Before anything is timed, our loss is held against the
plain loop's on the same batch.

Columns: rows a second (a row is a text encoded with gradients); the share of the GPU's bfloat16 matrix rate that the
model's own operations come to (6 a weight and token, and attention); the highest memory; the ratio to each peer.
"""

import argparse
import gzip
import random
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel

import una_fast
from una_fast.encoder.backbone import choose_device, load_tokenizer, tokenise
from una_fast.quickstart.starter import build_starter
from una_fast.training import TrainConfig, nt_xent, train

sys.path.insert(0, str(Path(__file__).parents[1]))
from gpu.peers import Recipe, plain_loop, sentence_transformers_trainer

SHAPES = {
    "bert-base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "minilm": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128},
}
"""Of BERT-base, of all-MiniLM-L6, and one for trying this script."""

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""Dense bfloat16 operations a second, by the makers' data sheets."""

VOCABULARY = 30_522


def main() -> None:
    """Run every combination and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="sentences, plain or gzip; made up without it")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["bert-base", "minilm"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 512])
    parser.add_argument(
        "--compile", nargs="+", choices=["off", "default", "cuda_graphs"], default=["off", "default"]
    )
    parser.add_argument("--workers", type=int, default=4, help="processes that feed the plain loop")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-peers", action="store_true", help="measure our loop alone")
    args = parser.parse_args()
    device = choose_device(args.device)
    sentences = read_sentences(args.corpus)
    table = una_fast.fit(sentences)
    print(
        f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else device}, torch {torch.__version__}"
    )
    print(
        "| model | batch | every | compile | rows/s | matrix rate | memory | x sentence-transformers | x plain loop |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for shape in args.shapes:
            model = build_model(Path(folder) / shape, shape, sentences)
            check_answer(model, sentences, device)
            for batch_size in args.batches:
                for every in (0, 5):
                    recipe = Recipe(
                        model=model,
                        sentences=sentences,
                        table=table,
                        batch_size=batch_size,
                        max_length=32,
                        steps=args.steps,
                        warm_up=args.warm_up,
                        every=every,
                    )
                    peers = [] if args.no_peers else measure_peers(recipe, device, args.workers, Path(folder))
                    for mode in args.compile:
                        print_row(shape, recipe, mode, device, peers, Path(folder))


def read_sentences(corpus: Path | None, count: int = 100_000) -> list[str]:
    """The first sentences of a corpus, or made up ones of the same lengths as Wikipedia's."""
    if corpus is None:
        draw = random.Random(0)
        words = [f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "su") for b in map(str, range(4000))]
        weights = [1 / (i + 1) for i in range(len(words))]
        return [" ".join(draw.choices(words, weights=weights, k=draw.randint(8, 35))) for _ in range(count)]
    reader = gzip.open if corpus.suffix == ".gz" else open
    with reader(corpus, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in islice(lines, count)]


def build_model(folder: Path, shape: str, sentences: list[str]) -> Path:
    """A BERT of a shape, with a vocabulary trained on the sentences."""
    build_starter(sentences[:20_000], folder, vocab_size=VOCABULARY)
    config = BertConfig(vocab_size=VOCABULARY, max_position_embeddings=512, **SHAPES[shape])
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


def check_answer(model: Path, sentences: list[str], device: torch.device) -> None:
    """Assert that the first loss of our loop is that of the model and NT-Xent called plainly, dropout off."""
    options: dict[str, Any] = {
        "model": model,
        "corpus": sentences[:64],
        "every": 0,
        "pooling": "cls",
        "dropout": 0.0,
    }
    with tempfile.TemporaryDirectory() as folder:
        options |= {
            "output": Path(folder) / "out",
            "max_steps": 1,
            "device": str(device),
            "loggers": (),
            "report": False,
        }
        ours = train(TrainConfig(**options, precision="float32")).losses[0][1]
    backbone = BertModel.from_pretrained(model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).to(
        device
    )
    texts = [text for text in sentences[:64] for _ in range(2)]
    names = frozenset({"input_ids", "attention_mask", "token_type_ids"})
    inputs = tokenise(load_tokenizer(model), texts, max_length=32, names=names)
    with torch.no_grad():
        hidden = backbone(**{name: value.to(device) for name, value in inputs.items()}).last_hidden_state
        plain = nt_xent(hidden[:, 0].float()).item()
    assert abs(ours - plain) < 1e-2 * max(1.0, plain), f"our loss is {ours}, the plain one {plain}"


def measure_peers(recipe: Recipe, device: torch.device, workers: int, folder: Path) -> list[float]:
    """Rows a second of sentence-transformers' trainer and of the plain loop."""
    return [
        sentence_transformers_trainer(recipe, folder / "peer"),
        plain_loop(recipe, device, workers=workers),
    ]


def measure(recipe: Recipe, mode: str, device: torch.device, folder: Path) -> float:
    """Rows a second of our loop, from the log entries after the warm-up."""
    import json

    options: dict[str, Any] = {
        "model": recipe.model,
        "corpus": [
            recipe.sentences[i % len(recipe.sentences)] for i in range(recipe.batch_size * recipe.steps)
        ],
        "table": recipe.table,
        "output": folder / "ours",
        "batch_size": recipe.batch_size,
        "max_length": recipe.max_length,
        "every": recipe.every,
        "learning_rate": recipe.learning_rate,
        "compile": mode,
        "device": str(device),
        "log_every": recipe.warm_up,
        "report": False,
    }
    train(TrainConfig(**options))
    metrics = Path(f"{options['output']}.run") / "metrics.jsonl"
    entries = [json.loads(line) for line in metrics.read_text().splitlines()]
    # An entry holds the mean speed since the start: what came after the warm-up is the difference.
    (warm, last) = entries[0], entries[-1]
    rows = [rows_until(recipe, entry["step"]) for entry in (warm, last)]
    seconds = [count / entry["rows_per_second"] for count, entry in zip(rows, (warm, last), strict=True)]
    return (rows[1] - rows[0]) / (seconds[1] - seconds[0])


def rows_until(recipe: Recipe, step: int) -> int:
    """Rows of the first `step` steps."""
    with_negatives = -(-step // recipe.every) if recipe.every else 0
    return recipe.batch_size * (2 * step + 2 * with_negatives)


def print_row(
    shape: str, recipe: Recipe, mode: str, device: torch.device, peers: list[float], folder: Path
) -> None:
    """Measure and print one row of the table."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    speed = measure(recipe, mode, device, folder)
    memory = f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB" if device.type == "cuda" else "-"
    ratios = " | ".join(f"{speed / peer:.1f}" for peer in peers) or "- | -"
    rate = matrix_share(shape, speed, recipe, device)
    print(
        f"| {shape} | {recipe.batch_size} | {recipe.every} | {mode} | {speed:,.0f} | {rate} | {memory} | {ratios} |",
        flush=True,
    )


def matrix_share(shape: str, speed: float, recipe: Recipe, device: torch.device) -> str:
    """The model's operations a second as a share of the GPU's peak."""
    peak = next((rate for name, rate in PEAKS.items() if name in _name(device)), None)
    if peak is None:
        return "-"
    width, layers = SHAPES[shape]["hidden_size"], SHAPES[shape]["num_hidden_layers"]
    tokens = mean_tokens(recipe)
    weights = layers * (4 * width**2 + 2 * width * SHAPES[shape]["intermediate_size"])
    operations = 6 * weights * tokens + 12 * layers * width * tokens**2
    return f"{100 * speed * operations / peak:.1f} %"


def mean_tokens(recipe: Recipe) -> float:
    """Tokens of a text, padding left out: work that is of use."""
    tokenizer = load_tokenizer(recipe.model)
    encoded = tokenizer(list(recipe.sentences[:2000]), truncation=True, max_length=recipe.max_length)
    return sum(map(len, encoded["input_ids"])) / len(encoded["input_ids"])


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


if __name__ == "__main__":
    main()
