"""What the benchmarks share: English sentences, from the data folder or else made up."""

import gzip
import os
import random
from itertools import islice
from pathlib import Path

import pytest

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SENTENCES = int(os.environ.get("UNA_FAST_BENCH_SENTENCES", "20000"))


def made_up(count: int) -> list[str]:
    """Sentences of words whose frequencies fall as 1 / rank, with the punctuation of English."""
    draw = random.Random(0)
    words = [f"word{i}" for i in range(50_000)]
    weights = [1 / (i + 1) for i in range(len(words))]
    ends = [".", ".", ".", "?", ' "quoted".', " (1990)."]
    return [
        " ".join(draw.choices(words, weights=weights, k=draw.randint(5, 30))).capitalize() + draw.choice(ends)
        for _ in range(count)
    ]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """UNA_FAST_BENCH_SENTENCES sentences (20,000 by default)."""
    path = DATA / "wiki_en.txt.gz"
    if not path.is_file():
        return made_up(SENTENCES)
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n") for line in islice(lines, SENTENCES)]


@pytest.fixture(scope="session")
def corpus(sentences: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a plain file."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return path
