"""Training on the compiled core: files in, a table fitted and saved, its negatives in the batches."""

import json
from pathlib import Path
from typing import Any

import pytest

import una_fast
from training_support import make_sentences, tiny_bert, weights, write_lines
from una_fast.errors import InputError
from una_fast.training import TrainConfig, train


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    model = tiny_bert(tmp_path / "bert")
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(100))
    return {"model": model, "corpus": corpus, "batch_size": 10, "max_steps": 6, "device": "cpu"}


def test_the_fitted_table_is_saved_and_gives_the_same_run(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects the way back: the table in the output, given again, leads to the same weights."""
    first = train(TrainConfig(**options, output=tmp_path / "first", probe_rows=20))
    table = una_fast.TermTable.load(first.output / "table.safetensors")
    assert table.digest == una_fast.fit(options["corpus"]).digest
    manifest = json.loads((first.output / "training.json").read_text())
    assert manifest["table"] == table.digest
    for name, given in (("by path", first.output / "table.safetensors"), ("loaded", table)):
        again = train(TrainConfig(**options, output=tmp_path / name, table=given, threads=1))
        assert weights(again.output) == weights(first.output)
        assert not (again.output / "table.safetensors").exists()


def test_options_reach_the_augmenter(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects each option of the negatives from being ignored."""
    changes: list[dict[str, Any]] = [
        {},
        {"radius": 1},
        {"replace_prob": 1.0},
        {"select": "inverse"},
        {"replace": "uniform"},
        {"select": "uniform"},
    ]
    seen = {
        weights(train(TrainConfig(**options, output=tmp_path / str(i), **change)).output)
        for i, change in enumerate(changes)
    }
    assert len(seen) == len(changes)


def test_paraphrases_are_in_the_table(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects the published way: the table is fitted on sentences and paraphrases together."""
    paraphrases = [f"indeed {line}" for line in make_sentences(100)]
    path = write_lines(tmp_path / "p.txt", paraphrases)
    output = train(TrainConfig(**options, output=tmp_path / "out", paraphrases=path)).output
    table = una_fast.TermTable.load(output / "table.safetensors")
    assert table.digest == una_fast.fit(make_sentences(100) + paraphrases).digest


def test_an_empty_line_breaks_alignment(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects against shifted positives: empty lines are left out in reading."""
    lines = make_sentences(101)
    path = write_lines(tmp_path / "p.txt", [*lines[:50], "", *lines[51:]])
    with pytest.raises(InputError, match=r"p\.txt: line 51: no text, where every row must have some"):
        train(TrainConfig(**options, output=tmp_path / "out", paraphrases=path))
