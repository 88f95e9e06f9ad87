"""A corpus block by block: the same sentences in the same order as `una_fast.sources` reads, in bounded memory.

Where that reader leaves lines out (empty ones, nulls aside), this one refuses them: a paraphrase must stand on the
line of its sentence.
"""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from una_fast.columns import batches_of_file, is_column_file, strings
from una_fast.errors import InputError, OptionError, StorageError
from una_fast.sources import MAX_LINE_BYTES

__all__ = ["CorpusFacts", "Tally", "blocks", "read"]

_COMPRESSED: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZSTD = b"\x28\xb5\x2f\xfd"
_JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """Number of sentences, and the SHA-256 of all of them, each ended by a line feed."""

    sentences: int
    sha256: str


class Tally:
    """Counts and digests sentences as they go by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._count = 0

    def add(self, sentences: Sequence[str]) -> None:
        """Take the next sentences in."""
        self._digest.update("".join(f"{sentence}\n" for sentence in sentences).encode())
        self._count += len(sentences)

    @property
    def facts(self) -> CorpusFacts:
        """Of all sentences so far."""
        return CorpusFacts(sentences=self._count, sha256=self._digest.hexdigest())


def blocks(sentences: Iterable[str], size: int) -> Iterator[list[str]]:
    """The sentences in lists of `size`, the last one shorter."""
    rest = iter(sentences)
    while block := list(islice(rest, size)):
        yield block


def read(files: Sequence[Path]) -> Iterator[str]:
    """All sentences of the files, in order.

    Raises:
        InputError: A line is empty, too long, no UTF-8 or holds a NUL; or compressed data is damaged.
        OptionError: The file is of a kind that is not read in blocks.
        StorageError: A file cannot be read.
    """
    for path in files:
        for number, sentence in enumerate(_sentences(path), 1):
            if not sentence.strip():
                raise InputError(f"{path}, line {number} is empty: no paraphrase could stand on its line")
            yield sentence


def _sentences(path: Path) -> Iterator[str]:
    if is_column_file(path):
        return strings(batches_of_file(path, None))
    if any(suffix in _JSON_LINES for suffix in path.suffixes[-2:]):
        raise OptionError(
            f"{path} holds JSON; paraphrasing reads text of one sentence a line, Parquet or Arrow"
        )
    return _lines(path)


def _lines(path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            stream = _open(path, stack)
            raw = iter(partial(stream.readline, MAX_LINE_BYTES + 2), b"")
            for number, line in enumerate(raw, 1):
                yield _decode(line, path, number)
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise InputError(f"{path}: damaged or truncated: {error}") from error
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            if error.errno is None:  # what bzip2 raises for damaged data
                raise InputError(f"{path}: damaged or truncated: {error}") from error
            raise StorageError(error.errno, error.strerror, str(path)) from error


def _open(path: Path, stack: ExitStack) -> BinaryIO:
    file = stack.enter_context(open(path, "rb"))  # noqa: SIM115  # the stack closes it
    start = file.peek(6)
    if start.startswith(_ZSTD):
        raise InputError(f"{path} is compressed by zstd, which is not read in blocks: unpack it first")
    for magic, opener in _COMPRESSED.items():
        if start.startswith(magic):
            return stack.enter_context(cast("BinaryIO", opener(file)))
    return file


def _decode(line: bytes, path: Path, number: int) -> str:
    line = line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line
    if len(line) > MAX_LINE_BYTES:
        raise InputError(f"{path}, line {number} is longer than {MAX_LINE_BYTES:,} bytes")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    if (place := line.find(b"\0")) >= 0:
        raise InputError(f"{path}, line {number}, byte {place} of the line: a NUL")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}, byte {error.start} of the line: not UTF-8") from None
