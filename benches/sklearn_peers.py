"""Beside scikit-learn: our vectorizers and its, on a list of sentences.

    python benches/sklearn_peers.py [--sentences N]     times, as ratios, in one process
    python benches/sklearn_peers.py --memory            peak memory above that of the list, a process each

The answer is asserted first: every array of the matrices is equal, and so are the vocabularies.
"""

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.feature_extraction import text as theirs

import una_fast.sklearn as ours
from conftest import english, peak_memory

RUNS: list[tuple[str, dict[str, Any]]] = [
    ("TfidfVectorizer", {}),
    ("CountVectorizer", {}),
    ("CountVectorizer", {"ngram_range": (1, 2)}),
    ("TfidfVectorizer", {"ngram_range": (1, 2), "min_df": 5, "stop_words": "english"}),
    ("HashingVectorizer", {}),
]


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def assert_equal(found: Any, expected: Any) -> None:
    """The same arrays."""
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def times(documents: list[str], repeats: int) -> None:
    """A table of ratios: the best of runs that take turns."""
    print("| | scikit-learn | 1 thread | 2 threads |\n|---|---|---|---|")
    for name, parameters in RUNS:
        peer, one, two = (getattr(kind, name)(**parameters) for kind in (theirs, ours, ours))
        one.threads, two.threads = 1, 2
        expected, transformed = peer.fit_transform(documents), peer.transform(documents)
        for own in (one, two):
            assert_equal(own.fit_transform(documents), expected)
            assert_equal(own.transform(documents), transformed)
            assert getattr(own, "vocabulary_", None) == getattr(peer, "vocabulary_", None)
        del expected, transformed
        told = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
        for what, work in WORK.items():
            if "vocabulary_" in what and not hasattr(peer, "vocabulary_"):
                continue
            best = [math.inf] * 3
            for _ in range(repeats):
                for number, vectorizer in enumerate((peer, one, two)):
                    seconds = timed(lambda vectorizer=vectorizer, work=work: work(vectorizer, documents))
                    best[number] = min(best[number], seconds)
            ratios = " | ".join(f"{best[0] / seconds:.1f} x" for seconds in best[1:])
            print(f"| `{name}({told})` {what} | {best[0]:.1f} s | {ratios} |", flush=True)


WORK: dict[str, Callable[[Any, list[str]], Any]] = {
    "fit_transform": lambda vectorizer, documents: vectorizer.fit_transform(documents),
    "fit_transform, then vocabulary_": lambda vectorizer, documents: (
        vectorizer.fit_transform(documents),
        vectorizer.vocabulary_,
    ),
    "transform": lambda vectorizer, documents: vectorizer.transform(documents),
}


def peak_above(which: str, number: int, documents: list[str]) -> int:
    """MiB of a fit_transform above what the process holds before it."""
    name, parameters = RUNS[number]
    vectorizer = getattr({"theirs": theirs, "ours": ours}[which], name)(**parameters)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")  # the peak starts anew
    before = peak_memory()
    vectorizer.fit_transform(documents)
    return peak_memory() - before


def memory(count: int) -> None:
    """A table of peaks."""
    print("| | scikit-learn | una_fast | ratio |\n|---|---|---|---|")
    for number, (name, parameters) in enumerate(RUNS):
        peaks = []
        for which in ("theirs", "ours"):
            command = [sys.executable, __file__, "--sentences", str(count), "--peak", which, str(number)]
            peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        told = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
        print(
            f"| `{name}({told})` | {peaks[0]} MiB | {peaks[1]} MiB | {peaks[1] / peaks[0]:.2f} |", flush=True
        )


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        print(peak_above(args.peak[0], int(args.peak[1]), english(args.sentences)))
    elif args.memory:
        memory(args.sentences)
    else:
        times(english(args.sentences), args.repeats)


if __name__ == "__main__":
    main()
