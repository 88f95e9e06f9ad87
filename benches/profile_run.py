"""The work by which a build is tuned: the compiler lays the core out by what this run does most.

    maturin build --release --pgo

builds an instrumented core, runs this with it, and builds again with what was learned. The text is made here, so that a
wheel does not depend on a corpus: words that fall off as 1 / rank, with about as many commas, quotes and letters beyond
ASCII as an encyclopedia has. What nobody runs is laid out as rarely needed: every way in and out has to be walked.
"""

import bz2
import gzip
import importlib.util
import json
import lzma
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import una_fast
from una_fast.augment import PRESETS

RANKS = 60_000
SENTENCES = 60_000
SYLLABLES = [
    consonant + vowel for consonant in "tnsrldmkpbgfvhwzj" for vowel in ("e", "a", "i", "o", "u", "an", "er")
]

DRESS: list[tuple[float, Callable[[str], str]]] = [
    (0.050, "{},".format),
    (0.015, '"{}"'.format),
    (0.010, "({})".format),
    (0.010, "{0}-{0}".format),
    (0.008, "{}'s".format),
    (0.003, "{}n't".format),
    (0.005, "{};".format),
    (0.008, "é{}".format),
    (0.002, "{}—中文".format),
    (0.060, str.capitalize),
    (0.020, lambda word: str(1000 + len(word) * 97)),
]
"""How often a word is written in another way, and in which."""


def word(rank: int) -> str:
    """The word of a rank, the shorter the more frequent."""
    syllables = []
    while True:
        rank, syllable = divmod(rank, len(SYLLABLES))
        syllables.append(SYLLABLES[syllable])
        if rank == 0:
            return "".join(syllables)


def sentences(count: int) -> Iterator[str]:
    """So many sentences, of which the first are always the same."""
    draw = np.random.Generator(np.random.Philox(0))
    bounds = np.cumsum([part for part, _ in DRESS])
    for _ in range(count):
        length = draw.integers(4, 40)
        words = [word(int(rank)) for rank in RANKS ** draw.random(length)]
        for at, way in enumerate(np.searchsorted(bounds, draw.random(length))):
            if way < len(DRESS):
                words[at] = DRESS[way][1](words[at])
        yield " ".join(words).capitalize() + "."


def fit(corpus: list[str], folder: Path) -> una_fast.TermTable:
    """Every source, tokenizer and way of keeping counts."""
    text = "".join(f"{sentence}\n" for sentence in corpus).encode()
    few = text[: len(text) // 8]
    objects = "".join(json.dumps({"text": sentence}) + "\n" for sentence in corpus[:8000]).encode()
    (folder / "all.txt").write_bytes(text)
    for name, content in {
        "few.txt.gz": gzip.compress(few),
        "few.txt.bz2": bz2.compress(few),
        "few.txt.xz": lzma.compress(few),
        "few.jsonl": objects,
    }.items():
        (folder / name).write_bytes(content)
        una_fast.fit(folder / name)
    for tokenizer in ("treebank", "word", "whitespace", "unicode", "treebank-3.9"):
        for threads in (1, 2):
            una_fast.fit(folder / "all.txt", tokenizer=tokenizer, threads=threads)
    una_fast.fit(corpus)

    limited = una_fast.TermCounter(memory_limit="16MiB", threads=2, temp_dir=folder)
    limited.update(f"{sentence} {number:x} {-number:x} {number}" for number, sentence in enumerate(corpus))
    limited.save(folder / "counts.safetensors")
    counter = una_fast.TermCounter.load(folder / "counts.safetensors")
    counter.merge(limited)
    counter.freeze(min_df=2)
    table = una_fast.fit(folder / "all.txt")
    table.save(folder / "table.una")
    return una_fast.TermTable.load(folder / "table.una")


def augment(table: una_fast.TermTable, corpus: list[str]) -> None:
    """Every strategy, a batch at a time and many at once."""
    for preset in PRESETS:
        una_fast.Augmenter.preset(preset, table, threads=1).augment(corpus[:8000])
    for options in ({"surface": "preserve"}, {"exclude_self": True, "protect": table.terms[-50:]}):
        una_fast.Augmenter(table, **options).augment(corpus[:8000])
    augmenter = una_fast.Augmenter(table, threads=2)
    augmenter.augment(corpus)
    for start in range(0, len(corpus), 64):
        augmenter.augment(corpus[start : start + 64])
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa

        augmenter.augment_arrow(pa.array(corpus))
        una_fast.fit(pa.array(corpus))
    if importlib.util.find_spec("scipy"):
        table.transform(corpus[:8000])
    if importlib.util.find_spec("tokenizers"):
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        tokenizer.train_from_iterator(
            corpus[:8000], trainers.WordPieceTrainer(special_tokens=special, show_progress=False)
        )
        for _ in range(3):
            augmenter.encode(corpus[:8000], tokenizer=tokenizer, max_length=64)


def main() -> None:
    """Runs all of it."""
    corpus = list(sentences(SENTENCES))
    with tempfile.TemporaryDirectory() as folder:
        augment(fit(corpus, Path(folder)), corpus)


if __name__ == "__main__":
    main()
