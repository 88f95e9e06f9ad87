"""Counting and negatives on Arrow batches: what engines that run on many machines call.

An engine (Ray, Spark, datatrove, DuckDB, polars) schedules, retries and shuffles; these functions do the work. Terms
never go through its shuffle: a batch becomes at most `parts` rows, each with the counts of some of the terms as bytes,
which the engine brings together by a whole number.

    counted = count_batches(batches, column="text")      # on every worker: rows (part, parts, documents, counts)
    merged = merge_batches(rows_of_one_part)             # where the engine has grouped by "part", in any tree
    table = collect_counts(all_rows).freeze()            # at the end, under a memory limit

The table is that of `una_fast.fit` on the same text, byte for byte, in whatever batches and order it came.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from una_fast import _core
from una_fast.arrow import bytes_of_values, refusals
from una_fast.checks import whole
from una_fast.datasets import NEGATIVE, Negatives
from una_fast.errors import ArtifactError, InputError, OptionError
from una_fast.extras import require
from una_fast.fit import TermCounter
from una_fast.sources import default_threads

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from una_fast.augment import Augmenter
    from una_fast.memory import MemorySize
    from una_fast.tokenizers import Tokenizer

__all__ = ["PARTS", "augment_batches", "collect_counts", "count_batches", "count_schema", "merge_batches"]

PARTS = 64
"""Parts that counts are cut into, unless another number is given."""


def count_schema() -> pa.Schema:
    """The columns of counts: the number of a part, that of all parts, the documents counted, and the counts.

    A part holds the terms whose CRC-32, over their UTF-8, leaves its number when divided by that of all parts. `counts`
    is a file of `TermCounter.save`.
    """
    pa = require("count_schema", "pyarrow")
    return pa.schema(
        [
            ("part", pa.int32()),
            ("parts", pa.int32()),
            ("documents", pa.int64()),
            ("counts", pa.large_binary()),
        ]
    )


def count_batches(
    batches: Iterable[pa.RecordBatch],
    *,
    column: str | None = None,
    parts: int = PARTS,
    threads: int = 1,
    **options: Any,
) -> Iterator[pa.RecordBatch]:
    """The counts of batches, all together, in parts.

    Args:
        batches: any iterable of batches of one schema.
        column: the column of sentences; by default its only column of strings.
        parts: number of parts, the same in all of a job.
        threads: number of counting threads: one, since engines run as many tasks as there are cores.
        options: those of `TermCounter`: `tokenizer`, `lowercase`, `phrases`, `ngram_range`, `memory_limit` ...

    Yields:
        A batch a part, of `count_schema`, each of one row; nothing where there is no sentence.

    Raises:
        InputError: for malformed text.
        OptionError: for a column that is not there, and for an option without meaning.
        MissingExtraError: without pyarrow.
    """
    pa = require("count_batches", "pyarrow")
    whole("parts", parts, least=1, below=1 << 31)
    counter = TermCounter(column=column, threads=threads, **options)
    given = iter(batches)
    first = next(given, None)
    if first is None:
        return
    try:
        counter.update(pa.RecordBatchReader.from_batches(first.schema, chain([first], given)))
    except InputError as error:
        where = "the column" if column is None else f"column {column!r}"
        raise InputError(f"{where}: {error}") from error
    if counter.n_documents == 0:
        return
    for part, counts in enumerate(counter._core.part_bytes(parts, threads=threads)):
        yield _row(pa, part, parts, counter.n_documents, counts)


def merge_batches(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """Rows of counts with those of equal parts merged, one row a part, by number. Merged rows merge again.

    Raises:
        InputError: for rows that are no counts.
        ArtifactError: for counts that are damaged.
        OptionError: for counts made under other settings, or in another number of parts.
        MissingExtraError: without pyarrow.
    """
    pa = require("merge_batches", "pyarrow")
    merged: dict[int, _core.TermCounter] = {}
    all_parts: int | None = None
    for row in _rows(batches, pa):
        all_parts = _same_parts(all_parts, row.parts)
        if row.part not in merged:
            with row.named():
                merged[row.part] = _core.TermCounter.like_bytes(
                    [row.counts.tobytes()], memory_limit=None, temp_dir=None
                )
        _add_rows([row], merged[row.part], documents=True, threads=1)
    made = [
        _row(pa, part, all_parts, counter.n_documents, counter.to_bytes()[0])
        for part, counter in sorted(merged.items())
    ]
    if not made:
        return pa.RecordBatch.from_pylist([], schema=count_schema())
    return pa.Table.from_batches(made).combine_chunks().to_batches()[0]


def collect_counts(
    batches: Iterable[pa.RecordBatch],
    *,
    tokenizer: Tokenizer | None = None,
    threads: int | None = None,
    memory_limit: MemorySize | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> TermCounter:
    """The counts that rows hold, merged or not, all parts together: to be frozen, saved or counted on.

    Args:
        batches: rows of `count_schema`, in any order; some 4 MiB of them are held at a time, or a row a thread.
        tokenizer: as for `TermCounter.load`.
        threads: as for `TermCounter`.
        memory_limit: as for `TermCounter`: what goes beyond it is kept in files.
        temp_dir: as for `TermCounter`.

    Raises:
        InputError: for rows that are no counts; where rows are missing, or stand twice; where there is none.
        ArtifactError: for counts that are damaged.
        OptionError: for counts made under other settings, or in another number of parts.
        StorageError: where the system refuses to write temporary files.
        MissingExtraError: without pyarrow.
    """
    pa = require("collect_counts", "pyarrow")
    n_threads = default_threads(threads)
    counter = TermCounter(threads=threads, memory_limit=memory_limit, temp_dir=temp_dir)
    documents: dict[int, int] = {}
    all_parts: int | None = None
    for rows in _together(_rows(batches, pa), n_threads):
        for row in rows:
            if all_parts is None:
                with row.named():
                    counter = counter._like([row.counts.tobytes()], tokenizer)
            all_parts = _same_parts(all_parts, row.parts)
            documents[row.part] = documents.get(row.part, 0) + row.documents
        _add_rows(rows, counter._core, documents=False, threads=n_threads)
    if all_parts is None:
        raise InputError("the corpus is empty: there is no row of counts")
    expected = documents.get(0, 0)
    for part in range(all_parts):
        if documents.get(part, 0) != expected:
            raise InputError(
                f"part {part} of {all_parts} counts {documents.get(part, 0):,} sentences, and part 0 {expected:,}: "
                "rows of counts are missing, or stand twice"
            )
    return counter


def augment_batches(
    batches: Iterable[pa.RecordBatch],
    augmenter: Augmenter,
    *,
    column: str = "text",
    row_column: str | None = None,
    epoch: int = 0,
    views: int = 1,
    output: str = NEGATIVE,
) -> Iterator[pa.RecordBatch]:
    """Each batch with a column of negatives more, as large strings; null has null.

    Args:
        batches: any iterable of batches.
        augmenter: makes the negatives.
        column: the column of sentences.
        row_column: a column of whole numbers, the keys of rows; without one a hash of the sentence is its key.
        epoch: the pass over the corpus.
        views: negatives a row.
        output: the column to add; with several views `output_1` to `output_n`.

    Raises:
        InputError: for what is no sentence, and for a row without a key.
        OptionError: for a column that is not there, or is there already, and for a number out of range.
        MissingExtraError: without pyarrow.
    """
    pa = require("augment_batches", "pyarrow")
    made = Negatives(augmenter, column=column, output=output, row_column=row_column, epoch=epoch, views=views)
    for batch in batches:
        if row_column is not None and row_column in batch.schema.names and batch[row_column].null_count:
            raise InputError(
                f"column {row_column!r} holds {batch[row_column].null_count} nulls: each row needs a key"
            )
        table = made(pa.Table.from_batches([batch]))
        whole_batch = table.combine_chunks().to_batches()
        yield whole_batch[0] if whole_batch else pa.RecordBatch.from_pylist([], schema=table.schema)


def _row(pa: Any, part: int, parts: int | None, documents: int, counts: NDArray[np.uint8]) -> pa.RecordBatch:
    offsets = pa.py_buffer(np.array([0, len(counts)], np.int64))
    values = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(counts)])
    return pa.RecordBatch.from_arrays(
        [
            pa.array([part], pa.int32()),
            pa.array([parts], pa.int32()),
            pa.array([documents], pa.int64()),
            values,
        ],
        schema=count_schema(),
    )


class _Row:
    """The counts of a part, as they came."""

    def __init__(self, part: int, parts: int, documents: int, counts: NDArray[np.uint8]) -> None:
        self.part = whole("part", part, below=1 << 32)
        self.parts = whole("parts", parts, least=1, below=1 << 32)
        self.documents = documents
        self.counts = counts

    @contextmanager
    def named(self) -> Iterator[None]:
        """Says of damage in which part it is."""
        try:
            yield
        except ArtifactError as error:
            raise ArtifactError(f"counts of part {self.part} of {self.parts}: {error}") from error


def _add_rows(rows: list[_Row], counter: _core.TermCounter, *, documents: bool, threads: int) -> None:
    """Adds rows to a counter; with `documents` those of each, else those of part 0 alone."""
    parts = [(row.part, documents or row.part == 0, row.counts) for row in rows]
    found = counter.add_parts(parts, rows[0].parts, threads=threads)
    for row, n_documents in zip(rows, found, strict=True):
        if n_documents != row.documents:
            raise InputError(
                f"a row of counts says it has {row.documents} sentences, and its counts {n_documents}: it is damaged"
            )


_TOGETHER = 4 << 20
"""Bytes of rows that are added together: enough that every thread has some to read."""


def _together(rows: Iterable[_Row], threads: int) -> Iterator[list[_Row]]:
    held: list[_Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += row.counts.nbytes
        if len(held) >= threads and size >= _TOGETHER:
            yield held
            held, size = [], 0
    if held:
        yield held


def _rows(batches: Iterable[pa.RecordBatch], pa: Any) -> Iterator[_Row]:
    schema = count_schema()
    for batch in batches:
        missing = [name for name in schema.names if name not in batch.schema.names]
        if missing:
            raise InputError(f"rows of counts have no column {missing[0]!r}: there are {batch.schema.names}")
        with refusals("rows of counts", pa):
            *numbers, counts = (batch[field.name].cast(field.type) for field in schema)
            counts.validate(full=True)
        if any(column.null_count for column in (*numbers, counts)):
            raise InputError("a row of counts holds a null")
        data, offsets = bytes_of_values(counts)
        part, parts, documents = (column.to_pylist() for column in numbers)
        for n, of, held, (start, end) in zip(part, parts, documents, pairwise(offsets.tolist()), strict=True):
            yield _Row(n, of, held, data[start:end])


def _same_parts(found: int | None, parts: int) -> int:
    if found not in (None, parts):
        raise OptionError(f"counts do not merge: they are in {found} parts here and in {parts} there")
    return parts
