"""Counting and negatives as steps of datatrove's pipelines: on one machine, on Slurm, wherever its executors run.

    counting = LocalPipelineExecutor(
        [JsonlReader("corpus/"), CountTerms("counts/", lines=True)], tasks=64, logging_dir="logs/count"
    )
    merging = LocalPipelineExecutor(
        [MergeCounts("counts/", "corpus.table")], tasks=1, logging_dir="logs/merge", depends=counting
    )
    adding = LocalPipelineExecutor(
        [JsonlReader("corpus/"), AddNegatives("corpus.table"), JsonlWriter("with-negatives/")],
        tasks=64, logging_dir="logs/add", depends=merging,
    )
    adding.run()

The table is that of `una_fast.fit` on the same text, byte for byte, for any number of tasks. It needs the extra
`datatrove`.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.augment import Augmenter
from una_fast.datasets import NEGATIVE, columns_of_views, negatives_of
from una_fast.draw_keys import rows_of_text
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.fit import TermCounter
from una_fast.table import TermTable

require("una_fast.datatrove", "datatrove")

from datatrove.io import DataFolder, DataFolderLike, get_datafolder
from datatrove.pipeline.base import PipelineStep

if TYPE_CHECKING:
    from datatrove.data import Document, DocumentsPipeline

    from una_fast.memory import MemorySize
    from una_fast.tokenizers import Tokenizer

__all__ = ["AddNegatives", "CountTerms", "MergeCounts"]

AT_A_TIME = 1 << 13
"""Documents that are handled at a time; it shows in no result."""

_NAME = re.compile(r"(\d{5})-of-(\d{5})\.counts")


class CountTerms(PipelineStep):
    """Counts the terms of the documents of a task, and passes them on.

    Each task writes `RANK-of-TASKS.counts`, whole, when its last document has passed; `MergeCounts` brings them
    together.

    Args:
        output_folder: where to write, here or anywhere that fsspec reaches.
        lines: whether each line of a document is a sentence; else the document is one.
        options: those of `TermCounter`: `tokenizer`, `lowercase`, `phrases`, `memory_limit` ...

    Raises:
        OptionError: for an option without meaning.
    """

    name = "🧮 Count terms"
    type = "una-fast"

    def __init__(self, output_folder: DataFolderLike, *, lines: bool = False, **options: Any) -> None:
        super().__init__()
        self.output_folder: DataFolder = get_datafolder(output_folder)
        self.lines = lines
        self.options = {"threads": 1, **options}
        TermCounter(**self.options)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Counts, passes on, writes.

        Raises:
            InputError: for malformed text; it names the documents.
            StorageError: where the system refuses to write.
        """
        counter = TermCounter(**self.options)
        for documents in _in_batches(data):
            with self.track_time("batch"), _named(documents):
                counter.update(self._sentences(documents))
            yield from documents
        self.stat_update("sentences", value=counter.n_documents)
        _write(self.output_folder, f"{rank:05d}-of-{world_size:05d}.counts", counter)

    def _sentences(self, documents: list[Document]) -> list[str]:
        if not self.lines:
            return [document.text for document in documents]
        return [line for document in documents for line in document.text.split("\n")]


class MergeCounts(PipelineStep):
    """Merges what `CountTerms` wrote, and freezes it into a table. For an executor of one task.

    Args:
        input_folder: that of `CountTerms`.
        output: the file of the table.
        min_df: see `una_fast.fit`.
        max_terms: see `una_fast.fit`.
        tokenizer: the callable or pattern that the terms were cut by, where it was none of the built-in ones.
        threads: see `una_fast.fit`.
        memory_limit: see `una_fast.fit`; with it, neither counts nor table are held in memory.
        temp_dir: see `una_fast.fit`.
    """

    name = "🧮 Merge counts"
    type = "una-fast"

    def __init__(
        self,
        input_folder: DataFolderLike,
        output: str | os.PathLike[str],
        *,
        min_df: int = 1,
        max_terms: int | None = None,
        tokenizer: Tokenizer | None = None,
        threads: int | None = None,
        memory_limit: MemorySize | None = None,
        temp_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.input_folder: DataFolder = get_datafolder(input_folder)
        self.output = output
        self.pruning: dict[str, Any] = {"min_df": min_df, "max_terms": max_terms}
        self.tokenizer = tokenizer
        self.options: dict[str, Any] = {
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_dir": temp_dir,
        }

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Merges and freezes; documents, if there are any, are passed on.

        Raises:
            OptionError: for more tasks than one; for counts made under other settings.
            InputError: where the counts of a task are missing; for a corpus without a sentence.
            ArtifactError: for counts that are damaged.
            StorageError: where the system refuses to read or write; an old table then stays as it was.
        """
        if world_size > 1:
            raise OptionError(f"MergeCounts is for an executor of one task, not of {world_size}")
        if data:
            yield from data
        first, *others = self._names()
        with self.track_time():
            counter = self._load(first)
            for name in others:
                counter.merge(self._load(name))
            saved = counter.freeze_to(self.output, **self.pruning)
        self.stat_update("terms", value=saved.n_terms)

    def _names(self) -> list[str]:
        found = {
            name: _NAME.fullmatch(name) for name in self.input_folder.list_files(glob_pattern="*.counts")
        }
        tasks = {match[2] for match in found.values() if match}
        if None in found.values() or len(tasks) != 1:
            raise InputError(
                f"{self.input_folder.path}: the counts of one run of CountTerms are needed, and there are "
                f"{', '.join(map(repr, found)) or 'none'}"
            )
        [n_tasks] = tasks
        expected = [f"{rank:05d}-of-{n_tasks}.counts" for rank in range(int(n_tasks))]
        missing = [name for name in expected if name not in found]
        if missing:
            raise InputError(
                f"{self.input_folder.path}: {len(missing)} of {len(expected)} tasks have no counts: "
                f"{missing[0]!r} is the first"
            )
        return expected

    def _load(self, name: str) -> TermCounter:
        if self.input_folder.is_local():
            path = self.input_folder.resolve_paths(name)
            return TermCounter.load(path, tokenizer=self.tokenizer, **self.options)
        with tempfile.TemporaryDirectory(dir=self.options["temp_dir"]) as folder:
            copy = Path(folder) / name
            with self.input_folder.open(name, "rb") as remote, copy.open("wb") as local:
                shutil.copyfileobj(remote, local)
            return TermCounter.load(copy, tokenizer=self.tokenizer, **self.options)


class AddNegatives(PipelineStep):
    """Puts negatives of documents into their metadata.

    The key of a document is the whole number that its metadata holds under `row_key`; else a hash of its text. So a
    negative does not depend on tasks, nor on the order of documents.

    Args:
        table: the file of a table, by a name that every node has.
        row_key: where the metadata holds the number of a document.
        epoch: the pass over the corpus.
        views: negatives a document.
        output: where the metadata holds the negative; with several views `output_1` to `output_n`.
        augmenter_options: those of `Augmenter`.
    """

    name = "🪞 Add negatives"
    type = "una-fast"

    def __init__(
        self,
        table: str | os.PathLike[str],
        *,
        row_key: str | None = None,
        epoch: int = 0,
        views: int = 1,
        output: str = NEGATIVE,
        **augmenter_options: Any,
    ) -> None:
        super().__init__()
        self.table = os.fspath(table)
        self.row_key = row_key
        self.epoch = epoch
        self.views = views
        self.outputs = columns_of_views(output, views)
        self.options = {"threads": 1, **augmenter_options}

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Makes negatives.

        Raises:
            StorageError: for a node on which the table is not there.
            InputError: for a document without its number, or whose text no negative can be made of; it names them.
            OptionError: for an option without meaning; for metadata that is there already.
        """
        augmenter = Augmenter(TermTable.load(self.table), **self.options)
        for documents in _in_batches(data):
            with self.track_time("batch"), _named(documents):
                self._add(documents, augmenter)
            self.stat_update("negatives", value=len(documents) * self.views)
            yield from documents

    def _add(self, documents: list[Document], augmenter: Augmenter) -> None:
        texts = [document.text for document in documents]
        rows: Any = rows_of_text(texts)
        if self.row_key is not None:
            absent = [document.id for document in documents if document.metadata.get(self.row_key) is None]
            if absent:
                raise InputError(f"the document {absent[0]!r} has no {self.row_key!r} in its metadata")
            rows = [document.metadata[self.row_key] for document in documents]
        made = negatives_of(augmenter.augment, texts, rows, "text", epoch=self.epoch, views=self.views)
        for name, negatives in zip(self.outputs, made, strict=True):
            for document, negative in zip(documents, negatives, strict=True):
                if name in document.metadata:
                    raise OptionError(f"the document {document.id!r} has {name!r} in its metadata already")
                document.metadata[name] = negative


def _in_batches(data: Iterable[Document]) -> Iterator[list[Document]]:
    documents = iter(data)
    while batch := list(islice(documents, AT_A_TIME)):
        yield batch


@contextmanager
def _named(documents: list[Document]) -> Iterator[None]:
    """Says of malformed text among which documents it stands."""
    try:
        yield
    except InputError as error:
        raise InputError(f"documents {documents[0].id!r} to {documents[-1].id!r}: {error}") from error


def _write(folder: DataFolder, name: str, counter: TermCounter) -> None:
    """Writes counts: here by a file that takes its place whole, elsewhere as the other side does it."""
    if folder.is_local():
        path = folder.resolve_paths(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        counter.save(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / name
        counter.save(copy)
        with copy.open("rb") as local, folder.open(name, "wb") as remote:
            shutil.copyfileobj(local, remote)
