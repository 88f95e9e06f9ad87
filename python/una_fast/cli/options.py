"""Options that several commands share, and what the commands make of them."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from una_fast import shared_options as same
from una_fast.augment import PRESETS, ranks_of
from una_fast.errors import OptionError
from una_fast.files import check_apart
from una_fast.options import Options, option
from una_fast.sources import Reading, load_sentences, reading

if TYPE_CHECKING:
    from una_fast.augment import Augmenter
    from una_fast.fit import TermCounter
    from una_fast.table import TermTable
    from una_fast.tokenizers import Tokenizer

__all__ = [
    "FileOption",
    "MemoryOptions",
    "NegativeOptions",
    "PruneOptions",
    "ReadOptions",
    "Shown",
    "TokenizeOptions",
    "WriteOptions",
    "compiled",
    "named_tokenizer",
    "print_figures",
    "save",
    "tell_missing",
    "tell_window",
]


@dataclass(frozen=True, kw_only=True)
class FileOption(Options):
    """The file that other options are read from."""

    config: Path | None = option(same.CONFIG)


@dataclass(frozen=True, kw_only=True)
class ReadOptions(Options):
    """Options of reading files."""

    text_field: str | None = option(same.TEXT_FIELD)
    column: str | None = option(same.COLUMN)
    max_line_bytes: int = option(same.MAX_LINE)
    max_window_bytes: str = option(same.MAX_WINDOW)
    errors: Literal["strict", "replace", "skip"] = option(same.MALFORMED)

    def reading(self) -> Reading:
        """These options, checked.

        Raises:
            OptionError: for an option without meaning.
        """
        return reading(
            errors=self.errors,
            max_line_bytes=self.max_line_bytes,
            max_window_bytes=self.max_window_bytes,
            text_field=self.text_field,
            column=self.column,
        )


@dataclass(frozen=True, kw_only=True)
class TokenizeOptions(Options):
    """Options of tokenizing."""

    tokenizer: str | None = option(same.TOKENIZER)
    tokenizer_pattern: str | None = option(same.PATTERN)
    lowercase: bool = option(same.LOWERCASE)

    def chosen(self) -> Tokenizer:
        """The tokenizer: by its name or by a pattern, not both.

        Raises:
            OptionError: for both, and for a pattern that is none.
        """
        return _tokenizer(self.tokenizer, self.tokenizer_pattern) or "treebank"


def tell(line: str) -> None:
    """Says something on standard error; where nobody can be told, nothing else fails for it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def tell_missing(maker: Augmenter, options: NegativeOptions) -> None:
    """Says on standard error how much of what is to be protected the table holds."""
    if options.protect is None:
        return
    n_terms, missing = len(maker.options["protect"]), maker.missing
    line = f"protect: {n_terms - len(missing):,} of {n_terms:,} terms are in the table"
    shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    tell(line + (f"; not in it: {shown}" if missing else ""))


TRIAL = 100
"""Terms below which a table is a trial, and nothing is said of its windows."""


def tell_window(maker: Augmenter) -> None:
    """Says on standard error where the window that replacements come from is the whole vocabulary."""
    if maker.covers_all and len(maker.table) >= TRIAL:
        n_terms, radius = len(maker.table), maker.radius
        tell(
            f"radius: {radius:,} ranks either way are all of the {n_terms:,} terms, so that any may replace any; "
            f"--radius 5% is {ranks_of(0.05, n_terms):,}"
        )


def named_tokenizer(name: str) -> Callable[[str], list[str]]:
    """The callable that `module:function` names; the module is imported, from the working folder too.

    Raises:
        OptionError: for what cannot be imported or called.
    """
    module, _, path = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise OptionError(
            f"--tokenizer {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not callable(found):
        raise OptionError(f"--tokenizer {name} is {type(found).__name__}, not a function of a sentence")
    return cast("Callable[[str], list[str]]", found)


def _tokenizer(name: str | None, pattern: str | None) -> Tokenizer | None:
    """The tokenizer of --tokenizer or --tokenizer-pattern, not both.

    Raises:
        OptionError: for both, for a pattern that is none, and for a function that cannot be had.
    """
    if name is not None and pattern is not None:
        raise OptionError(f"--tokenizer-pattern takes the place of --tokenizer {name}")
    if name is not None and ":" in name:
        return named_tokenizer(name)
    return compiled(pattern) or cast("Tokenizer | None", name)


def compiled(pattern: str | None) -> re.Pattern[str] | None:
    """The pattern of --tokenizer-pattern.

    Raises:
        OptionError: for what is no regular expression.
    """
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise OptionError(f"--tokenizer-pattern {pattern!r} is no regular expression: {error}") from None


@dataclass(frozen=True, kw_only=True)
class PruneOptions(Options):
    """The terms that stay."""

    min_df: int = option(same.MIN_DF)
    max_terms: int | None = option(same.MAX_TERMS)


@dataclass(frozen=True, kw_only=True)
class MemoryOptions(Options):
    """Options of the memory that terms may take."""

    memory_limit: str | None = option(same.MEMORY_LIMIT)
    temp_dir: Path | None = option(same.TEMP_DIR)


@dataclass(frozen=True, kw_only=True)
class Shown(Options):
    """Options of what is shown, and in which form."""

    json: bool = option(same.JSON)
    quiet: bool = option(same.QUIET)

    def progress(self) -> bool:
        """True where a progress bar has someone to look at it."""
        return not self.quiet and sys.stderr.isatty()


@dataclass(frozen=True, kw_only=True)
class WriteOptions(PruneOptions, MemoryOptions, Shown):
    """Options of what is made of counts: a table, counts to be merged further, or both."""

    output: Path | None = option(same.OUTPUT, "Table to write.", metavar="TABLE")
    counts: Path | None = option(same.COUNTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output is None and self.counts is None:
            raise OptionError("nothing to write: give --output, --counts or both")

    def check_apart(self, inputs: Sequence[Path]) -> None:
        """Refuses to write over an input, or both outputs to one file.

        Raises:
            OptionError: for two that are one file.
        """
        check_apart(inputs, {"--output": self.output, "--counts": self.counts})


@dataclass(frozen=True, kw_only=True)
class NegativeOptions(Options):
    """The law by which negatives are made."""

    tokenizer_pattern: str | None = option(
        same.PATTERN,
        "Regular expression that the table was fitted with, if it was: no file holds it.",
        group="negatives",
    )
    tokenizer: str | None = option(
        same.TOKENIZER,
        "Function that the table was fitted with, if it was, as MODULE:FUNCTION: no file holds it.",
        group="negatives",
        metavar="MODULE:FUNCTION",
    )
    preset: Literal["una", "uda", "tfidf-random", "random"] | None = option(same.PRESET)
    radius: float = option(same.RADIUS)
    replace_prob: float = option(same.REPLACE_PROB)
    select: Literal["tfidf", "inverse", "uniform"] | None = option(same.SELECT, default=None)
    replace: Literal["vicinity", "uniform"] | None = option(same.REPLACE, default=None)
    surface: Literal["reference", "preserve"] = option(same.SURFACE)
    exclude_self: bool = option(same.EXCLUDE_SELF)
    keep_script: bool = option(same.KEEP_SCRIPT)
    protect: Path | None = option(same.PROTECT)
    max_replaced: float | None = option(same.MAX_REPLACED)
    min_score: float = option(same.MIN_SCORE)
    seed: int = option(same.SEED)

    def given_tokenizer(self) -> Tokenizer | None:
        """The tokenizer that no file holds, as it was given again; see `TermTable.load`.

        Raises:
            OptionError: for a pattern and a function, and for what is neither.
        """
        return _tokenizer(self.tokenizer, self.tokenizer_pattern)

    def augmenter(self, table: TermTable, *, threads: int | None = None) -> Augmenter:
        """An augmenter of these options.

        Raises:
            OptionError: for options that do not go together.
        """
        from una_fast.augment import Augmenter

        if self.preset is not None and (self.select or self.replace):
            raise OptionError(f"--preset {self.preset} already decides --select and --replace")
        strategy = PRESETS[self.preset or "una"]
        return Augmenter(
            table,
            radius=self.radius,
            replace_prob=self.replace_prob,
            select=self.select or strategy["select"],
            replace=self.replace or strategy["replace"],
            surface=self.surface,
            exclude_self=self.exclude_self,
            keep_script=self.keep_script,
            protect=[] if self.protect is None else load_sentences(self.protect),
            max_replaced=self.max_replaced,
            min_score=self.min_score,
            seed=self.seed,
            threads=threads,
        )


def _tell_single_terms(path: Path) -> None:
    """Says on standard error where most sentences are one term, as text without spaces is to most tokenizers."""
    from una_fast.table import SINGLE_TERMS, TermTable, single_terms

    if single_terms(TermTable.load(path)):
        tell(f"{path}: {SINGLE_TERMS}")


def save(counter: TermCounter, options: WriteOptions) -> dict[str, Any]:
    """Saves the counts, the table or both, as `--counts` and `--output` say; returns what to print of it."""
    figures: dict[str, Any] = {"sentences": counter.n_documents}
    # First the table: where there is none to be had, nothing is written.
    if options.output is not None:
        table = counter.freeze_to(
            options.output, min_df=options.min_df, max_terms=options.max_terms, progress=options.progress()
        )
        if options.memory_limit is None:  # else the table may be larger than memory
            _tell_single_terms(options.output)
        figures |= {"terms": table.n_terms, "digest": table.digest, "table": str(options.output)}
    if options.counts is not None:
        counter.save(options.counts, progress=options.progress())
        figures = {"terms": counter.n_terms, "counts": str(options.counts), **figures}
    return figures


def print_figures(figures: dict[str, object], seconds: float, *, as_json: bool) -> None:
    """Shows what was counted and written."""
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{figures['sentences']:,} sentences, {figures['terms']:,} terms in {seconds:.1f} s")
    left_out = [
        f"{figures[key]:,} {what}"
        for key, what in (
            ("empty_lines", "empty lines"),
            ("skipped_lines", "malformed lines"),
            ("nulls", "nulls"),
        )
        if figures.get(key)
    ]
    if left_out:
        print(f"left out: {', '.join(left_out)}")
    if "counts" in figures:
        print(f"{figures['counts']}  counts")
    if "table" in figures:
        print(f"{figures['table']}  sha256 {figures['digest']}")
