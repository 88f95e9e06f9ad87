"""What tests of experiments share: a small folder of STS data, and a plan that a tiny model runs in seconds."""

import random
from pathlib import Path

import pytest

from training_support import make_sentences, tiny_bert, write_lines
from una_fast.evaluation import pairs

PAIRS = {"STS12": 40, "STS-B": 30, "STS-B-dev": 30}


def shrink_sts(patch: pytest.MonkeyPatch) -> None:
    """Let small folders pass for the published ones."""
    for task, count in PAIRS.items():
        patch.setitem(pairs.PAIRS, task, count)


def write_sts(folder: Path) -> Path:
    """Pairs of made-up sentences; gold is the share of words that they have in common, but for some noise."""
    draw = random.Random(0)
    year = folder / "STS" / "STS12-en-test"
    bench = folder / "STS" / "STSBenchmark"
    for part in (year, bench):
        part.mkdir(parents=True)
    left, right = make_sentences(100, seed=4), make_sentences(100, seed=5)
    gold = [
        5 * len(set(a.split()) & set(b.split())) / len(a.split()) + draw.random()
        for a, b in zip(left, right, strict=True)
    ]
    triples = list(zip(left, right, gold, strict=True))
    for place, name in enumerate(pairs.SUBSETS["STS12"]):
        subset = triples[8 * place : 8 * (place + 1)]
        write_lines(year / f"STS.input.{name}.txt", [f"{a}\t{b}" for a, b, _ in subset])
        write_lines(year / f"STS.gs.{name}.txt", [f"{value:.3f}" for _, _, value in subset])
    for name, chosen in (("sts-test.csv", triples[40:70]), ("sts-dev.csv", triples[70:])):
        write_lines(bench / name, [f"g\tf\ty\t0\t{value:.3f}\t{a}\t{b}" for a, b, value in chosen])
    return folder


def write_plan(folder: Path, **parts: str) -> Path:
    """A plan of two arms and two seeds, with everything that it needs beside it."""
    tiny_bert(folder / "model")
    write_lines(folder / "corpus.txt", make_sentences(64))
    write_sts(folder / "senteval")
    options = {"seeds": "[0, 1]", "weights": '["best", "last"]', "max_steps": "6"} | parts
    path = folder / "plan.toml"
    path.write_text(
        f"""
name = "tiny"
description = "Does it run?"
seeds = {options["seeds"]}
baseline = "plain"

[base]
model = "{folder / "model"}"
corpus = "{folder / "corpus.txt"}"
batch_size = 16
max_length = 16
epochs = 9
max_steps = {options["max_steps"]}
eval_every = 2
checkpoint_every = 2
learning_rate = 1e-3
device = "cpu"

[[arm]]
name = "plain"
every = 0

[[arm]]
name = "una"
every = 2
radius = 8

[evaluation]
sts = "{folder / "senteval"}"
weights = {options["weights"]}
""",
        encoding="utf-8",
    )
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder that belong to its result."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
