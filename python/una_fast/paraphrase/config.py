"""The options of a paraphrasing run, checked when they are given."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from una_fast.checks import check_choice, check_real, check_whole
from una_fast.errors import OptionError

__all__ = ["Decoding", "ParaphraseConfig", "Precision"]

Path = str | os.PathLike[str]
Decoding = Literal["beam", "sample"]
Precision = Literal["auto", "float32", "bfloat16"]

_LEAST = {
    "num_beams": 1,
    "seed": 0,
    "max_input_length": 2,
    "max_output_length": 2,
    "batch_size": 1,
    "block_lines": 1,
}
"""Whole numbers and the least value of each."""

_SHAPING = (
    "prefix",
    "decoding",
    "num_beams",
    "temperature",
    "top_p",
    "seed",
    "max_input_length",
    "max_output_length",
    "block_lines",
)
"""Options that a run must share with the run it goes on from, beside model, corpus and precision."""


@dataclass(frozen=True, kw_only=True)
class ParaphraseConfig:
    """What to paraphrase with what, and how. The defaults are those published.

    Attributes:
        corpus: Files of sentences, as `una_fast.fit` reads them: a path, a list of paths or a glob. Empty lines are
            refused, since training refuses them too where sentences have paraphrases.
        output: The file to write: as many lines as the corpus has, in its order.
        model: A sequence-to-sequence model: a folder or a name on the Hugging Face hub.
        prefix: Put before each sentence, such as "paraphrase: " for a T5.
        decoding: "beam" searches the likeliest paraphrase; "sample" draws one.
        num_beams: Beams of the search.
        temperature: Divides the logits in drawing; lower is more cautious.
        top_p: Draw among the likeliest tokens that have this much probability together.
        seed: Of the draws.
        max_input_length: Tokens read of a sentence; at most as many as the model has positions.
        max_output_length: Tokens of a paraphrase; at most as many as the model has positions.
        batch_size: Sentences at a time. It changes no draw; where the rounding of products depends on it, a
            paraphrase may in rare cases.
        block_lines: Sentences of a block. A block is sorted by length before it is cut into batches, and written
            when it is finished: a run that is killed loses the block it was in.
        device: "auto" (CUDA, else MPS, else CPU) or a torch device.
        precision: "auto" is bfloat16 on a GPU that can, else float32.
        progress: Show a progress bar.

    Raises:
        OptionError: An option is out of range; the message names it and its value.
    """

    corpus: Path | Sequence[os.PathLike[str]]
    output: Path
    model: Path
    prefix: str = ""
    decoding: Decoding = "beam"
    num_beams: int = 10
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    max_input_length: int = 60
    max_output_length: int = 60
    batch_size: int = 32
    block_lines: int = 2048
    device: str = "auto"
    precision: Precision = "auto"
    progress: bool = False

    def __post_init__(self) -> None:
        check_choice("decoding", self.decoding, get_args(Decoding))
        check_choice("precision", self.precision, get_args(Precision))
        for name, least in _LEAST.items():
            check_whole(name, getattr(self, name), least=least)
        check_real("temperature", self.temperature, above=0.0)
        check_real("top_p", self.top_p, above=0.0, most=1.0)
        if self.seed >= 2**63:
            raise OptionError(f"seed must be below 2**63, got {self.seed}")
        if self.decoding == "beam" and (self.temperature, self.top_p) != (1.0, 1.0):
            raise OptionError('temperature and top_p shape draws: they need decoding="sample"')

    def shaping(self) -> dict[str, Any]:
        """The options that decide what a paraphrase is."""
        return {name: getattr(self, name) for name in _SHAPING}
