"""Stand-ins for training tests: tiny models with their tokenizers, sentences, a maker of negatives."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

# Threads that wait for each other on busy cores make tiny models forty times slower.
torch.set_num_threads(1)

WORDS = {
    "who": [
        "a man",
        "a woman",
        "two children",
        "the old captain",
        "our teacher",
        "a small dog",
        "the doctor",
        "some workers",
    ],
    "does": ["plays", "watches", "carries", "finds", "repairs", "sells", "paints", "forgets"],
    "what": [
        "a guitar",
        "the red boat",
        "an apple",
        "a heavy box",
        "the broken clock",
        "some bread",
        "a long letter",
    ],
    "where": [
        "in the park",
        "near the river",
        "at night",
        "behind the house",
        "on a train",
        "after the storm",
    ],
}


def make_sentences(count: int, seed: int = 0) -> list[str]:
    """Distinct plain sentences."""
    draw = random.Random(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        made[" ".join(draw.choice(WORDS[part]) for part in ("who", "does", "what", "where")) + " ."] = None
    return list(made)


def _save(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _word_pieces() -> dict[str, int]:
    """Most words whole, the others by letters. Written down, not trained: the trainer's choice among pieces of equal
    frequency differs from process to process, and a test of training must be the same test each time.
    """
    words = sorted({word for groups in WORDS.values() for group in groups for word in group.split()})
    letters = sorted({letter for word in words for letter in word} | {"."})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words[::2], *words[1::4]]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}


def tiny_bert(folder: Path, *, dropout: float = 0.1, positions: int = 64) -> Path:
    """A BERT of two layers and 32 dimensions, with word pieces of its own."""
    backend = BertWordPieceTokenizer(vocab=_word_pieces())._tokenizer
    special = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "mask": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=positions,
        **{f"{name}_token": token for name, token in special.items()},
    )
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return _save(folder, BertModel(config), tokenizer)


def tiny_roberta(folder: Path) -> Path:
    """A RoBERTa of the same size, with byte-level BPE of its own and positions that begin at 2."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        make_sentences(300), vocab_size=400, special_tokens=special, show_progress=False
    )
    backend = trained._tokenizer
    backend.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = ("bos", "pad", "eos", "unk", "mask", "cls", "sep")
    tokens = (*special, "<s>", "</s>")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{f"{name}_token": token for name, token in zip(names, tokens, strict=True)},
    )
    torch.manual_seed(1)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    return _save(folder, RobertaModel(config), tokenizer)


class WordSwapper:
    """Negatives by swapping one word for another, keyed by (row, epoch, view); records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[int, ...], int]] = []
        self.vocabulary = sorted(
            {word for words in WORDS.values() for group in words for word in group.split()}
        )

    def augment(self, sentences: Sequence[str], *, rows: Any, epoch: int, view: int) -> list[str]:
        """One negative a sentence."""
        self.calls.append((tuple(int(row) for row in rows), epoch))
        return [
            self._swap(sentence, (int(row), epoch, view))
            for sentence, row in zip(sentences, rows, strict=True)
        ]

    def _swap(self, sentence: str, key: tuple[int, int, int]) -> str:
        draw = np.random.default_rng(key)
        words = sentence.split()
        place = draw.integers(len(words))
        words[place] = draw.choice([word for word in self.vocabulary if word != words[place]])
        return " ".join(words)


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    """A corpus file: one sentence a line."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def weights(folder: Path) -> bytes:
    """The bytes of a saved encoder's weights."""
    return (folder / "model.safetensors").read_bytes()
