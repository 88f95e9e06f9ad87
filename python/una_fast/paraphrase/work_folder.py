"""The working folder of a run, beside its output: what it was begun with, and the blocks that are finished.

    paraphrases.txt.parts/manifest.json         settings, model, corpus
    paraphrases.txt.parts/corpus/               the sentences, see `una_fast.mapped_corpus`
    paraphrases.txt.parts/block-00000000.json   the paraphrases of a block
    paraphrases.txt.parts/.lock                 held by the process that is at it

Each file is whole or not there. The output is put together from them at the end, by a rename, and the folder goes.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from una_fast.errors import ArtifactError, InputError, OptionError
from una_fast.files import LOCK, alone_in, replacing, storage_errors
from una_fast.mapped_corpus import map_sentences
from una_fast.sources import Sentences

__all__ = ["Block", "WorkFolder"]

MANIFEST = "manifest.json"
CORPUS = "corpus"


@dataclass(frozen=True, kw_only=True)
class Block:
    """The paraphrases of a block, and how many of them are the sentence itself because the model gave nothing."""

    paraphrases: list[str]
    fallbacks: int


class WorkFolder:
    """The folder `<output>.parts`."""

    def __init__(self, output: Path, *, block_lines: int) -> None:
        """Name the folder; nothing is read or made.

        Args:
            output: The file that will be put together.
            block_lines: Sentences of a block.
        """
        self.output = output
        self.path = output.with_name(f"{output.name}.parts")
        self.sentences = 0
        self.block_lines = block_lines

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder for this process. It goes at the end, if nothing is left in it.

        Raises:
            OptionError: The folder holds something else, or another process is at work in it.
            StorageError: The operating system refused.
        """
        self._refuse_strangers()
        with alone_in(self.path, f"paraphrasing for {self.output}"):
            yield

    def copy(
        self,
        files: list[Path],
        *,
        text_field: str | None = None,
        column: str | None = None,
        progress: bool = False,
    ) -> Sentences:
        """The sentences of the corpus, out of a copy that is made where there is none of these very files.

        Raises:
            InputError: The corpus is empty or damaged, or has an empty line.
            StorageError: The operating system refused.
        """
        corpus = map_sentences(
            files,
            self.path / CORPUS,
            aligned=True,
            text_field=text_field,
            column=column,
            progress=progress,
        )
        if len(corpus) == 0:
            del corpus
            self._clear()
            raise InputError(f"no sentence in {', '.join(map(str, files))}")
        self.sentences = len(corpus)
        return corpus

    def _refuse_strangers(self) -> None:
        if not self.path.is_dir() or (self.path / MANIFEST).is_file():
            return
        if any(child.name != CORPUS and not child.name.startswith(".") for child in self.path.iterdir()):
            raise OptionError(f"{self.path} holds something other than a paraphrasing run: remove it")

    @property
    def n_blocks(self) -> int:
        """Blocks of the whole corpus."""
        return -(-self.sentences // self.block_lines)

    def begin(self, manifest: dict[str, Any]) -> None:
        """Make the folder, or go on in it if it was begun with the same manifest.

        Raises:
            OptionError: It was begun with another; the message says what differs.
            ArtifactError: Its manifest is damaged.
            StorageError: The operating system refused.
        """
        with storage_errors(self.path):
            if (self.path / MANIFEST).is_file():
                self._compare(_read_json(self.path / MANIFEST), manifest)
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
        """Write the output out of all blocks, put it in place, clear the folder; returns the number of fallbacks.

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
        self._clear()
        return fallbacks

    def _clear(self) -> None:
        with storage_errors(self.path):
            for child in self.path.iterdir():
                if child.is_dir():
                    shutil.rmtree(child)
                elif child.name != LOCK:
                    child.unlink()

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
    with storage_errors(path):
        data = path.read_bytes()
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from error


def _write_json(path: Path, content: object) -> None:
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
