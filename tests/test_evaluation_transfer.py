"""Transfer tasks: the files are read as SentEval leaves them, and a separable task is scored as such."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from una_fast.errors import InputError, MissingExtraError, OptionError, StorageError
from una_fast.evaluation import evaluate_transfer
from una_fast.evaluation.labelled import read_transfer

pytest.importorskip("sklearn")

CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


def write(root: Path, file: str, lines: list[str], *, encoding: str = "utf-8") -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """All seven tasks in small. The first word of a sentence gives its class away."""
    sides = {
        "MR": ("rt-polarity.neg", "rt-polarity.pos"),
        "CR": ("custrev.neg", "custrev.pos"),
        "SUBJ": ("subj.objective", "subj.subjective"),
        "MPQA": ("mpqa.neg", "mpqa.pos"),
    }
    for task, files in sides.items():
        for label, file in enumerate(files):
            write(
                tmp_path, f"{task}/{file}", [f"k{label}  caf\xe9 {i}" for i in range(12)], encoding="latin-1"
            )
    for split, count in (("train", 20), ("dev", 6), ("test", 8)):
        write(tmp_path, f"SST/binary/sentiment-{split}", [f"k{i % 2} it {i}\t{i % 2}" for i in range(count)])
    for file, count in (("train_5500", 72), ("TREC_10", 12)):
        lines = [f"{CLASSES[i % 6]}:detail k{i % 6} how {i}" for i in range(count)]
        write(tmp_path, f"TREC/{file}.label", lines)
    for split, count in (("train", 32), ("test", 12)):
        # Alike or not is all that tells: either side alone, and both side by side, say nothing of it.
        rows = [
            f"{i % 2}\t{i}\t{i}\tk{i // 2 % 2} say {i}\tk{(i // 2 + 1 + i % 2) % 2} say {i}"
            for i in range(count)
        ]
        write(tmp_path, f"MRPC/msr_paraphrase_{split}.txt", ["Quality\t#1 ID\t#2 ID\t#1\t#2", *rows])
    return tmp_path


def encode(sentences: list[str]) -> np.ndarray[Any, Any]:
    """A direction a class, and a little noise; the length of the vectors is theirs."""
    vectors = 0.01 * np.random.default_rng(len(sentences)).normal(size=(len(sentences), 8))
    for row, sentence in enumerate(sentences):
        vectors[row, int(sentence[1])] += 9
    return vectors


def test_what_is_separable_is_separated(root: Path) -> None:
    """Protects the three protocols, and the features of pairs: alike is 1 in MRPC, whatever the words are."""
    report = evaluate_transfer(encode, root, folds=4)
    assert [task.name for task in report.tasks] == ["MR", "CR", "SUBJ", "MPQA", "SST2", "TREC", "MRPC"]
    assert {task.accuracy for task in report.tasks} == {1.0}
    assert (report.mean, report.missing, report["MRPC"].f1, report["MR"].f1) == (1.0, (), 1.0, None)
    sizes = {task.name: (task.n_train, task.n_test) for task in report.tasks}
    assert sizes["MR"] == (24, 24)
    assert (sizes["SST2"], sizes["TREC"], sizes["MRPC"]) == ((20, 8), (72, 12), (32, 12))
    assert str(report).split("\n")[0].split() == [*sizes, "mean"]
    assert json.loads(json.dumps(report.to_dict()))["tasks"]["TREC"]["accuracy"] == 1.0


def test_noise_is_not_separated(root: Path) -> None:
    """Protects the test split: what was learnt by heart does not count."""

    def noise(sentences: list[str]) -> np.ndarray[Any, Any]:
        return np.random.default_rng(0).normal(size=(len(sentences), 64))

    report = evaluate_transfer(noise, root, tasks=["MR"], folds=3)
    assert report["MR"].accuracy < 0.9
    assert report == evaluate_transfer(noise, root, tasks=["MR"], folds=3), "the folds are fixed by the seed"


def test_the_files_are_read_as_senteval_reads_them(root: Path) -> None:
    """Protects Latin-1, single spaces, the class of TREC, the heading of MRPC and which side is 1."""
    splits = {task: read_transfer(root, task) for task in ("MR", "TREC", "MRPC", "SST2")}
    assert splits["MR"] is not None
    assert splits["MR"]["all"].sentences[0][0] == "k0 caf\xe9 0"
    assert splits["MR"]["all"].labels.tolist() == [0] * 12 + [1] * 12
    assert splits["TREC"] is not None
    assert splits["TREC"]["test"].sentences[0][7] == "k1 how 7"
    assert splits["TREC"]["test"].labels.tolist() == list(range(6)) * 2
    assert splits["MRPC"] is not None
    assert [side[1] for side in splits["MRPC"]["test"].sentences] == ["k0 say 1", "k0 say 1"]
    assert splits["SST2"] is not None
    assert set(splits["SST2"]) == {"train", "dev", "test"}


def test_tasks_without_data_are_missing(root: Path) -> None:
    """Protects a mean over seven from being one over six."""
    for file in (root / "CR").iterdir():
        file.unlink()
    (root / "CR").rmdir()
    report = evaluate_transfer(encode, root, tasks=["CR", "SST2"])
    assert (report.missing, report.mean) == (("CR",), None)
    assert "missing: CR" in str(report)


@pytest.mark.parametrize(
    ("file", "lines", "message"),
    [
        (
            "SST/binary/sentiment-dev",
            ["good 1"],
            r"sentiment-dev, line 1: 1 tab-separated fields, expected 2",
        ),
        ("SST/binary/sentiment-dev", ["good\t2"], r"line 1: the label is '2', expected one of 0, 1"),
        ("SST/binary/sentiment-dev", ["good\t1"], r"sentiment-dev has examples of fewer than two classes"),
        (
            "TREC/TREC_10.label",
            ["HUM:ind who", "WHO:x y"],
            r"line 2: the label is 'WHO', expected one of ABBR",
        ),
        ("MRPC/msr_paraphrase_train.txt", ["h", "1\t2\t3\ta"], r"line 2: 4 tab-separated fields, expected 5"),
        ("MR/rt-polarity.pos", [], r"rt-polarity\.pos is empty"),
        ("MPQA/mpqa.pos", ["k1"], r"MPQA has a class of 1 examples, too few for 10 folds"),
    ],
)
def test_a_damaged_file_is_named(root: Path, file: str, lines: list[str], message: str) -> None:
    """Protects against a score over other examples."""
    write(root, file, lines)
    tasks = {"SST": "SST2"}.get(name := file.split("/", maxsplit=1)[0], name)
    with pytest.raises(InputError, match=message):
        evaluate_transfer(encode, root, tasks=[tasks])


def test_wrong_use_is_named(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Protects the other messages."""
    with pytest.raises(OptionError, match="'SST5'; known are MR"):
        evaluate_transfer(encode, root, tasks=["SST5"])
    with pytest.raises(OptionError, match="folds must be at least 2"):
        evaluate_transfer(encode, root, folds=1)
    with pytest.raises(InputError, match="is no folder"):
        evaluate_transfer(encode, root / "nowhere")
    with pytest.raises(InputError, match="has none of MR, CR"):
        evaluate_transfer(encode, tmp_path_factory.mktemp("empty"))
    (root / "TREC" / "TREC_10.label").unlink()
    with pytest.raises(StorageError, match=r"TREC_10\.label"):
        evaluate_transfer(encode, root, tasks=["TREC"])


def test_without_scikit_learn_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the message where scikit-learn is not installed."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"una-fast\[sklearn\]"):
        evaluate_transfer(encode, root)
