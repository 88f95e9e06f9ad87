"""How much a Python thread loses while another augments a large batch.

    python benches/gil.py TABLE SENTENCES [--threads N]

It counts turns of a loop of plain Python, alone and beside the augmenting, in the same run; the answer is asserted
first. With as many augmenting threads as cores the loop loses its core as well: leave one free.
"""

import argparse
import statistics
import threading
import time
from pathlib import Path

import una_fast
from una_fast.sources import load_sentences


def turns_while(work: object, seconds: float = 0.0) -> float:
    """Turns a second of a plain loop while `work` runs, or for so many seconds."""
    done, turns = threading.Event(), 0

    def finish() -> None:
        if callable(work):
            work()
        else:
            time.sleep(seconds)
        done.set()

    thread = threading.Thread(target=finish)
    start = time.perf_counter()
    thread.start()
    while not done.is_set():
        turns += 1
    elapsed = time.perf_counter() - start
    thread.join()
    return turns / elapsed


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
    augmenter = una_fast.Augmenter(una_fast.TermTable.load(args.table), threads=args.threads)
    assert augmenter.augment(sentences[:2000]) == augmenter.augment(sentences)[:2000]
    losses = []
    for _ in range(9):
        alone = turns_while(None, seconds=0.5)
        beside = turns_while(lambda: augmenter.augment(sentences))
        losses.append(100 * (1 - beside / alone))
    print(f"{len(sentences):,} sentences, {args.threads} thread(s): a Python loop loses", end=" ")
    print(f"{statistics.median(losses):.1f} % (median of 9; {min(losses):.1f} to {max(losses):.1f})")


if __name__ == "__main__":
    main()
