"""What long work says to `logging.getLogger("una_fast")`."""

import logging
from pathlib import Path

import pytest

import una_fast


def test_nothing_is_said_where_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    una_fast.fit(["a b", "b c"])
    assert capfd.readouterr() == ("", "")
    assert [type(handler) for handler in logging.getLogger("una_fast").handlers] == [logging.NullHandler]


def test_fitting_says_what_was_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="una_fast"):
        una_fast.fit(["a b", "b c"])
    assert caplog.messages == ["2 sentences, 3 terms"]


def test_training_says_steps_scores_checkpoints_and_where_it_goes_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from test_training_comfort import pairs_file
    from training_support import make_sentences, tiny_bert
    from una_fast.training import TrainConfig, TrainingInterrupted, train

    class Stop:
        def on_step(self, step: int, figures: object) -> None:
            if step == 4:
                raise TrainingInterrupted("enough")

        def on_score(self, step: int, scores: object) -> None:
            pass

    config = TrainConfig(
        corpus=make_sentences(48),
        model=tiny_bert(tmp_path / "model"),
        output=tmp_path / "out",
        dev=pairs_file(tmp_path),
        batch_size=8,
        checkpoint_every=2,
        log_every=2,
        eval_every=3,
    )
    with caplog.at_level(logging.INFO, logger="una_fast"):
        with pytest.raises(TrainingInterrupted):
            train(config, callbacks=[Stop()])
        first = list(caplog.messages)
        caplog.clear()
        train(TrainConfig(**{**vars(config), "resume": True}))
    assert first[0].startswith("48 sentences, ")
    assert any(line.startswith("step 2: loss ") and "rows_per_second" in line for line in first)
    assert any(line.startswith("step 3: dev ") for line in first)
    assert any(line.startswith("checkpoint after step 2 in ") for line in first)
    assert any(line.startswith("resumed after step ") for line in caplog.messages)
