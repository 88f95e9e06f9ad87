"""Parts of millions of terms brought together under a memory limit: terms, seconds, and the peak of the process.

    python benches/part_memory.py [--tokens 28_000_000] [--blocks 8] [--parts 64] [--limit 256MiB]

The text is of words that fall off as 1 / rank (tests/zipf.py): of 28 million tokens ten million are distinct. Blocks
are counted and cut into parts first, which is not in the figures; the rows lie on disk, and come one at a time. The
table is asserted to be that of one fit of the whole text.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import pyarrow as pa

from conftest import peak_memory

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import zipf
from una_fast import TermCounter
from una_fast.batches import collect_counts, count_batches, count_schema


def collect(rows: Path, limit: str, folder: Path) -> None:
    """Brings rows together and freezes them to a file; prints terms, seconds, peak and digest."""
    before, start = peak_memory(), time.perf_counter()
    with pa.OSFile(str(rows)) as file, pa.ipc.open_stream(file) as stream:
        counter = collect_counts(stream, memory_limit=limit, temp_dir=folder)
    saved = counter.freeze_to(folder / "table.safetensors")
    print(
        saved.n_terms,
        f"{time.perf_counter() - start:.1f}",
        peak_memory(),
        peak_memory() - before,
        saved.digest,
    )


def main() -> None:
    """One row of a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=28_000_000)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--parts", type=int, default=64)
    parser.add_argument("--limit", default="256MiB")
    parser.add_argument("--collect", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.collect:
        collect(args.collect, args.limit, args.collect.parent)
        return
    with tempfile.TemporaryDirectory() as folder:
        text, rows = Path(folder) / "text", Path(folder) / "rows"
        zipf.write(text, args.tokens)
        step = -(-args.tokens // zipf.WORDS_A_LINE // args.blocks)
        with (
            text.open(encoding="ascii") as lines,
            pa.OSFile(str(rows), "w") as file,
            pa.ipc.new_stream(file, count_schema()) as out,
        ):
            while block := list(islice(lines, step)):
                table = pa.table({"text": block})
                for row in count_batches(table.to_batches(), parts=args.parts, tokenizer="whitespace"):
                    out.write_batch(row)
        command = [sys.executable, __file__, "--limit", args.limit, "--collect", str(rows)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        terms, seconds, peak, above, digest = done.stdout.split()
        counter = TermCounter(tokenizer="whitespace", memory_limit="1GiB", temp_dir=folder)
        counter.update(text)
        assert counter.freeze_to(Path(folder) / "alone").digest == digest
        print(
            "| terms | rows | limit | seconds | peak of the process | above its start |\n|---|---|---|---|---|---|"
        )
        size = f"{args.blocks * args.parts} of {rows.stat().st_size / 1e6:.0f} MB in all"
        print(f"| {int(terms):,} | {size} | {args.limit} | {seconds} | {peak} MiB | {above} MiB |")


if __name__ == "__main__":
    main()
