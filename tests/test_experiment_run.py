"""Experiments run what is missing, once, and come to the same whatever happens on the way."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="experiments need the train extra")

from experiment_support import files_of, shrink_sts, write_lines, write_plan
from training_support import make_sentences
from una_fast.cli import main
from una_fast.errors import InputError, OptionError
from una_fast.experiment import Summary, load_plan, run_experiment

CHILD = """
import sys
import training_support  # one thread
from una_fast.cli import main
from una_fast.evaluation import pairs
from experiment_support import PAIRS

pairs.PAIRS.update(PAIRS)
sys.exit(main(["experiment", sys.argv[1], "--output", sys.argv[2], "--threads", "1"]))
"""


@pytest.fixture
def plan_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shrink_sts(monkeypatch)
    return write_plan(tmp_path)


def run(plan_file: Path, output: Path, *settings: str) -> tuple[Summary, list[str]]:
    told: list[str] = []
    return run_experiment(load_plan(plan_file, settings=settings), output, tell=told.append), told


def start(plan_file: Path, output: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(plan_file), str(output)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_an_experiment_that_was_killed_comes_to_the_same(plan_file: Path, tmp_path: Path) -> None:
    """Protects promise: a finished run has its row, an unfinished one starts again, and no byte tells of it."""
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert start(plan_file, unbroken).wait() == 0

    child = start(plan_file, broken)
    rows, deadline = broken / "rows.jsonl", time.monotonic() + 300
    while not (rows.exists() and any((broken / "runs").iterdir())):
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = rows.read_text(encoding="utf-8").splitlines()
    assert 1 <= len(finished) < 4

    assert start(plan_file, broken).wait() == 0
    assert rows.read_text(encoding="utf-8").splitlines()[: len(finished)] == finished
    assert files_of(broken) == files_of(unbroken)


def test_what_has_finished_is_not_run_again_and_a_plan_may_grow(plan_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first, told = run(plan_file, output)
    assert told[1].startswith("TF-IDF of the table, nothing trained: ")
    assert [line.split(":")[0] for line in told[2:-1]] == [
        "[1/4] plain, seed 0",
        "[2/4] una, seed 0",
        "[3/4] plain, seed 1",
        "[4/4] una, seed 1",
    ]
    before = files_of(output)
    again, told = run(plan_file, output)
    assert told == ["writing the report"]
    assert files_of(output) == before
    assert again == first
    grown, told = run(plan_file, output, "seeds=[0, 1, 2]")
    assert [line.split(":")[0] for line in told[:-1]] == ["[5/6] plain, seed 2", "[6/6] una, seed 2"]
    assert (grown.finished, grown.planned) == (6, 6)


def test_a_row_holds_what_was_run_and_what_came_out(plan_file: Path, tmp_path: Path) -> None:
    summary, _ = run(plan_file, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    una = rows[1]
    assert (una["condition"], una["arm"], una["seed"], una["steps"]) == ("", "una", 0, 6)
    assert una["options"]["every"] == 2
    assert una["corpus"]["sentences"] == 64
    assert una["weights"].keys() == {"best", "last"}
    assert una["weights"]["last"]["step"] == 6
    assert una["weights"]["best"]["scores"].keys() == {"STS12", "STS-B"}
    dev = dict(una["dev_scores"])
    assert dev[una["weights"]["best"]["step"]] == max(dev.values())

    last = next(each for each in summary.comparisons if each.weights == "last")
    arm = next(each for each in last.arms if each.arm == "una")
    by_hand = [sum(row["weights"]["last"]["scores"].values()) / 2 for row in rows if row["arm"] == "una"]
    assert arm.by_seed == pytest.approx(by_hand)
    assert arm.difference is not None
    assert arm.difference.by_seed[1] == pytest.approx(by_hand[1] - last.arms[0].by_seed[1])
    assert last.arms[0].difference is None


def test_an_arm_may_weight_tokens_by_the_table(plan_file: Path, tmp_path: Path) -> None:
    """Protects the start of such an arm, which is scored under its own pooling."""
    settings = (
        "seeds=[0]",
        "max_steps=2",
        "evaluation.weights=last",
        "pooling=mean",
        "arm.una.pooling=idf_mean",
    )
    _, told = run(plan_file, tmp_path / "out", *settings)
    assert sum(line.startswith("before training") for line in told) == 2
    starts = [json.loads(line) for line in (tmp_path / "out" / "starts.jsonl").read_text().splitlines()]
    assert {row["pooling"] for row in starts} == {"mean", "idf_mean", None}
    assert starts[0]["scores"] != starts[1]["scores"]
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 2


def test_pairs_of_ones_own_are_tasks(plan_file: Path, tmp_path: Path) -> None:
    """Protects experiments in languages that have no folder of STS tasks."""
    draw = random.Random(0)
    for name in ("dev.tsv", "test.tsv"):
        lefts, rights = make_sentences(30, seed=1), make_sentences(30, seed=2)
        write_lines(
            tmp_path / name, [f"{a}\t{b}\t{draw.random()}" for a, b in zip(lefts, rights, strict=True)]
        )
    own = ["seeds=[0]", f"evaluation.pairs={tmp_path / 'test.tsv'}", f"base.dev={tmp_path / 'dev.tsv'}"]
    text = plan_file.read_text(encoding="utf-8")

    both, _ = run(plan_file, tmp_path / "both", *own)
    assert both.tasks == ("STS12", "STS-B", "test.tsv")

    plan_file.write_text(re.sub(r"(?m)^(sts|tasks) = .*\n", "", text), encoding="utf-8")
    alone, _ = run(plan_file, tmp_path / "alone", *own)
    assert alone.tasks == ("test.tsv",)
    for left, right in zip(both.comparisons[0].arms, alone.comparisons[0].arms, strict=True):
        assert left.tasks["test.tsv"] == right.tasks["test.tsv"]
    rows = [json.loads(line) for line in (tmp_path / "alone" / "starts.jsonl").read_text().splitlines()]
    assert [[*row["scores"]] for row in rows] == [["test.tsv"]] * 2

    with pytest.raises(OptionError, match="nothing says which weights are best: give dev"):
        run(plan_file, tmp_path / "none", *own[:-1])
    twice = f"evaluation.pairs=['{tmp_path / 'test.tsv'}', '{tmp_path / 'test.tsv'}']"
    with pytest.raises(InputError, match="there is another task called test"):
        run(plan_file, tmp_path / "twice", *own, twice)


def test_the_folder_of_another_plan_is_refused_with_the_differences(plan_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(plan_file, output, "seeds=[0]", "evaluation.weights=last")
    before = files_of(output)
    for setting, message in (
        ("max_steps=3", "belongs to another plan: plain: max_steps was 6, is 3; una: max_steps was 6, is 3"),
        ("arm.una.every=1", "another plan: una: every was 2, is 1$"),
        ("evaluation.weights=best", r"another plan: evaluation.weights was \['last'\], is \['best'\]"),
        ("seeds=[1]", "another plan: plain, seed 0 is no longer planned"),
        ("name=other", "another plan: name was 'tiny', is 'other'"),
    ):
        settings = ["seeds=[0]", "evaluation.weights=last", setting]
        with pytest.raises(OptionError, match=message):
            run(plan_file, output, *settings)
    assert files_of(output) == before


def test_a_folder_of_something_else_is_left_alone(plan_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("dear")
    with pytest.raises(OptionError, match="holds something other than an experiment"):
        run(plan_file, tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_a_folder_is_for_one_process_at_a_time(plan_file: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    output = tmp_path / "out"
    output.mkdir()
    with FileLock(output / ".lock"), pytest.raises(OptionError, match="another process is running"):
        run(plan_file, output)


def test_a_corpus_that_changed_between_two_runs_is_noticed(plan_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(plan_file, output, "seeds=[0]", "evaluation.weights=last")
    write_lines(tmp_path / "corpus.txt", make_sentences(70, seed=9))
    with pytest.raises(
        InputError,
        match="the corpus is no longer what it was when plain, seed 0 read it: 70 sentences, then 64",
    ):
        run(plan_file, output, "seeds=[0, 1]", "evaluation.weights=last")
    assert len((output / "rows.jsonl").read_text().splitlines()) == 2


def test_the_command_lists_plans_and_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "--list"]) == 0
    assert "paper-table\n    The main table of the paper" in capsys.readouterr().out
    assert main(["experiment"]) == 1
    assert "which plan?" in capsys.readouterr().err
    assert main(["experiment", "papertable"]) == 1
    assert "no such plan; those that come with una-fast: ablation, " in capsys.readouterr().err


def test_the_command_lists_runs_and_writes_reports(
    plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out")
    command = ["experiment", str(plan_file), "--output", output, "--set", "evaluation.weights=last"]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 runs, 4 to do"
    assert not (tmp_path / "out").exists()
    assert main([*command, "--report"]) == 1
    assert "no run of plan 'tiny' has finished" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "--keep-encoders"]) == 0
    assert "una " in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "runs").glob("*/encoder/model.safetensors"))) == 4
    assert main([*command, "--report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["finished"] == 4
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 runs, 0 to do"
