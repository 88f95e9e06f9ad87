"""Stand-ins for paraphrasing tests: tiny Pegasus, T5 and BART models with tokenizers trained on the spot."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import SentencePieceUnigramTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from training_support import make_sentences

POSITIONS = 32


def _tokenizer() -> PreTrainedTokenizerFast:
    """Unigram pieces, as Pegasus and T5 have; a sentence ends in </s>."""
    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        make_sentences(300),
        vocab_size=120,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    backend = trained._tokenizer
    backend.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _save(folder: Path, kind: Any, config: Any) -> Path:
    torch.manual_seed(3)
    kind(config).save_pretrained(folder)
    return folder


def _sized(tokenizer: PreTrainedTokenizerFast, **options: Any) -> dict[str, Any]:
    shared = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return {**shared, **options}


def _bart_like(tokenizer: PreTrainedTokenizerFast, **options: Any) -> dict[str, Any]:
    sides = {
        f"{side}_{name}": size
        for side in ("encoder", "decoder")
        for name, size in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
    }
    # Wide weights, so that the output of a model that learnt nothing depends on its input.
    return _sized(tokenizer, d_model=16, max_position_embeddings=POSITIONS, init_std=0.6, **sides, **options)


def tiny_pegasus(folder: Path) -> Path:
    """A Pegasus of one layer and 16 dimensions with 32 positions."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    options = _bart_like(tokenizer, forced_eos_token_id=1)
    return _save(folder, PegasusForConditionalGeneration, PegasusConfig(**options))


def tiny_bart(folder: Path) -> Path:
    """A BART of the same size."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    options = _bart_like(tokenizer, bos_token_id=0, forced_eos_token_id=1)
    return _save(folder, BartForConditionalGeneration, BartConfig(**options))


def tiny_t5(folder: Path) -> Path:
    """A T5 of one layer and 16 dimensions."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    options = _sized(
        tokenizer, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, initializer_factor=3.0
    )
    return _save(folder, T5ForConditionalGeneration, T5Config(**options))


MODELS = {"pegasus": tiny_pegasus, "t5": tiny_t5, "bart": tiny_bart}
