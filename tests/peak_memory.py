"""What counting takes under a memory limit: the most that a process ever held, beside what a bare one holds.

    python tests/peak_memory.py [--terms 22000000] [--limits 128MiB 256MiB 512MiB] [--threads 1 2 8]

Each run counts a file of so many terms, none twice, and freezes it to a file. The promise is the limit and a tenth.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from interruptible import write_corpus
from una_fast.memory import memory_limit

TOLERANCE = 1.1

RUN = """
import sys, una_fast
from pathlib import Path

def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))

corpus, limit, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
una_fast.fit(["a bare process"])
bare = peak()
counter = una_fast.TermCounter(threads=threads, memory_limit=limit, temp_dir=corpus.parent)
counter.update(corpus)
counter.freeze_to(corpus.with_suffix(".table"))
print(peak() - bare)
"""


def peak(corpus: Path, limit: int, threads: int) -> int:
    """Bytes that a process held at most while it counted and froze, beside those of a bare one."""
    run = [sys.executable, "-c", RUN, str(corpus), str(limit), str(threads)]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    return int(done.stdout)


def main() -> int:
    """Prints the table; 1 where a limit was not held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=22_000_000)
    parser.add_argument("--limits", nargs="+", default=["128MiB", "256MiB", "512MiB"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2, 8])
    args = parser.parse_args()
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.txt"
        write_corpus(corpus, args.terms)
        for text in args.limits:
            limit = memory_limit(text) or 0
            for threads in args.threads:
                found = peak(corpus, limit, threads)
                broken |= found > TOLERANCE * limit
                print(
                    f"{text:>8} {threads:>2} threads: {found / 2**20:6.0f} MiB, {found / limit:.0%}",
                    flush=True,
                )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
