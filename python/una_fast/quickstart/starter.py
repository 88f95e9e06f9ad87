"""A small BERT with its own WordPiece vocabulary, built from sentences alone: the model when there is no hub.

    build_starter(sentences, Path("starter"))
    AutoModel.from_pretrained("starter"), AutoTokenizer.from_pretrained("starter")

Equal sentences, equal vocabulary size and equal seed give equal bytes, in any process.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.errors import InputError, OptionError
from una_fast.extras import require
from una_fast.progress import quiet_transformers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["build_starter"]

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Rarer characters than the first thousand, or those of a quarter of the vocabulary, become [UNK].
_ALPHABET_LIMIT = 1000

_LAYERS = 4
_HIDDEN_SIZE = 128
_HEADS = 4
_POSITIONS = 128


def build_starter(
    sentences: Iterable[str], folder: str | Path, *, vocab_size: int = 8192, seed: int = 0
) -> None:
    """Train a vocabulary on the sentences, draw a small BERT, and save both for `transformers` to load.

    Args:
        sentences: The text the vocabulary is trained on; read twice, so it is held in memory.
        folder: Where `config.json`, `model.safetensors` and the tokenizer's files go; made if it is missing.
        vocab_size: The most entries the vocabulary may have, special tokens included. It ends up smaller
            where the text has fewer word pieces.
        seed: Of the weights. The global random state is left as it was.

    Raises:
        InputError: There is no text in the sentences.
        OptionError: `vocab_size` leaves no room for the alphabet.
        MissingExtraError: `torch`, `transformers` or `tokenizers` is not installed.
    """
    require("a starting model", "torch", "transformers", "tokenizers")
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = _train_wordpiece(list(sentences), vocab_size)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=_HIDDEN_SIZE,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        intermediate_size=4 * _HIDDEN_SIZE,
        max_position_embeddings=_POSITIONS,
        pad_token_id=_SPECIAL_TOKENS.index("[PAD]"),
    )
    with torch.random.fork_rng(devices=[]):
        # `torch.manual_seed` would reseed the accelerators too, which fork_rng does not restore here.
        torch.default_generator.manual_seed(seed)
        model = BertModel(config)

    with quiet_transformers():
        model.save_pretrained(folder)
    fast_tokenizer: Any = PreTrainedTokenizerFast  # Its constructor carries no types.
    fast_tokenizer(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=_POSITIONS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    # safetensors writes its file for the owner alone; it is to be as readable as its neighbours.
    mode = Path(folder, "config.json").stat().st_mode
    Path(folder, "model.safetensors").chmod(mode)


def _train_wordpiece(sentences: list[str], vocab_size: int) -> "Tokenizer":
    """Train a lower-casing WordPiece tokenizer with BERT's rules and its `[CLS] a [SEP] b [SEP]` template."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    normalizer = normalizers.BertNormalizer(lowercase=True)
    alphabet = _alphabet(
        (normalizer.normalize_str(sentence) for sentence in sentences),
        most=max(_ALPHABET_LIMIT, vocab_size // 4),
    )
    if not alphabet:
        raise InputError("no text in the sentences a vocabulary was to be trained on")
    # The trainer numbers the continuations "##a", "##b", ... in the order of a hash map, and breaks ties
    # between merges by these numbers: two processes then disagree on hundreds of entries. Entries that are
    # given keep their order, so all continuations are given, and the vocabulary is moved to a fresh tokenizer
    # afterwards, where only the five special tokens are special.
    given = [*_SPECIAL_TOKENS, *alphabet, *(f"##{character}" for character in alphabet)]
    if vocab_size < len(given):
        raise OptionError(
            f"vocab_size={vocab_size}: this text needs {len(given)} entries for its alphabet alone"
        )
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizer
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=given,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    trained.train_from_iterator(sentences, trainer)

    tokenizer = Tokenizer(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, _SPECIAL_TOKENS.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _alphabet(texts: Iterator[str], most: int) -> list[str]:
    """List the most frequent characters that are not white space; equals in count go by code point."""
    counts = Counter(character for text in texts for character in text if not character.isspace())
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return sorted(ranked[:most])
