"""A run from end to end: what it learns, what it saves, what it leaves behind when it fails."""

import dataclasses
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from training_support import WordSwapper, make_sentences, tiny_bert, weights, write_lines
from una_fast.encoder.backbone import load_backbone, load_tokenizer
from una_fast.errors import InputError, MissingExtraError, OptionError, StorageError, UnaError
from una_fast.evaluation import sts
from una_fast.training import DivergedError, OutOfMemoryError, Result, TrainConfig, loop, probe, scorer, train
from una_fast.training.model import SentenceEncoder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("loop") / "bert")


@pytest.fixture
def options(model: Path, tmp_path: Path) -> dict[str, Any]:
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(200))
    return {
        "model": model,
        "corpus": corpus,
        "output": tmp_path / "out",
        "batch_size": 10,
        "log_every": 4,
        "loggers": (),
        "device": "cpu",
    }


def run(options: dict[str, Any], **changes: Any) -> Result:
    return train(TrainConfig(**{**options, **changes}), augmenter=WordSwapper())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_runs_write_equal_bytes(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects determinism of every file, whatever the output is called or torch drew before."""
    run(options)
    torch.rand(7)
    run(options, output=tmp_path / "again" / "there", prefetch=1)
    assert files(tmp_path / "out") == files(tmp_path / "again" / "there")


def test_another_seed_gives_other_weights(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects that the seed reaches the run."""
    run(options, max_steps=2)
    run(options, max_steps=2, seed=1, output=tmp_path / "other")
    assert weights(tmp_path / "out") != weights(tmp_path / "other")


def test_random_state_of_the_caller_is_left_alone(options: dict[str, Any]) -> None:
    """Protects a program around the run."""
    before = torch.get_rng_state()
    run(options, max_steps=2)
    assert torch.equal(before, torch.get_rng_state())


def test_result_and_manifest_tell_the_run(options: dict[str, Any]) -> None:
    """Protects the record: steps, losses at log steps, learning rates, and the same in training.json."""
    result = run(options, epochs=2, max_steps=25, learning_rate=1e-3)
    assert result.steps == result.best_step == 25
    assert [step for step, _ in result.losses] == [4, 8, 12, 16, 20, 24, 25]
    assert result.learning_rates[-1] == (25, pytest.approx(1e-3 / 25))
    assert 0 <= result.wait_share <= 1
    assert result.rows_per_second > 0
    assert json.dumps(result.to_dict())
    manifest = json.loads((result.output / "training.json").read_text())
    assert manifest["losses"] == [list(entry) for entry in result.losses]
    assert manifest["settings"]["learning_rate"] == 1e-3
    assert manifest["model"] == "bert"


def test_nothing_in_the_output_tells_of_this_machine(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects equal bytes elsewhere: no path of the model, the corpus or the output."""
    run(options, max_steps=1)
    assert not [
        name for name, data in files(tmp_path / "out").items() if str(tmp_path.parent).encode() in data
    ]


def test_training_learns(options: dict[str, Any]) -> None:
    """Protects the sum of all parts: a sentence's two views are told from other sentences."""
    result = run(options, epochs=6, learning_rate=2e-3, schedule="constant", log_every=20, dropout=0.02)
    losses = [loss for _, loss in result.losses]
    assert losses[-1] < losses[0] - 1


def test_probe_before_and_after(options: dict[str, Any]) -> None:
    """Protects the figures' direction: training moves negatives away from anchors."""
    result = run(
        options, epochs=6, learning_rate=2e-3, schedule="constant", probe_rows=64, every=1, dropout=0.02
    )
    before, after = result.probe_before, result.probe_after
    assert before is not None
    assert after is not None
    assert after.view_win_rate > before.view_win_rate
    assert after.negative_cosine < before.negative_cosine
    assert after.uniformity < before.uniformity
    assert sum(after.margin_counts) == after.n == 64
    assert len(after.margin_edges) == len(after.margin_counts) + 1


def test_probe_is_seeded_and_changes_nothing(model: Path) -> None:
    """Protects a probe in the midst of training: same figures twice, mode and random state as before."""
    encoder = SentenceEncoder(load_backbone(model), "cls_mlp").eval()
    sentences = make_sentences(20)
    state = torch.get_rng_state()
    reports = [probe(encoder, load_tokenizer(model), sentences, sentences[::-1], seed=3) for _ in range(2)]
    assert reports[0] == reports[1]
    assert not encoder.training
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(OptionError, match="two triples or more"):
        probe(encoder, load_tokenizer(model), ["a"], ["b"])


def test_probe_knows_easy_from_impossible(model: Path) -> None:
    """Protects the win rate: without dropout the positive is the anchor, and nothing is nearer."""
    encoder = SentenceEncoder(load_backbone(model, dropout=0.0), "mean")
    sentences = make_sentences(20)
    tokenizer = load_tokenizer(model)
    easy = probe(encoder, tokenizer, sentences, sentences[1:] + sentences[:1])
    assert easy.view_win_rate == 1.0
    assert easy.alignment == pytest.approx(0, abs=1e-6)
    reversed_roles = probe(encoder, tokenizer, sentences, sentences, positives=sentences[1:] + sentences[:1])
    assert reversed_roles.view_win_rate == 0.0


def test_plain_simcse_needs_no_negatives(options: dict[str, Any]) -> None:
    """Protects every=0: no table is fitted and no core is needed for one."""
    result = train(TrainConfig(**options, every=0, max_steps=3))
    assert json.loads((result.output / "training.json").read_text())["table"] is None


def test_options_reach_the_optimiser(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects options from being ignored: each of them changes the weights."""
    variants: list[dict[str, Any]] = [
        {},
        {"max_grad_norm": 1e-6},
        {"weight_decay": 0.5},
        {"dropout": 0.4},
        {"precision": "bfloat16"},
        {"temperature": 0.5},
        {"every": 1},
        {"pooling": "mean"},
        {"schedule": "constant"},
    ]
    seen = set()
    for index, changes in enumerate(variants):
        seen.add(weights(run(options, max_steps=3, output=tmp_path / str(index), **changes).output))
    assert len(seen) == len(variants)


def test_paraphrases_are_the_positives(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects the third kind of row reaching the run."""
    paraphrases = write_lines(tmp_path / "p.txt", [f"indeed {line}" for line in make_sentences(200)])
    run(options, max_steps=3)
    result = run(options, max_steps=3, paraphrases=paraphrases, output=tmp_path / "with")
    assert weights(tmp_path / "out") != weights(result.output)
    assert json.loads((result.output / "training.json").read_text())["paraphrases"] is True


class _Poison(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return value * float("nan")

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("nan")


def poison_loss(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    calls = iter(range(10**6))
    real = loop.nt_xent

    def loss(embeddings: torch.Tensor, temperature: float) -> torch.Tensor:
        value = real(embeddings, temperature)
        poisoned: torch.Tensor = _Poison.apply(value) if next(calls) + 1 == at else value
        return poisoned

    monkeypatch.setattr(loop, "nt_xent", loss)


def test_divergence_names_the_step_and_keeps_what_was_saved(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the earlier output, and the number of the step though losses are read in bulk."""
    run(options, max_steps=2)
    before = files(tmp_path / "out")
    poison_loss(monkeypatch, at=7)
    with pytest.raises(DivergedError, match="step 7 is nan") as caught:
        run(options)
    assert isinstance(caught.value, UnaError)
    assert files(tmp_path / "out") == before
    assert not list(tmp_path.glob(".out*"))


def test_a_last_step_that_breaks_the_weights_is_noticed(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the saved weights where the loss is still finite and only the last update is not."""
    real = torch.optim.AdamW.step

    def step(self: Any, *args: Any) -> Any:
        result = real(self, *args)
        self.param_groups[0]["params"][0].data.fill_(float("inf"))
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(DivergedError, match="weights are NaN or infinite after step 1"):
        run(options, max_steps=1)
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_no_half_folder_and_no_thread(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects Ctrl-C in the midst of saving: the old output stays, byte for byte."""
    run(options, max_steps=2)
    before = files(tmp_path / "out")

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("una_fast.training.output._write_modules", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(options, max_steps=3)
    assert files(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "out", "out.run"]
    assert [path.name for path in (tmp_path / "out.run").iterdir() if path.name != ".lock"] == ["checkpoints"]
    assert not [thread for thread in threading.enumerate() if thread.name == "una_fast batches"]


def test_a_full_disk_is_a_storage_error(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the error tree: what the operating system refuses has errno and leaves no litter."""

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("una_fast.training.output._write_modules", full)
    with pytest.raises(StorageError) as caught:
        run(options, max_steps=1)
    assert caught.value.errno == 28
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


class Broken(WordSwapper):
    def augment(self, sentences: Sequence[str], *, rows: Any, epoch: int, view: int) -> list[str]:
        if len(self.calls) == 2:
            raise OptionError("no negative for this row")
        return super().augment(sentences, rows=rows, epoch=epoch, view=view)


def test_an_error_in_the_augmenter_ends_the_run(options: dict[str, Any]) -> None:
    """Protects against a loop that waits for a batch that never comes."""
    with pytest.raises(OptionError, match="no negative for this row"):
        train(TrainConfig(**options), augmenter=Broken())
    assert not [thread for thread in threading.enumerate() if thread.name == "una_fast batches"]


def test_a_folder_of_something_else_is_not_replaced(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects a mistyped output from being deleted."""
    (tmp_path / "out").mkdir()
    write_lines(tmp_path / "out" / "thesis.txt", ["years of work"])
    with pytest.raises(OptionError, match="holds something other than a trained encoder"):
        run(options)
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_files_have_the_mode_of_new_files(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects sharing the folder: safetensors alone would write for the owner only."""
    run(options, max_steps=1)
    expected = (tmp_path / "corpus.txt").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / "out").rglob("*") if path.is_file()} == {expected}


def write_dev(root: Path, pairs: int) -> Path:
    """An STS-B development split: pairs of sentences, gold by shared words."""
    sentences = make_sentences(2 * pairs, seed=5)
    lines = []
    for left, right in zip(sentences[::2], sentences[1::2], strict=True):
        gold = len(set(left.split()) & set(right.split())) / 2
        lines.append(f"genre\tfile\tyear\t1\t{gold}\t{left}\t{right}")
    folder = root / "STS" / "STSBenchmark"
    folder.mkdir(parents=True)
    write_lines(folder / "sts-dev.csv", lines)
    return root


def test_the_best_checkpoint_is_kept(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects selection: the saved weights are those of the best score."""
    monkeypatch.setitem(sts.PAIRS, "STS-B-dev", 60)
    root = write_dev(tmp_path / "senteval", 60)
    result = run(options, sts=root, eval_every=3, max_steps=10, learning_rate=3e-3)
    assert [step for step, _ in result.dev_scores] == [3, 6, 9, 10]
    scores = {step: score for step, score in result.dev_scores if score is not None}
    assert scores[result.best_step] == max(scores.values())

    report = sts.evaluate_sts(str(result.output), root, tasks=["STS-B-dev"])
    assert report["STS-B-dev"].spearman == pytest.approx(scores[result.best_step], abs=1e-6)
    assert f"those of step {result.best_step};" in (result.output / "README.md").read_text()
    manifest = json.loads((result.output / "training.json").read_text())
    assert (manifest["steps"], manifest["best_step"]) == (10, result.best_step)


def test_scoring_does_not_change_the_course(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects comparability: scored or not, a run comes to the same weights."""
    monkeypatch.setitem(sts.PAIRS, "STS-B-dev", 60)
    root = write_dev(tmp_path / "senteval", 60)
    score, rising = scorer.Scorer.score_dev, iter(range(100))

    def rising_score(self: scorer.Scorer) -> scorer.DevScore | None:
        found = score(self)
        return None if found is None else dataclasses.replace(found, spearman=next(rising) / 100)

    monkeypatch.setattr(scorer.Scorer, "score_dev", rising_score)
    run(options, sts=root, eval_every=3, max_steps=10)
    run(options, max_steps=10, output=tmp_path / "plain")
    assert weights(tmp_path / "out") == weights(tmp_path / "plain")


def test_missing_development_data_is_noticed_at_once(options: dict[str, Any], tmp_path: Path) -> None:
    """Protects hours of training without the scores that were asked for."""
    with pytest.raises(OptionError, match="has no STS/STSBenchmark"):
        run(options, sts=tmp_path)


def test_a_gpu_without_memory_is_told_what_to_lower(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the way out: the options by which a run needs less memory, with their values."""

    def full(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "backward", full)
    with pytest.raises(
        OutOfMemoryError, match=r"after step 0, with batch_size 10 .*chunk_size, now off"
    ) as caught:
        run(options)
    assert isinstance(caught.value, MemoryError)


def test_a_logger_that_is_not_installed_is_named(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects against a traceback for a missing package."""
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match="pip install wandb"):
        run(options, loggers=("wandb",))


def test_compiled_training_takes_the_same_steps(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects `compile`: the same losses to rounding, dropout off."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))  # not a folder that stays
    # Batches of one shape: another one is compiled anew.
    options = {**options, "max_steps": 2, "every": 0, "dropout": 0.0, "log_every": 1}
    plain = run(options)
    try:
        compiled = run(options, compile="default", output=tmp_path / "compiled")
    except Exception as error:
        if "compiler" in str(error).lower():
            pytest.skip("torch finds no C++ compiler")
        raise
    assert [loss for _, loss in compiled.losses] == pytest.approx(
        [loss for _, loss in plain.losses], rel=1e-4
    )


@pytest.mark.parametrize("views", [0, 2, "one str", "one fewer"])
def test_a_maker_of_negatives_makes_one_a_sentence(options: dict[str, Any], views: int | str) -> None:
    """Protects anchors from the negatives of others."""

    class Maker:
        def augment(self, sentences: list[str], *, rows: Any, epoch: int, view: int) -> Any:
            if views == "one str":
                return "x" * len(sentences)
            if views == "one fewer":
                return sentences[1:]
            return [sentence for sentence in sentences for _ in range(int(views))]

    with pytest.raises(InputError, match="one each is needed"):
        train(TrainConfig(**options), augmenter=Maker())
