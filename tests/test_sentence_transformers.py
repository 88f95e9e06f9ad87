"""The parts for the trainer of sentence-transformers: the evaluator, the collator of negatives, the losses.

The evaluator scores within a trainer what evaluate_sts scores outside of one. Negatives must be the same for any
number of workers and processes, and each trap of the trainer that a collator can fall into has a test.
"""

import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training_support import make_sentences, tiny_bert
from una_fast.errors import InputError, OptionError
from una_fast.evaluation import evaluate_sts, pairs

pytest.importorskip("sentence_transformers")
pytest.importorskip("accelerate")
datasets = pytest.importorskip("datasets")

SENTENCES = make_sentences(80)

KEYS = [13020603013274838756, 16905789995632775226, 18013573058409907100]
"""Keys of "", "a man" and "한국어": fixed, since runs on other machines count on them."""


@pytest.fixture
def senteval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """STS-B's development split with 20 pairs."""
    monkeypatch.setitem(pairs.PAIRS, "STS-B-dev", 20)
    folder = tmp_path / "senteval" / "STS" / "STSBenchmark"
    folder.mkdir(parents=True)
    rows = [f"g\tf\ty\t0\t{i % 5}\t{SENTENCES[i]}\t{SENTENCES[40 + i]}\n" for i in range(20)]
    (folder / "sts-dev.csv").write_text("".join(rows))
    return tmp_path / "senteval"


@pytest.fixture
def model(tmp_path: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(tiny_bert(tmp_path / "model")), device="cpu")


def test_scores_are_those_of_evaluate_sts(senteval: Path, model: Any, tmp_path: Path) -> None:
    """Protects the figures, their names, the file of results, and the mode that the model was in."""
    from una_fast.sentence_transformers import StsEvaluator

    evaluator = StsEvaluator(senteval, tasks=["STS-B-dev"], name="dev")
    model.train()
    metrics = evaluator(model, output_path=str(tmp_path / "eval"), epoch=1, steps=7)
    assert model.training
    score = evaluate_sts(model, senteval, tasks=["STS-B-dev"])["STS-B-dev"]
    assert metrics == {
        "dev_spearman": score.spearman,
        "dev_STS-B-dev_spearman": score.spearman,
        "dev_STS-B-dev_pearson": score.pearson,
    }
    assert metrics[evaluator.primary_metric] == score.spearman
    evaluator(model, output_path=str(tmp_path / "eval"), epoch=1, steps=8)
    with open(tmp_path / "eval" / "dev_results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["7", "8"]
    assert float(rows[0]["dev_spearman"]) == pytest.approx(score.spearman)


def test_within_a_trainer(senteval: Path, model: Any, tmp_path: Path) -> None:
    """Protects the whole of it: a real trainer calls it, logs its figures and chooses its checkpoint by them."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from una_fast.sentence_transformers import StsEvaluator

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=4,
        per_device_train_batch_size=8,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_sts_spearman",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"anchor": SENTENCES[:40], "positive": SENTENCES[40:]}),
        loss=MultipleNegativesRankingLoss(model),
        evaluator=StsEvaluator(senteval, tasks=["STS-B-dev"]),
    )
    trainer.train()
    logged = [
        entry["eval_sts_spearman"] for entry in trainer.state.log_history if "eval_sts_spearman" in entry
    ]
    assert len(logged) >= 2
    assert trainer.state.best_metric == max(logged)
    score = evaluate_sts(model, senteval, tasks=["STS-B-dev"])["STS-B-dev"]
    assert score.spearman == pytest.approx(trainer.state.best_metric, abs=1e-4)
    assert (tmp_path / "out" / "eval" / "sts_results.csv").is_file()


def test_data_is_looked_at_before_training(senteval: Path) -> None:
    """Protects hours: what is missing is told when the evaluator is made."""
    from una_fast.sentence_transformers import StsEvaluator

    with pytest.raises(InputError, match="has none of STS12"):
        StsEvaluator(senteval)
    with pytest.raises(OptionError, match="batch_size at least 1"):
        StsEvaluator(senteval, batch_size=0)


def test_the_package_does_not_import_it() -> None:
    """Protects a light import, and frameworks from each other."""
    code = "import sys, una_fast; assert 'sentence_transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place with a model."""
    tiny_bert(tmp_path / "model")
    return tmp_path


def _run(folder: Path, **options: Any) -> list[Any]:
    from sentence_transformers_support import run

    return run(folder, **options)


def _collator(model: Any, **options: Any) -> Any:
    from sentence_transformers_support import arguments, augmenter
    from una_fast.sentence_transformers import NegativesCollator

    collator = NegativesCollator.for_model(model, arguments(Path("unused")), augmenter(), **options)
    collator.set_epoch(0)
    return collator


def _texts(model: Any, batch: Any, column: str) -> list[str]:
    ids = batch[f"{column}_input_ids"]
    return list(model.tokenizer.batch_decode(ids, skip_special_tokens=True))


def _as_seen(model: Any, sentences: list[str]) -> list[str]:
    return list(
        model.tokenizer.batch_decode(model.tokenizer(sentences)["input_ids"], skip_special_tokens=True)
    )


def test_a_batch_has_the_negatives_of_the_augmenter_last(model: Any) -> None:
    """Protects the order by which losses tell columns apart, and the negatives that each row has."""
    from sentence_transformers_support import SENTENCES as TEXTS
    from sentence_transformers_support import augmenter

    features = [{"row": 7 * i, "anchor": TEXTS[i], "positive": TEXTS[i + 1]} for i in range(5)]
    collator = _collator(model, views=2)
    collator.set_epoch(4)
    batch = collator(features)
    ids = [name for name in batch if name.endswith("_input_ids")]
    assert ids == [f"{name}_input_ids" for name in ("anchor", "positive", "negative_1", "negative_2")]
    for view in (0, 1):
        made = augmenter().augment(TEXTS[:5], rows=[0, 7, 14, 21, 28], epoch=4, view=view)
        assert _texts(model, batch, f"negative_{view + 1}") == _as_seen(model, made)
    assert "row" in features[0], "what the caller gave stays as it was"


def test_without_a_row_the_text_is_the_key(model: Any) -> None:
    """Protects negatives that do not hang on a row's place in a batch, and rows of one column."""
    from sentence_transformers_support import SENTENCES as TEXTS
    from sentence_transformers_support import augmenter
    from una_fast.draw_keys import rows_of_text

    collator = _collator(model)
    forward = collator([{"text": text} for text in TEXTS[:6]])
    backward = collator([{"text": text} for text in TEXTS[5::-1]])
    negatives = _texts(model, forward, "negative")
    assert negatives == _texts(model, backward, "negative")[::-1]
    made = augmenter().augment(TEXTS[:6], rows=rows_of_text(TEXTS[:6]))
    assert negatives == _as_seen(model, made)
    assert torch.equal(forward["text_input_ids"], forward["positive_input_ids"]), (
        "the anchor is its own positive"
    )
    assert rows_of_text(["", "a man", "한국어"]).tolist() == KEYS
    assert len(rows_of_text(["\ud800", ""])) == 2


def test_the_same_negatives_with_workers_and_processes_and_after_a_resume(folder: Path) -> None:
    """Protects what the project promises: the negatives of a run are a function of its seed and rows."""
    alone = _run(folder)
    assert len({json.dumps(step) for step in alone}) == len(alone) == 18, "each epoch draws anew"
    assert _run(folder, dataloader_num_workers=2) == alone
    assert _run(folder, dataloader_num_workers=2, dataloader_persistent_workers=True) == alone
    assert _run(folder, save_strategy="steps", save_steps=8, max_steps=8, num_train_epochs=3) == alone[:8]
    assert _run(folder, resume=True) == alone[8:]

    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    support = Path(__file__).parent / "sentence_transformers_support.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(support.parent)}
    subprocess.run([*command, str(support), str(folder)], check=True, env=environment, capture_output=True)
    ranks = [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in (0, 1)]
    together = [
        sorted(zip(*a, strict=True)) + sorted(zip(*b, strict=True)) for a, b in zip(*ranks, strict=True)
    ]
    for epoch in range(3):
        steps = slice(6 * epoch, 6 * epoch + 6)
        expected = sorted(tuple(row) for step in alone[steps] for row in zip(*step, strict=True))
        assert sorted(tuple(row) for step in together[steps] for row in step) == expected

    from sentence_transformers_support import gradient

    expected_gradient = gradient(folder)
    for rank in (0, 1):
        found = json.loads((folder / f"gradient-{rank}.json").read_text())
        assert found == pytest.approx(expected_gradient, rel=1e-3, abs=1e-6), (
            "the gathered loss, and its gradient"
        )


class _Given:
    """What `collect_features` of the trainer makes of a batch."""

    def __new__(cls, batch: Any) -> Any:
        from sentence_transformers import SentenceTransformerTrainer

        return SentenceTransformerTrainer.collect_features(None, dict(batch))[0]


def test_trap_1_no_column_takes_the_features_of_another(model: Any) -> None:
    """The trainer gathers features by how their names begin."""
    for views in (1, 3, 11):
        batch = _collator(model, views=views)([{"anchor": "a man .", "positive": "a dog ."}])
        columns = _Given(batch)
        assert len(columns) == 2 + views
        assert all(set(column) == set(columns[0]) for column in columns)
    for name in ("negative", "negative_old", "positive_old"):
        with pytest.raises(OptionError, match=f"has a column '{name}', which cannot stand beside"):
            _collator(model)([{name: "a man ."}] if name != "negative" else [{"text": "a", name: "a man ."}])
    with pytest.raises(OptionError, match="cannot stand beside 'negative'"):
        _collator(model)([{"anchor": "a man .", "positive": "a dog .", "negative": "a"}])


def test_trap_2_the_row_is_no_text(model: Any) -> None:
    """A column of numbers would be tokenised."""
    batch = _collator(model, row_column="idx")([{"idx": 3, "anchor": "a man .", "positive": "a dog ."}])
    assert not any(name.startswith("idx") for name in batch)


def test_trap_3_prompts_and_tasks_are_those_of_the_source(folder: Path) -> None:
    """Prompts and tasks are looked up by the name of a column, and nobody gave one for a column to be made."""
    from sentence_transformers_support import arguments, augmenter
    from una_fast.sentence_transformers import NegativesCollator

    asked: list[tuple[str | None, str | None]] = []

    class Model(torch.nn.Module):
        def preprocess(self, texts: list[str], prompt: Any = None, task: Any = None) -> dict[str, Any]:
            asked.append((prompt, task))
            return {"input_ids": torch.zeros(len(texts), 1)}

    row = {"query": "a man .", "answer": "a dog ."}
    plain = {"query": "Q: ", "answer": "A: "}
    tasks = {"query": "query", "answer": "document"}
    for prompts, routes, name in ((plain, tasks, None), ({"one": plain}, {"one": tasks}, "one")):
        asked.clear()
        args = arguments(folder, prompts=prompts, router_mapping=routes)
        collator = NegativesCollator.for_model(Model(), args, augmenter(), source="answer", views=2)
        collator.set_epoch(0)
        collator([row | ({"dataset_name": name} if name else {})])
        assert asked == [("Q: ", "query"), ("A: ", "document"), ("A: ", "document"), ("A: ", "document")]
    asked.clear()
    collator = NegativesCollator.for_model(Model(), arguments(folder, prompts="P: "), augmenter())
    collator.set_epoch(0)
    collator([row])
    assert asked == [("P: ", None)] * 3


def test_trap_3_a_router_without_a_mapping_is_refused_as_by_the_trainer(folder: Path) -> None:
    """The trainer looks for it only where it makes the collator itself."""
    from sentence_transformers_support import arguments
    from una_fast.sentence_transformers import NegativesCollator

    class Router(torch.nn.Module):
        pass

    model = torch.nn.Sequential(Router())
    with pytest.raises(OptionError, match="router_mapping is missing"):
        NegativesCollator.for_model(model, arguments(folder), None)


def test_trap_4_the_trainer_takes_datasets_of_its_own_kind_with_numbered_rows(folder: Path) -> None:
    """Rows come from a Dataset as mappings; a streaming one works as well."""
    from sentence_transformers_support import Recorder, rows, trainer_of

    seen = []
    for dataset in (rows(16), rows(16).to_iterable_dataset()):
        trainer = trainer_of(folder, Recorder, dataset=dataset, max_steps=2)
        trainer.train()
        seen.append({row for step in trainer.loss.seen for row in zip(*step, strict=True)})
    assert seen[0] == seen[1]


def test_trap_5_epochs_are_counted(model: Any) -> None:
    """`state.epoch` ends below the next whole number where a sampler gives fewer batches than it said."""
    from types import SimpleNamespace

    from una_fast.sentence_transformers import EpochCallback

    collator = _collator(model)
    callback = EpochCallback(collator)
    state = SimpleNamespace(epoch=None, global_step=0)
    callback.on_train_begin(None, state, None)
    told = []
    for reached in (0.9, 1.9, 2.9):
        callback.on_epoch_begin(None, state, None)
        told.append(collator.epoch)
        state.epoch = reached
    assert told == [0, 1, 2]
    callback.on_train_begin(None, SimpleNamespace(epoch=1.5, global_step=9), None)  # a resume
    callback.on_epoch_begin(None, state, None)
    assert collator.epoch == 1


def test_trap_6_an_epoch_that_nobody_told_is_no_secret(model: Any) -> None:
    """Without the callback each epoch would have the same negatives, and nobody would know."""
    from sentence_transformers_support import arguments, augmenter
    from una_fast.sentence_transformers import NegativesCollator

    collator = NegativesCollator.for_model(model, arguments(Path("unused")), augmenter())
    with pytest.warns(UserWarning, match="EpochCallback"):
        collator([{"anchor": "a man .", "positive": "a dog ."}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collator([{"anchor": "a man .", "positive": "a dog ."}])


def test_trap_7_negatives_count_at_every_nth_step_of_the_optimiser(folder: Path) -> None:
    """A collator cannot know the step: workers read ahead, and gradients are accumulated."""
    from sentence_transformers_support import Recorder, trainer_of
    from una_fast.sentence_transformers import EveryNLoss

    def columns_by_batch(*, resume: bool = False, **options: Any) -> list[int]:
        options |= {"gradient_accumulation_steps": 2, "dataloader_num_workers": 1}
        trainer = trainer_of(folder, lambda model: EveryNLoss(Recorder(model), every=3), **options)
        trainer.train(resume_from_checkpoint=resume)
        return [len(step) for step in trainer.loss.loss.seen]

    whole = columns_by_batch()
    assert whole == [3, 3, 2, 2, 2, 2] * 3
    assert columns_by_batch(save_strategy="steps", save_steps=4, max_steps=4) == whole[:8]
    assert columns_by_batch(resume=True) == whole[8:]


def test_every_n_needs_to_know_the_step_and_a_model(model: Any) -> None:
    """Protects from a loss that silently never, or always, has its negatives."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from una_fast.sentence_transformers import EveryNLoss

    batch = _Given(_collator(model)([{"anchor": "a man .", "positive": "a dog ."}] * 2))
    loss = EveryNLoss(MultipleNegativesRankingLoss(model), every=4)
    model.train()
    with pytest.raises(OptionError, match="does not know the step"):
        loss(batch, None)
    model.eval()
    with_negatives = MultipleNegativesRankingLoss(model)(batch, None)
    assert torch.equal(loss(batch, None), with_negatives), "in evaluation they always count"
    with pytest.raises(OptionError, match="must hold its model"):
        EveryNLoss(torch.nn.CrossEntropyLoss())
    with pytest.raises(OptionError, match="every must be at least 0"):
        EveryNLoss(MultipleNegativesRankingLoss(model), every=-1)


@pytest.mark.parametrize("kind", ["plain", "cached", "matryoshka"])
def test_losses_of_the_library_take_the_negatives(folder: Path, kind: str) -> None:
    """Protects the work with its losses: two steps of a trainer with each, every other step with negatives."""
    from sentence_transformers.sentence_transformer import losses

    from sentence_transformers_support import trainer_of
    from una_fast.sentence_transformers import EveryNLoss

    def make_loss(model: Any) -> Any:
        inner = losses.MultipleNegativesRankingLoss(model)
        if kind == "cached":
            inner = losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=4)
        if kind == "matryoshka":
            inner = losses.MatryoshkaLoss(model, inner, matryoshka_dims=[32, 8])
        return EveryNLoss(inner, every=2)

    trainer = trainer_of(folder, make_loss, views=2, max_steps=4)
    assert np.isfinite(trainer.train().training_loss)


def test_the_published_loss_is_that_of_our_loop(folder: Path) -> None:
    """Protects the loss: on one batch it is `una_fast.training.nt_xent` of a, a+, n, n'."""
    from sentence_transformers import SentenceTransformer

    from una_fast.sentence_transformers import NTXentLoss
    from una_fast.training import nt_xent

    model = SentenceTransformer(str(tiny_bert(folder / "still", dropout=0.0)), device="cpu")
    features = [{"anchor": SENTENCES[i], "positive": SENTENCES[i + 20]} for i in range(6)]
    batch = _collator(model)(features)
    columns = _Given(batch)
    found = NTXentLoss(model, temperature=0.1)(columns, None)
    anchors, positives, negatives = (model(dict(column))["sentence_embedding"] for column in columns)
    rows = torch.stack([anchors, positives, negatives, negatives], dim=1).flatten(0, 1)
    assert torch.equal(found, nt_xent(rows, 0.1))
    assert NTXentLoss(model)(columns[:2], None) < NTXentLoss(model)(columns, None)
    with pytest.raises(InputError, match="needs pairs"):
        NTXentLoss(model)(columns[:1], None)
    with pytest.raises(OptionError, match="temperature"):
        NTXentLoss(model, temperature=0.0)


def test_a_negative_meets_another_mask_in_its_second_pass(model: Any) -> None:
    """Protects n', which is n under another dropout mask; and columns from being written to."""
    from una_fast.sentence_transformers import NTXentLoss

    columns = _Given(
        _collator(model)([{"anchor": SENTENCES[i], "positive": SENTENCES[i + 20]} for i in range(6)])
    )
    model.train()
    passes: list[Any] = []
    model.register_forward_hook(lambda module, given, made: passes.append(made["sentence_embedding"]))
    NTXentLoss(model)(columns, None)
    assert len(passes) == 4
    assert not torch.equal(passes[2], passes[3])
    assert all("sentence_embedding" not in column for column in columns)


def test_the_card_tells_loss_settings_and_citation(folder: Path) -> None:
    """Protects the record of how a model was made."""
    from sentence_transformers_support import augmenter, trainer_of
    from una_fast.sentence_transformers import EveryNLoss, NTXentLoss

    made = augmenter(protect=["guitar"])
    trainer = trainer_of(
        folder,
        lambda model: EveryNLoss(NTXentLoss(model, temperature=0.07), every=2),
        maker=made,
        max_steps=2,
    )
    trainer.train()
    trainer.model.save_pretrained(str(folder / "saved"))
    card = (folder / "saved" / "README.md").read_text()
    for told in (
        '"every": 2',
        "temperature=0.07",
        "`hard_negatives`",
        "'radius': 20",
        f"sha256 {made.table.digest}",
        'eprint = "2401.02594"',
        "gao-etal-2021-simcse",
        "loss:EveryNLoss",
    ):
        assert told in card, told


def test_wrong_columns_are_named(model: Any) -> None:
    """Protects who mistypes a column."""
    with pytest.raises(
        InputError, match=r"no column 'txt' to make negatives of: the columns of text are \['text'\]"
    ):
        _collator(model, source="txt")([{"text": "a man ."}])
    with pytest.raises(InputError, match="column 'text': sentence 1"):
        _collator(model)([{"text": "a man ."}, {"text": None}])
    with pytest.raises(InputError, match="no column of text"):
        _collator(model)([{"label": 1}])
    with pytest.raises(OptionError, match="views must be at least 1"):
        _collator(model, views=0)
    assert _collator(model)([]) == {}


def test_the_example_script_trains_and_scores(senteval: Path, folder: Path) -> None:
    """Protects a script that people copy; it is to stay within 40 lines."""
    import shutil

    script = Path(__file__).parent.parent / "examples" / "sentence_transformers_trainer.py"
    assert len(script.read_text().splitlines()) <= 40
    text = script.read_text().replace('tasks=["STS-B-dev", "STS-B", "SICK-R"]', 'tasks=["STS-B-dev"]')
    (folder / "script.py").write_text(
        "from una_fast.evaluation import pairs\npairs.PAIRS['STS-B-dev'] = 20\n" + text
    )
    (folder / "corpus.txt").write_text("\n".join(SENTENCES))
    shutil.copytree(senteval, folder / "sts", dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "script.py", "corpus.txt", "model", "sts", "out", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "before" in done.stdout
    assert "after" in done.stdout
    assert (folder / "out" / "modules.json").is_file()
