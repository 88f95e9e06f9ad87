"""A paraphrasing run from its start, or from where an earlier one stopped, to the output."""

import os
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from una_fast.errors import InputError, OptionError
from una_fast.log import logger
from una_fast.paraphrase.model import Paraphraser
from una_fast.paraphrase.work_folder import WorkFolder
from una_fast.paraphrase_config import ParaphraseConfig
from una_fast.sources import Sentences, find_files

__all__ = ["Result", "paraphrase"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run.

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
        OptionError: The model cannot be loaded, the output cannot be written to, a run of other settings was begun
            for this output, or another process is at it.
        InputError: The corpus is empty or damaged, has an empty line, or changed during the run.
        ArtifactError: The working folder is damaged.
        StorageError: The operating system refused to read or write.
    """
    started = time.monotonic()
    files = _files(config)
    work = WorkFolder(Path(config.output), block_lines=config.block_lines)
    with work.held():
        copy = partial(work.copy, files, text_field=config.text_field, column=config.column)
        corpus = copy(progress=config.progress)
        model = Paraphraser(config)
        work.begin(_manifest(config, model, corpus))
        resumed = sum(map(work.size, work.finished()))
        _finish(config, corpus, work, model)
        if copy().digest() != corpus.digest():
            raise InputError(
                f"the corpus changed while it was paraphrased: remove {work.path} and begin anew"
            )
        fallbacks = work.assemble()
    return Result(
        output=work.output,
        sentences=len(corpus),
        fallbacks=fallbacks,
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


def _manifest(config: ParaphraseConfig, model: Paraphraser, corpus: Sentences) -> dict[str, Any]:
    return {
        "format": 1,
        "corpus_sentences": len(corpus),
        "corpus_sha256": corpus.digest(),
        "model_sha256": model.digest,
        "precision": model.precision,
        **config.settings(),
    }


def _finish(config: ParaphraseConfig, corpus: Sentences, work: WorkFolder, model: Paraphraser) -> None:
    """Make every block that is not there yet."""
    finished = work.finished()
    with tqdm(
        desc="paraphrasing",
        total=len(corpus),
        initial=sum(map(work.size, finished)),
        unit=" sentences",
        dynamic_ncols=True,
        disable=not config.progress,
    ) as bar:
        for number in range(work.n_blocks):
            if number not in finished:
                first = number * config.block_lines
                sentences = corpus[first : first + config.block_lines]
                work.write(number, model.block(sentences, first, bar.update))
                logger.info("paraphrased block %d of %d", number + 1, work.n_blocks)
