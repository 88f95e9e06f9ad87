"""Every public call that can take over a second: what Ctrl-C ends, and what leaves other threads their turns.

    python tests/interruptible.py [--terms 5500000] [--signals 30]

prints for each how long it takes, how long after Ctrl-C it came back (median, 99th percentile, longest), and the
longest time for which it kept another Python thread from running. Python's own collection of garbage, which stops all
threads for a time that grows with the objects there are, is turned off meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import re
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import una_fast
from una_fast.mapped_corpus import map_sentences
from una_fast.sklearn import CountVectorizer
from una_fast.sources import load_sentences

Call = Callable[[], Any]


def write_corpus(path: Path, n_terms: int) -> None:
    """A file of so many terms, none twice, ten a line."""
    with path.open("w") as file:
        for first in range(0, n_terms, 10):
            file.write(" ".join(f"{i * 0x9E3779B1 % 2**32:x}" for i in range(first, first + 10)) + "\n")


def small_encoder(table: una_fast.TermTable, augmenter: una_fast.Augmenter) -> Any:
    """An encoder with a tokenizer of single letters; None without the tokenizers package."""
    try:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    except ImportError:
        return None
    from una_fast.encode import NegativeEncoder

    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = ["[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_padding(pad_id=0, pad_token="[UNK]")
    return NegativeEncoder(augmenter, tokenizer, max_length=64)


def calls(folder: Path, n_terms: int, threads: int = 2) -> dict[str, Call]:
    """The table: a name and a call for each. What they work on is made here; what they write goes to `folder`."""
    corpus = folder / "corpus.txt"
    write_corpus(corpus, n_terms)
    lines = corpus.read_text().splitlines()
    counter = una_fast.TermCounter(threads=threads)
    counter.update(corpus)
    counter.save(folder / "counts")
    table = counter.freeze()
    table.save(folder / "table")
    spilled = una_fast.TermCounter(threads=threads, memory_limit="16MiB", temp_dir=folder)
    spilled.update(corpus)
    augmenter = una_fast.Augmenter(table, seed=1, threads=threads)
    few = lines[: n_terms // 100] * 4
    small = una_fast.fit(few, threads=threads)
    encoder = small_encoder(small, una_fast.Augmenter(small, seed=1, threads=threads))
    pickled, pickled_counts = pickle.dumps(table), pickle.dumps(counter)
    arrow = counter.to_arrow()

    def stream() -> una_fast.TermTable:
        with corpus.open("rb") as file:
            return una_fast.fit(file, threads=threads)

    def merge() -> None:
        total = una_fast.TermCounter.load(folder / "counts", threads=threads)
        total.merge(counter)

    def fresh_table() -> una_fast.TermTable:
        return una_fast.TermTable(table._core)  # without what it remembers

    vectorizer = CountVectorizer(ngram_range=(1, 2)).fit(lines)
    vectorizer.threads = threads
    return {
        "fit a file": lambda: una_fast.fit(corpus, threads=threads),
        "fit a list": lambda: una_fast.fit(lines, threads=threads),
        "fit a stream": stream,
        "fit by a pattern": lambda: una_fast.fit(lines[: n_terms // 100], tokenizer=re.compile(r"\w+")),
        "fit within a memory limit": lambda: una_fast.fit(
            corpus, threads=threads, memory_limit="16MiB", temp_dir=folder
        ),
        "TermCounter.merge": merge,
        "TermCounter.freeze": counter.freeze,
        "TermCounter.freeze_to": lambda: counter.freeze_to(folder / "frozen"),
        "TermCounter.freeze_to from disk": lambda: spilled.freeze_to(folder / "frozen"),
        "TermCounter.save": lambda: counter.save(folder / "saved"),
        "TermCounter.load": lambda: una_fast.TermCounter.load(folder / "counts"),
        "TermCounter.to_arrow": counter.to_arrow,
        "TermCounter.from_arrow": lambda: una_fast.TermCounter.from_arrow(arrow),
        "pickle a counter": lambda: pickle.dumps(counter),
        "unpickle a counter": lambda: pickle.loads(pickled_counts),
        "TermTable.save": lambda: table.save(folder / "saved"),
        "TermTable.load": lambda: una_fast.TermTable.load(folder / "table"),
        "TermTable.terms": lambda: fresh_table().terms,
        "TermTable.df": lambda: fresh_table().df,
        "TermTable.to_arrow": table.to_arrow,
        "TermTable.tokenize": lambda: table.tokenize(lines),
        "TermTable.transform": lambda: table.transform(lines, threads=threads),
        "pickle a table": lambda: pickle.dumps(table),
        "unpickle a table": lambda: pickle.loads(pickled),
        "Augmenter": lambda: una_fast.Augmenter(table, seed=2),
        "Augmenter.augment": lambda: augmenter.augment(lines),
        **({} if encoder is None else {"NegativeEncoder.encode": lambda: encoder.encode(few)}),
        "CountVectorizer.fit_transform": lambda: vectorizer.fit_transform(lines),
        "CountVectorizer.transform": lambda: vectorizer.transform(lines),
        "load_sentences": lambda: load_sentences(corpus),
        "map_sentences": lambda: map_sentences(lines, folder / "mapped"),
    }


def interrupted_after(call: Call, delay: float) -> float | None:
    """Sends Ctrl-C so long after a call has begun; how long after that it came back, or None where it was over before.

    Raises:
        AssertionError: where the call took the signal for something else.
    """
    sent: list[float] = []
    over = threading.Event()

    def send() -> None:
        if not over.wait(delay):
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    try:
        try:
            sender.start()
            call()
        finally:
            over.set()
        sender.join()
        time.sleep(0)  # a signal that came as the call ended is seen here
    except KeyboardInterrupt:
        came_back = time.perf_counter()
        sender.join()
        return came_back - sent[0]
    assert not sent, "the signal was lost"
    return None


@contextmanager
def watching() -> Iterator[list[float]]:
    """Another thread, which notes the longest time for which it had no turn."""
    longest, over = [0.0], threading.Event()

    def watch() -> None:
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            longest[0] = max(longest[0], now - last)
            last = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield longest
    finally:
        over.set()
        watcher.join()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=5_500_000)
    parser.add_argument("--signals", type=int, default=30)
    parser.add_argument("--only", default="", help="calls whose name holds this")
    parser.add_argument("--after", default="", help="calls from this name on")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()
    print(f"{args.terms:,} terms, {args.signals} signals a call; seconds")
    print(f"{'call':<34} {'takes':>7} {'median':>7} {'p99':>7} {'longest':>7} {'no turn':>7}")
    waiting = bool(args.after)
    with tempfile.TemporaryDirectory() as folder:
        for name, call in calls(Path(folder), args.terms).items():
            waiting = waiting and name != args.after
            if waiting or args.only not in name:
                continue
            with watching() as held:
                start = time.perf_counter()
                answer = call()
                takes = time.perf_counter() - start
            del answer  # millions of objects are freed at one stretch
            delays = [takes * (i + 0.5) / args.signals for i in range(args.signals)]
            answers = sorted(a for d in delays if (a := interrupted_after(call, d)) is not None)
            if answers:
                p99 = answers[min(len(answers) - 1, int(0.99 * len(answers)))]
                told = f"{statistics.median(answers):>7.3f} {p99:>7.3f} {answers[-1]:>7.3f}"
            else:
                told = f"{'-':>7} {'-':>7} {'-':>7}"
            print(f"{name:<34} {takes:>7.2f} {told} {held[0]:>7.3f}", flush=True)


if __name__ == "__main__":
    main()
