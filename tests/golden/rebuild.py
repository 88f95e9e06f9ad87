"""Rebuilds the golden files: negatives by the plain-Python oracle, and a table file by the package.

A difference after a change means that old seeds give new text, or that old files are not written alike: either is a
change users must be told of.
"""

import json
import random
from pathlib import Path

import una_fast
from una_fast import _reference

FOLDER = Path(__file__).parent
WORDS = [f"w{i}" for i in range(80)]


def corpus() -> list[str]:
    """Two hundred sentences of one to twelve words, the frequent ones far more frequent."""
    draw = random.Random(2401_02594)
    weights = [1 / (i + 1) for i in range(len(WORDS))]
    return [" ".join(draw.choices(WORDS, weights=weights, k=draw.randint(1, 12))) for _ in range(200)]


def negatives() -> list[dict[str, object]]:
    """One record a negative: its key, the sentence, the text."""
    sentences = corpus()
    table = _reference.fit(sentence.split() for sentence in sentences)
    draw = random.Random(7)
    records = []
    for _ in range(200):
        key = {
            "seed": draw.getrandbits(64),
            "row": draw.getrandbits(40),
            "epoch": draw.randrange(20),
            "view": draw.randrange(3),
            "radius": draw.choice([0, 3, 20, 4000]),
            "replace_prob": draw.choice([0.25, 0.5, 1.0]),
        }
        words = draw.choice(sentences).split()
        words.insert(draw.randrange(len(words) + 1), draw.choice(["unseen", "w0"]))
        records.append(
            {**key, "sentence": " ".join(words), "negative": _reference.augment(table, words, **key)}
        )
    return records


def main() -> None:
    """Writes both files."""
    lines = "".join(f"{json.dumps(record)}\n" for record in negatives())
    (FOLDER / "negatives.jsonl").write_text(lines, encoding="utf-8")
    una_fast.fit(corpus()).save(FOLDER / "table.safetensors")


if __name__ == "__main__":
    main()
