"""Ray Data beside one process: fitting Parquet files on two workers, and the ways of Ray alone.

    python benches/engines.py FILE [--copies 20] [--blocks 4 16 64] [--plain 1]

FILE holds a sentence a line. Copy k of the text has its number behind every capitalised word, so that the vocabulary
grows with the text. Tables are asserted to be equal before anything is told. Ray is started before; beside the times
stands what a job of as many files takes, each of one sentence, since that is Ray's own.
"""

import argparse
import gzip
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import ray

import una_fast
import una_fast.ray

WORD = re.compile(r"\b\w\w+\b")
"""What is a term in the plain ways, and under the tokenizer `word`."""


def copies_of(lines: list[str], n: int) -> list[str]:
    """The text n times, each with names of its own."""
    made = list(lines)
    for number in range(1, n):
        made += [
            " ".join(word + str(number) if word[:1].isupper() else word for word in line.split(" "))
            for line in lines
        ]
    return made


def row_by_row(dataset: "ray.data.Dataset") -> int:
    """Document frequencies as one would write it first: terms of each row, grouped and counted. The number of terms."""

    def terms(row: dict[str, str]) -> list[dict[str, str]]:
        return [{"term": term} for term in set(WORD.findall(row["text"].lower()))]

    return dataset.flat_map(terms).groupby("term").count().count()


def batch_by_batch(dataset: "ray.data.Dataset") -> int:
    """The same with a table of terms for each batch of rows."""

    def terms(batch: pa.Table) -> pa.Table:
        found = [term for text in batch["text"].to_pylist() for term in set(WORD.findall(text.lower()))]
        return pa.table({"term": pa.array(found, pa.large_string())})

    return dataset.map_batches(terms, batch_format="pyarrow").groupby("term").count().count()


def negatives(text: list[str], folder: Path) -> None:
    """Rows a second of negatives for a dataset of Parquet: on Ray, and by the command on one machine."""
    write(folder / "rows", text, 1)
    table = folder / "corpus.table"
    una_fast.fit(text).save(table)
    dataset = ray.data.read_parquet(str(folder / "rows"), override_num_blocks=8)
    made = dataset.map_batches(
        una_fast.ray.Negatives,
        fn_constructor_kwargs={"table": table},
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2),
    )
    _, on_ray = timed(lambda: made.write_parquet(str(folder / "on-ray")))
    command = ["una-fast", "augment", str(table), str(folder / "rows" / "000.parquet"), "--quiet"]
    command += ["--output", str(folder / "made.parquet")]
    _, alone = timed(lambda: subprocess.run(command, check=True))
    print(
        f"\nnegatives: {len(text) / on_ray:,.0f} rows a second on Ray, {len(text) / alone:,.0f} by the command"
    )


def unchanged(batch: object) -> object:
    """Nothing is done."""
    return batch


def timed(call):
    """What a call returns, and its seconds."""
    start = time.perf_counter()
    made = call()
    return made, time.perf_counter() - start


def main() -> None:
    """A table by block size, negatives, and the plain ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--blocks", type=int, nargs="*", default=[4, 16, 64])
    parser.add_argument("--plain", type=int, default=1, help="copies that the plain ways count")
    args = parser.parse_args()
    opened = gzip.open if args.file.suffix == ".gz" else open
    with opened(args.file, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small"
        write(small, copies_of(lines, args.plain), 4)
        print(
            "| blocks | una_fast.fit, 2 threads | una_fast.ray.fit, 2 workers | ratio | of a sentence each "
            "| ratio without it | Ray alone, reading |"
        )
        print("|---|---|---|---|---|---|---|")
        for n_blocks in args.blocks:
            place = Path(folder) / str(n_blocks)
            # Nothing of it stays in memory: Ray's own objects would be collected among sixteen million strings.
            size = write(place, copies_of(lines, args.copies), n_blocks)
            files = str(place / "*.parquet")
            alone, seconds = timed(lambda files=files: una_fast.fit(files, threads=2))
            write(tiny := Path(folder) / f"{n_blocks}-tiny", lines[:n_blocks], n_blocks)
            una_fast.ray.fit(ray.data.read_parquet(str(small)))  # workers have imported what they need
            dataset = ray.data.read_parquet(str(tiny), override_num_blocks=n_blocks)
            _, of_the_job = timed(lambda dataset=dataset: una_fast.ray.fit(dataset))
            dataset = ray.data.read_parquet(str(place), override_num_blocks=n_blocks)
            table, on_ray = timed(lambda dataset=dataset: una_fast.ray.fit(dataset))
            assert table == alone
            _, reading = timed(
                lambda dataset=dataset: dataset.map_batches(unchanged, batch_size=None).materialize()
            )
            print(
                f"| {n_blocks} of {size / n_blocks:.0f} MB | {seconds:.1f} s | {on_ray:.1f} s "
                f"| {on_ray / seconds:.2f} | {of_the_job:.1f} s "
                f"| {(on_ray - of_the_job) / seconds:.2f} | {reading:.1f} s |",
                flush=True,
            )
        negatives(copies_of(lines, 2), Path(folder))
        dataset = ray.data.read_parquet(str(small))
        table, on_ray = timed(lambda: una_fast.ray.fit(dataset, tokenizer="word"))
        for plainly in (batch_by_batch, row_by_row):
            n_terms, seconds = timed(lambda plainly=plainly: plainly(dataset))
            assert n_terms == len(table)
            print(
                f"\nwith Ray alone, {plainly.__name__}, {args.plain} of the copies: {seconds:.1f} s, "
                f"{seconds / on_ray:.0f} times {on_ray:.1f} s",
                flush=True,
            )


def write(folder: Path, text: list[str], n_files: int) -> float:
    """Writes sentences as so many Parquet files; the megabytes of text."""
    folder.mkdir()
    step = -(-len(text) // n_files)
    for number, start in enumerate(range(0, len(text), step)):
        table = pa.table({"text": text[start : start + step]})
        pyarrow.parquet.write_table(table, folder / f"{number:03}.parquet", compression="zstd")
    os.sync()  # or the system writes them while the first is timed
    return sum(map(len, text)) / 1e6


if __name__ == "__main__":
    main()
