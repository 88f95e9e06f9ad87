"""Options that several commands share, each stated once."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast.augment import PRESETS
from una_fast.errors import OptionError
from una_fast.sources import MAX_LINE_BYTES, load_sentences

if TYPE_CHECKING:
    from una_fast.augment import Augmenter
    from una_fast.fit import TermCounter
    from una_fast.table import TermTable
    from una_fast.tokenizers import Tokenizer

__all__ = [
    "add_augment_options",
    "add_fit_options",
    "add_memory_options",
    "add_progress_option",
    "add_prune_options",
    "add_read_options",
    "augmenter",
    "chosen_tokenizer",
    "given_pattern",
    "print_figures",
    "save",
    "show_progress",
]


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """How text becomes terms."""
    group = parser.add_argument_group("fitting")
    group.add_argument(
        "--tokenizer",
        metavar="NAME",
        help="treebank (NLTK 3.10, the default), treebank-3.9, word (scikit-learn), unicode (UAX 29) or whitespace",
    )
    add_pattern_option(
        group, "cut sentences by a regular expression of Python, in place of --tokenizer: slower"
    )
    group.add_argument("--no-lowercase", dest="lowercase", action="store_false", help="keep capitals apart")
    group.add_argument(
        "--errors",
        default="strict",
        choices=["strict", "replace", "skip"],
        help="for lines that are not UTF-8 or hold a NUL (default: strict, which stops)",
    )


def add_pattern_option(group: argparse._ActionsContainer, what: str) -> None:
    """A tokenizer that is a regular expression."""
    group.add_argument("--tokenizer-pattern", metavar="REGEX", help=what)


def chosen_tokenizer(args: argparse.Namespace) -> Tokenizer:
    """The tokenizer that `add_fit_options` tells of."""
    if args.tokenizer is not None and args.tokenizer_pattern is not None:
        raise OptionError(f"--tokenizer-pattern takes the place of --tokenizer {args.tokenizer}")
    return given_pattern(args) or args.tokenizer or "treebank"


def given_pattern(args: argparse.Namespace) -> re.Pattern[str] | None:
    """The pattern of --tokenizer-pattern."""
    if args.tokenizer_pattern is None:
        return None
    try:
        return re.compile(args.tokenizer_pattern)
    except re.error as error:
        raise OptionError(
            f"--tokenizer-pattern {args.tokenizer_pattern!r} is no regular expression: {error}"
        ) from None


def add_prune_options(parser: argparse.ArgumentParser) -> None:
    """Which terms stay."""
    group = parser.add_argument_group("pruning")
    group.add_argument(
        "--min-df", type=int, default=1, metavar="N", help="leave out terms in fewer sentences"
    )
    group.add_argument(
        "--max-terms", type=int, metavar="N", help="keep at most N terms, those in the most sentences"
    )


def add_memory_options(parser: argparse.ArgumentParser) -> None:
    """How much memory terms may take."""
    group = parser.add_argument_group("memory")
    group.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="keep terms beyond this size in temporary files: 512MiB, 2GB; the result is the same (default: none)",
    )
    group.add_argument(
        "--temp-dir", type=Path, metavar="DIR", help="where to keep them (default: as the system does)"
    )


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """How files are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--text-field",
        metavar="NAME",
        help='where lines are JSON objects, the name of the sentence (default: "text"); given, it makes standard '
        "input JSON",
    )
    group.add_argument(
        "--column", metavar="NAME", help="column of a table to read (default: its only one of strings)"
    )
    group.add_argument(
        "--max-line-bytes",
        type=int,
        default=MAX_LINE_BYTES,
        metavar="N",
        help="longest line accepted (default: %(default)s)",
    )


def save(counter: TermCounter, args: argparse.Namespace) -> dict[str, object]:
    """Saves the counts, the table or both, as `--counts` and `--output` say; returns what to print of it."""
    figures: dict[str, object] = {"sentences": counter.n_documents}
    # First the table: where there is none to be had, nothing is written.
    if args.output is not None:
        table = counter.freeze_to(
            args.output, min_df=args.min_df, max_terms=args.max_terms, progress=show_progress(args)
        )
        figures |= {"terms": table.n_terms, "digest": table.digest, "table": str(args.output)}
    if args.counts is not None:
        counter.save(args.counts, progress=show_progress(args))
        figures = {"terms": counter.n_terms, "counts": str(args.counts), **figures}
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


def add_augment_options(parser: argparse.ArgumentParser) -> None:
    """The law by which negatives are made."""
    group = parser.add_argument_group("negatives")
    add_pattern_option(
        group, "the regular expression that the table was fitted with, if it was: no file holds it"
    )
    group.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="a named strategy in place of --select and --replace: una (the default), uda, tfidf-random, random",
    )
    group.add_argument(
        "--radius", type=int, default=4000, metavar="R", help="ranks a replacement may be away"
    )
    group.add_argument("--replace-prob", type=float, default=0.5, metavar="P", help="the paper's p")
    group.add_argument(
        "--select", choices=["tfidf", "inverse", "uniform"], help="which tokens go (default: tfidf)"
    )
    group.add_argument(
        "--replace", choices=["vicinity", "uniform"], help="what replaces them (default: vicinity)"
    )
    group.add_argument(
        "--surface",
        default="reference",
        choices=["reference", "preserve"],
        help="tokens joined by spaces, or the sentence as written around the replaced words",
    )
    group.add_argument("--exclude-self", action="store_true", help="never replace a token by its own term")
    group.add_argument(
        "--protect",
        type=Path,
        metavar="FILE",
        help="terms that are never touched, one a line (stop words, names)",
    )
    group.add_argument(
        "--max-replaced", metavar="N", help="the most tokens of a sentence that go: 3, or a share as 0.3"
    )
    group.add_argument(
        "--min-score", type=float, default=0.0, metavar="S", help="tokens of lower TF-IDF stay"
    )
    group.add_argument("--seed", type=int, default=0, metavar="S", help="the key of all draws")


def augmenter(table: TermTable, args: argparse.Namespace) -> Augmenter:
    """An augmenter with the options of `add_augment_options`."""
    from una_fast.augment import Augmenter

    if args.preset is not None and (args.select or args.replace):
        raise OptionError(f"--preset {args.preset} already decides --select and --replace")
    strategy = PRESETS[args.preset or "una"]
    return Augmenter(
        table,
        radius=args.radius,
        replace_prob=args.replace_prob,
        select=args.select or strategy["select"],
        replace=args.replace or strategy["replace"],
        surface=args.surface,
        exclude_self=args.exclude_self,
        protect=[] if args.protect is None else load_sentences(args.protect),
        max_replaced=_limit(args.max_replaced),
        min_score=args.min_score,
        seed=args.seed,
        threads=getattr(args, "threads", None),
    )


def _limit(text: str | None) -> float | None:
    """A whole number of tokens, or a share: told apart by the point."""
    if text is None:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise OptionError(f"--max-replaced must be a number of tokens or a share, not {text!r}") from None


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Whether to show a bar; by default where standard error is a terminal."""
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def show_progress(args: argparse.Namespace) -> bool:
    """Whether a bar has someone to look at it."""
    return not args.quiet and sys.stderr.isatty()
