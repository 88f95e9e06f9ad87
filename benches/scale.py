"""What a corpus of billions of sentences costs: vocabulary growth fitted, rates measured, a plan worked out.

    python benches/scale.py FILE [--sentences 1e9 1e10 1e11] [--cores 64 1024] [--block 1e6] [--parts 64 1024 4096]

FILE holds a sentence a line. Two laws are fitted to the number of terms among the first sentences, on the first half
of the text, and shown against the second:

- Heaps: V(n) = K n^b for n tokens, by least squares of logarithms.
- Pitman-Yor: the next token is new with probability (s + d V) / (s + n), the law of a text drawn from that process. Its
  V(n) is worked out step by step, so that "more text" is made without writing it.

The plan takes the second; Heaps alone would go on for ever at the slope of the first million sentences. Rates are
measured here, on one thread. A merge of 16 real blocks checks what the plan says of sizes and of time.
"""

import argparse
import gzip
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.optimize import minimize

from una_fast import TermCounter
from una_fast.batches import collect_counts, count_batches, merge_batches


def growth(sentences: list[str]) -> tuple[list[int], list[int]]:
    """Tokens and terms of the first 2^10, 2^11, ... sentences, and of all."""
    counter = TermCounter()
    length = np.cumsum([len(tokens.texts) for tokens in empty_table().tokenize(sentences)])
    marks = [0, *(1 << k for k in range(10, 40) if 1 << k < len(sentences)), len(sentences)]
    terms = []
    for start, stop in pairwise(marks):
        counter.update(sentences[start:stop])
        terms.append(counter.n_terms)
    return [int(length[mark - 1]) for mark in marks[1:]], terms


def empty_table():
    """A table, for its tokenizer."""
    counter = TermCounter()
    counter.update(["nothing"])
    return counter.freeze()


@dataclass
class Heaps:
    """V(n) = K n^b."""

    k: float
    b: float

    @classmethod
    def fitted(cls, tokens: list[int], terms: list[int]) -> "Heaps":
        """By least squares of logarithms."""
        b, log_k = np.polyfit(np.log(tokens), np.log(terms), 1)
        return cls(float(np.exp(log_k)), float(b))

    def terms(self, tokens: np.ndarray) -> np.ndarray:
        """Terms among so many tokens."""
        return self.k * tokens**self.b


@dataclass
class PitmanYor:
    """dV/dn = (s + d V) / (s + n), of which V(n) = ((s + n)^d s^(1 - d) - s) / d is the mean."""

    s: float
    d: float

    @classmethod
    def fitted(cls, tokens: list[int], terms: list[int]) -> "PitmanYor":
        """By least squares of logarithms."""
        n, v = np.array(tokens, float), np.log(terms)

        def loss(x: np.ndarray) -> float:
            made = cls(float(np.exp(x[0])), 1 / (1 + float(np.exp(-x[1]))))
            return float(((np.log(made.terms(n)) - v) ** 2).sum())

        found = minimize(
            loss, np.array([8.0, 0.0]), method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-6}
        )
        return cls(float(np.exp(found.x[0])), 1 / (1 + float(np.exp(-found.x[1]))))

    def terms(self, tokens: np.ndarray) -> np.ndarray:
        """Terms among so many tokens."""
        return ((self.s + tokens) ** self.d * self.s ** (1 - self.d) - self.s) / self.d


@dataclass
class Rates:
    """Seconds of one core, and bytes."""

    count_a_sentence: float
    write_a_term: float
    merge_a_term: float
    collect_a_term: float
    freeze_a_term: float
    bytes_a_term: float
    bytes_a_sentence: float
    tokens_a_sentence: float


def timed(call):
    """What a call returns, and its seconds."""
    start = time.perf_counter()
    made = call()
    return made, time.perf_counter() - start


def measured(sentences: list[str], tokens: int) -> tuple[Rates, list[pa.RecordBatch], list[int]]:
    """Rates on this machine, from 16 blocks; the rows of each block, and the terms of each."""
    step = -(-len(sentences) // 16)
    blocks = [pa.table({"text": sentences[i : i + step]}) for i in range(0, len(sentences), step)]
    n_terms, counting = [], 0.0
    for block in blocks:
        counter = TermCounter(threads=1)
        counting += timed(lambda counter=counter, block=block: counter.update(block))[1]
        n_terms.append(counter.n_terms)
    rows, seconds = timed(lambda: [list(count_batches(block.to_batches(), parts=16)) for block in blocks])
    flat = [row for block in rows for row in block]
    merged, merging = timed(lambda: merge_batches(flat))
    counter, collecting = timed(lambda: collect_counts([merged], threads=1))
    _, freezing = timed(counter.freeze)
    size = sum(row["counts"].nbytes for row in flat)
    all_terms, whole = sum(n_terms), counter.n_terms
    rates = Rates(
        count_a_sentence=counting / len(sentences),
        write_a_term=max(seconds - counting, 0) / all_terms,
        merge_a_term=merging / all_terms,
        collect_a_term=collecting / whole,
        freeze_a_term=freezing / whole,
        bytes_a_term=size / all_terms,
        bytes_a_sentence=sum(len(text.encode()) + 1 for text in sentences) / len(sentences),
        tokens_a_sentence=tokens / len(sentences),
    )
    return rates, flat, [*n_terms, whole]


def hours(seconds: float) -> str:
    """A time for people."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:,.1f} min"


def size(number: float) -> str:
    """Bytes for people."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number / 1e3:,.0f} kB"


def plan(n: float, law: PitmanYor, rates: Rates, block: float, cores: list[int], parts: list[int]) -> None:
    """The tables of a corpus of n sentences."""
    per_block = float(law.terms(np.array(block * rates.tokens_a_sentence)))
    whole = float(law.terms(np.array(n * rates.tokens_a_sentence)))
    blocks = n / block
    counting = n * rates.count_a_sentence + blocks * per_block * rates.write_a_term
    merging = blocks * per_block * rates.merge_a_term
    last = whole * (rates.collect_a_term + rates.freeze_a_term)
    shuffled = blocks * per_block * rates.bytes_a_term
    print(f"\n{n:.0e} sentences: {size(n * rates.bytes_a_sentence)} of text, {blocks:,.0f} blocks\n")
    print("| | |\n|---|---|")
    print(f"| terms of a block, of the whole | {per_block:,.0f}, {whole:,.0f} |")
    print(f"| counting, core hours | {counting / 3600:,.1f} |")
    print(f"| merging, core hours | {merging / 3600:,.1f} |")
    print(
        f"| bytes shuffled | {size(shuffled)} ({shuffled / (n * rates.bytes_a_sentence):.0%} of the text) |"
    )
    print(f"| the last step, one process | {hours(last)}, a table of {size(whole * rates.bytes_a_term)} |")
    for n_cores in cores:
        total = (counting + merging) / n_cores + last
        print(f"| on {n_cores:,} cores | {hours(total)}, {hours(last)} of it the last step |")
    for n_parts in parts:
        group, part = shuffled / n_parts, whole * rates.bytes_a_term / n_parts
        print(f"| one of {n_parts:,} parts: what comes in, what is held | {size(group)}, {size(3 * part)} |")


def tree(law: PitmanYor, rates: Rates, block: float, fan_in: int, blocks: int) -> None:
    """The sizes of a merge tree, level by level, by the law."""
    print(f"\nA tree of {blocks:,} blocks, {fan_in} merged at a time:\n")
    print("| level | nodes | terms of each | bytes of each | seconds of a merge |\n|---|---|---|---|---|")
    sentences, nodes, level = block, blocks, 0
    while True:
        terms = float(law.terms(np.array(sentences * rates.tokens_a_sentence)))
        below = float(law.terms(np.array(sentences / fan_in * rates.tokens_a_sentence)))
        seconds = "" if level == 0 else f"{fan_in * below * rates.merge_a_term:,.1f}"
        print(f"| {level} | {nodes:,} | {terms:,.0f} | {size(terms * rates.bytes_a_term)} | {seconds} |")
        if nodes == 1:
            return
        nodes, sentences, level = -(-nodes // fan_in), sentences * fan_in, level + 1


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--sentences", type=float, nargs="+", default=[1e9, 1e10, 1e11])
    parser.add_argument("--cores", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--block", type=float, default=1e6)
    parser.add_argument("--parts", type=int, nargs="+", default=[64, 1024, 4096])
    args = parser.parse_args()
    opened = gzip.open if args.file.suffix == ".gz" else open
    with opened(args.file, "rt", encoding="utf-8") as file:
        sentences = file.read().splitlines()
    tokens, terms = growth(sentences)
    half = [n for n in tokens if n <= tokens[-1] / 2]
    heaps, law = Heaps.fitted(half, terms[: len(half)]), PitmanYor.fitted(half, terms[: len(half)])
    print(f"Heaps: V = {heaps.k:.1f} n^{heaps.b:.3f}; Pitman-Yor: s = {law.s:,.0f}, d = {law.d:.3f}\n")
    print("| tokens | terms | Heaps | Pitman-Yor | fitted on |\n|---|---|---|---|---|")
    for n, v in zip(tokens, terms, strict=True):
        guesses = [float(each.terms(np.array(float(n)))) / v - 1 for each in (heaps, law)]
        print(f"| {n:,} | {v:,} | {guesses[0]:+.1%} | {guesses[1]:+.1%} | {'yes' if n in half else 'no'} |")
    for n in (1e8, 1e9, 1e10):
        made = [float(each.terms(np.array(n))) for each in (heaps, law)]
        print(f"| {n:.0e} | | {made[0]:,.0f} | {made[1]:,.0f} | |")
    law = PitmanYor.fitted(tokens, terms)
    print(f"\nFitted on all of it: s = {law.s:,.0f}, d = {law.d:.3f}")
    rates, _, found = measured(sentences, tokens[-1])
    print("\n| rate, one core | |\n|---|---|")
    print(
        f"| counting | {rates.count_a_sentence * 1e6:.2f} us a sentence of {rates.bytes_a_sentence:.0f} bytes |"
    )
    for name in ("write", "merge", "collect", "freeze"):
        print(f"| {name} | {getattr(rates, f'{name}_a_term') * 1e9:.0f} ns a term |")
    print(f"| counts | {rates.bytes_a_term:.1f} bytes a term |")
    block = len(sentences) / 16
    said = [float(law.terms(np.array(each * rates.tokens_a_sentence))) for each in (block, len(sentences))]
    print(
        f"\nChecked on 16 blocks of {block:,.0f} sentences: a block has {np.mean(found[:-1]):,.0f} terms (the law says"
    )
    print(f"{said[0]:,.0f}), their union {found[-1]:,} ({said[1]:,.0f}).")
    for n in args.sentences:
        plan(n, law, rates, args.block, args.cores, args.parts)
    tree(law, rates, args.block, 16, 16**3)


if __name__ == "__main__":
    main()
