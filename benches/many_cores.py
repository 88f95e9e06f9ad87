"""What fitting would take on more cores than this machine has, from parts that are measured on it.

    python benches/many_cores.py CORPUS.txt [--megabytes 1000] [--threads 1 2 4 8 16]

The text is that of `linearity.py`. Each fit is a process of its own with so many threads, on the cores there are. It is
looked at a thousand times a second: how many of its threads have something to do, and how much processor time they took
since the last look. What is done while k threads have something to do could be done k at a time, so that on n cores

    seconds(n) = sum over k of (processor time while k threads have something to do) / min(k, n)

The model knows nothing of what cores do to each other: memory that is too slow for all of them, caches that they
share. The table is asserted to be the same for all numbers of threads.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from select import select

import una_fast
from linearity import Corpus, sized

LOOK = 0.001
BLOCK = 1 << 18


def fit(text: Path, threads: int) -> None:
    """Fits when told to; tells the digest, the seconds and the processor time."""
    sys.stdin.readline()
    before, start = time.process_time(), time.perf_counter()
    table = una_fast.fit(text, threads=threads)
    print(table.digest, time.perf_counter() - start, time.process_time() - before, flush=True)
    sys.stdin.readline()


def look(pid: int) -> tuple[dict[str, int], int]:
    """Nanoseconds that each thread of a process has run, and how many of them have something to do."""
    taken, running = {}, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            taken[task.name] = int((task / "schedstat").read_text().split()[0])
            running += (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return taken, running


def watched(text: Path, threads: int) -> tuple[str, float, float, Counter[int]]:
    """A fit's digest, seconds and processor time, and that time by how many threads had something to do."""
    command = [sys.executable, str(Path(__file__)), str(text), "--fit", str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        time.sleep(2)  # it has imported
        before, _ = look(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        by_width: Counter[int] = Counter()
        while not select([child.stdout], [], [], LOOK)[0]:
            taken, running = look(child.pid)
            by_width[max(running, 1)] += sum(ran - before.get(name, 0) for name, ran in taken.items())
            before = taken
        digest, seconds, processor = child.stdout.readline().split()
        child.stdin.write("\n")
    seen = sum(by_width.values()) / 1e9
    scaled = Counter({width: ran / 1e9 * float(processor) / seen for width, ran in by_width.items()})
    return digest, float(seconds), float(processor), scaled


def reading(text: Path) -> float:
    """Seconds to read the file in blocks, nothing done with them."""
    block = bytearray(BLOCK)
    start = time.perf_counter()
    with text.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
    return time.perf_counter() - start


def main() -> None:
    """A row a number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--fit", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fit:
        fit(args.corpus, args.fit)
        return
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text"
        (n_bytes,) = sized(Corpus(args.corpus.read_text(encoding="utf-8")), [args.megabytes * 10**6], text)
        size = n_bytes / 1e6
        print(f"{size:,.0f} MB; reading alone, one thread: {reading(text):.2f} s")
        print("| threads | here | processor time | while one works alone | on as many cores, by the model |")
        print("|---|---|---|---|---|")
        digests = set()
        for threads in args.threads:
            digest, seconds, processor, by_width = watched(text, threads)
            digests.add(digest)
            modelled = sum(ran / min(width, threads) for width, ran in by_width.items())
            print(
                f"| {threads} | {seconds:.2f} s | {processor:.2f} s | {by_width[1]:.2f} s "
                f"| {modelled:.2f} s, {size / modelled:,.0f} MB/s |",
                flush=True,
            )
        assert len(digests) == 1


if __name__ == "__main__":
    main()
