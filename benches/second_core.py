"""Where the second core goes: counting a text on one thread and on two, beside its halves alone and at once.

    python benches/second_core.py FILE [--tokenizer word] [--turns 7]

FILE holds a sentence a line. Both halves at once, a counter each, share nothing but the machine: what they take longer
than one alone is the machine's, and what two threads take longer than they is ours: one thread reads, and two tables
become one.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import una_fast


def halves(text: Path, folder: Path) -> tuple[Path, Path]:
    """A file in two, cut at a line end."""
    content = text.read_bytes()
    middle = content.index(b"\n", len(content) // 2) + 1
    first, second = folder / "first", folder / "second"
    first.write_bytes(content[:middle])
    second.write_bytes(content[middle:])
    return first, second


def main() -> None:
    """The least seconds of each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokenizer", default="word")
    parser.add_argument("--turns", type=int, default=7)
    args = parser.parse_args()

    def count(text: Path, threads: int = 1) -> una_fast.TermCounter:
        counter = una_fast.TermCounter(tokenizer=args.tokenizer, threads=threads)
        counter.update(text)
        return counter

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        first, second = halves(args.file, Path(folder))
        merged = count(first)
        merged.merge(count(second))
        assert merged.freeze() == count(args.file, 2).freeze() == count(args.file).freeze()
        ways: dict[str, Callable[[], object]] = {
            "all of it, one thread": lambda: count(args.file),
            "all of it, two threads": lambda: count(args.file, 2),
            "a half, one thread": lambda: count(first),
            "both halves at once, a thread each": lambda: list(pool.map(count, (first, second))),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.turns):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - start)
    for way, taken in seconds.items():
        print(f"| {way} | {min(taken):.3f} s |")


if __name__ == "__main__":
    main()
