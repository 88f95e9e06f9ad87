"""How the cost of fitting grows with the text: sizes, seconds, the fitted exponent and a picture.

The text is the corpus over and over, each time with its sentences in another order and with some of its rare words
(two tokens at most) spelled anew, so many that the distinct words of n copies are those of one times n ** 0.6, as
Heaps' law has it for language. One file grows from size to size; it needs as much disk as the largest.

python benches/linearity.py CORPUS.txt [--largest MEGABYTES] [--threads N] [--svg FILE] [--folder FOLDER]
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

import una_fast

HEAPS = 0.6
SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]


class Corpus:
    """A text that goes on for ever."""

    def __init__(self, text: str) -> None:
        lines = [line.split() for line in text.split("\n") if line.strip()]
        ids: dict[str, int] = {}
        self.tokens = np.array([ids.setdefault(word, len(ids)) for line in lines for word in line])
        self.lengths = np.array([len(line) for line in lines])
        self.words = list(ids)
        self.rare = np.flatnonzero(np.bincount(self.tokens) <= 2)

    def copies(self) -> Iterator[memoryview]:
        """The corpus as it is, then its variations."""
        copy = 1
        while True:
            yield self._copy(copy)
            copy += 1

    def _copy(self, copy: int) -> memoryview:
        draw = np.random.default_rng(copy)
        words = self.words.copy()
        if copy > 1:
            new = round(len(words) * (copy**HEAPS - (copy - 1) ** HEAPS))
            for i in draw.choice(self.rare, min(new, len(self.rare)), replace=False):
                words[i] = f"{words[i]}{copy}"
        # A word that ends a line carries the line end: the text is then nothing but words one after another.
        spelled = pa.array([f"{word} " for word in words] + [f"{word}\n" for word in words])
        return memoryview(spelled.take(pa.array(self._order(draw, copy))).buffers()[2])

    def _order(self, draw: np.random.Generator, copy: int) -> np.ndarray:
        lines = np.arange(len(self.lengths)) if copy == 1 else draw.permutation(len(self.lengths))
        lengths, starts = self.lengths[lines], (np.cumsum(self.lengths) - self.lengths)[lines]
        ends = np.cumsum(lengths)
        within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        order: np.ndarray = self.tokens[np.repeat(starts, lengths) + within]
        order[ends - 1] += len(self.words)
        return order


def sized(corpus: Corpus, sizes: list[int], path: Path) -> Iterator[int]:
    """Makes the file as long as each size in turn, in bytes, by whole lines."""
    with path.open("wb") as file:
        copies, rest = corpus.copies(), memoryview(b"")
        for size in sizes:
            while (missing := size - file.tell()) > 0:
                rest = rest or next(copies)
                taken = min(missing, len(rest))
                taken += bytes(rest[taken - 1 : taken + (64 << 20)]).find(b"\n")
                file.write(rest[:taken])
                rest = rest[taken:]
            file.flush()
            yield file.tell()


def measure(path: Path, threads: int, rounds: int) -> tuple[float, float, int]:
    """The least wall-clock seconds and processor seconds, and the number of terms."""
    wall, cpu = math.inf, math.inf
    for _ in range(rounds):
        start, start_cpu = time.perf_counter(), time.process_time()
        table = una_fast.fit(path, threads=threads)
        wall = min(wall, time.perf_counter() - start)
        cpu = min(cpu, time.process_time() - start_cpu)
        n_terms = len(table)
        del table
    return wall, cpu, n_terms


def exponent(sizes: list[float], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


INK = "#7b8494"
"""Legible on white and on black."""


def draw(sizes: list[float], wall: list[float], cpu: list[float], threads: int, path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": "una-fast", "svg.fonttype": "none"})
    matplotlib.rcParams.update({"text.color": INK, "axes.labelcolor": INK})
    matplotlib.rcParams.update({"axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK})
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(sizes, cpu, "o-", label=f"processor, exponent {exponent(sizes, cpu):.2f}")
    axes.loglog(sizes, wall, "s-", label=f"clock, {threads} threads, exponent {exponent(sizes, wall):.2f}")
    axes.loglog(
        sizes, [cpu[-1] / sizes[-1] * size for size in sizes], ":", color="grey", label="proportional"
    )
    axes.set(xlabel="text, MB", ylabel="seconds", title="Fitting: cost against size of the text")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(
        path, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--largest", type=int, default=SIZES[-1], metavar="MEGABYTES")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--folder", type=Path, help="for the text")
    args = parser.parse_args()
    sizes: list[float] = []
    wall: list[float] = []
    cpu: list[float] = []
    corpus = Corpus(args.corpus.read_text(encoding="utf-8"))
    print(f"{'MB':>8} {'terms':>10} {'clock s':>8} {'cpu s':>8} {'MB/s':>8} {'MB/cpu s':>8}")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "corpus.txt"
        for n_bytes in sized(corpus, [size * 10**6 for size in SIZES if size <= args.largest], path):
            size = n_bytes / 1e6
            seconds, cpu_seconds, n_terms = measure(
                path, args.threads, rounds=max(1, min(7, int(500 / size)))
            )
            sizes, wall, cpu = [*sizes, size], [*wall, seconds], [*cpu, cpu_seconds]
            rates = f"{size / seconds:8.1f} {size / cpu_seconds:8.1f}"
            print(f"{size:8.1f} {n_terms:10} {seconds:8.3f} {cpu_seconds:8.3f} {rates}", flush=True)
    print(f"exponent: {exponent(sizes, wall):.3f} by the clock, {exponent(sizes, cpu):.3f} by the processor")
    if args.svg:
        draw(sizes, wall, cpu, args.threads, args.svg)


if __name__ == "__main__":
    main()
