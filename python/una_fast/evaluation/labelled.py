"""The labelled sentences of SentEval's transfer tasks, read from the files that its scripts leave.

MR/rt-polarity.{pos,neg}   CR/custrev.{pos,neg}   SUBJ/subj.{subjective,objective}   MPQA/mpqa.{pos,neg}
SST/binary/sentiment-{train,dev,test}             sentence TAB label
TREC/train_5500.label, TREC/TREC_10.label         CLASS:detail question
MRPC/msr_paraphrase_{train,test}.txt              a heading; label, two ids, two sentences, TAB-separated
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import InputError
from una_fast.evaluation.pairs import lines_of, rows_of

__all__ = ["TRANSFER", "Labelled", "read_transfer"]

_BINARY = {
    "MR": ("MR/rt-polarity.neg", "MR/rt-polarity.pos"),
    "CR": ("CR/custrev.neg", "CR/custrev.pos"),
    "SUBJ": ("SUBJ/subj.objective", "SUBJ/subj.subjective"),
    "MPQA": ("MPQA/mpqa.neg", "MPQA/mpqa.pos"),
}
_SPLITS = {
    "SST2": {split: f"SST/binary/sentiment-{split}" for split in ("train", "dev", "test")},
    "TREC": {"train": "TREC/train_5500.label", "test": "TREC/TREC_10.label"},
    "MRPC": {split: f"MRPC/msr_paraphrase_{split}.txt" for split in ("train", "test")},
}
TRANSFER = (*_BINARY, *_SPLITS)
"""The seven transfer tasks, in the order in which papers report them."""

TREC_CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One split: n examples of one sentence (or of two, in MRPC) each, and `labels` of shape (n,), int64."""

    sentences: tuple[list[str], ...]
    labels: NDArray[np.int64]


def read_transfer(root: Path, task: str) -> dict[str, Labelled] | None:
    """Read the splits of a transfer task; None where its folder is missing. Tasks without splits have one, "all".

    Raises:
        InputError: A line is ragged, a label unknown, or a split has fewer than two classes.
        StorageError: A file of the task is missing or cannot be read.
    """
    files = {"all": _BINARY[task][0]} if task in _BINARY else _SPLITS[task]
    if not (root / next(iter(files.values()))).parent.is_dir():
        return None
    if task in _BINARY:
        return {"all": _two_files(*(root / file for file in _BINARY[task]))}
    read = {"SST2": _read_sst, "TREC": _read_trec, "MRPC": _read_mrpc}[task]
    return {split: _checked(read(root / file), root / file) for split, file in files.items()}


def _two_files(negative: Path, positive: Path) -> Labelled:
    sides = [[_spaced(line) for line in lines_of(path, encoding="latin-1")] for path in (negative, positive)]
    for path, side in zip((negative, positive), sides, strict=True):
        if not side:
            raise InputError(f"{path} is empty")
    labels = np.repeat(np.arange(2), [len(side) for side in sides])
    return Labelled(sentences=([*sides[0], *sides[1]],), labels=labels)


def _read_sst(path: Path) -> Labelled:
    rows = rows_of(path, columns=2)
    labels = [_label(row[1].strip(), ("0", "1"), path, line) for line, row in enumerate(rows, 1)]
    return Labelled(sentences=([_spaced(row[0]) for row in rows],), labels=np.array(labels, np.int64))


def _read_trec(path: Path) -> Labelled:
    sentences, labels = [], []
    for number, line in enumerate(lines_of(path, encoding="latin-1"), 1):
        kind, _, text = line.partition(" ")
        labels.append(_label(kind.partition(":")[0], TREC_CLASSES, path, number))
        sentences.append(_spaced(text))
    return Labelled(sentences=(sentences,), labels=np.array(labels, np.int64))


def _read_mrpc(path: Path) -> Labelled:
    rows = rows_of(path, columns=5, skip=1)
    labels = [_label(row[0].strip("\ufeff "), ("0", "1"), path, line) for line, row in enumerate(rows, 2)]
    left, right = ([_spaced(row[column]) for row in rows] for column in (3, 4))
    return Labelled(sentences=(left, right), labels=np.array(labels, np.int64))


def _label(value: str, known: Sequence[str], path: Path, line: int) -> int:
    if value not in known:
        raise InputError(f"{path}, line {line}: the label is {value!r}, expected one of {', '.join(known)}")
    return known.index(value)


def _checked(split: Labelled, path: Path) -> Labelled:
    if len(set(split.labels.tolist())) < 2:
        raise InputError(f"{path} has examples of fewer than two classes")
    return split


def _spaced(text: str) -> str:
    """Words parted by single spaces, as SentEval hands them to an encoder."""
    return " ".join(text.split())
