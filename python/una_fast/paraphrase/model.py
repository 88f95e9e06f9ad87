"""The paraphraser: a sequence-to-sequence model with its tokenizer, and a block of sentences through it."""

import copy
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from una_fast.encoder.backbone import (
    LOAD_ERRORS,
    check_complete,
    choose_device,
    choose_precision,
    fault_of_weights,
    load_tokenizer,
    positions_of,
    weights_digest,
)
from una_fast.errors import OptionError
from una_fast.paraphrase.sampling import KeyedDraw
from una_fast.paraphrase.work_folder import Block
from una_fast.paraphrase_config import ParaphraseConfig
from una_fast.progress import quiet_transformers

__all__ = ["Paraphraser"]

_LINE_ENDS = re.compile(r"[\r\n\0]+")

_OF_A_PLACE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
"""Entries of a configuration that tell where and how a model was saved, and not what it is."""


class Paraphraser:
    """A loaded model, ready to paraphrase blocks."""

    def __init__(self, config: ParaphraseConfig) -> None:
        """Load the model.

        Raises:
            OptionError: It cannot be loaded, is no sequence-to-sequence model, or has no pad token.
        """
        name = os.fspath(config.model)
        self.config = config
        self.model = _load_model(name)
        self.tokenizer = load_tokenizer(name)
        self.digest = _digest(self.model, self.tokenizer)
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        nn.Module.to(self.model, self.device, getattr(torch, self.precision))
        positions = positions_of(self.model.config) or 10**9
        self.max_input_length = min(config.max_input_length, positions)
        self.max_output_length = min(config.max_output_length, positions)

    def block(
        self, sentences: Sequence[str], first_row: int, tick: Callable[[int], object] | None = None
    ) -> Block:
        """Paraphrase a block.

        Args:
            sentences: Of consecutive rows.
            first_row: The row of the first of them.
            tick: Called with the number of sentences of each finished batch.

        Returns:
            One line a sentence, in their order. A paraphrase without text is replaced by its sentence.
        """
        made = [""] * len(sentences)
        for places, tokens in self._batches(sentences):
            texts = self._generate(tokens, [first_row + place for place in places])
            for place, text in zip(places, texts, strict=True):
                made[place] = _one_line(text)
            if tick is not None:
                tick(len(places))
        lines = [text or _one_line(sentence) for text, sentence in zip(made, sentences, strict=True)]
        return Block(paraphrases=lines, fallbacks=made.count(""))

    def _batches(self, sentences: Sequence[str]) -> Iterator[tuple[list[int], list[Tensor]]]:
        """Places in the block and tokens of sentences of like length, the longest first."""
        texts = [self.config.prefix + sentence for sentence in sentences]
        encoded = self.tokenizer(texts, truncation=True, max_length=self.max_input_length)["input_ids"]
        order = sorted(range(len(texts)), key=lambda place: (-len(encoded[place]), place))
        for start in range(0, len(order), self.config.batch_size):
            places = order[start : start + self.config.batch_size]
            yield places, [torch.tensor(encoded[place]) for place in places]

    def _generate(self, tokens: list[Tensor], rows: list[int]) -> list[str]:
        pad = self.tokenizer.pad_token_id
        ids = pad_sequence(tokens, batch_first=True, padding_value=pad)
        mask = pad_sequence([torch.ones_like(row) for row in tokens], batch_first=True)
        generate: Any = self.model.generate
        with torch.inference_mode():
            output = generate(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=self._generation(),
                logits_processor=self._drawing(rows),
            )
        texts: list[str] = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        return texts

    def _generation(self) -> GenerationConfig:
        """The model's own settings under ours; drawing is done by `KeyedDraw`, so the search itself never draws."""
        own: Any = copy.deepcopy(self.model.generation_config)
        searching = self.config.decoding == "beam" and self.config.num_beams > 1
        own.update(
            num_beams=self.config.num_beams if searching else 1,
            max_length=self.max_output_length,
            max_new_tokens=None,
            num_return_sequences=1,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
        )
        if not searching:
            own.update(early_stopping=False, length_penalty=None)
        return cast("GenerationConfig", own)

    def _drawing(self, rows: Sequence[int]) -> LogitsProcessorList:
        if self.config.decoding == "beam":
            return LogitsProcessorList()
        return LogitsProcessorList(
            [
                TemperatureLogitsWarper(float(self.config.temperature)),
                TopPLogitsWarper(float(self.config.top_p)),
                KeyedDraw(self.config.seed, rows, self.max_output_length),
            ]
        )


def _one_line(text: str) -> str:
    return _LINE_ENDS.sub(" ", text).strip()


def _load_model(name: str) -> PreTrainedModel:
    try:
        with quiet_transformers():
            loaded: Any = AutoModelForSeq2SeqLM.from_pretrained(
                name, trust_remote_code=False, output_loading_info=True
            )
    except LOAD_ERRORS as error:
        fault = fault_of_weights(Path(name)) or _first_line(error)
        raise OptionError(
            f"model {name!r} cannot be loaded as a sequence-to-sequence model: {fault}"
        ) from error
    model, found = loaded
    check_complete(name, found)
    return cast("PreTrainedModel", model.eval())


def _first_line(error: Exception) -> str:
    """Messages of transformers go on with lists of all that would have been possible."""
    return str(error).strip().split("\n", 1)[0]


def _digest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what decides the paraphrases of a model: configurations, vocabulary and weights."""
    digest = hashlib.sha256()
    generation: Any = model.generation_config
    for settings in (model.config.to_dict(), generation.to_dict(), tokenizer.get_vocab()):
        kept = {key: value for key, value in settings.items() if key not in _OF_A_PLACE}
        digest.update(json.dumps(kept, sort_keys=True, default=str).encode())
    digest.update(weights_digest(model).encode())
    return digest.hexdigest()
