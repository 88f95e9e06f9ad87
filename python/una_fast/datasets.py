"""Hard negatives as a column of Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from una_fast.by_file import ByFile
from una_fast.checks import whole
from una_fast.draw_keys import rows_of_text
from una_fast.errors import InputError, OptionError

if TYPE_CHECKING:
    from una_fast.augment import Augmenter

Made = TypeVar("Made")

__all__ = ["NEGATIVE", "Negatives", "columns_of_views", "negatives_of", "numbered"]

NEGATIVE = "negative"
"""The column of negatives; see `columns_of_views`."""


class Negatives:
    """Makes negatives of a column, for `map` and for `with_transform`.

        dataset.map(Negatives(augmenter), batched=True, with_indices=True, num_proc=4)
        dataset.map(Negatives(augmenter, row_column="id"), batched=True)       # streaming too
        dataset.with_transform(Negatives(augmenter))                           # when rows are asked for

    The key of a row is what stands in `row_column`; without one its index, where `map` gives it; else a hash of its
    text. The first and the last do not change when rows are shuffled, selected or shared out among workers.

    It is pickled as the name and the digest of the table's file, where the table came from one: workers read that file,
    and the fingerprint by which `map` finds what it made before is the same in every process.
    """

    def __init__(
        self,
        augmenter: Augmenter,
        *,
        column: str = "text",
        output: str = NEGATIVE,
        row_column: str | None = None,
        epoch: int = 0,
        views: int = 1,
    ) -> None:
        """Prepare to make them.

        Args:
            augmenter: makes the negatives.
            column: the column of sentences.
            output: the column to add; with several views `output_1` to `output_n`.
            row_column: a column of whole numbers, the keys of rows.
            epoch: the pass over the corpus.
            views: negatives a row.

        Raises:
            OptionError: for a number out of range.
        """
        self._by_file = ByFile(augmenter)
        self.column = column
        self.output = output
        self.row_column = row_column
        self.epoch = whole("epoch", epoch)
        self.views = whole("views", views, least=1, below=1 << 32)

    @property
    def augmenter(self) -> Augmenter:
        """The maker of negatives."""
        return self._by_file.augmenter

    def __call__(self, batch: Any, indices: Any = None) -> Any:
        """The negatives of a batch, or of one row.

        Args:
            batch: columns by name, of any format of datasets; or a `pyarrow.Table`.
            indices: the place of each row, where `map` gives it.

        Returns:
            What `map` adds to the batch. A plain dict, as `with_transform` gives, comes back whole; so does a table.

        Raises:
            OptionError: for a column that is not there, or one that is there already.
            InputError: for what is no sentence.
        """
        self._check_columns(_names_of(batch))
        if hasattr(batch, "append_column"):
            return self._table(batch, indices)
        values = batch[self.column]
        if isinstance(values, str):
            row = None if self.row_column is None else [batch[self.row_column]]
            made = self.made([values], row if row or indices is None else [indices])
            columns: Mapping[str, Any] = {name: texts[0] for name, texts in made.items()}
        else:
            columns = self.made(list(values), self._rows(batch, indices))
        return {**batch, **columns} if type(batch) is dict else columns

    def made(self, sentences: Sequence[Any], rows: Any = None) -> dict[str, list[str | None]]:
        """The negatives of sentences by their column; None has None."""
        texts = ["" if sentence is None else sentence for sentence in sentences]
        keys = rows_of_text(sentences) if rows is None else rows
        made = negatives_of(
            self.augmenter.augment, texts, keys, self.column, epoch=self.epoch, views=self.views
        )
        return {
            name: [None if old is None else new for old, new in zip(sentences, view, strict=True)]
            for name, view in zip(self._outputs(), made, strict=True)
        }

    def made_arrow(self, sentences: Any, rows: Any = None) -> Iterator[Any]:
        """The negatives of a column of Arrow, view by view, as large strings; null has null."""
        keys = rows_of_text(sentences.to_pylist()) if rows is None else rows
        make = self.augmenter.augment_arrow
        return negatives_of(make, sentences, keys, self.column, epoch=self.epoch, views=self.views)

    def _outputs(self) -> list[str]:
        return columns_of_views(self.output, self.views)

    def _check_columns(self, names: list[str]) -> None:
        for column in (self.column, self.row_column):
            if column is not None and column not in names:
                raise OptionError(f"the dataset has no column {column!r}: its columns are {names}")
        present = [name for name in self._outputs() if name in names]
        if present:
            raise OptionError(
                f"the dataset has a column {present[0]!r}: give output= another name, or remove it"
            )

    def _rows(self, batch: Any, indices: Any) -> Any:
        return indices if self.row_column is None else list(batch[self.row_column])

    def _table(self, table: Any, indices: Any) -> Any:
        rows = indices if self.row_column is None else table[self.row_column].to_numpy()
        made = self.made_arrow(table[self.column], rows)
        for name, texts in zip(self._outputs(), made, strict=True):
            table = table.append_column(name, texts)
        return table

    def __repr__(self) -> str:
        return (
            f"Negatives({self.augmenter!r}, column={self.column!r}, output={self.output!r}, "
            f"row_column={self.row_column!r}, epoch={self.epoch}, views={self.views})"
        )


def _names_of(batch: Any) -> list[str]:
    """The columns of a batch: of Arrow, of polars or pandas, or a mapping."""
    for attribute in ("column_names", "columns"):
        if hasattr(batch, attribute):
            return list(getattr(batch, attribute))
    return list(batch)


def negatives_of(
    make: Callable[..., Made], sentences: Any, rows: Any, column: str, *, epoch: int, views: int
) -> Iterator[Made]:
    """The negatives of sentences of a column, view by view, as `make` gives them.

    Raises:
        InputError: for what is no sentence; it names the column.
    """
    try:
        for view in range(views):
            yield make(sentences, rows=rows, epoch=epoch, view=view)
    except InputError as error:
        raise InputError(f"column {column!r}: {error}") from error


def numbered(name: str, n: int) -> list[str]:
    """Columns of one name, counted from 1, as `mine_hard_negatives` calls them."""
    return [f"{name}_{number}" for number in range(1, n + 1)]


def columns_of_views(name: str, views: int) -> list[str]:
    """The columns of so many negatives a row: that name for one, numbered for several."""
    return [name] if views == 1 else numbered(name, views)
