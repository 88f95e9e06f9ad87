"""The command evaluate: which tasks, from where, and everything that was measured in the output."""

import json
from pathlib import Path

import pytest

from training_support import make_sentences, tiny_bert
from una_fast.cli import main
from una_fast.evaluation import pairs


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command over a tiny model and a small folder in SentEval's layout."""
    sentences = make_sentences(80)
    for task, file in (("STS-B", "sts-test.csv"), ("STS-B-dev", "sts-dev.csv")):
        monkeypatch.setitem(pairs.PAIRS, task, 20)
        path = tmp_path / "STS" / "STSBenchmark" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"g\tf\ty\t0\t{i % 6}\t{sentences[i]}\t{sentences[40 + i]}\n" for i in range(20)]
        path.write_text("".join(rows))
    (tmp_path / "MPQA").mkdir()
    for side in ("pos", "neg"):
        lines = sentences[:20] if side == "pos" else sentences[40:60]
        (tmp_path / "MPQA" / f"mpqa.{side}").write_text("\n".join(lines))
    model = str(tiny_bert(tmp_path / "model"))
    return ["evaluate", model, "--pooling", "cls", "--device", "cpu", "--sts", str(tmp_path)]


def test_every_group_is_in_the_output(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the groups of tasks and both forms of the report."""
    pytest.importorskip("sklearn")
    words += ["--tasks", "STS-B", "transfer", "geometry"]
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures["tasks"]) == ["STS-B"]
    assert figures["geometry"]["n_pairs"] == 3
    assert figures["transfer"]["tasks"]["MPQA"]["n_train"] == 40
    assert figures["transfer"]["missing"] == ["MR", "CR", "SUBJ", "SST2", "TREC", "MRPC"]
    assert main(words) == 0
    text = capsys.readouterr().out
    for part in ("Pearson", "alignment", "uniformity", "MPQA"):
        assert part in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "where the tasks are must be told: --sts FOLDER, --hub, or both"),
        (["--hub", "--tasks", "MR"], "transfer tasks need --sts"),
        (["--hub", "--tasks", "STS99"], "--tasks has 'STS99'; known are sts, transfer, geometry, STS12"),
    ],
)
def test_wrong_use_is_named(
    words: list[str], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects the messages, and that they come before a model is loaded."""
    assert main([*words[:-2], *options]) == 1
    assert message in capsys.readouterr().err
