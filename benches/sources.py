"""Megabytes a second of one corpus by every route, relative to the plain file; the routes take turns.

The fastest round counts, and the CPU seconds of all threads stand beside it, since other work slows a round and costs
no CPU seconds of this process.

python benches/sources.py CORPUS.txt [--rounds N] [--threads N] [--only NAME ...]
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

import una_fast


def routes(text: bytes, folder: Path) -> dict[str, Callable[[], object]]:
    """Every way in, as a call that gives the source."""
    sentences = [line for line in text.decode().split("\n") if line.strip()]
    (folder / "x.txt").write_bytes(text)
    (folder / "x.txt.gz").write_bytes(gzip.compress(text, 6))
    (folder / "x.txt.bz2").write_bytes(bz2.compress(text))
    (folder / "x.txt.xz").write_bytes(lzma.compress(text, preset=3))
    (folder / "x.txt.zst").write_bytes(pa.Codec("zstd").compress(text, asbytes=True))
    (folder / "x.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in sentences))
    table = pa.table({"text": sentences})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    found: dict[str, Callable[[], object]] = {
        path.name: lambda path=path: path
        for path in sorted(folder.iterdir(), key=lambda p: p.name != "x.txt")
    }
    return found | {
        "list of str": lambda: sentences,
        "stream": lambda: io.BytesIO(text),
        "Arrow string": lambda: table,
        "Arrow large string": lambda: table["text"].cast(pa.large_string()),
        "Arrow string view": lambda: table["text"].cast(pa.string_view()),
    }


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    args = parser.parse_args()
    text = args.corpus.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        ways = routes(text, Path(folder))
        expected = una_fast.fit(args.corpus).digest
        ways = {name: way for name, way in ways.items() if name in (args.only or ways)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, source in ways.items():
                given = source()
                counter = una_fast.TermCounter(threads=args.threads)
                start, cpu = time.perf_counter(), time.process_time()
                counter.update(given)
                times[name].append((time.perf_counter() - start, time.process_time() - cpu))
                assert counter.freeze().digest == expected, name
    (base, base_cpu), *_ = fastest = [tuple(map(min, zip(*rounds, strict=True))) for rounds in times.values()]
    print(f"{'':20} {'MB/s':>8} {'of plain':>8} {'CPU s':>8} {'of plain':>8}")
    for name, (wall, cpu) in zip(times, fastest, strict=True):
        print(f"{name:20} {len(text) / wall / 1e6:8.1f} {base / wall:8.2f} {cpu:8.2f} {base_cpu / cpu:8.2f}")


if __name__ == "__main__":
    main()
