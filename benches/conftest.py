"""What the benchmarks share: English sentences, from the data folder or else made up."""

import gzip
import os
from itertools import islice
from pathlib import Path

import pytest

import profile_run

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SENTENCES = int(os.environ.get("UNA_FAST_BENCH_SENTENCES", "20000"))


def english(count: int) -> list[str]:
    """So many sentences of Wikipedia where it is there, else made up."""
    path = DATA / "wiki_en.txt.gz"
    if not path.is_file():
        return list(profile_run.sentences(count))
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in islice(lines, count)]


def peak_memory() -> int:
    """The most memory that this process has held, in MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """UNA_FAST_BENCH_SENTENCES sentences (20,000 by default)."""
    return english(SENTENCES)


@pytest.fixture(scope="session")
def corpus(sentences: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a plain file."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return path
