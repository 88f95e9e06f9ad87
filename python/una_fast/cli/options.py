"""Options that several commands share, each stated once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from una_fast.augment import PRESETS
from una_fast.errors import OptionError
from una_fast.sources import load_sentences

if TYPE_CHECKING:
    from una_fast.augment import Augmenter
    from una_fast.table import TermTable

__all__ = ["add_augment_options", "add_fit_options", "add_progress_option", "augmenter", "show_progress"]


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """How text becomes terms, and which terms stay."""
    group = parser.add_argument_group("fitting")
    group.add_argument(
        "--tokenizer",
        default="treebank",
        metavar="NAME",
        help="treebank (NLTK 3.10), treebank-3.9, word (scikit-learn), unicode (UAX 29) or whitespace",
    )
    group.add_argument("--no-lowercase", dest="lowercase", action="store_false", help="keep capitals apart")
    group.add_argument(
        "--min-df", type=int, default=1, metavar="N", help="leave out terms in fewer sentences"
    )
    group.add_argument(
        "--max-terms", type=int, metavar="N", help="keep at most N terms, those in the most sentences"
    )
    group.add_argument(
        "--errors",
        default="strict",
        choices=["strict", "replace", "skip"],
        help="for lines that are not UTF-8 or hold a NUL (default: strict, which stops)",
    )


def add_augment_options(parser: argparse.ArgumentParser) -> None:
    """The law by which negatives are made."""
    group = parser.add_argument_group("negatives")
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
