"""Losses for the trainer: the published one, and any other with negatives at every n-th step."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers.util import all_gather_with_grad
from torch import Tensor, nn

from una_fast.checks import real, whole
from una_fast.citations import SIMCSE, UNA
from una_fast.errors import InputError, OptionError
from una_fast.sentence_transformers.callback import step_of
from una_fast.training.loss import nt_xent

__all__ = ["EveryNLoss", "NTXentLoss"]

Features = dict[str, Any]


class EveryNLoss(nn.Module):
    """Another loss, which is given the hard negatives at every n-th step only; at the others it is given pairs.

    Steps are the optimiser's, counted from 0, and so the same after a resume, for any number of processes and under
    gradient accumulation. It learns them from `EpochCallback`. In evaluation the negatives always count, so that the
    loss is one and the same figure at every step.

    Source: arXiv 2401.02594, section 3.3, which takes n = 5.
    """

    def __init__(self, loss: nn.Module, every: int = 5) -> None:
        """Wrap a loss of two columns and more, such as `MultipleNegativesRankingLoss(model)`.

        Args:
            loss: The loss; it must hold its model as `.model`, as those of sentence-transformers do.
            every: Steps from one batch with negatives to the next; 1 is every step, 0 is never.

        Raises:
            OptionError: The loss has no model, or `every` is no such number.
        """
        super().__init__()
        model = getattr(loss, "model", None)
        if not isinstance(model, nn.Module):
            raise OptionError(
                f"loss must hold its model as .model, as those of sentence-transformers do: got {type(loss).__name__}"
            )
        self.model = model
        self.loss = loss
        self.every = whole("every", every)

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Any:
        """The loss of a batch.

        Args:
            sentence_features: Columns: anchors, positives, and any number of negatives.
            labels: Handed on.
        """
        columns = list(sentence_features)
        return self.loss(columns if self._is_due() else columns[:2], labels)

    def _is_due(self) -> bool:
        if not self.model.training:
            return True
        if self.every < 2:
            return self.every == 1
        step = step_of(self.model)
        if step is None:
            raise OptionError(
                f"EveryNLoss(every={self.every}) does not know the step: give the trainer "
                "callbacks=[EpochCallback(collator)]"
            )
        return step % self.every == 0

    def get_config_dict(self) -> dict[str, Any]:
        """Its settings, for the model's card."""
        return {"loss": self.loss, "every": self.every}

    @property
    def citation(self) -> str:
        """What to cite, for the model's card."""
        return UNA


class NTXentLoss(nn.Module):
    """The published loss: every row of a batch is an anchor once, negatives among them.

    Rows come in pairs that are to be alike: an anchor and its positive, and a hard negative and itself under another
    dropout mask. All other rows of the batch are negatives of a row. See `una_fast.training.nt_xent`.

    Source: arXiv 2401.02594, section 2; Chen et al. 2020, arXiv 2002.05709, equation 1.
    """

    def __init__(
        self, model: nn.Module, temperature: float = 0.05, gather_across_devices: bool = False
    ) -> None:
        """Train a model by it.

        Args:
            model: A `SentenceTransformer`.
            temperature: Divides the cosines.
            gather_across_devices: Whether the rows of all processes are contrasted with each other; each must then
                have a batch of the same size.

        Raises:
            OptionError: The temperature is not above 0.
        """
        super().__init__()
        self.model = model
        self.temperature = real("temperature", temperature, above=0.0)
        self.gather_across_devices = gather_across_devices

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The loss of a batch.

        Args:
            sentence_features: Columns: anchors, positives, and any number of negatives; the latter are encoded twice.
            labels: Of no use.

        Raises:
            InputError: There are fewer than two columns.
        """
        anchors, *others = sentence_features
        if not others:
            raise InputError("NTXentLoss needs pairs: a column of anchors and one of positives")
        positives, *negatives = others
        columns = [anchors, positives, *(column for negative in negatives for column in (negative, negative))]
        rows = torch.stack([self._embedded(column) for column in columns], dim=1).flatten(0, 1)
        if self.gather_across_devices:
            rows = all_gather_with_grad(rows)
        return nt_xent(rows.float(), self.temperature)

    def _embedded(self, column: Features) -> Tensor:
        # A model writes its states to the mapping that it is given: the second pass must not meet those of the first.
        embedding: Tensor = self.model(dict(column))["sentence_embedding"]
        return embedding

    def get_config_dict(self) -> dict[str, Any]:
        """Its settings, for the model's card."""
        return {"temperature": self.temperature, "gather_across_devices": self.gather_across_devices}

    @property
    def citation(self) -> str:
        """What to cite, for the model's card."""
        return f"{UNA}\n{SIMCSE}"
