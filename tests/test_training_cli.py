"""The commands train and evaluate: options reach the library, figures come out as text or JSON."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training_support import make_sentences, tiny_bert, write_lines
from una_fast.cli import evaluate, train
from una_fast.evaluation import sts
from una_fast.training import TrainConfig


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(dest="command")
    train.add_parser(subparsers)
    evaluate.add_parser(subparsers)
    return parser.parse_args(words)


def test_importing_the_commands_does_not_import_torch() -> None:
    """Protects `una-fast --help` from taking seconds."""
    code = (
        "import sys, una_fast.cli.train, una_fast.cli.evaluate; "
        "assert not {'torch', 'transformers', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_not_given_are_the_defaults_of_the_library() -> None:
    """Protects one place for defaults."""
    args = parse("train", "c.txt", "--model", "m", "--output", "o")
    assert (
        TrainConfig.from_command_line(args).settings()
        == TrainConfig(model="m", corpus="c", output="o").settings()
    )


def test_every_option_reaches_the_configuration() -> None:
    """Protects the names: an option of the command is an option of TrainConfig."""
    words = ["train", "a.txt", "b.txt", "--model", "m", "--output", "o", "--table", "t", "--sts", "s"]
    words += [
        "--learning-rate",
        "1e-4",
        "--max-grad-norm",
        "none",
        "--pooling",
        "mean",
        "--every",
        "0",
        "--dropout",
        "0.2",
    ]
    config = TrainConfig.from_command_line(parse(*words))
    assert config.corpus == [Path("a.txt"), Path("b.txt")]
    assert (config.learning_rate, config.max_grad_norm, config.pooling) == (1e-4, None, "mean")
    assert (config.every, config.dropout, config.table, config.sts) == (0, 0.2, "t", "s")


def test_a_file_gives_options_and_the_command_line_overrides_them(tmp_path: Path) -> None:
    """Protects the same names in both places."""
    file = tmp_path / "run.toml"
    file.write_text(
        'model = "m"\noutput = "o"\ncorpus = ["a.txt", "b.txt"]\nbatch_size = 8\nresume = true\n'
        "checkpoint_every = 5\n"
    )
    args = parse("train", "--config", str(file), "--batch-size", "16", "--no-resume")
    config = TrainConfig.from_command_line(args)
    assert (config.corpus, config.batch_size) == ([Path("a.txt"), Path("b.txt")], 16)
    assert (config.resume, config.checkpoint_every) == (False, 5)


def test_shipped_configurations_are_valid_and_as_published() -> None:
    """Protects what --config takes by name: every name and value, and the published figures of both models."""
    shipped = {
        name: TrainConfig.from_toml(name, corpus="c", output="o") for name in ("bert", "roberta", "cpu")
    }
    assert TrainConfig.shipped
    assert shipped.keys() == {path.stem for path in TrainConfig.shipped.glob("*.toml")}
    assert (shipped["bert"].learning_rate, shipped["bert"].schedule) == (3e-5, "linear")
    assert (shipped["roberta"].learning_rate, shipped["roberta"].schedule) == (5e-6, "constant")
    assert {
        (shipped[name].batch_size, shipped[name].max_length, shipped[name].every)
        for name in ("bert", "roberta")
    } == {(64, 32, 5)}


def test_train_then_evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects the way a user goes: train, then score what was written."""
    monkeypatch.setitem(sts.PAIRS, "STS-B", 20)
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(40))
    sentences = make_sentences(40, seed=2)
    rows = [f"g\tf\ty\t0\t{i % 5}\t{sentences[i]}\t{sentences[20 + i]}" for i in range(20)]
    (tmp_path / "STS" / "STSBenchmark").mkdir(parents=True)
    write_lines(tmp_path / "STS" / "STSBenchmark" / "sts-test.csv", rows)
    model, output = str(tiny_bert(tmp_path / "model")), str(tmp_path / "out")

    words = ["train", str(corpus), "--model", model, "--output", output, "--every", "0", "--batch-size", "8"]
    assert run(words, capsys)["steps"] == 5
    assert "5 steps" in run(words, capsys, as_json=False)
    words = ["evaluate", output, "--sts", str(tmp_path), "--device", "cpu"]
    assert run(words, capsys)["tasks"]["STS-B"]["pairs"] == 20
    assert "STS-B" in run(words, capsys, as_json=False)


def run(words: list[str], capsys: pytest.CaptureFixture[str], *, as_json: bool = True) -> Any:
    args = parse(*words, *(["--json"] if as_json else []))
    assert args.run(args) == 0
    printed = capsys.readouterr().out
    return json.loads(printed) if as_json else printed
