"""The page of a run: readable on its own, true to the manifest, the same for equal runs."""

import json
import re
import sys
from pathlib import Path

import pytest

import una_fast
from training_support import make_sentences, tiny_bert, write_lines
from una_fast.errors import MissingExtraError
from una_fast.evaluation import sts
from una_fast.training import Result, TrainConfig, output, train


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("report")
    sentences = make_sentences(80)
    gold = [f"g\tf\ty\t1\t{i % 6}\t{sentences[i]}\t{sentences[40 + i]}" for i in range(30)]
    (folder / "STS" / "STSBenchmark").mkdir(parents=True)
    known = dict(sts.PAIRS)
    for split, task in (("dev", "STS-B-dev"), ("test", "STS-B")):
        write_lines(folder / "STS" / "STSBenchmark" / f"sts-{split}.csv", gold)
        sts.PAIRS[task] = len(gold)
    try:
        return train(
            TrainConfig(
                model=tiny_bert(folder / "bert"),
                corpus=[*sentences, 'a <b>"bold"</b> sentence & more'],
                output=folder / "out",
                batch_size=8,
                sts=folder,
                eval_every=3,
                log_every=1,
                device="cpu",
            )
        )
    finally:
        sts.PAIRS.update(known)


def test_the_page_needs_nothing_else(result: Result) -> None:
    """Protects who opens it years later: no script, no request."""
    html = (result.output / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|@import|(src|href)=\"(?!#|data:)|url\((?!#)", html)
    assert html.count("<svg") == 4, "loss, development score, alignment, uniformity"
    assert "<b>&quot;bold" not in html


def test_the_page_tells_the_run(result: Result) -> None:
    """Protects its figures: settings, scores and negatives of this run."""
    html = (result.output / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((result.output / "training.json").read_text())
    scores = dict(map(tuple, manifest["dev_scores"]))
    assert f"{100 * scores[manifest['best_step']]:.2f}" in html
    assert "hard_negative_weight" in html
    assert len(re.findall("<p class='negative'>", html)) == 8
    assert [len(entry) for entry in manifest["geometry"]] == [3, 3, 3, 3]


def test_the_output_is_tested_at_the_end(result: Result) -> None:
    """Protects the table of card, page and manifest: the scores of what lies in the folder."""
    assert result.sts is not None
    assert [task.name for task in result.sts.tasks] == ["STS-B"]
    score = f"{100 * result.sts['STS-B'].spearman:.2f}"
    assert f"| STS-B | {score} |\n| mean of 1 | {score} |" in (result.output / "README.md").read_text()
    html = (result.output / "report.html").read_text(encoding="utf-8")
    assert f"<th scope='row'>STS-B</th><td class='number'>{score}</td>" in html
    assert json.loads((result.output / "training.json").read_text())["sts"] == result.sts.to_dict()


def test_the_page_is_a_function_of_the_manifest(result: Result) -> None:
    """Protects equal bytes of equal runs."""
    manifest = json.loads((result.output / "training.json").read_text())
    assert output.render_report(manifest, []) == output.render_report(manifest, [])


def test_without_matplotlib_a_run_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects hours of training from an error at their end."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="--no-report"):
        train(TrainConfig(model="absent", corpus="absent", output=tmp_path / "out"))


def test_the_table_can_be_given(result: Result) -> None:
    """Protects the table that a run fitted: it lies in the output and loads."""
    assert una_fast.TermTable.load(result.output / "table.safetensors").n_documents == 81
