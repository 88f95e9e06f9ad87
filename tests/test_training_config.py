"""Options are refused when they are given, with a message that names option and value."""

import math
from pathlib import Path
from typing import Any

import pytest

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.training import TrainConfig
from una_fast.training.optimisation import learning_rate_at


def config(**options: Any) -> TrainConfig:
    return TrainConfig(model="m", corpus="c", output="o", **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("every", -1),
        ("batch_size", 1),
        ("batch_size", 64.0),
        ("epochs", 0),
        ("max_steps", 0),
        ("seed", True),
        ("seed", 2**63),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", "fast"),
        ("temperature", -0.05),
        ("weight_decay", -1.0),
        ("max_grad_norm", 0.0),
        ("dropout", 1.0),
        ("replace_prob", math.inf),
        ("schedule", "cosine"),
        ("pooling", "max"),
        ("precision", "float16"),
        ("surface", "pretty"),
        ("loss", "triplet"),
        ("compile", True),
        ("accumulate", 0),
        ("chunk_size", 0),
        ("checkpoint_every", -1),
        ("keep_checkpoints", 0),
        ("hard_negative_weight", -1.0),
        ("margin", math.nan),
        ("distinct", "yes"),
        ("loggers", ["csv"]),
        ("loggers", "jsonl"),
    ],
)
def test_a_bad_value_is_named(name: str, value: object) -> None:
    """Protects every range: a wrong option costs a second, not an hour."""
    with pytest.raises(OptionError, match=rf"^{name} must be"):
        config(**{name: value})


def test_options_that_may_be_none() -> None:
    """Protects the meaning of None: no clipping, the model's own dropout, all steps."""
    assert config(max_grad_norm=None, dropout=None, max_steps=None, threads=None).max_grad_norm is None


def test_settings_hold_no_path_and_nothing_of_the_machine() -> None:
    """Protects equal manifests for equal runs on other machines."""
    assert not {"model", "corpus", "output", "sts", "device", "threads"} & set(config().settings())


def test_schedules() -> None:
    """Protects both published schedules, and the warm-up formula shared with transformers."""
    linear = config(learning_rate=1.0, warmup_steps=2)
    assert [learning_rate_at(step, 6, linear) for step in range(6)] == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    constant = config(learning_rate=1.0, schedule="constant")
    assert {learning_rate_at(step, 6, constant) for step in range(6)} == {1.0}


def test_linear_schedule_is_that_of_transformers() -> None:
    """Protects comparability with the published runs."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    options = config(learning_rate=1.0, warmup_steps=3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 3, 10)
    for step in range(10):
        assert learning_rate_at(step, 10, options) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": "p"}, "either corpus or pairs"),
        ({"corpus": None}, "either corpus or pairs"),
        ({"corpus": None, "pairs": "p", "paraphrases": "q"}, "pairs has the paraphrases already"),
        ({"resume": True, "checkpoint_every": 0}, "no use for checkpoint_every=0"),
        ({"compile": "cuda_graphs", "chunk_size": 8}, "does not go with chunk_size"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    """Protects against one option silently winning over another."""
    with pytest.raises(OptionError, match=message):
        TrainConfig(**{"model": "m", "corpus": "c", "output": "o", **options})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("batchsize = 8", OptionError, r"run\.toml: no option 'batchsize'; did you mean 'batch_size'\?"),
        ("[training]\nseed = 1", OptionError, "no option 'training'"),
        ("seed = 1", OptionError, r"run\.toml: model and output must be given"),
        ("seed = ", InputError, r"run\.toml is not TOML"),
        ("model = 'm'\noutput = 'o'\ncorpus = 'c'\nseed = 'x'", OptionError, "seed must be a whole number"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    """Protects who mistypes a name in a file: the file, the name, the nearest one."""
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(error, match=message):
        TrainConfig.from_toml(tmp_path / "run.toml")


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    """Protects the kind of error."""
    with pytest.raises(StorageError, match=r"absent\.toml"):
        TrainConfig.from_toml(tmp_path / "absent.toml")
