"""Fitting: exact TF-IDF statistics of a corpus in one pass, on all cores."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from una_fast import _core
from una_fast.arrow import bytes_of_values, column_of, large_strings
from una_fast.checks import whole
from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.log import logger
from una_fast.memory import MemorySize
from una_fast.memory import memory_limit as bytes_of
from una_fast.phrases import PhraseRule, Phrases, cut, required_rule, rule_of
from una_fast.pickling import Pieces
from una_fast.progress import Tick, counting
from una_fast.sources import MAX_LINE_BYTES, MAX_WINDOW_BYTES, Source, default_threads, opened, reading
from una_fast.table import SINGLE_TERMS, TermTable, single_terms
from una_fast.tokenizers import CustomTokenizer, Tokenizer, choose, is_custom, matching, missing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SavedTable", "TermCounter", "find_phrases", "fit"]


FORMAT = 1
"""Version of the files, and of the metadata of an Arrow table of counts."""


class _Options(TypedDict):
    """Arguments that every way of counting takes."""

    reading: _core.Reading
    threads: int
    tick: Tick | None
    custom: _core.CustomTokenizer | None


def fit(
    source: Source,
    *,
    tokenizer: Tokenizer = "treebank",
    lowercase: bool = True,
    ngram_range: tuple[int, int] = (1, 1),
    phrases: str | PhraseRule | Iterable[str] | None = None,
    min_df: int = 1,
    max_terms: int | None = None,
    errors: str = "strict",
    max_line_bytes: int = MAX_LINE_BYTES,
    max_window_bytes: MemorySize = MAX_WINDOW_BYTES,
    text_field: str | None = None,
    column: str | None = None,
    threads: int | None = None,
    memory_limit: MemorySize | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> TermTable:
    """Fits TF-IDF on a corpus: `TermCounter.update` and `TermCounter.freeze` in one.

    The result is the same, byte for byte, for any number of threads and any order of files and sentences.

    Args:
        source: a path, a glob, an iterable of `pathlib.Path`; a table or column that speaks the Arrow C interface
            (pyarrow, polars, pandas); a Hugging Face dataset, streaming or not, a dict of its splits, or a column of
            one; a file object, as `sys.stdin.buffer`; or any
            iterable of str. Text files and streams hold one sentence a line, plain or compressed by gzip, zstd,
            bzip2 or xz; `.jsonl` files a JSON object a line; files of Parquet, Arrow, Feather, CSV and TSV a table.
            How that is decided: see `una_fast.sources`.
        tokenizer: "treebank" (NLTK 3.10 `word_tokenize(text, preserve_line=True)`), "treebank-3.9" (the same of
            NLTK 3.9), "word" (scikit-learn's default pattern), "word-1" (the same with words of one letter), "unicode"
            (UAX 29 words), "whitespace"; or a callable that takes a sentence and returns a list of str, or a compiled
            `re` pattern, which are slower and are saved by name alone, see `una_fast.tokenizers`.
        lowercase: whether to lower-case sentences first, as Python's `str.lower` does.
        ngram_range: (1, n) counts also each 2 to n tokens in a row, joined by a space, as terms; the length of a
            sentence is then the number of all its terms. Such a table weighs text (`TermTable.transform`), and no
            negatives are made from it.
        phrases: words in a row that are one term, such as `new york`: the phrases as they are written, to be cut by
            the tokenizer, or exactly (`Phrases`); or the rule by which they are found, "npmi", "word2vec" or a
            `PhraseRule`, which reads the corpus once more. Where phrases overlap, the longest from left to right
            counts. A negative replaces a phrase as a whole.
        min_df: leave out terms in fewer sentences.
        max_terms: keep at most so many terms, those in the most sentences (ties: by term bytes).
        errors: what to do with rows that are not UTF-8 or hold a NUL: "strict" raises with file, line and byte,
            "replace" puts U+FFFD, "skip" leaves the row out. Lines of a `.jsonl` file without the field are errors
            too, which "skip" leaves out and nothing can replace.
        max_line_bytes: longest line accepted, in bytes.
        max_window_bytes: largest zstd window or xz dictionary that a compressed file may ask for: bytes, or text such
            as "512MiB". It takes memory as it fills.
        text_field: the name under which the sentence stands in the JSON object of a line ("text" by default). Null
            counts as an empty line. Giving it says that lines are JSON whatever the names of files are.
        column: the column to read of a table; by default its only column of strings. With text alone it is refused.
        threads: number of counting threads; by default one for each core.
        memory_limit: how much memory terms may take while they are counted: bytes, or text such as "512MiB". What
            goes beyond it is kept in files; the table is the same. The limit does not bind the table that is
            returned, which is in memory whole (some 90 bytes a term); `min_df` and `max_terms` are applied before any
            of it is. A table that is too large for memory goes to a file: `TermCounter.freeze_to`.
        temp_dir: where to make the private folder of those files, `.una-fast-*.tmp`, which is removed at the end, by
            an error and by Ctrl-C too; that of a process that was killed goes with the next one made there. By default
            where the system keeps temporary files. It takes up to three times the size of the counts.
        progress: whether to show a bar.

    Returns:
        The table, see `TermTable`.

    Raises:
        InputError: for malformed text and for an empty corpus.
        OptionError: for an option without meaning.
        StorageError: for a file that cannot be read, and for a temporary one that cannot be written.
        MissingExtraError: for a table or column without pyarrow.

    Warns:
        UserWarning: where most sentences are a single term, as text without spaces is to most tokenizers; where no
            words are phrases by the rule.
    """
    options: dict[str, Any] = {
        "tokenizer": tokenizer,
        "lowercase": lowercase,
        "errors": errors,
        "max_line_bytes": max_line_bytes,
        "max_window_bytes": max_window_bytes,
        "text_field": text_field,
        "column": column,
        "threads": threads,
        "memory_limit": memory_limit,
        "temp_dir": temp_dir,
    }
    rule, n_documents = rule_of(phrases), None
    if rule is not None:
        _refuse_single_pass(source)
        pairs = _counted_for(rule, source, progress, options)
        phrases, n_documents = pairs.find_phrases(rule, progress=progress), pairs.n_documents
        del pairs
        if not phrases:
            warnings.warn(f"no words are phrases by {rule}", stacklevel=2)
    counter = TermCounter(ngram_range=ngram_range, phrases=cast("Phrases | None", phrases), **options)
    counter.update(source, progress=progress)
    if n_documents not in (None, counter.n_documents):
        raise InputError(
            f"the corpus had {n_documents:,} sentences when phrases were looked for, and {counter.n_documents:,} "
            "when they were counted"
        )
    table = counter.freeze(min_df=min_df, max_terms=max_terms, progress=progress)
    if min_df == 1 and max_terms is None and single_terms(table):
        warnings.warn(SINGLE_TERMS, stacklevel=2)
    return table


def find_phrases(
    source: Source, rule: str | PhraseRule = "npmi", *, progress: bool = False, **options: Any
) -> Phrases:
    """The words of a corpus that are phrases, to be counted as one term by `fit` or `TermCounter`.

    Args:
        source: see `fit`.
        rule: "npmi", "word2vec" or a `PhraseRule`.
        progress: whether to show a bar.
        options: those of `TermCounter`, but for `ngram_range` and `phrases`.

    Raises:
        InputError: for malformed text.
        OptionError: for an option without meaning.
        StorageError: for a file that cannot be read, and for a temporary one that cannot be written.
    """
    found = required_rule(rule)
    return _counted_for(found, source, progress, options).find_phrases(found, progress=progress)


def _counted_for(rule: PhraseRule, source: Source, progress: bool, options: dict[str, Any]) -> TermCounter:
    """The counts that phrases are found in."""
    counter = TermCounter(**options, ngram_range=(1, rule.max_tokens))
    counter.update(source, progress=progress)
    return counter


def _refuse_single_pass(source: Source) -> None:
    if isinstance(source, Iterator) or callable(getattr(source, "read", None)):
        raise OptionError(
            f"phrases are found in a pass of their own, and a {type(source).__name__} can be read once: give files, "
            "a list or a dataset, or the phrases"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedTable:
    """A table that went to a file without being held in memory.

    Attributes:
        path: the file, which `TermTable.load` loads.
        n_terms: number of terms.
        digest: SHA-256 of settings, N and arrays, in hexadecimal: `TermTable.digest`.
    """

    path: Path
    n_terms: int
    digest: str


class TermCounter:
    """Counts to which text can be added, and which merge exactly.

    Args:
        tokenizer: see `fit`.
        lowercase: see `fit`.
        ngram_range: see `fit`.
        phrases: the phrases, see `fit`; a rule is for `fit` or `find_phrases` to follow.
        errors: see `fit`.
        threads: see `fit`.
        max_line_bytes: see `fit`.
        max_window_bytes: see `fit`.
        text_field: see `fit`.
        column: see `fit`.
        shard: `(i, n)` counts only the i-th of n shares of what is given to `update`, i from 1 to n: the rows whose
            number, from 0, leaves i - 1 when divided by n. Every file and every other source numbers its own rows
            (lines, values, sentences), empty ones too; so n counters, here or on other machines, count everything
            once, in whatever order the files come to them.
        memory_limit: see `fit`. The terms of this counter are held to it at any time, whatever is updated, merged or
            loaded; so are those that saving and `freeze_to` sort.
        temp_dir: see `fit`. The folder goes with the counter.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer = "treebank",
        lowercase: bool = True,
        ngram_range: tuple[int, int] = (1, 1),
        phrases: Iterable[str] | None = None,
        errors: str = "strict",
        threads: int | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_window_bytes: MemorySize = MAX_WINDOW_BYTES,
        text_field: str | None = None,
        column: str | None = None,
        shard: tuple[int, int] | None = None,
        memory_limit: MemorySize | None = None,
        temp_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self._reading = reading(
            errors=errors,
            max_line_bytes=max_line_bytes,
            max_window_bytes=max_window_bytes,
            text_field=text_field,
            column=column,
            shard=shard,
        )
        ngrams = _longest(ngram_range)
        if ngrams is None:
            raise OptionError(f"ngram_range must be (1, n) with n of at least 1, got {ngram_range!r}")
        name, self._custom = choose(tokenizer)
        self._core = _core.TermCounter(
            tokenizer=name,
            lowercase=lowercase,
            ngrams=ngrams,
            phrases=cut(phrases, tokenizer=name, custom=self._custom, lowercase=lowercase),
            memory_limit=bytes_of(memory_limit),
            temp_dir=temp_dir,
        )
        self._threads = default_threads(threads)
        self._options: dict[str, Any] = {
            "errors": errors,
            "threads": threads,
            "max_line_bytes": max_line_bytes,
            "max_window_bytes": max_window_bytes,
            "text_field": text_field,
            "column": column,
            "shard": shard,
            "memory_limit": memory_limit,
            "temp_dir": temp_dir,
        }

    def update(self, source: Source, *, progress: bool = False) -> None:
        """Adds the sentences of a source. All of them or, where an exception is raised, none.

        Lines of white space alone are no sentences; `n_empty` counts them, and `n_null` the nulls of a column.

        Raises:
            InputError: for malformed text, by file, line and byte.
            OptionError: for a table of several columns of strings, none of them named; for counts that were loaded
                without the tokenizer in Python that they were made with.
            StorageError: for a file that cannot be read.
            MissingExtraError: for a table or column without pyarrow.
            KeyboardInterrupt: within a second of Ctrl-C; the counts are then as they were before.

        What a tokenizer in Python raises comes through, with a note that says for which sentence.
        """
        if self._custom is None and is_custom(self._core.tokenizer):
            raise missing(self._core.tokenizer)
        found = opened(source, self._reading)
        with counting("counting", found.n_bytes(), show=progress) as tick:
            custom = None if self._custom is None else self._custom._core
            options = _Options(reading=self._reading.core, threads=self._threads, tick=tick, custom=custom)
            if len(found.parts) == 1:
                self._core.update(found.parts[0], **options)
                return
            # Apart first, so that a fault in one part leaves the counts as they were.
            apart = self._core.apart()
            for part in found.parts:
                apart.update(part, **options)
            self._core.merge(apart, threads=self._threads)

    def merge(self, other: TermCounter) -> None:
        """Adds the counts of other text, exactly; `other` stays as it is.

        Where only one of the two has a memory limit, it is the limit of the sum.

        Raises:
            OptionError: for counts made under another setting, which it names.
            InputError: for counts whose sum of sentences is beyond 64 bits.
            StorageError: where a memory limit makes terms go to a file, and the system refuses.
        """
        self._core.merge(other._core, threads=self._threads)

    @property
    def n_documents(self) -> int:
        """Number of sentences counted, N."""
        return self._core.n_documents

    @property
    def n_terms(self) -> int:
        """Number of distinct terms. Beyond a memory limit, that is known after merging files, which takes time."""
        return self._core.n_terms

    @property
    def n_empty(self) -> int:
        """Number of lines of white space alone, which were not counted."""
        return self._core.n_empty

    @property
    def n_skipped(self) -> int:
        """Number of malformed lines left out under `errors="skip"`."""
        return self._core.n_skipped

    @property
    def n_null(self) -> int:
        """Number of nulls in columns, which were not counted."""
        return self._core.n_null

    @property
    def phrases(self) -> Phrases:
        """The phrases that are counted as one term."""
        return Phrases._holding(self._core.phrases)

    def find_phrases(self, rule: str | PhraseRule = "npmi", *, progress: bool = False) -> Phrases:
        """The words in a row that are phrases, among the terms of several tokens of these counts.

        Args:
            rule: "npmi", "word2vec" or a `PhraseRule`.
            progress: whether to show how files of terms are merged, where a memory limit made any.

        Raises:
            OptionError: for counts of single tokens: `ngram_range` must reach as far as a phrase.
            StorageError: where the system refuses to read or write temporary files.
        """
        found = required_rule(rule)
        with self._merging(progress) as tick:
            texts = self._core.find_phrases(
                association=found.association,
                threshold=found.least,
                min_df=found.min_df,
                threads=self._threads,
                tick=tick,
            )
        return Phrases(words for text in texts if len(words := text.split(" ")) <= found.max_tokens)

    def save(self, path: str | os.PathLike[str], *, progress: bool = False) -> None:
        """Saves the counts as one safetensors file: canonical bytes, atomic, durable on return.

        Raises:
            StorageError: where the system refuses; an old file then stays as it was.
        """
        with self._merging(progress) as tick:
            self._core.save(os.fspath(path), threads=self._threads, tick=tick)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        tokenizer: Tokenizer | None = None,
        errors: str = "strict",
        threads: int | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_window_bytes: MemorySize = MAX_WINDOW_BYTES,
        text_field: str | None = None,
        column: str | None = None,
        shard: tuple[int, int] | None = None,
        memory_limit: MemorySize | None = None,
        temp_dir: str | os.PathLike[str] | None = None,
    ) -> TermCounter:
        """Loads counts, to be updated further, merged or frozen. The options are those of further updates.

        `tokenizer` need only be given, again, where further text is to be counted by a callable or pattern.

        With a memory limit, the counts go from the file to a temporary one, and take next to no memory.

        Raises:
            OptionError: for a tokenizer of another name than the one recorded.
            ArtifactError: for a file that is damaged, hostile, or holds no counts; it says what is wrong.
            StorageError: for a file that cannot be read.
        """
        limit = bytes_of(memory_limit)
        core = _core.TermCounter.load(os.fspath(path), memory_limit=limit, temp_dir=temp_dir)
        counter = cls(
            errors=errors,
            threads=threads,
            max_line_bytes=max_line_bytes,
            max_window_bytes=max_window_bytes,
            text_field=text_field,
            column=column,
            shard=shard,
        )
        counter._options |= {"memory_limit": memory_limit, "temp_dir": temp_dir}
        return counter._holding(core, matching(tokenizer, core.tokenizer, os.fspath(path)))

    def _holding(self, core: _core.TermCounter, custom: CustomTokenizer | None) -> TermCounter:
        self._core, self._custom = core, custom
        return self

    def _like(self, pieces: list[bytes], tokenizer: Tokenizer | None) -> TermCounter:
        """A counter without counts, with the options of this one and the settings of counts in bytes."""
        core = _core.TermCounter.like_bytes(
            pieces, memory_limit=bytes_of(self._options["memory_limit"]), temp_dir=self._options["temp_dir"]
        )
        return self._holding(core, matching(tokenizer, core.tokenizer, "the counts"))

    def to_arrow(self) -> pa.Table:
        """The counts as Arrow columns, in order of term bytes: term, df, best_count, best_length.

        The schema's metadata holds under `una_fast`, as JSON, what the columns do not: the settings and N. A group-by
        of several such tables (the sum of df, the largest best_count / best_length) with the sum of their N is their
        merge. All of it is in memory, whatever the memory limit.

        Raises:
            MissingExtraError: without pyarrow.
        """
        pa = require("to_arrow", "pyarrow")
        data, offsets, df, count, length = self._core.arrays(threads=self._threads)
        terms = large_strings(offsets.astype(np.int64), data)
        columns = {"term": terms, "df": df, "best_count": count, "best_length": length}
        facts = {
            "format": FORMAT,
            "kind": "counts",
            "lowercase": self._core.lowercase,
            "n_documents": self._core.n_documents,
            "tokenizer": self._core.tokenizer,
        }
        if self._core.ngrams > 1:
            facts["ngram_range"] = [1, self._core.ngrams]
        if self._core.phrases is not None:
            facts["phrases"] = self._core.phrases.texts()
        return pa.table(columns).replace_schema_metadata(
            {"una_fast": json.dumps(facts, separators=(",", ":"))}
        )

    @classmethod
    def from_arrow(
        cls, table: Any, *, tokenizer: Tokenizer | None = None, threads: int | None = None
    ) -> TermCounter:
        """Counts from such a table, by way of any engine: what a file is checked for, it is checked for.

        The rows may stand in any order, since a group-by keeps none. `tokenizer` is as for `load`.

        Raises:
            OptionError: for a tokenizer of another name than the one recorded.
            InputError: for columns or metadata that are missing or cannot be counts; it says which.
            MissingExtraError: without pyarrow.
        """
        pa = require("from_arrow", "pyarrow")
        rows = pa.table(table)
        facts = _facts(rows.schema.metadata or {})
        data, offsets = bytes_of_values(column_of(rows, "term", pa.large_string()))
        core = _core.TermCounter.from_arrays(
            data,
            offsets,
            column_of(rows, "df", pa.uint64()).to_numpy(),
            column_of(rows, "best_count", pa.uint32()).to_numpy(),
            column_of(rows, "best_length", pa.uint32()).to_numpy(),
            tokenizer=facts["tokenizer"],
            lowercase=facts["lowercase"],
            ngrams=facts["ngrams"],
            phrases=_core.Phrases(facts["phrases"]) if facts["phrases"] else None,
            n_documents=facts["n_documents"],
        )
        return cls(threads=threads)._holding(core, matching(tokenizer, core.tokenizer, "the Arrow table"))

    def freeze(self, *, min_df: int = 1, max_terms: int | None = None, progress: bool = False) -> TermTable:
        """Scores and sorts the terms. The counts stay as they are.

        The table is in memory whole, whatever the memory limit; what is pruned never is. `freeze_to` holds neither.

        Args:
            min_df: leave out terms in fewer sentences.
            max_terms: keep at most so many terms, those in the most sentences (ties: by term bytes).
            progress: whether to show how files of terms are merged, where a memory limit made any.

        Raises:
            InputError: for counts of no sentence or no term.
            OptionError: where pruning leaves no term.
            StorageError: where the system refuses to read or write temporary files.
        """
        _check_pruning(min_df, max_terms)
        with self._merging(progress) as tick:
            core = self._core.freeze(min_df=min_df, max_terms=max_terms, threads=self._threads, tick=tick)
        table = TermTable(core, self._custom)
        logger.info("%d sentences, %d terms", table.n_documents, len(table))
        return table

    def freeze_to(
        self,
        path: str | os.PathLike[str],
        *,
        min_df: int = 1,
        max_terms: int | None = None,
        progress: bool = False,
    ) -> SavedTable:
        """Writes the file that `freeze` and `TermTable.save` write, without holding the table in memory.

        The arguments are those of `freeze`.

        Raises:
            InputError: for counts of no sentence or no term.
            OptionError: where pruning leaves no term.
            StorageError: where the system refuses; an old file then stays as it was.
        """
        _check_pruning(min_df, max_terms)
        with self._merging(progress) as tick:
            n_terms, digest = self._core.freeze_to(
                os.fspath(path), min_df=min_df, max_terms=max_terms, threads=self._threads, tick=tick
            )
        return SavedTable(path=Path(path), n_terms=n_terms, digest=digest)

    def _merging(self, progress: bool) -> AbstractContextManager[Tick | None]:
        return counting("merging", None, show=progress and self._core.has_spilled, what="terms")

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickling and copying take: the bytes that `save` writes, what was left out, and the options."""
        data, left_out = self._core.to_bytes()
        return _counter_of, (Pieces(data), left_out, self._custom, self._options)

    def __repr__(self) -> str:
        # To count terms that are in files would take its time.
        terms = "terms" if self._core.has_spilled else f"{self.n_terms:,} terms"
        return f"TermCounter({terms} of {self.n_documents:,} sentences)"


def _counter_of(
    pieces: Pieces,
    left_out: tuple[int, int, int],
    custom: CustomTokenizer | None,
    options: dict[str, Any],
) -> TermCounter:
    limit, temp_dir = bytes_of(options["memory_limit"]), options["temp_dir"]
    core = _core.TermCounter.from_bytes(pieces.cut(), left_out, memory_limit=limit, temp_dir=temp_dir)
    counter = TermCounter(**{**options, "memory_limit": None, "temp_dir": None})
    counter._options = options
    return counter._holding(core, custom)


def _check_pruning(min_df: int, max_terms: int | None) -> None:
    whole("min_df", min_df, least=1)
    if max_terms is not None:
        whole("max_terms", max_terms, least=1)


def _longest(ngram_range: object) -> int | None:
    """The n of (1, n); None for anything else."""
    match ngram_range:
        case (Integral() as least, Integral() as most) if 1 == least <= most < 1 << 32:
            return int(most)
    return None


class _Facts(TypedDict):
    tokenizer: str
    lowercase: bool
    ngrams: int
    phrases: list[str]
    n_documents: int


def _facts(metadata: dict[bytes, bytes]) -> _Facts:
    try:
        facts = json.loads(metadata[b"una_fast"])
    except (KeyError, ValueError):
        raise InputError("the schema has no metadata key 'una_fast' that holds JSON: no counts") from None
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("kind")) != (FORMAT, "counts"):
        raise InputError(f"the metadata says {facts!r}, not counts of format {FORMAT}")
    for name, kind in (("tokenizer", str), ("lowercase", bool), ("n_documents", int)):
        if type(facts.get(name)) is not kind:
            raise InputError(f"metadata {name} is missing or no {kind.__name__}")
    if not 0 <= facts["n_documents"] < 1 << 64:
        raise InputError(f"metadata n_documents is {facts['n_documents']}, not in 0 to 2**64 - 1")
    facts["ngrams"] = _longest(facts.get("ngram_range", [1, 1]))
    if facts["ngrams"] is None:
        raise InputError(f"metadata ngram_range is {facts['ngram_range']!r}, not [1, n]")
    facts.setdefault("phrases", [])
    if type(facts["phrases"]) is not list or not all(type(text) is str for text in facts["phrases"]):
        raise InputError("metadata phrases is no list of str")
    return cast("_Facts", facts)
