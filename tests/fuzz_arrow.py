"""Bytes of Arrow files that are not what they say, of every layout of strings: read, or refused, and never more.

    python tests/fuzz_arrow.py [--mutants 2000] [--seed 7]

Mutants are written, fitted and looked at again by `validate(full=True)` of pyarrow: what that refuses must not have
been accepted. A signal ends the run, and so shows.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import una_fast

WORDS = [f"a word long enough to stand outside of its view, number {i % 7}" for i in range(60)]


def layouts() -> dict[str, Any]:
    """A column of each layout."""
    plain = pa.array([*WORDS, None])
    return {
        "string": plain,
        "large_string": plain.cast(pa.large_string()),
        "string_view": plain.cast(pa.string_view()),
        "binary": plain.cast(pa.binary()),
        "large_binary": plain.cast(pa.large_binary()),
        "binary_view": plain.cast(pa.binary()).cast(pa.binary_view()),
        "dictionary": plain.dictionary_encode(),
        "dictionary of int8": plain.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
        "dictionary of uint64": plain.dictionary_encode().cast(pa.dictionary(pa.uint64(), pa.large_string())),
        "runs": pc.run_end_encode(pa.array(sorted(WORDS))),
        "slice": plain.slice(3, 40),
        "chunks": pa.chunked_array([plain, plain.slice(5)]),
    }


def files() -> Iterator[tuple[str, bytes]]:
    """A file and a stream of each layout."""
    for name, column in layouts().items():
        table = pa.table({"text": column})
        for kind, writer_of in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
            sink = io.BytesIO()
            with writer_of(sink, table.schema) as writer:
                writer.write_table(table)
            yield f"{name}, {kind}", sink.getvalue()


def mutant(whole: bytes, rng: random.Random) -> bytes:
    """The bytes with a few of them changed, or cut short."""
    data = bytearray(whole)
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
    for _ in range(rng.choice([1, 1, 2, 4])):
        if len(data) > 4:
            at = rng.randrange(len(data) - 4)
            size = rng.choice([1, 2, 4])
            data[at : at + size] = rng.randbytes(size)
    return bytes(data)


def fit(path: Path) -> str:
    """What becomes of a file: "accepted", "refused", or "wrong" where it is accepted and should not be."""
    try:
        una_fast.fit(path, column="text", threads=1)
    except (una_fast.UnaError, MemoryError):
        return "refused"
    try:
        with pa.OSFile(str(path)) as file:
            opened = pa.ipc.open_file if path.read_bytes().startswith(b"ARROW1") else pa.ipc.open_stream
            opened(file).read_all()["text"].validate(full=True)
    except (pa.ArrowException, OSError, KeyError):
        return "wrong"
    return "accepted"


def main() -> int:
    """Prints what became of the mutants; 1 where one was accepted that should not be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=2000, help="in all")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng, found = random.Random(args.seed), Counter[str]()
    wholes = list(files())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.arrow"
        for number in range(args.mutants):
            name, whole = wholes[number % len(wholes)]
            path.write_bytes(mutant(whole, rng))
            became = fit(path)
            found[became] += 1
            if became == "wrong":
                print(f"mutant {number} of seed {args.seed} ({name}) is accepted, and pyarrow refuses it")
    print(f"{args.mutants:,} mutants of seed {args.seed}: {dict(found)}")
    return int(found["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
