"""`una-fast fit`: a corpus into a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from una_fast import shared_options as same
from una_fast.cli.options import (
    FileOption,
    ReadOptions,
    TokenizeOptions,
    WriteOptions,
    print_figures,
    save,
    tell,
)
from una_fast.errors import OptionError
from una_fast.options import add_options, option
from una_fast.phrases import ASSOCIATIONS, MAX_TOKENS, MIN_DF, PhraseRule
from una_fast.sources import find_files, load_sentences


def share(text: str) -> tuple[int, int]:
    """The numbers of "i/n"; whether they make sense is for `TermCounter` to say."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N")
    return int(number), int(count)


@dataclass(frozen=True, kw_only=True)
class FitOptions(WriteOptions, TokenizeOptions, ReadOptions):
    """The options of `una-fast fit`."""

    corpus: list[str] = option(
        help="Files or glob patterns; - is standard input.", group="text", positional=True
    )
    shard: tuple[int, int] | None = option(
        None,
        "Count only the I-th of N shares, 1/N to N/N: those rows of each file whose number, from 0, leaves I - 1 when "
        "divided by N.",
        group="text",
        metavar="I/N",
        kind="other",
        parse=share,
    )
    ngrams: int = option(
        1,
        "Count terms of up to so many tokens in a row too, for weighing text: no negatives are made from such a table.",
        group="text",
        least=1,
    )
    phrases: str | None = option(
        None,
        "Words in a row that are one term: npmi or word2vec finds them, in one more pass over the corpus; or a file of "
        "them, one a line, or a table that has some.",
        group="text",
        metavar="RULE|FILE",
    )
    phrase_threshold: float | None = option(
        None,
        "The least score of a phrase; by default 0.5 for npmi and 10 for word2vec.",
        group="text",
        least=-1,
    )
    phrase_min_df: int = option(
        MIN_DF, "The least number of sentences that hold a phrase.", group="text", least=1
    )
    phrase_max_tokens: int = option(MAX_TOKENS, "The most tokens of a phrase.", group="text", least=2)
    threads: int | None = option(same.THREADS)

    def rule(self) -> PhraseRule | None:
        """The rule by which phrases are found, if they are."""
        if self.phrases not in ASSOCIATIONS:
            return None
        return PhraseRule(
            association=self.phrases,
            threshold=self.phrase_threshold,
            min_df=self.phrase_min_df,
            max_tokens=self.phrase_max_tokens,
        )

    def given_phrases(self) -> Iterable[str] | None:
        """The phrases of a file, if there are any."""
        if self.phrases is None or self.phrases in ASSOCIATIONS:
            return None
        if self.phrases.endswith(".safetensors"):
            from una_fast.table import TermTable

            return TermTable.load(self.phrases).phrases
        return list(load_sentences(Path(self.phrases)))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "fit",
        help="fit TF-IDF on a corpus",
        usage="una-fast fit CORPUS... --output TABLE [options]",
        description="Fit exact TF-IDF in one pass on all cores: on text of one sentence a line, plain or compressed "
        "(gzip, zstd, bzip2, xz), on JSON lines, and on a column of .parquet, .arrow, .feather, .csv and .tsv files.",
    )
    add_options(parser, FitOptions, FileOption, from_file=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Counts, freezes and saves."""
    from una_fast.fit import TermCounter, find_phrases

    options = FitOptions.from_command_line(args)
    counting: dict[str, Any] = {
        "tokenizer": options.chosen(),
        "lowercase": options.lowercase,
        "errors": options.errors,
        "threads": options.threads,
        "max_line_bytes": options.max_line_bytes,
        "max_window_bytes": options.max_window_bytes,
        "text_field": options.text_field,
        "column": options.column,
        "shard": options.shard,
        "memory_limit": options.memory_limit,
        "temp_dir": options.temp_dir,
    }
    start = time.perf_counter()
    files = [Path(name) for name in options.corpus if name != "-"]
    options.check_apart(find_files(files) or [])
    phrases, rule = options.given_phrases(), options.rule()
    if rule is not None:
        if len(files) < len(options.corpus):
            raise OptionError(f"--phrases {options.phrases} reads the corpus twice: standard input cannot be")
        phrases = find_phrases(files, rule, progress=options.progress(), **counting)
        if not phrases:
            tell(f"phrases: none by {rule}")
    counter = TermCounter(ngram_range=(1, options.ngrams), phrases=phrases, **counting)
    if files:
        counter.update(files, progress=options.progress())
    if len(files) < len(options.corpus):
        counter.update(sys.stdin.buffer, progress=options.progress())
    figures = save(counter, options)
    figures |= {
        "empty_lines": counter.n_empty,
        "skipped_lines": counter.n_skipped,
        "nulls": counter.n_null,
    }
    if options.phrases is not None:
        figures["phrases"] = len(counter.phrases)
    print_figures(figures, time.perf_counter() - start, as_json=options.json)
    return 0
