"""Checkpoints: a run that is killed and resumed ends as if nothing had happened; what cannot be resumed says why."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from training_support import WordSwapper, make_sentences, tiny_bert, weights, write_lines
from una_fast.errors import OptionError
from una_fast.training import DivergedError, Result, TrainConfig, loop, train
from una_fast.training.checkpoint import Checkpoints
from una_fast.training.history import History


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("resume") / "bert")


@pytest.fixture
def options(model: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": model,
        "corpus": write_lines(tmp_path / "corpus.txt", make_sentences(100)),
        "output": tmp_path / "out",
        "batch_size": 10,
        "learning_rate": 1e-3,
        "checkpoint_every": 2,
        "log_every": 3,
        "device": "cpu",
    }


def run(options: dict[str, Any], **changes: Any) -> Result:
    return train(TrainConfig(**{**options, **changes}), augmenter=WordSwapper())


class StoppedError(Exception):
    pass


def interrupt(monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """Have the next run end before it has counted step `at`."""
    add = History.add

    def counted(self: History, loss: torch.Tensor) -> None:
        if self.steps + 1 == at:
            monkeypatch.setattr(History, "add", add)
            raise StoppedError
        add(self, loss)

    monkeypatch.setattr(History, "add", counted)


def stopped(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, at: int = 6) -> Path:
    """A run that stopped on the way; its checkpoints."""
    interrupt(monkeypatch, at=at)
    with pytest.raises(StoppedError):
        run(options)
    return Path(f"{options['output']}.run") / "checkpoints"


def test_killed_at_any_place_and_resumed(tmp_path: Path) -> None:
    """Protects a run from kill -9 at a step or at a change of a file; `killed_training.py` tries every place."""
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "runs", "--every", "83"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("0 differ\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate": 2},
        {"chunk_size": 7},
        {"loss": "margin", "pooling": "idf_mean"},
        {"precision": "bfloat16"},
    ],
)
def test_every_way_of_training_resumes(
    options: dict[str, Any], changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the random state and the place in the data under each of them."""
    options = {**options, **changes, "epochs": 2}
    stopped(options, monkeypatch)
    result = run(options, resume=True)
    assert result.resumed_at == 4
    run(options, output=tmp_path / "unbroken")
    assert weights(tmp_path / "out") == weights(tmp_path / "unbroken")


def test_the_last_ones_are_kept_and_removed_at_the_end(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the disk, and what a run leaves behind."""
    folder = stopped({**options, "keep_checkpoints": 2}, monkeypatch, at=9)
    assert [path.name for path in Checkpoints(folder).steps()] == ["step-000000006", "step-000000008"]
    run(options, resume=True)
    assert not folder.exists()


def test_resuming_without_a_checkpoint_starts(options: dict[str, Any]) -> None:
    """Protects the one command that a scheduler repeats until it ends well."""
    result = run(options, resume=True, max_steps=3)
    assert (result.resumed_at, result.steps) == (0, 3)


def test_an_unfinished_run_is_not_thrown_away(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects hours of work from a forgotten --resume."""
    stopped(options, monkeypatch)
    with pytest.raises(OptionError, match="holds checkpoints of a run that has not ended: resume it"):
        run(options)


def test_another_run_is_not_resumed(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects against weights of one setting under the name of another; says which it is."""
    stopped(options, monkeypatch)
    with pytest.raises(OptionError, match=r"temperature is 0\.05 there and 0\.1 here"):
        run(options, resume=True, temperature=0.1)
    other = write_lines(tmp_path / "other.txt", make_sentences(100, seed=9))
    with pytest.raises(OptionError, match="corpus is"):
        run(options, resume=True, corpus=other)


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "random.safetensors"])
def test_a_damaged_checkpoint_is_passed_over(
    options: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects a run whose newest checkpoint a disk has spoilt: the one before it leads to the same end."""
    folder = stopped(options, monkeypatch)
    path = folder / "step-000000004" / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 8
    path.write_bytes(damaged)
    with pytest.warns(UserWarning, match="going back to the checkpoint before it"):
        result = run(options, resume=True)
    assert result.resumed_at == 2
    run(options, output=tmp_path / "unbroken")
    assert weights(tmp_path / "out") == weights(tmp_path / "unbroken")


def test_a_diverged_run_keeps_its_good_checkpoints(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the way back: NaN is never written down."""
    real, calls = loop.nt_xent, iter(range(1000))

    def poisoned(embeddings: torch.Tensor, temperature: float) -> torch.Tensor:
        return real(embeddings, temperature) * (float("nan") if next(calls) == 5 else 1.0)

    monkeypatch.setattr(loop, "nt_xent", poisoned)
    with pytest.raises(DivergedError, match=r"step 6 is nan|after step 6"):
        run(options, log_every=50)
    folder = Path(f"{options['output']}.run") / "checkpoints"
    assert [path.name for path in Checkpoints(folder).steps()] == ["step-000000002", "step-000000004"]


def test_metrics_go_on_where_the_checkpoint_was(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the curve: no step twice, none missing, no half line."""
    options = {**options, "log_every": 1, "checkpoint_every": 4}
    stopped(options, monkeypatch, at=8)
    metrics = tmp_path / "out.run" / "metrics.jsonl"
    with metrics.open("a") as file:
        file.write('{"step": 8, "lo')
    run(options, resume=True)
    entries = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, 11))
    assert entries[0].keys() == {"step", "loss", "learning_rate", "rows_per_second"}
