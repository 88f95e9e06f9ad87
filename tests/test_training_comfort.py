"""What a run does by itself: the start's pooling, a set of one's own, stopping early, a checkpoint at Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import una_fast
from test_families import make
from test_start import encoder_of
from training_support import make_sentences, tiny_bert, weights, write_lines
from una_fast.cli import main
from una_fast.encoder.encoder import declared_pooling
from una_fast.errors import InputError, OptionError
from una_fast.evaluation import evaluate_pairs
from una_fast.evaluation.pairs import read_pairs_file
from una_fast.training import Callback, TrainConfig, TrainingInterrupted, loop, train
from una_fast.training.history import History

SENTENCES = make_sentences(100)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("comfort") / "bert")


@pytest.fixture
def options(model: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": model,
        "corpus": write_lines(tmp_path / "corpus.txt", SENTENCES),
        "output": tmp_path / "out",
        "batch_size": 10,
        "learning_rate": 1e-3,
        "log_every": 3,
        "device": "cpu",
        "report": False,
    }


def pairs_file(folder: Path, count: int = 30) -> Path:
    rows = [f"{SENTENCES[i]}\t{SENTENCES[(7 * i) % 100]}\t{(i * i) % 11}" for i in range(1, count + 1)]
    return write_lines(folder / "dev.tsv", rows)


# --- Pooling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [({}, "mean"), ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls")],
)
def test_the_pooling_of_the_start_is_kept(
    options: dict[str, Any], tmp_path: Path, said: Any, kept: str
) -> None:
    start = encoder_of(tmp_path / "start", pooling=said)
    result = train(
        TrainConfig(
            **{**options, "model": start, "max_steps": 2, "max_length": 5, "every": 0, "dropout": 0.1}
        )
    )
    assert declared_pooling(str(result.output)) == kept
    manifest = json.loads((result.output / "training.json").read_text())
    assert (manifest["pooling"], manifest["settings"]["pooling"]) == (kept, kept)


def test_a_start_that_says_nothing_is_trained_as_published(options: dict[str, Any]) -> None:
    result = train(TrainConfig(**options, max_steps=1))
    manifest = json.loads((result.output / "training.json").read_text())
    assert (manifest["pooling"], manifest["settings"]["pooling"]) == ("cls", "cls_mlp")


def test_a_start_with_further_layers_is_refused_unless_the_pooling_is_given(
    options: dict[str, Any], tmp_path: Path
) -> None:
    start = Path(make(tmp_path / "start", "bert", {}))
    dense = [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]
    (start / "modules.json").write_text(json.dumps(dense))
    options |= {"model": start, "max_steps": 1, "max_length": 5, "every": 0, "dropout": 0.1}
    with pytest.raises(OptionError, match=r"further modules \['Dense'\]; pooling="):
        train(TrainConfig(**options))
    train(TrainConfig(**options, pooling="mean"))


# --- The law of the negatives ----------------------------------------------------------------------------------------


def test_all_options_of_augment_reach_the_negatives_of_a_run(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[una_fast.Augmenter] = []
    opened = loop.open_negatives
    monkeypatch.setattr(loop, "open_negatives", lambda *args: made.append(opened(*args)) or made[-1])
    names = write_lines(tmp_path / "names.txt", ["guitar", "red boat"])
    given = {"max_replaced": 0.3, "min_score": 0.01, "exclude_self": True, "keep_script": True}
    for protect in (names, ["guitar", "red boat"]):
        output = tmp_path / f"out-{type(protect).__name__}"
        train(
            TrainConfig(**{**options, "output": output}, max_steps=1, preset="uda", protect=protect, **given)
        )
        found = made[-1].options
        assert {name: found[name] for name in given} == given
        assert found["protect"] == ["guitar", "red boat"]
        assert (found["select"], found["replace"]) == ("inverse", "vicinity")
    one, two = (
        json.loads((tmp_path / f"out-{kind}" / "training.json").read_text()) for kind in ("PosixPath", "list")
    )
    assert one["protect"] == two["protect"] != None  # noqa: E711
    assert one["settings"]["select"] == "inverse"


def test_a_preset_does_not_argue_with_what_it_decides(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="preset 'una' already decides select"):
        TrainConfig(**options, preset="una", select="uniform")
    with pytest.raises(OptionError, match="protect must be a file or a list of terms"):
        TrainConfig(**options, protect=[1])
    with pytest.raises(OptionError, match="max_replaced as a share"):
        TrainConfig(**options, max_replaced=1.5)


# --- Pairs of one's own ----------------------------------------------------------------------------------------------


def test_pairs_are_read_from_files_of_every_kind(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [("a man, tall", "a dog", 0.5), ('a "red" boat', "a boat", 4.0), ("x", "y", 1.0)]
    columns = dict(zip(("sentence1", "sentence2", "score"), map(list, zip(*rows, strict=True)), strict=True))
    texts = {
        "d.tsv": "".join(f"{a}\t{b}\t{score}\n" for a, b, score in rows),
        "d.txt": "".join(f"{a}\t{b}\t{score}\r\n" for a, b, score in rows),
        "n.tsv": "score\tid\tsentence1\tsentence2\n" + "".join(f"{s}\t1\t{a}\t{b}\n" for a, b, s in rows),
        "d.csv": '"a man, tall",a dog,0.5\n"a ""red"" boat",a boat,4.0\nx,y,1.0\n',
        "n.csv": 'Sentence1,Sentence2,Score\n"a man, tall",a dog,0.5\n"a ""red"" boat",a boat,4.0\nx,y,1.0\n',
        "d.jsonl": "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    for name in (*texts, "d.parquet"):
        pairs = read_pairs_file(tmp_path / name)
        assert list(zip(pairs.left, pairs.right, pairs.gold.tolist(), strict=True)) == rows, name


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("d.tsv", "a\tb\n", "line 1: 2 cells, expected sentence, sentence and score"),
        ("d.tsv", "a\tb\t1\na\tb\tc\td\n", "line 2: 4 cells.*named in the first line"),
        ("d.csv", "sentence1,sentence2,score\na,b,\n", "line 2: the gold score is ''"),
        ("d.tsv", "a\tb\tnan\na\tb\t1\n", "line 1: the gold score is 'nan', not finite"),
        ("d.tsv", "a\tb\t1\nc\td\t1\n", "2 pairs whose scores do not differ"),
        ("d.tsv", "", "0 pairs"),
        ("d.jsonl", '{"sentence1": "a"}\n', "line 1: expected an object with sentence1, sentence2, score"),
        (
            "d.jsonl",
            '{"sentence1": 1, "sentence2": "b", "score": 1}\n',
            "line 1: sentence1 and sentence2 must be",
        ),
        (
            "d.jsonl",
            '{"sentence1": "a", "sentence2": "b", "score": true}\n',
            "line 1: the gold score is 'true'",
        ),
        ("d.csv", "sentence1,sentence2,score,score\na,b,1,2\n", "two columns are called score"),
    ],
)
def test_what_is_no_pair_is_named_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_pairs_file(tmp_path / name)


def test_the_best_step_is_chosen_by_the_users_own_pairs(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = pairs_file(tmp_path)
    result = train(TrainConfig(**options, dev=dev, eval_every=2))
    assert [step for step, _ in result.dev_scores] == [2, 4, 6, 8, 10]
    assert result.dev_set == "dev.tsv"
    best = dict(result.dev_scores)[result.best_step]
    assert best == max(score for _, score in result.dev_scores if score is not None)
    assert evaluate_pairs(result.output, [dev])["dev.tsv"].spearman == pytest.approx(best, abs=1e-6)
    assert "## Development set dev.tsv" in (result.output / "README.md").read_text()
    logged = (tmp_path / "out.run" / "metrics.jsonl").read_text()
    assert '"dev": ' in logged

    assert main(["evaluate", str(result.output), "--pairs", str(dev), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"]["dev.tsv"]["spearman"] == pytest.approx(
        best, abs=1e-6
    )


def test_a_table_is_scored_as_an_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against the cosines of its rows as scikit-learn takes them; a text without a term is like nothing."""
    metrics = pytest.importorskip("sklearn.metrics.pairwise")
    dev = pairs_file(tmp_path)
    with dev.open("a") as file:
        file.write("zzz\tzzz\t3\n")
    table = una_fast.fit(SENTENCES)
    table.save(tmp_path / "table")
    found = evaluate_pairs(table, [dev])["dev.tsv"]
    pairs = read_pairs_file(dev)
    left, right = table.transform(pairs.left), table.transform(pairs.right)
    expected = 1 - metrics.paired_cosine_distances(left, right)
    expected[-1] = 0.0
    from scipy.stats import pearsonr

    assert found.pearson == pytest.approx(pearsonr(expected, pairs.gold).statistic)
    assert main(["evaluate", str(tmp_path / "table"), "--pairs", str(dev)]) == 0
    assert f"{100 * found.spearman:.2f}" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "table"), "--sts", str(tmp_path), "--tasks", "geometry"]) == 1
    assert "is a term table" in capsys.readouterr().err


# --- Stopping early --------------------------------------------------------------------------------------------------


def test_patience_is_counted_from_the_best_score() -> None:
    history = History(dev_scores=[(1, 0.5), (2, 0.6), (3, 0.605), (4, None), (5, 0.7)])
    assert not history.is_stale(None, 0.0)
    assert not history.is_stale(2, 0.0)
    assert not history.is_stale(1, 0.01)
    history.dev_scores.append((6, 0.7))
    assert history.is_stale(1, 0.0)
    assert not history.is_stale(2, 0.0)


def test_a_run_stops_early_and_a_resumed_one_at_the_same_step(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options |= {"dev": pairs_file(tmp_path), "eval_every": 2, "patience": 2, "min_delta": 0.5, "epochs": 3}
    unbroken = train(TrainConfig(**{**options, "output": tmp_path / "unbroken"}))
    assert unbroken.steps == 6, "the first score counts, the next two are not better by half"
    assert len(unbroken.dev_scores) == 3
    interrupted_at(monkeypatch, 5)
    with pytest.raises(TrainingInterrupted):
        train(TrainConfig(**options))
    resumed = train(TrainConfig(**options, resume=True))
    assert (resumed.steps, resumed.resumed_at) == (6, 4)
    assert resumed.dev_scores == unbroken.dev_scores
    assert weights(resumed.last) == weights(unbroken.last)
    with pytest.raises(OptionError, match="patience needs scores"):
        TrainConfig(**{**options, "dev": None})


class Watcher(Callback):
    def __init__(self, *, until: int = 1000) -> None:
        self.until, self.steps, self.scores = until, [], []

    def on_step(self, step: int, figures: Mapping[str, float]) -> None:
        self.steps.append((step, sorted(figures)))

    def on_score(self, step: int, scores: Mapping[str, float]) -> bool | None:
        self.scores.append((step, sorted(scores)))
        return step >= self.until


def test_callbacks_see_the_run_and_may_end_it(options: dict[str, Any], tmp_path: Path) -> None:
    watcher, plain = Watcher(until=4), Callback()
    config = TrainConfig(**options, dev=pairs_file(tmp_path), eval_every=2)
    assert train(config, callbacks=[plain, watcher]).steps == 4
    assert watcher.scores == [(2, ["dev"]), (4, ["dev"])]
    assert [step for step, _ in watcher.steps] == [2, 3, 4]
    assert watcher.steps[0][1] == ["learning_rate", "loss", "rows_per_second"]


class Kept:
    def __init__(self) -> None:
        self.entries: list[tuple[int, dict[str, float]]] = []

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self.entries.append((step, dict(figures)))


def test_any_object_that_writes_is_a_logger(options: dict[str, Any]) -> None:
    kept = Kept()
    result = train(TrainConfig(**options, loggers=("jsonl", kept)))
    assert [(step, figures["loss"]) for step, figures in kept.entries] == list(result.losses)
    with pytest.raises(
        OptionError, match="loggers must be one of 'jsonl', 'tensorboard', 'trackio', 'wandb', got 'x'"
    ):
        TrainConfig(**{**options, "loggers": ("x",)})


def test_trackio_gets_the_entries(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in with trackio's calls: init, log of the run, finish."""
    told: list[Any] = []

    class Run:
        def log(self, metrics: dict[str, float], step: int) -> None:
            told.append((step, sorted(metrics)))

        def finish(self) -> None:
            told.append("finished")

    class Trackio:
        __name__ = "trackio"

        @staticmethod
        def init(project: str, name: str, config: dict[str, Any], resume: str) -> Run:
            told.append((project, name, config["batch_size"], resume))
            return Run()

    monkeypatch.setitem(sys.modules, "trackio", Trackio())
    train(TrainConfig(**options, loggers=["trackio"], max_steps=3))
    assert told == [
        ("una-fast", "out", 10, "never"),
        (3, ["learning_rate", "loss", "rows_per_second"]),
        "finished",
    ]


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------


def interrupted_at(monkeypatch: pytest.MonkeyPatch, step: int, where: str = "backward") -> None:
    """Has Ctrl-C come while that step, counted from 1, is taken, or while it is recorded."""
    name = {"backward": "backward", "between": "record", "scoring": "keep_if_best", "saving": "save"}[where]
    real = getattr(loop._Run, name)

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.history.steps + (where == "backward") != step:
            return real(self, *args, **kwargs)
        monkeypatch.setattr(loop._Run, name, real)
        if where in ("backward", "scoring", "saving"):
            real(self, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop._Run, name, patched)


@pytest.mark.parametrize("where", ["backward", "between", "scoring", "saving"])
@pytest.mark.parametrize("step", [1, 4, 10])
def test_a_run_goes_on_where_ctrl_c_ended_it(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, step: int
) -> None:
    """Byte for byte as if it had not been: weights, scores, entries, records."""
    options |= {"dev": pairs_file(tmp_path), "eval_every": 2 if step != 1 else 1, "log_every": 1}
    unbroken = train(TrainConfig(**{**options, "output": tmp_path / "other" / "out"}))
    interrupted_at(monkeypatch, step, where)
    if where == "saving" and dict(unbroken.dev_scores).get(step) != max(
        score or 0.0 for at, score in unbroken.dev_scores if at <= step
    ):
        pytest.skip("that step is not saved")
    with pytest.raises(TrainingInterrupted) as raised:
        train(TrainConfig(**options))
    done = step - (where == "backward")
    if done == 0:
        assert "without a checkpoint: the same command starts again" in str(raised.value)
    else:
        assert str(raised.value) == (
            f"after step {done}; the same command with --resume (resume=True) goes on after step {done}"
        )
        with pytest.raises(OptionError, match="resume it"):
            train(TrainConfig(**options))
    resumed = train(TrainConfig(**options, resume=True))
    assert resumed.resumed_at == done
    for name in ("model.safetensors", "training.json", "README.md"):
        assert (resumed.output / name).read_bytes() == (unbroken.output / name).read_bytes(), name
    entries = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "out.run", tmp_path / "other" / "out.run")
    ]
    for each in entries:
        for entry in each:
            entry.pop("rows_per_second", None)
    assert entries[0] == entries[1]


def test_ctrl_c_during_the_optimisers_step_waits_for_its_end(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = train(TrainConfig(**{**options, "output": tmp_path / "unbroken"}))
    make_optimizer = loop.make_optimizer

    def watched(*args: Any) -> Any:
        optimizer = make_optimizer(*args)
        step, count = optimizer.step, [0]

        def stepped() -> None:
            count[0] += 1
            if count[0] == 3:
                os.kill(os.getpid(), signal.SIGINT)
            step()

        optimizer.step = stepped
        return optimizer

    monkeypatch.setattr(loop, "make_optimizer", watched)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match="after step 3;"):
        train(TrainConfig(**options))
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    resumed = train(TrainConfig(**options, resume=True))
    assert (resumed.resumed_at, weights(resumed.output)) == (3, weights(unbroken.output))


def test_the_command_says_how_to_go_on(options: dict[str, Any], tmp_path: Path) -> None:
    names = ("model", "output", "batch_size", "log_every", "device")
    given = [word for name in names for word in (f"--{name.replace('_', '-')}", str(options[name]))]
    command = [sys.executable, "-m", "una_fast", "train", str(options["corpus"]), *given, "--epochs", "4000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    metrics = tmp_path / "out.run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.is_file() and metrics.stat().st_size):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    last = told.splitlines()[-1]
    assert last.startswith("una-fast train: interrupted after step ")
    assert "the same command with --resume (resume=True) goes on after step " in last


def test_checkpoints_come_by_time_unless_they_are_asked_for_otherwise(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = loop.Checkpoints.save
    monkeypatch.setattr(
        loop.Checkpoints, "save", lambda self, found: saved.append(found.step) or save(self, found)
    )
    train(TrainConfig(**options))
    assert saved == []
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    train(TrainConfig(**options))
    assert saved == [3, 6, 9], "at log entries, where the loop waits anyway"
    saved.clear()
    train(TrainConfig(**options, checkpoint_every=0))
    assert saved == []
    with pytest.raises(OptionError, match="checkpoint_every=0"):
        TrainConfig(**options, checkpoint_every=0, resume=True)
