"""How much a Python thread loses while another augments a large batch.

    python benches/gil.py TABLE SENTENCES [--threads N]

It runs a loop of plain Python alone, beside a checksum of a large buffer (which never holds the GIL, and so shows what
sharing the machine costs) and beside the augmenting of a list of str and of an Arrow column, in one run; the answer is
asserted first. For each it tells the turns that the loop loses, which vary with all that the machine does, and the part
of the time in which it does not run but waits for the GIL. With as many augmenting threads as cores the loop loses its
core as well: leave one free.
"""

import argparse
import hashlib
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

import una_fast
from una_fast.sources import load_sentences


def beside(work: Callable[[], object]) -> tuple[float, float]:
    """Turns a second of a plain loop while `work` runs in another thread, and the part of the time it does not run."""
    done, turns = threading.Event(), 0

    def finish() -> None:
        work()
        done.set()

    thread = threading.Thread(target=finish)
    start, busy = time.perf_counter(), time.thread_time()
    thread.start()
    while not done.is_set():
        turns += 1
    elapsed, busy = time.perf_counter() - start, time.thread_time() - busy
    thread.join()
    return turns / elapsed, 1 - busy / elapsed


def main() -> None:
    """Prints the loss, in percent."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    sentences = list(load_sentences(args.sentences))
    column = pa.array(sentences)
    augmenter = una_fast.Augmenter(una_fast.TermTable.load(args.table), threads=args.threads)
    assert augmenter.augment_arrow(column[:2000]).to_pylist() == augmenter.augment(sentences)[:2000]
    buffer = bytes(600_000_000)
    works: dict[str, Callable[[], object]] = {
        "nothing": lambda: time.sleep(0.5),
        "a checksum": lambda: hashlib.sha512(buffer),
        "augmenting a list of str": lambda: augmenter.augment(sentences),
        "augmenting an Arrow column": lambda: augmenter.augment_arrow(column),
    }
    runs = [[beside(work) for work in works.values()] for _ in range(11)]
    print(f"{len(sentences):,} sentences, {args.threads} thread(s); medians of {len(runs)}")
    alone, *others = (
        [statistics.median(values) for values in zip(*each, strict=True)] for each in zip(*runs, strict=True)
    )
    for name, (rate, waiting) in zip(list(works)[1:], others, strict=True):
        lost = f"{100 * (1 - rate / alone[0]):.1f} % of its turns"
        print(f"beside {name} a Python loop loses {lost} and waits {100 * waiting:.1f} % of the time")


if __name__ == "__main__":
    main()
