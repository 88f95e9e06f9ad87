"""Datasets of pairs into datasets with hard negatives, as `mine_hard_negatives` lays them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np

from una_fast.arrow import check_strings, refusals
from una_fast.checks import check_choice, whole
from una_fast.datasets import NEGATIVE, Negatives, numbered
from una_fast.errors import InputError, OptionError
from una_fast.extras import require

if TYPE_CHECKING:
    import pyarrow as pa

    from una_fast.augment import Augmenter

__all__ = ["POSITIVE", "Format", "generate_hard_negatives", "laid_out", "names_of"]

POSITIVE = "positive"
"""The column of a text that is its own positive."""

Format: TypeAlias = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
"""See `generate_hard_negatives`."""


def generate_hard_negatives(
    dataset: Any,
    augmenter: Augmenter,
    *,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    source_column_name: str | None = None,
    num_negatives: int = 3,
    output_format: Format = "triplet",
    row_column: str | None = None,
    epoch: int = 0,
    num_proc: int | None = None,
    verbose: bool = True,
) -> Any:
    """Adds hard negatives to a dataset of pairs, without a model: `mine_hard_negatives` by UNA's law.

    Every row gets all its negatives. They are a function of the augmenter's seed, the epoch, the key of the row and its
    text: the same for a dataset that is streamed, shuffled, sharded or worked on by several processes.

    Args:
        dataset: a `datasets.Dataset` or `IterableDataset`, or a dict of them by split. One of a single column of text
            is paired with itself, under the name "positive".
        augmenter: makes the negatives.
        anchor_column_name: the column of anchors; by default the first.
        positive_column_name: the column of positives; by default the second.
        source_column_name: the column that negatives are made of; by default that of the anchors, as in the paper.
        num_negatives: negatives a row.
        output_format: the rows that come out of a row:

            - "triplet": (anchor, positive, negative), `num_negatives` of them;
            - "n-tuple": (anchor, positive, negative_1, ..., negative_n);
            - "labeled-pair": (anchor, positive, label), the second first the positive with label 1 and then each
              negative with label 0;
            - "labeled-list": (anchor, [positive, negatives ...], labels [1, 0, ...]).

        row_column: a column of whole numbers, the keys of rows; by default the key is a hash of the text, by which
            equal texts have equal negatives. It does not come out.
        epoch: the pass over the corpus; another one has other negatives.
        num_proc: processes that share the rows of a dataset that is not streamed.
        verbose: whether `datasets` shows its progress bar.

    Returns:
        A dataset of the kind that was given.

    Raises:
        OptionError: for a column that is not there, and for an option out of range.
        InputError: for a dataset without rows, or without text.
        MissingExtraError: without datasets.
    """
    require("generate_hard_negatives", "datasets")
    check_choice("output_format", output_format, get_args(Format))
    whole("num_negatives", num_negatives, least=1, below=1 << 32)

    def of(split: Any) -> Any:
        anchor, positive = _pair(split, anchor_column_name, positive_column_name, row_column)
        source = anchor if source_column_name is None else _named(split, source_column_name)
        layout = Layout(
            Negatives(augmenter, column=source, row_column=row_column, epoch=epoch, views=num_negatives),
            anchor=anchor,
            positive=positive,
            output_format=output_format,
        )
        return _mapped(split, layout, num_proc, verbose=verbose)

    if not isinstance(dataset, Mapping):
        return of(dataset)
    splits = {name: of(split) for name, split in dataset.items()}
    return splits if type(dataset) is dict else cast("Any", type(dataset))(splits)


class Layout:
    """Tables of pairs into tables of one of the formats."""

    def __init__(
        self, negatives: Negatives, *, anchor: str, positive: str | None, output_format: Format
    ) -> None:
        """Lay out pairs of these columns; without a positive the anchor is its own."""
        self.negatives = negatives
        self.anchor = anchor
        self.positive = positive
        self.output_format = output_format

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        names = (self.anchor, self.positive, self.negatives.column, self.negatives.row_column)
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def second(self) -> str:
        """The column of what is no anchor."""
        return POSITIVE if self.positive is None else self.positive

    def features(self) -> dict[str, str | list[str]]:
        """The columns that come out, see `names_of`."""
        return names_of(self.output_format, self.anchor, self.second, self.negatives.views)

    def __call__(self, table: pa.Table) -> pa.Table:
        """The rows of a table, laid out."""
        text = {name: _text(table[name], name) for name in self.columns if name != self.negatives.row_column}
        rows = None
        if self.negatives.row_column is not None:
            rows = table[self.negatives.row_column].to_numpy()
        made = self.negatives.made_arrow(text[self.negatives.column], rows)
        columns = text[self.anchor], text[self.positive or self.anchor], [*made]
        return laid_out(self.output_format, *columns, list(self.features()))


def names_of(output_format: str, anchor: str, second: str, views: int) -> dict[str, str | list[str]]:
    """The columns of a format, each with the name of its type; a list of one for lists."""
    pair: dict[str, str | list[str]] = {anchor: "string", second: "string"}
    more: dict[str, dict[str, str | list[str]]] = {
        "triplet": {NEGATIVE: "string"},
        "n-tuple": dict.fromkeys(numbered(NEGATIVE, views), "string"),
        "labeled-pair": {"label": "int64"},
        "labeled-list": {second: ["string"], "labels": ["int64"]},
    }
    return pair | more[output_format]


def laid_out(
    output_format: str, anchors: Any, positives: Any, negatives: list[Any], names: list[str]
) -> pa.Table:
    """Anchors, positives and columns of negatives, all large strings of one length, as the rows of a format."""
    import pyarrow as pa

    n, views = len(anchors), len(negatives)
    if output_format == "n-tuple":
        return pa.table([anchors, positives, *negatives], names=names)
    if output_format == "triplet":
        repeated = np.repeat(np.arange(n), views)
        return pa.table(
            [anchors.take(repeated), positives.take(repeated), _by_row(negatives, pa)], names=names
        )
    documents = _by_row([positives, *negatives], pa)
    labels = np.tile(np.repeat([1, 0], [1, views]), n)
    if output_format == "labeled-pair":
        return pa.table([anchors.take(np.repeat(np.arange(n), 1 + views)), documents, labels], names=names)
    bounds = pa.array(np.arange(n + 1, dtype=np.int32) * (1 + views), pa.int32())
    lists = [pa.ListArray.from_arrays(bounds, values) for values in (documents, pa.array(labels))]
    return pa.table([anchors, *lists], names=names)


def _by_row(columns: list[Any], pa: Any) -> Any:
    """Columns of one length as one, row after row."""
    n = len(columns[0])
    order = np.arange(len(columns) * n).reshape(len(columns), n).T.ravel()
    return pa.concat_arrays(columns).take(order)


def _text(column: Any, name: str) -> Any:
    """A column of text in one piece, as large strings."""
    import pyarrow as pa

    check_strings(column.type, f"column {name!r}")  # Arrow would make text of numbers
    with refusals(f"column {name!r} holds {column.type}, no text", pa):
        return column.cast(pa.large_string()).combine_chunks()


def _pair(
    dataset: Any, anchor: str | None, positive: str | None, row_column: str | None
) -> tuple[str, str | None]:
    """The columns of anchors and of positives, None for the anchors themselves."""
    key = None if row_column is None else _named(dataset, row_column)
    names = [name for name in _names(dataset) if name != key]
    if not names:
        raise InputError("the dataset has no column of text")
    first = _named(dataset, anchor) if anchor is not None else names[0]
    if positive is not None:
        second: str | None = _named(dataset, positive)
    else:
        second = next((name for name in names[0 if anchor is not None else 1 :] if name != first), None)
    if second is None and first == POSITIVE:
        raise OptionError(
            "the only column is called 'positive': call it 'anchor', and it is paired with itself"
        )
    return first, second


def _names(dataset: Any) -> list[str]:
    names = dataset.column_names
    return list(next(iter(dataset), {})) if names is None else list(names)


def _named(dataset: Any, column: str) -> str:
    names = _names(dataset)
    if column not in names:
        raise OptionError(f"the dataset has no column {column!r}: its columns are {names}")
    return column


_AT_A_TIME = 10_000
"""Rows of a dataset that is not streamed that are worked on at a time: enough for several threads."""


def _mapped(dataset: Any, layout: Layout, num_proc: int | None, *, verbose: bool) -> Any:
    import datasets

    is_stream = isinstance(dataset, datasets.IterableDataset)
    if is_stream and num_proc is not None:
        raise OptionError(
            "num_proc has no use for a dataset that is streamed: the data loader has its workers"
        )
    if not is_stream and len(dataset) == 0:
        raise InputError("the dataset has no rows")
    types = {name: _feature(kind) for name, kind in layout.features().items()}
    options: dict[str, Any] = {"batched": True, "features": datasets.Features(types)}
    if is_stream:
        # A stream removes columns from what was made, not from what it is made of.
        options["remove_columns"] = [name for name in _names(dataset) if name not in types]
    else:
        options |= {
            "remove_columns": layout.columns,
            "num_proc": num_proc,
            "batch_size": _AT_A_TIME,
            "desc": "Generating hard negatives",
        }
        dataset = dataset.select_columns(layout.columns)
    with _progress_bars(shown=verbose):
        made = dataset.with_format("arrow").map(layout, **options)
    return made.with_format(None)


def _feature(kind: str | list[str]) -> Any:
    import datasets

    return [datasets.Value(kind[0])] if isinstance(kind, list) else datasets.Value(kind)


@contextmanager
def _progress_bars(*, shown: bool) -> Iterator[None]:
    import datasets

    if shown or datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()
