"""The scripts and plans behind the figures of the docs run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the examples need the train extra")

from training_support import make_sentences, write_lines
from una_fast.evaluation import load_encoder
from una_fast.experiment import load_plan

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_a_small_bert_is_made_and_repeats_itself(tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(80))
    for name in ("one", "two"):
        command = [EXAMPLES / "small_bert.py", corpus, "--output", tmp_path / name, "--steps", "2"]
        subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert load_encoder(tmp_path / "one", pooling="mean")(["a guitar"]).shape == (1, 128)


def test_the_plan_of_the_docs_can_be_run() -> None:
    plan = load_plan(EXAMPLES / "small-strategies.toml", settings=["corpus=c.txt", "model=m"])
    assert [arm.name for arm in plan.arms] == ["plain", "una", "tfidf-random", "random"]
    plan = load_plan(EXAMPLES / "pretrained-tiny.toml", settings=["corpus=c.txt", "model=m", "table=t"])
    assert [arm.name for arm in plan.arms] == ["plain", "una", "idf mean", "idf mean, una"]
    plan = load_plan(EXAMPLES / "pretrained-ablation.toml", settings=["corpus=c.txt", "model=m", "table=t"])
    assert [arm.options.get("preset") for arm in plan.arms].count(None) == 6
    plan = load_plan(EXAMPLES / "pretrained-rate.toml", settings=["corpus=c.txt", "model=m"])
    assert len(plan.arms) == 8
