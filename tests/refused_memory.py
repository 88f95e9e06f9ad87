"""Every way to use the core, under ever higher limits on the address space: an answer or a MemoryError, never less.

    python tests/refused_memory.py [--terms 600000] [--step 8]

Each call runs in a forked child that is given so many MiB beside what the parent takes, from too few to enough for four
limits in a row. Prints a line for each call: how often it was refused, and from where on it came through.
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import una_fast
from interruptible import small_encoder, write_corpus
from una_fast.sources import load_sentences

SECONDS = 60
"""After which a child counts as hanging."""

REFUSED = 10


def calls(folder: Path, n_terms: int) -> dict[str, Callable[[], Any]]:
    """A name and a call for each; what they work on is made here."""
    corpus, one_line = folder / "corpus.txt", folder / "line.txt"
    write_corpus(corpus, n_terms)
    lines = corpus.read_text().splitlines()
    one_line.write_text(" ".join(lines))
    counter = una_fast.TermCounter(threads=2)
    counter.update(corpus)
    counter.save(folder / "counts")
    table = counter.freeze()
    table.save(folder / "table")
    augmenter = una_fast.Augmenter(table, seed=1, threads=2)
    small = una_fast.fit(lines[:2000], threads=2)
    encoder = small_encoder(small, una_fast.Augmenter(small, seed=1, threads=2))
    arrow = counter.to_arrow()
    table.transform(["so that scipy is loaded"])

    def stream() -> None:
        with corpus.open("rb") as file:
            una_fast.fit(file, threads=2)

    def merge() -> None:
        una_fast.TermCounter.load(folder / "counts", threads=2).merge(counter)

    return {
        "fit a file": lambda: una_fast.fit(corpus, threads=2),
        "fit a file on one thread": lambda: una_fast.fit(corpus, threads=1),
        "fit a list": lambda: una_fast.fit(lines, threads=2),
        "fit a stream": stream,
        "fit one long line": lambda: una_fast.fit(one_line, threads=2),
        "fit within a limit": lambda: una_fast.fit(corpus, threads=2, memory_limit="16MiB", temp_dir=folder),
        "fit with 100,000 threads": lambda: una_fast.fit(lines[:1000], threads=100_000),
        "merge": merge,
        "freeze": counter.freeze,
        "freeze to a file": lambda: counter.freeze_to(folder / str(os.getpid())),
        "load a table": lambda: una_fast.TermTable.load(folder / "table"),
        "load counts": lambda: una_fast.TermCounter.load(folder / "counts"),
        "save a table": lambda: table.save(folder / str(os.getpid())),
        "save counts": lambda: counter.save(folder / str(os.getpid())),
        "to Arrow": counter.to_arrow,
        "from Arrow": lambda: una_fast.TermCounter.from_arrow(arrow),
        "pickle": lambda: pickle.loads(pickle.dumps(table)),
        "pickle counts": lambda: pickle.loads(pickle.dumps(counter)),
        "terms": lambda: una_fast.TermTable(table._core).terms,
        "arrays": lambda: (table._core.df(), table._core.idf(), table._core.score(), table._core.best()),
        "tokenize": lambda: table.tokenize(lines),
        "transform": lambda: table.transform(lines, threads=2),
        "augment": lambda: augmenter.augment(lines),
        "augment one long sentence": lambda: augmenter.augment([" ".join(lines)]),
        **({} if encoder is None else {"encode": lambda: encoder.encode(lines[:2000])}),
        "load sentences": lambda: load_sentences(corpus),
    }


def outcome(call: Callable[[], Any], mib: int) -> str:
    """What becomes of a call that has so much more memory: "answered", "refused", or what went wrong."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 2)
        signal.alarm(SECONDS)
        limit = _address_space() + (mib << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            call()
        except MemoryError:
            os._exit(REFUSED)
        except BaseException as error:
            os.write(2, repr(error)[:300].encode())
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, errors="replace") as told:
        message = told.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}: {message[-300:]}"
    return {0: "answered", REFUSED: "refused"}.get(os.WEXITSTATUS(status), message)


def _address_space() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))


def sweep(call: Callable[[], Any], limits: range) -> Iterator[tuple[int, str]]:
    """The outcome under each limit, up to the fourth answer in a row."""
    answers = 0
    for mib in limits:
        found = outcome(call, mib)
        yield mib, found
        answers = answers + 1 if found == "answered" else 0
        if answers == 4:
            return


def main() -> int:
    """Prints the table; 1 where anything but an answer or a refusal came of a call."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=600_000)
    parser.add_argument("--step", type=int, default=8, help="MiB from one limit to the next")
    parser.add_argument("--most", type=int, default=1200, help="the highest limit, in MiB")
    args = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, call in calls(Path(folder), args.terms).items():
            found = dict(sweep(call, range(2, args.most, args.step)))
            refused = sum(outcome == "refused" for outcome in found.values())
            answered = [mib for mib, outcome in found.items() if outcome == "answered"]
            wrong = {m: outcome for m, outcome in found.items() if outcome not in ("answered", "refused")}
            faults += len(wrong)
            first = f"answered from {answered[0]} MiB on" if answered else "never answered"
            print(
                f"{name:<28} {len(found):>4} limits, {refused:>4} refused, {first}",
                *wrong.items(),
                flush=True,
            )
    print(f"{faults} neither answered nor refused")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
