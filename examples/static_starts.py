"""What static encoders score with nothing trained, over seeds of their draws.

    python examples/static_starts.py corpus.table bert-tiny/tokenizer.json --sts senteval

Directions by spelling against directions of each token's own, at two widths: paired differences over seeds.
"""

import argparse
from pathlib import Path
from statistics import fmean, stdev

import una_fast
from una_fast.evaluation import evaluate_sts
from una_fast.experiment.statistics import compare

ARMS = {
    "own, 256": {"char_ngrams": None, "dim": 256},
    "spelling, 256": {"dim": 256},
    "spelling, 1,024": {"dim": 1024},
}


def main() -> None:
    """Score, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--sts", required=True, help="folder in SentEval's layout")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    table = una_fast.TermTable.load(args.table)
    print(f"TF-IDF of the table: {_mean(table, args.sts):.2f}", flush=True)
    scores = {
        arm: [
            _mean(una_fast.static_embedding(table, args.tokenizer, seed=seed, **options), args.sts)
            for seed in range(args.seeds)
        ]
        for arm, options in ARMS.items()
    }
    baseline = next(iter(scores.values()))
    for arm, values in scores.items():
        line = f"{arm}: mean {fmean(values):.2f}, sd {stdev(values):.2f}"
        if values is not baseline:
            found = compare(values, baseline)
            assert found.over_seeds is not None
            line += f", {found.mean:+.2f} ({found.over_seeds.low:+.2f} .. {found.over_seeds.high:+.2f} over seeds)"
        print(line, " ".join(f"{value:.2f}" for value in values), sep="\n  ", flush=True)


def _mean(encoder: una_fast.StaticEmbedding | una_fast.TermTable, sts: str) -> float:
    """The mean of the tasks that the folder has, x 100."""
    tasks = evaluate_sts(encoder, sts).tasks
    return 100 * fmean(task.spearman for task in tasks)


if __name__ == "__main__":
    main()
