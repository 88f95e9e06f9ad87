"""A table of docs/experiments.md, out of the scores of its runs: a row an arm, a column a seed.

    python examples/results_table.py docs/results/pretrained-tiny.tsv --baseline plain

The scores are those of an experiment's report, means over its tasks times 100. Intervals, p and Holm are explained in
docs/experiments.md; it needs `una-fast[train]`.
"""

import argparse
import csv
from pathlib import Path
from statistics import fmean, stdev

from una_fast.experiment.statistics import Difference, compare, holm

HEAD = ["arm", "mean", "sd", "difference", "sd", "over seeds", "p", "Holm"]


def read(path: Path) -> dict[str, list[float]]:
    """The scores of each arm, by seed."""
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file, delimiter="\t")
    return {arm: [float(score) for score in scores] for arm, *scores in rows}


def table(scores: dict[str, list[float]], baseline: str) -> dict[str, list[str]]:
    """The figures of each arm, in the order of `HEAD` without the first."""
    base = scores[baseline]
    found = {arm: compare(own, base) for arm, own in scores.items() if arm != baseline}
    corrected = dict(zip(found, holm([difference.p for difference in found.values()]), strict=True))
    spreads = {arm: [f"{fmean(own):.2f}", f"{stdev(own):.2f}"] for arm, own in scores.items()}
    return {
        arm: spreads[arm] + (figures(found[arm], corrected[arm]) if arm in found else [""] * 5)
        for arm in scores
    }


def figures(difference: Difference, corrected: float) -> list[str]:
    """Of a difference: mean, deviation, interval, p, Holm."""
    assert difference.spread is not None
    assert difference.over_seeds is not None
    low, high = difference.over_seeds.low, difference.over_seeds.high
    told = [f"{difference.mean:+.2f}", f"{difference.spread:.2f}", f"{low:+.2f} .. {high:+.2f}"]
    return [*told, f"{difference.p:.3g}", f"{corrected:.3g}"]


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--baseline", default="plain")
    args = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for arm, cells in table(read(args.file), args.baseline).items():
        print(f"| {' | '.join([arm, *cells])} |")


if __name__ == "__main__":
    main()
