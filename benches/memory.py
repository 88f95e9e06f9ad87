"""Peak memory and time of `una-fast fit`, each run a process of its own, with and without limits.

python benches/memory.py CORPUS [--limits 64MiB 256MiB ...] [--threads 1 2 ...]

The tables are held against each other before anything is printed. `tests/zipf.py` writes a corpus whose vocabulary is
as large as you like.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = """
import sys, time
from una_fast.cli import main
start = time.perf_counter()
assert main(sys.argv[1:]) == 0
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(int(peak) * 1024, time.perf_counter() - start)
"""


def fit(corpus: Path, output: Path, threads: int, limit: str | None) -> tuple[dict[str, object], int, float]:
    """What the command says, its peak memory in bytes, and its seconds."""
    command = ["fit", str(corpus), "-o", str(output), "--json", "--threads", str(threads)]
    if limit is not None:
        command += ["--memory-limit", limit, "--temp-dir", str(output.parent)]
    done = subprocess.run([sys.executable, "-c", RUN, *command], check=True, capture_output=True, text=True)
    said, figures = done.stdout.splitlines()
    peak, seconds = figures.split()
    return json.loads(said), int(peak), float(seconds)


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--limits", nargs="*", default=["64MiB"], metavar="SIZE")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output, expected = Path(folder) / "table", None
        print(f"{'threads':>8} {'limit':>10} {'terms':>12} {'peak MiB':>10} {'B a term':>10} {'seconds':>8}")
        for threads in args.threads:
            for limit in [None, *args.limits]:
                said, peak, seconds = fit(args.corpus, output, threads, limit)
                expected = expected or said["digest"]
                assert said["digest"] == expected, (threads, limit)
                assert [path.name for path in Path(folder).iterdir()] == ["table"]
                terms = int(str(said["terms"]))
                a_term = (peak - 64e6) / terms
                print(
                    f"{threads:8} {limit or 'none':>10} {terms:12,} {peak / 2**20:10.1f} {a_term:10.1f} "
                    f"{seconds:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
