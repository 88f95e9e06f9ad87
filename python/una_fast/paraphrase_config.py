"""The options of a paraphrasing run, checked when they are given."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from una_fast import shared_options as same
from una_fast.errors import OptionError
from una_fast.options import Options, option

__all__ = ["ParaphraseConfig"]

Path = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class ParaphraseConfig(Options):
    """The options of a paraphrasing run; the defaults are those published.

    Raises:
        OptionError: An option is out of range; the message names it and its value.
    """

    corpus: Path | Sequence[os.PathLike[str]] = option(
        help="Files of one sentence a line, or a glob.",
        more="Empty lines are refused, since training refuses them too where sentences have paraphrases.",
        group="text",
        kind="paths",
        positional=True,
    )
    text_field: str | None = option(same.TEXT_FIELD)
    column: str | None = option(same.COLUMN)
    prefix: str = option(
        "",
        "Text put before each sentence, such as 'paraphrase: ' for a T5.",
        group="text",
        metavar="TEXT",
        shapes=True,
    )
    max_input_length: int = option(60, "Tokens read of a sentence.", group="text", least=2, shapes=True)

    model: Path = option(
        help="A sequence-to-sequence model: a folder, or a name on the Hugging Face hub.",
        group="model",
        metavar="MODEL",
    )
    decoding: Literal["beam", "sample"] = option(
        "beam", "Search the likeliest paraphrase, or draw one.", group="model", shapes=True
    )
    num_beams: int = option(10, "Beams of the search.", group="model", least=1, shapes=True)
    temperature: float = option(
        1.0,
        "Divides the logits in drawing; lower is more cautious.",
        group="model",
        above=0.0,
        shapes=True,
    )
    top_p: float = option(
        1.0,
        "Draw among the likeliest tokens that have this much probability together.",
        group="model",
        above=0.0,
        most=1.0,
        shapes=True,
    )
    seed: int = option(same.SEED, "The key of the draws.", group="model")
    max_output_length: int = option(60, "Tokens of a paraphrase.", group="model", least=2, shapes=True)

    output: Path = option(
        help="File to write: as many lines as the corpus has, in its order.",
        group="output",
        kind="path",
        short="o",
        metavar="FILE",
    )

    batch_size: int = option(
        same.BATCH_SIZE,
        "Sentences at a time.",
        more="It changes no draw; where the rounding of products depends on it, a paraphrase may in rare cases.",
        default=32,
    )
    block_lines: int = option(
        2048,
        "Sentences of a block, which is what a killed run loses at most.",
        more="A block is sorted by length before it is cut into batches, and written when it is finished.",
        group="machine",
        least=1,
        shapes=True,
    )
    device: str = option(same.DEVICE)
    precision: Literal["auto", "float32", "bfloat16"] = option(same.PRECISION, "Type of the weights.")
    progress: bool = option(False, "Show a progress bar.", group="machine", on_command_line=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoding == "beam" and (self.temperature, self.top_p) != (1.0, 1.0):
            raise OptionError('temperature and top_p shape draws: they need decoding="sample"')
