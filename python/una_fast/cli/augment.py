"""`una-fast augment`: sentences into hard negatives, line by line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import BinaryIO

from una_fast.cli.options import add_augment_options, augmenter
from una_fast.errors import InputError

BATCH = 16_384
"""Lines augmented at a time; it shows in no result."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "augment",
        help="make hard negatives of sentences",
        description="Read one sentence a line, write one negative a line, aligned: line n out belongs to line n in, "
        "and its number, counted from 0, is its row. Empty lines stay empty.",
    )
    parser.add_argument("table", metavar="TABLE", help="a table made by una-fast fit")
    parser.add_argument("--epoch", type=int, default=0, metavar="E", help="pass over the corpus")
    parser.add_argument(
        "--view", type=int, default=0, metavar="V", help="which of several negatives of a row"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="default: one for each core")
    add_augment_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Streams standard input to standard output in batches."""
    from una_fast.table import TermTable

    maker = augmenter(TermTable.load(args.table), args)
    first = 0
    for sentences in _batches(sys.stdin.buffer):
        rows = range(first, first + len(sentences))
        negatives = maker.augment(sentences, rows=rows, epoch=args.epoch, view=args.view)
        # A sentence holds no line end, but a negative is made of terms, and a table may come from anywhere.
        lines = (text.replace("\n", " ").replace("\r", " ") for text in negatives)
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())
        first += len(sentences)
    sys.stdout.buffer.flush()
    return 0


def _batches(stream: BinaryIO) -> Iterator[list[str]]:
    batch: list[str] = []
    for number, line in enumerate(stream, start=1):
        batch.append(_decode(line, number))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _decode(line: bytes, number: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: line {number}: invalid UTF-8 at byte {error.start} of the line"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")
