"""A paraphrasing run from its start, or from where an earlier one stopped, to the output."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from una_fast.errors import InputError, OptionError
from una_fast.paraphrase.config import ParaphraseConfig
from una_fast.paraphrase.corpus import CorpusFacts, Tally, blocks, read
from una_fast.paraphrase.model import Paraphraser
from una_fast.paraphrase.work import WorkFolder
from una_fast.sources import find_files

__all__ = ["Result", "paraphrase"]

SCAN_LINES = 4096
"""Sentences taken in at a time before paraphrasing begins; it shows in no result."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run did.

    Attributes:
        output: The file written.
        sentences: Its lines.
        fallbacks: Lines that hold the sentence itself, because the model gave no text.
        resumed: Lines that an earlier run had finished.
        seconds: Time that this run took.
    """

    output: Path
    sentences: int
    fallbacks: int
    resumed: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        return {**asdict(self), "output": str(self.output)}


def paraphrase(config: ParaphraseConfig) -> Result:
    """Paraphrase a corpus, line by line.

    Equal corpus, model, settings, machine kind and versions give equal bytes on the CPU, whether the run was stopped in
    between or not. With `decoding="sample"` the draws depend on seed, row and position alone.

    Raises:
        OptionError: The model cannot be loaded, the output cannot be written to, or a run of other settings was
            begun for this output.
        InputError: The corpus is empty or damaged, has an empty line, or changed during the run.
        ArtifactError: The working folder is damaged.
        StorageError: The operating system refused to read or write.
    """
    started = time.monotonic()
    files = _files(config)
    facts = _scan(files, progress=config.progress)
    work = WorkFolder(Path(config.output), sentences=facts.sentences, block_lines=config.block_lines)
    model = Paraphraser(config)
    work.begin(_manifest(config, model, facts))
    resumed = sum(map(work.size, work.finished()))
    _finish(config, files, facts, work, model)
    return Result(
        output=work.output,
        sentences=facts.sentences,
        fallbacks=work.assemble(),
        resumed=resumed,
        seconds=time.monotonic() - started,
    )


def _files(config: ParaphraseConfig) -> list[Path]:
    files = find_files(config.corpus)
    if files is None:
        raise OptionError("corpus must be a path, a list of pathlib.Path or a glob: it is read twice")
    output = Path(config.output)
    if output.is_dir():
        raise OptionError(f"output {output} is a folder")
    if output.exists() and any(path.exists() and os.path.samefile(path, output) for path in files):
        raise OptionError(f"output {output} is the corpus itself")
    return files


def _scan(files: list[Path], *, progress: bool) -> CorpusFacts:
    tally = Tally()
    with tqdm(desc="reading", unit=" sentences", disable=not progress) as bar:
        for block in blocks(read(files), SCAN_LINES):
            tally.add(block)
            bar.update(len(block))
    if tally.facts.sentences == 0:
        raise InputError(f"no sentence in {', '.join(map(str, files))}")
    return tally.facts


def _manifest(config: ParaphraseConfig, model: Paraphraser, facts: CorpusFacts) -> dict[str, Any]:
    return {
        "format": 1,
        "corpus_sentences": facts.sentences,
        "corpus_sha256": facts.sha256,
        "model_sha256": model.digest,
        "precision": model.precision,
        **config.shaping(),
    }


def _finish(
    config: ParaphraseConfig, files: list[Path], facts: CorpusFacts, work: WorkFolder, model: Paraphraser
) -> None:
    """Make every block that is not there yet; the corpus must be what it was when it was scanned."""
    finished, tally, row = work.finished(), Tally(), 0
    with tqdm(
        desc="paraphrasing",
        total=facts.sentences,
        initial=sum(map(work.size, finished)),
        unit=" sentences",
        dynamic_ncols=True,
        disable=not config.progress,
    ) as bar:
        for number, sentences in enumerate(blocks(read(files), config.block_lines)):
            tally.add(sentences)
            if number not in finished:
                work.write(number, model.block(sentences, row, bar.update))
            row += len(sentences)
    if tally.facts != facts:
        raise InputError(f"the corpus changed while it was paraphrased: remove {work.path} and begin anew")
