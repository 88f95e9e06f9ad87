"""Fitting: exact TF-IDF statistics of a corpus in one pass, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypedDict, cast

from una_fast import _core
from una_fast.errors import OptionError
from una_fast.progress import Tick, counting
from una_fast.sources import MAX_LINE_BYTES, Source, default_threads, find_files, total_bytes
from una_fast.table import TermTable

__all__ = ["TermCounter", "fit"]


class _Options(TypedDict):
    """What every way of counting takes."""

    threads: int
    errors: str
    max_line_bytes: int
    tick: Tick | None


def fit(
    source: Source,
    *,
    tokenizer: str = "treebank",
    lowercase: bool = True,
    min_df: int = 1,
    max_terms: int | None = None,
    errors: str = "strict",
    threads: int | None = None,
    progress: bool = False,
) -> TermTable:
    """Fits TF-IDF on a corpus: `TermCounter.update` and `TermCounter.freeze` in one.

    The result is the same, byte for byte, for any number of threads and any order of files and sentences.

    Args:
        source: a path, a glob, a list of `pathlib.Path`, or any iterable of str. Files hold one sentence a line,
            plain or gzip.
        tokenizer: "treebank" (NLTK 3.10 `word_tokenize(text, preserve_line=True)`), "treebank-3.9" (the same of
            NLTK 3.9), "word" (scikit-learn's default pattern), "unicode" (UAX 29 words), "whitespace".
        lowercase: whether to lower-case sentences first, as Python's `str.lower` does.
        min_df: leave out terms in fewer sentences.
        max_terms: keep at most so many terms, those in the most sentences (ties: by term bytes).
        errors: what to do with lines that are not UTF-8 or hold a NUL: "strict" raises with file, line and byte,
            "replace" puts U+FFFD, "skip" leaves the line out.
        threads: number of counting threads; by default one for each core.
        progress: whether to show a bar.

    Returns:
        The table, see `TermTable`.

    Raises:
        InputError: for malformed text and for an empty corpus.
        OptionError: for an option without meaning.
        StorageError: for a file that cannot be read.
    """
    counter = TermCounter(tokenizer=tokenizer, lowercase=lowercase, errors=errors, threads=threads)
    counter.update(source, progress=progress)
    return counter.freeze(min_df=min_df, max_terms=max_terms)


class TermCounter:
    """Counts to which text can be added, and which merge exactly.

    Args:
        tokenizer: see `fit`.
        lowercase: see `fit`.
        errors: see `fit`.
        threads: see `fit`.
        max_line_bytes: longest line accepted, in bytes.
    """

    def __init__(
        self,
        *,
        tokenizer: str = "treebank",
        lowercase: bool = True,
        errors: str = "strict",
        threads: int | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        if errors not in ("strict", "replace", "skip"):
            raise OptionError(f'errors must be "strict", "replace" or "skip", not {errors!r}')
        if not 1 <= max_line_bytes < 1 << 32:
            raise OptionError(f"max_line_bytes must be at least 1 and below 2**32, not {max_line_bytes}")
        self._core = _core.TermCounter(tokenizer=tokenizer, lowercase=lowercase)
        self._errors = errors
        self._threads = default_threads(threads)
        self._max_line_bytes = max_line_bytes

    def update(self, source: Source, *, progress: bool = False) -> None:
        """Adds the sentences of a source. All of them or, where an exception is raised, none.

        Lines of white space alone are no sentences; `n_empty` counts them.

        Raises:
            InputError: for malformed text, by file, line and byte.
            StorageError: for a file that cannot be read.
            KeyboardInterrupt: within a second of Ctrl-C; the counts are then as they were before.
        """
        files = find_files(source)
        with counting("counting", None if files is None else total_bytes(files), show=progress) as tick:
            options = _Options(
                threads=self._threads, errors=self._errors, max_line_bytes=self._max_line_bytes, tick=tick
            )
            if files is None:
                self._core.update_rows(cast("Iterable[str]", source), **options)
            else:
                self._core.update_files(files, **options)

    def merge(self, other: TermCounter) -> None:
        """Adds the counts of other text, exactly; `other` stays as it is.

        Raises:
            OptionError: for counts made under another setting, which it names.
        """
        self._core.merge(other._core)

    @property
    def n_documents(self) -> int:
        """Number of sentences counted, N."""
        return self._core.n_documents

    @property
    def n_terms(self) -> int:
        """Number of distinct terms."""
        return self._core.n_terms

    @property
    def n_empty(self) -> int:
        """Number of lines of white space alone, which were not counted."""
        return self._core.n_empty

    @property
    def n_skipped(self) -> int:
        """Number of malformed lines left out under `errors="skip"`."""
        return self._core.n_skipped

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the counts as one safetensors file: canonical bytes, atomic, durable on return.

        Raises:
            StorageError: where the system refuses; an old file then stays as it was.
        """
        self._core.save(os.fspath(path))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, errors: str = "strict", threads: int | None = None
    ) -> TermCounter:
        """Loads counts, to be updated further, merged or frozen.

        Raises:
            ArtifactError: for a file that is damaged, hostile, or holds no counts; it says what is wrong.
            StorageError: for a file that cannot be read.
        """
        core = _core.TermCounter.load(os.fspath(path))
        counter = cls(tokenizer=core.tokenizer, lowercase=core.lowercase, errors=errors, threads=threads)
        counter._core = core
        return counter

    def freeze(self, *, min_df: int = 1, max_terms: int | None = None) -> TermTable:
        """Scores and sorts the terms. The counts stay as they are.

        Args:
            min_df: leave out terms in fewer sentences.
            max_terms: keep at most so many terms, those in the most sentences (ties: by term bytes).

        Raises:
            InputError: for counts of no sentence or no term.
            OptionError: where pruning leaves no term.
        """
        if min_df < 1:
            raise OptionError(f"min_df must be at least 1, not {min_df}")
        if max_terms is not None and max_terms < 1:
            raise OptionError(f"max_terms must be at least 1, not {max_terms}")
        return TermTable(self._core.freeze(min_df=min_df, max_terms=max_terms, threads=self._threads))

    def __repr__(self) -> str:
        return f"TermCounter({self.n_terms:,} terms of {self.n_documents:,} sentences)"
