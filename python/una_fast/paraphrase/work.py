"""The working folder of a run, beside its output: what it was begun with, and the blocks that are finished.

    paraphrases.txt.parts/manifest.json         settings, model, corpus
    paraphrases.txt.parts/block-00000000.json   the paraphrases of a block

Each file is whole or not there. The output is put together from them at the end, by a rename, and the folder goes.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from una_fast.errors import ArtifactError, OptionError, StorageError
from una_fast.files import replacing

__all__ = ["Block", "WorkFolder"]

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Block:
    """The paraphrases of a block, and how many of them are the sentence itself because the model gave nothing."""

    paraphrases: list[str]
    fallbacks: int


class WorkFolder:
    """The folder `<output>.parts`."""

    def __init__(self, output: Path, *, sentences: int, block_lines: int) -> None:
        """Name the folder; nothing is read or made.

        Args:
            output: The file that will be put together.
            sentences: Sentences of the corpus.
            block_lines: Sentences of a block.
        """
        self.output = output
        self.path = output.with_name(f"{output.name}.parts")
        self.sentences = sentences
        self.block_lines = block_lines

    @property
    def n_blocks(self) -> int:
        """Blocks of the whole corpus."""
        return -(-self.sentences // self.block_lines)

    def begin(self, manifest: dict[str, Any]) -> None:
        """Make the folder, or go on in it if it was begun with the same manifest.

        Raises:
            OptionError: It was begun with another, or holds something else; the message says what differs.
            ArtifactError: Its manifest is damaged.
            StorageError: The operating system refused.
        """
        with _storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / MANIFEST).is_file():
                self._compare(_read_json(self.path / MANIFEST), manifest)
            elif any(not child.name.startswith(".") for child in self.path.iterdir()):
                raise OptionError(f"{self.path} holds something other than a paraphrasing run: remove it")
            else:
                _write_json(self.path / MANIFEST, manifest)

    def _compare(self, begun: Any, manifest: dict[str, Any]) -> None:
        if not isinstance(begun, dict):
            raise ArtifactError(f"{self.path / MANIFEST} holds no settings")
        names = [name for name in {**begun, **manifest} if begun.get(name) != manifest.get(name)]
        if names:
            differences = "; ".join(
                f"{name} was {begun.get(name)!r}, now {manifest.get(name)!r}" for name in names
            )
            raise OptionError(
                f"{self.path} was begun otherwise: {differences}. Give what it was begun with, or remove the folder"
            )

    def finished(self) -> frozenset[int]:
        """The numbers of the blocks that are there."""
        return frozenset(number for number in range(self.n_blocks) if self._file(number).is_file())

    def size(self, number: int) -> int:
        """Sentences of a block: the last may be shorter."""
        return min(self.block_lines, self.sentences - number * self.block_lines)

    def write(self, number: int, block: Block) -> None:
        """Store a finished block.

        Raises:
            StorageError: The operating system refused.
        """
        _write_json(self._file(number), asdict(block))

    def assemble(self) -> int:
        """Write the output out of all blocks, put it in place, remove the folder; returns the number of fallbacks.

        Raises:
            ArtifactError: A block is damaged.
            StorageError: The operating system refused; an older output is left as it was.
        """
        fallbacks = 0
        with replacing(self.output) as partial, open(partial, "wb") as file:
            for number in range(self.n_blocks):
                block = self._read(number)
                file.write("".join(f"{text}\n" for text in block.paraphrases).encode())
                fallbacks += block.fallbacks
        with _storage_errors(self.path):
            shutil.rmtree(self.path)
        return fallbacks

    def _read(self, number: int) -> Block:
        content = _read_json(self._file(number))
        try:
            block = Block(**content)
            sound = len(block.paraphrases) == self.size(number) and all(map(_is_line, block.paraphrases))
        except TypeError:
            sound = False
        if not sound:
            raise ArtifactError(f"{self._file(number)} is damaged: remove it, and its block is made again")
        return block

    def _file(self, number: int) -> Path:
        return self.path / f"block-{number:08}.json"


def _is_line(text: object) -> bool:
    return isinstance(text, str) and text.strip() != "" and "\n" not in text


def _read_json(path: Path) -> Any:
    with _storage_errors(path):
        data = path.read_bytes()
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from error


def _write_json(path: Path, content: object) -> None:
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, error.strerror, str(error.filename or path)) from error
