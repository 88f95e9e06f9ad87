"""Pairs of words under a memory limit: does memory stay while distinct text grows?

    python benches/ngram_growth.py FILE [--limit 256MiB] [--copies 1 2 4 8]

Copy k of the text has its number behind every word, so that no copy shares a term with another. Each run is a process
of its own; its peak is what it takes above that of the bare process. The number of terms is asserted: k times that of
one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conftest import peak_memory


def count(files: list[str], limit: str) -> None:
    """Count pairs, freeze them to a file, print terms, seconds and peak."""
    from una_fast import TermCounter

    before, start = peak_memory(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        counter = TermCounter(tokenizer="whitespace", ngram_range=(1, 2), memory_limit=limit, temp_dir=folder)
        counter.update([Path(file) for file in files])
        saved = counter.freeze_to(Path(folder) / "table.safetensors")
    print(saved.n_terms, f"{time.perf_counter() - start:.1f}", peak_memory() - before)


def main() -> None:
    """A table, a row a number of copies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--limit", default="256MiB")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--count", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.count:
        count(args.count, args.limit)
        return
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / f"{number}.txt" for number in range(max(args.copies))]
        for number, copy in enumerate(copies):
            with args.file.open(encoding="utf-8") as lines, copy.open("w", encoding="utf-8") as out:
                out.writelines(" ".join(f"{word}{number}" for word in line.split()) + "\n" for line in lines)
        print("| copies | terms | seconds | peak above the bare process |\n|---|---|---|---|")
        of_one = 0
        for n in args.copies:
            command = [sys.executable, __file__, str(args.file), "--limit", args.limit, "--count"]
            command += [str(copy) for copy in copies[:n]]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            terms, seconds, most = done.stdout.split()
            of_one = of_one or int(terms) // n
            # Words that end in a digit may meet one of another copy: hardly any.
            assert abs(int(terms) - n * of_one) <= n * of_one // 1000
            print(f"| {n} | {int(terms):,} | {seconds} | {most} MiB |", flush=True)


if __name__ == "__main__":
    main()
