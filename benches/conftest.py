"""What the benchmarks share: English sentences, from the data folder or else made up."""

import gzip
import os
from itertools import islice
from pathlib import Path

import pytest

import profile_run

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SENTENCES = int(os.environ.get("UNA_FAST_BENCH_SENTENCES", "20000"))


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """UNA_FAST_BENCH_SENTENCES sentences (20,000 by default)."""
    path = DATA / "wiki_en.txt.gz"
    if not path.is_file():
        return list(profile_run.sentences(SENTENCES))
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in islice(lines, SENTENCES)]


@pytest.fixture(scope="session")
def corpus(sentences: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a plain file."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return path
