"""The evaluator for sentence-transformers: it scores within a trainer what evaluate_sts scores outside of one."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training_support import make_sentences, tiny_bert
from una_fast.errors import InputError, OptionError
from una_fast.evaluation import evaluate_sts, pairs

pytest.importorskip("sentence_transformers")
pytest.importorskip("accelerate")
datasets = pytest.importorskip("datasets")

SENTENCES = make_sentences(80)


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
