"""The collator: rows of a dataset into a batch that has their negatives as further columns."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from torch import Tensor

from una_fast.augment import Augmenter
from una_fast.by_file import ByFile
from una_fast.checks import whole
from una_fast.datasets import NEGATIVE, columns_of_views, negatives_of
from una_fast.draw_keys import rows_of_text
from una_fast.errors import InputError, OptionError
from una_fast.hard_negatives import POSITIVE

__all__ = ["NegativesCollator"]

_UNKNOWN = -1
"""The epoch before anyone told it, which counts as 0."""


@dataclass(kw_only=True)
class NegativesCollator(SentenceTransformerDataCollator):
    """Tokenises rows as sentence-transformers does, and makes negatives for them as it goes.

    The new columns come last: `negative`, or `negative_1` to `negative_n` for several views, the names that
    `mine_hard_negatives` gives. They have the prompt and the router task of the column they are made of.

    A negative is a function of the seed of `augmenter`, the epoch, the row and the text, and so the same with and
    without workers, on one process and several, and after a resume. The epoch comes from `EpochCallback`; it lies in
    shared memory, where workers that outlive an epoch see it.

    Attributes:
        augmenter: Makes the negatives; None makes none.
        source: The column that negatives are made of; by default the first of text.
        views: Negatives a row.
        row_column: The column of the row's number, which is no text and left out of the batch. Where there is none,
            the key of a row is a hash of its text: equal texts then have equal negatives in an epoch.
        repeat_anchor: Whether rows of one column are pairs of a text and itself, as in unsupervised SimCSE.
    """

    augmenter: Augmenter | None = None
    source: str | None = None
    views: int = 1
    row_column: str | None = "row"
    repeat_anchor: bool = True
    _epoch: Tensor = field(init=False, repr=False, compare=False)
    _made_of: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.views = whole("views", self.views, least=1, below=1 << 32)
        self._epoch = torch.tensor(_UNKNOWN).share_memory_()  # type: ignore[no-untyped-call]

    @classmethod
    def for_model(cls, model: Any, args: Any, augmenter: Augmenter | None, **options: Any) -> Self:
        """The collator that the trainer would make for a model, with negatives.

        Args:
            model: A `SentenceTransformer`.
            args: The `SentenceTransformerTrainingArguments`, for prompts and router tasks.
            augmenter: Makes the negatives.
            options: Further fields: `source`, `views`, `row_column`, `repeat_anchor`.

        Raises:
            OptionError: The model routes its columns, and `args` has no `router_mapping`; or an option is out of range.
        """
        if not args.router_mapping and any(type(module).__name__ == "Router" for module in model.children()):
            raise OptionError(
                "router_mapping is missing from the training arguments: the model has a Router, which must be told "
                'the task of each column, {"anchor": "query", "positive": "document"} for example'
            )
        max_length = getattr(args, "max_length", None)
        if max_length is not None:  # a field since release 6
            options = {"max_length": max_length, **options}
        return cls(
            preprocess_fn=model.preprocess,
            router_mapping=args.router_mapping,
            prompts=args.prompts,
            augmenter=augmenter,
            **options,
        )

    @property
    def epoch(self) -> int:
        """The epoch that negatives are drawn for."""
        return max(0, int(self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """Draw the negatives of this epoch from now on, here and in all workers."""
        self._epoch.fill_(whole("epoch", epoch, below=1 << 63))

    def __getstate__(self) -> dict[str, Any]:
        """To workers that are spawned goes the name of the table's file, where it came from one."""
        return self.__dict__ | {"augmenter": None if self.augmenter is None else ByFile(self.augmenter)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        by_file = state["augmenter"]
        self.__dict__.update(state, augmenter=None if by_file is None else by_file.augmenter)

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Tokenise rows.

        Args:
            features: One mapping of column to value a row, all of the same columns.

        Returns:
            What the trainer's own collator gives for the rows with their further columns.

        Raises:
            InputError: There is no column of text, or the one to make negatives of holds something else.
            OptionError: A column has the name of one to be made, or one that the trainer would take for a part of it.
        """
        return super().__call__(self._completed(features) if features else features)

    def _completed(self, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows without their numbers and with their further columns."""
        columns = [name for name in features[0] if name != self.row_column]
        texts = [name for name in columns if name not in {*self.valid_label_columns, "dataset_name"}]
        made = self._made(features, texts)
        kept = [name for name in columns if name not in made]
        return [
            {name: row[name] for name in kept} | {name: values[place] for name, values in made.items()}
            for place, row in enumerate(features)
        ]

    def _made(self, features: list[dict[str, Any]], texts: list[str]) -> dict[str, Sequence[str]]:
        """The further columns, and a note of what each is made of."""
        source = self.source or next(iter(texts), None)
        if source not in texts:
            raise InputError(
                f"no column {source!r} to make negatives of: the columns of text are {texts}"
                if source
                else "the rows have no column of text to make negatives of"
            )
        made: dict[str, Sequence[str]] = {}
        if self.repeat_anchor and len(texts) == 1:
            made[POSITIVE] = [row[source] for row in features]
        if self.augmenter is not None:
            made |= self._negatives([row[source] for row in features], self._rows(features), source)
        for name in made:
            _check_name(name, texts)
        self._made_of = dict.fromkeys(made, source)
        return made

    def _rows(self, features: list[dict[str, Any]]) -> list[int] | None:
        if self.row_column is None or self.row_column not in features[0]:
            return None
        return [row[self.row_column] for row in features]

    def _negatives(
        self, sentences: list[str], rows: list[int] | None, source: str
    ) -> dict[str, Sequence[str]]:
        assert self.augmenter is not None
        if int(self._epoch) == _UNKNOWN:
            self._epoch.fill_(0)
            warnings.warn(
                "NegativesCollator was not told the epoch, and draws those of epoch 0: give the trainer "
                "callbacks=[EpochCallback(collator)], or call set_epoch",
                stacklevel=2,
            )
        keys = rows_of_text(sentences) if rows is None else rows
        make = self.augmenter.augment
        made = negatives_of(make, sentences, keys, source, epoch=self.epoch, views=self.views)
        return dict(zip(columns_of_views(NEGATIVE, self.views), made, strict=True))

    def _resolve_prompts(self, batch: dict[str, Any]) -> Any:
        return self._inherited(super()._resolve_prompts(batch))

    def _resolve_router_mapping(self, batch: dict[str, Any]) -> Any:
        return self._inherited(super()._resolve_router_mapping(batch))

    def _inherited(self, by_column: Any) -> Any:
        """What is said of columns, said of those that are made of them too."""
        if not isinstance(by_column, Mapping):
            return by_column
        said = {name: by_column[source] for name, source in self._made_of.items() if source in by_column}
        return said | dict(by_column)


def _check_name(name: str, columns: list[str]) -> None:
    """Refuses a column whose name another one's begins with: the trainer gathers features by such beginnings."""
    for column in columns:
        if column == name or column.startswith(f"{name}_") or name.startswith(f"{column}_"):
            raise OptionError(
                f"the dataset has a column {column!r}, which cannot stand beside {name!r}, the column to be made: "
                "rename it, or remove it"
            )
