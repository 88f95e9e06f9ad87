"""Options that several commands share, each stated once."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

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
        "--radius", type=int, default=4000, metavar="R", help="ranks a replacement may be away"
    )
    group.add_argument("--replace-prob", type=float, default=0.5, metavar="P", help="the paper's p")
    group.add_argument(
        "--select", default="tfidf", choices=["tfidf", "inverse", "uniform"], help="which tokens go"
    )
    group.add_argument(
        "--replace", default="vicinity", choices=["vicinity", "uniform"], help="what replaces them"
    )
    group.add_argument(
        "--surface",
        default="reference",
        choices=["reference", "preserve"],
        help="tokens joined by spaces, or the sentence as written around the replaced words",
    )
    group.add_argument("--seed", type=int, default=0, metavar="S", help="the key of all draws")


def augmenter(table: TermTable, args: argparse.Namespace) -> Augmenter:
    """An augmenter with the options of `add_augment_options`."""
    from una_fast.augment import Augmenter

    return Augmenter(
        table,
        radius=args.radius,
        replace_prob=args.replace_prob,
        select=args.select,
        replace=args.replace,
        surface=args.surface,
        seed=args.seed,
        threads=getattr(args, "threads", None),
    )


def add_progress_option(parser: argparse.ArgumentParser) -> None:
    """Whether to show a bar; by default where standard error is a terminal."""
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def show_progress(args: argparse.Namespace) -> bool:
    """Whether a bar has someone to look at it."""
    return not args.quiet and sys.stderr.isatty()
