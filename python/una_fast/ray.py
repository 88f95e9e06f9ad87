"""Fitting and negatives on Ray Data: the same table and the same text, from any number of machines.

    table = una_fast.ray.fit(ray.data.read_parquet("s3://..."), column="text")
    table.save("/data/corpus.table")
    made = dataset.map_batches(
        Negatives,
        fn_constructor_kwargs={"table": "/data/corpus.table", "column": "text"},
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8),
    )

Ray schedules, retries and shows progress; `una_fast.batches` does the work. It needs the extra `ray`.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from una_fast.augment import Augmenter
from una_fast.batches import (
    PARTS,
    augment_batches,
    collect_counts,
    count_batches,
    count_schema,
    merge_batches,
)
from una_fast.datasets import NEGATIVE
from una_fast.errors import ArtifactError, InputError, OptionError, StorageError
from una_fast.extras import require
from una_fast.phrases import rule_of
from una_fast.table import TermTable

require("una_fast.ray", "ray.data", "pyarrow")

import pyarrow as pa
import ray

if TYPE_CHECKING:
    from ray.data import Dataset

    from una_fast.fit import TermCounter
    from una_fast.memory import MemorySize

__all__ = ["Negatives", "count", "fit"]

WORTH_A_SHUFFLE = 1 << 30
"""Bytes of counts of all blocks beyond which they are merged by tasks before this process merges them."""


def fit(
    dataset: Dataset,
    *,
    column: str = "text",
    parts: int = PARTS,
    min_df: int = 1,
    max_terms: int | None = None,
    ray_remote_args: Mapping[str, Any] | None = None,
    **fit_options: Any,
) -> TermTable:
    """`una_fast.fit` of a column of a Ray dataset: the same table, byte for byte, in whatever blocks it comes.

    Each task counts a block of the dataset and cuts the counts into parts. Where they are more than this process merges
    in seconds, a shuffle by the number of the part brings them together, and a task merges each. This process puts the
    parts together.

    Args:
        dataset: of any source that Ray reads.
        column: its column of sentences; nulls and white space alone are no sentences.
        parts: parts that counts are cut into, and so the most tasks that merge.
        min_df: see `una_fast.fit`.
        max_terms: see `una_fast.fit`.
        ray_remote_args: what `Dataset.map_batches` takes for each task by name: `num_cpus`, which is also the number of
            its threads, `memory`, `resources` ...
        fit_options: `tokenizer`, `lowercase`, `phrases` and the others of `una_fast.fit`. `memory_limit` and `temp_dir`
            are of each task, and of this process.

    Raises:
        InputError: for malformed text; for a dataset without a sentence.
        OptionError: for a column that is not there, and for an option without meaning.
        MissingExtraError: without Ray.

    What Ray raises for a source that it cannot read comes through.
    """
    rule = rule_of(fit_options.get("phrases"))
    if rule is not None:
        options = {**fit_options, "phrases": None, "ngram_range": (1, rule.max_tokens)}
        pairs = count(dataset, column=column, parts=parts, ray_remote_args=ray_remote_args, **options)
        fit_options["phrases"] = pairs.find_phrases(rule)
    counter = count(dataset, column=column, parts=parts, ray_remote_args=ray_remote_args, **fit_options)
    return counter.freeze(min_df=min_df, max_terms=max_terms)


def count(
    dataset: Dataset,
    *,
    column: str = "text",
    parts: int = PARTS,
    ray_remote_args: Mapping[str, Any] | None = None,
    tokenizer: Any = "treebank",
    memory_limit: MemorySize | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> TermCounter:
    """The counts of a column, as `fit` makes them: for `TermCounter.freeze_to`, which holds no table in memory.

    The arguments, and what is raised, are those of `fit`.
    """
    # Only where they are known: to find out, Ray would read a block, cancel what else it had begun, and read it again.
    names = dataset.columns(fetch_if_missing=False)
    if names is not None:
        if column not in names:
            raise OptionError(f"the dataset has no column {column!r}: its columns are {names}")
        dataset = dataset.select_columns([column])
    kept: dict[str, Any] = {"memory_limit": memory_limit, "temp_dir": temp_dir}
    task = _Count(column=column, parts=parts, tokenizer=tokenizer, **kept, **options)
    remote = dict(ray_remote_args or {})
    counted = dataset.map_batches(
        task, batch_format="pyarrow", batch_size=None, zero_copy_batch=True, **remote
    )
    with _our_errors():
        counted = counted.materialize()
        if counted.size_bytes() > WORTH_A_SHUFFLE:
            groups = counted.groupby("part", num_partitions=parts)
            counted = groups.map_groups(_merged, batch_format="pyarrow", **remote)
        custom = None if isinstance(tokenizer, str) else tokenizer
        return collect_counts(_batches(counted), tokenizer=custom, **kept)


class _Count:
    """What a task does with a block. A class, so that its options are checked here before anything starts."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        list(count_batches([], **options))

    def __call__(self, block: pa.Table) -> pa.Table:
        rows = count_batches(block.to_batches(), **{"threads": _cores(), **self.options})
        return pa.Table.from_batches(rows, schema=count_schema())


def _cores() -> int:
    """The cores that Ray gives to this worker; one where it says nothing, and where this is no worker of Ray's."""
    context: Any = ray.get_runtime_context()
    assigned = context.get_assigned_resources() if context.worker.mode == ray.WORKER_MODE else {}
    return max(1, int(assigned.get("CPU", 1)))


def _merged(group: pa.Table) -> pa.Table:
    return pa.Table.from_batches([merge_batches(group.to_batches())])


def _batches(dataset: Dataset) -> Iterator[pa.RecordBatch]:
    for table in cast("Iterable[pa.Table]", dataset.iter_batches(batch_format="pyarrow", batch_size=None)):
        yield from table.to_batches()


_OURS = {kind.__name__: kind for kind in (ArtifactError, InputError, OptionError)}


@contextmanager
def _our_errors() -> Iterator[None]:
    """What our own code raises in a task is raised as it was."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        # By its text: what Ray brings back of an exception and of its causes is not the same from release to release.
        told = re.findall(r"^una_fast\.errors\.(\w+): (.*)$", str(error), re.MULTILINE)
        kind, message = told[-1] if told else ("", "")
        if kind not in _OURS:
            raise
        raise _OURS[kind](message) from error


class Negatives:
    """Adds a column of negatives: a class for `Dataset.map_batches`, with `batch_format="pyarrow"`.

        dataset.map_batches(
            Negatives,
            fn_constructor_kwargs={"table": path, "column": "text", "row_column": "id"},
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=4),
        )

    The key of a row is what stands in `row_column`, else a hash of its sentence; so the text does not depend on blocks,
    batches, workers or the order of rows.

    A worker loads the table and uses the cores that Ray gives to it: one, unless `num_cpus` says otherwise. With all
    the cores of a node but one (`num_cpus=15` of 16, as many workers as nodes) each node loads the table once. Workers
    that have all the cores there are leave none for Ray to list and read files, and it waits for ever.
    """

    def __init__(
        self,
        table: str | os.PathLike[str] | TermTable,
        *,
        column: str = "text",
        row_column: str | None = None,
        epoch: int = 0,
        views: int = 1,
        output: str = NEGATIVE,
        threads: int | None = None,
        **augmenter_options: Any,
    ) -> None:
        """Loads the table.

        Args:
            table: its file, by a name that every node has; or a table, which Ray sends to each worker.
            column: see `una_fast.batches.augment_batches`.
            row_column: see there.
            epoch: see there.
            views: see there.
            output: see there.
            threads: threads of each worker; by default one for each core that Ray gives to it.
            augmenter_options: those of `Augmenter`.

        Raises:
            StorageError: for a node on which the file is not there; it names both.
            OptionError: for an option without meaning.
        """
        loaded = table if isinstance(table, TermTable) else _loaded(table)
        threads = _cores() if threads is None else threads
        self._augmenter = Augmenter(loaded, threads=threads, **augmenter_options)
        self._options: dict[str, Any] = {
            "column": column,
            "row_column": row_column,
            "epoch": epoch,
            "views": views,
            "output": output,
        }

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A batch with its negatives."""
        made = augment_batches(batch.combine_chunks().to_batches(), self._augmenter, **self._options)
        return pa.Table.from_batches(list(made)) if batch.num_rows else batch


def _loaded(path: str | os.PathLike[str]) -> TermTable:
    try:
        return TermTable.load(path)
    except StorageError as error:
        where = f"{error.strerror}, on the node {socket.gethostname()!r}: each node needs the file, or give the table"
        raise StorageError(error.errno, where, os.fspath(path)) from error
