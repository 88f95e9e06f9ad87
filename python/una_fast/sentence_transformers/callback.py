"""What a trainer tells collator and losses: the epoch and the step."""

from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
from transformers import TrainerCallback

from una_fast.citations import UNA
from una_fast.sentence_transformers.collator import NegativesCollator

__all__ = ["EpochCallback", "step_of"]

_STEPS: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""The step that each model in training is at: callbacks are given the model, and losses hold it."""


class EpochCallback(TrainerCallback):
    """Tells the collator each epoch, and `EveryNLoss` each step.

    Both are those of the trainer, also after a resume. It adds what negatives are made by, and what to cite for it, to
    the model's card.
    """

    def __init__(self, collator: NegativesCollator | None = None) -> None:
        """Serve this collator; none is needed where negatives stand in the dataset."""
        self._collator = collator
        self._epoch = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin at the epoch in which the trainer begins: not the first one after a resume."""
        self._epoch = int(state.epoch or 0)
        self._tell_epoch()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count epochs: `state.epoch` falls behind where a sampler gives fewer batches than it announced."""
        self._tell_epoch()
        self._epoch += 1
        self._write_card(kwargs.get("model"))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the step, which gradient accumulation does not count up."""
        model = kwargs.get("model")
        if model is not None:
            _STEPS[unwrapped(model)] = state.global_step

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget the step."""
        _STEPS.pop(unwrapped(kwargs.get("model")), None)

    def _tell_epoch(self) -> None:
        if self._collator is not None:
            self._collator.set_epoch(self._epoch)

    def _write_card(self, model: Any) -> None:
        card = getattr(unwrapped(model), "model_card_data", None)
        if card is None or self._collator is None or self._collator.augmenter is None:
            return
        card.non_default_hyperparameters["hard_negatives"] = _settings(self._collator)
        if UNA not in (citation.strip() for citation in card.citations.values()):
            card.citations["Hard negatives"] = UNA


def _settings(collator: NegativesCollator) -> dict[str, Any]:
    """What decides the negatives of a run, long lists by their number."""
    augmenter = collator.augmenter
    assert augmenter is not None
    settings = augmenter.settings
    settings["protect"] = len(settings["protect"])
    return {"views": collator.views, **settings, "table": f"sha256 {augmenter.table.digest}"}


def unwrapped(model: Any) -> Any:
    """A model without what compiles it or spreads it over processes."""
    while True:
        inner = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
        if inner is None:
            return model
        model = inner


def step_of(model: Any) -> int | None:
    """The step that a model in training is at; None where no callback told."""
    return _STEPS.get(unwrapped(model))
