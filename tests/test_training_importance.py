"""Other measures of importance than TF-IDF: what the weights are, and that training takes them."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

from training_support import make_sentences, tiny_bert, tiny_roberta, weights, write_lines
from una_fast import Augmenter, TermTable, fit
from una_fast.errors import OptionError
from una_fast.training import TrainConfig, train
from una_fast.training.importance import AttentionWeights, WeightedNegatives, idf_weights, received_attention


@pytest.fixture(scope="module")
def table() -> TermTable:
    return fit(make_sentences(200))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


def test_idf_weights_do_not_count_repeats(table: TermTable) -> None:
    """Protects what tells IDF from TF-IDF, and the document frequency of 1 of a term never seen."""
    sentence = "A guitar, a GUITAR zzz"
    found = idf_weights(table)(sentence, table.tokenize([sentence])[0])
    guitar = np.log(table.n_documents / table["guitar"].df)
    np.testing.assert_allclose(found[[1, 4]], guitar)
    assert found[5] == np.log(table.n_documents)


def test_received_attention_by_hand() -> None:
    """Four pieces, of which the first and the last are special: each of the others receives what the other pays it."""
    attention = np.arange(16, dtype=np.float64).reshape(4, 4)
    assert received_attention(attention, np.array([1, 2])).tolist() == [9.0, 6.0]
    assert received_attention(attention, np.array([1])).tolist() == [0.0]
    assert received_attention(attention, np.array([], np.intp)).tolist() == []


@pytest.mark.parametrize("make", [tiny_bert, tiny_roberta])
def test_a_token_has_the_attention_of_its_pieces(make: object, table: TermTable, tmp_path: Path) -> None:
    """The twin works from the pieces' own offsets, character by character."""
    weigh = AttentionWeights(make(tmp_path), device="cpu")  # type: ignore[operator]
    sentence = "Our captain's  clock (repaired) forgets unrepairable things ."
    tokens = table.tokenize([sentence])[0]
    encoded = weigh._tokenizer(sentence, return_offsets_mapping=True, return_special_tokens_mask=True)
    attention = weigh._attention(sentence)
    ordinary = [i for i, special in enumerate(encoded["special_tokens_mask"]) if not special]
    by_hand = [0.0] * len(tokens.texts)
    for j in ordinary:
        piece = encoded["offset_mapping"][j][0]
        received = sum(attention[i, j] for i in ordinary if i != j) / (len(ordinary) - 1)
        token = next(k for k, (_, end) in enumerate(tokens.spans) if piece < end)
        by_hand[token] += received
    found = weigh(sentence, tokens)
    np.testing.assert_allclose(found, by_hand, rtol=1e-9)
    assert (found > 0).all()


def test_attention_depends_on_the_sentence_alone(table: TermTable, model: Path) -> None:
    """Protects the promise that a negative is a function of its row: no batch, no dropout, no padding."""
    sentences = make_sentences(12, seed=2)
    source = WeightedNegatives(Augmenter(table, radius=20), AttentionWeights(model, device="cpu"))
    rows = np.arange(12)
    together = source.augment(sentences, rows=rows)
    single = [source.augment([sentence], rows=np.array([row]))[0] for row, sentence in enumerate(sentences)]
    assert together == single
    assert [source.explain(sentence, row=row).negative for row, sentence in enumerate(sentences)] == together
    assert together != Augmenter(table, radius=20).augment(sentences, rows=rows)


def test_what_lies_beyond_the_positions_has_no_weight(table: TermTable, model: Path) -> None:
    sentence = "guitar " * 100
    found = AttentionWeights(model, device="cpu")(sentence, table.tokenize([sentence])[0])
    assert found[0] > 0
    assert found[-1] == 0


def test_an_empty_sentence_has_no_weights(table: TermTable, model: Path) -> None:
    source = WeightedNegatives(Augmenter(table), AttentionWeights(model, device="cpu"))
    assert source.augment(["", "a guitar"], rows=np.arange(2))[0] == ""


@pytest.mark.parametrize("importance", ["idf", "attention"])
def test_training_takes_it_and_repeats_itself(importance: str, model: Path, tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(64))
    common = {
        "model": model,
        "corpus": corpus,
        "batch_size": 8,
        "every": 1,
        "max_steps": 3,
        "radius": 8,
        "device": "cpu",
    }
    for name, option in (("one", importance), ("two", importance), ("tfidf", "tfidf")):
        train(TrainConfig(**common, output=tmp_path / name, importance=option))  # type: ignore[arg-type]
    assert weights(tmp_path / "one") == weights(tmp_path / "two")
    assert weights(tmp_path / "one") != weights(tmp_path / "tfidf")


def test_importance_without_a_choice_by_importance_is_refused() -> None:
    with pytest.raises(OptionError, match="importance='idf' has no meaning where select=\"uniform\""):
        TrainConfig(model="m", corpus="c", output="o", importance="idf", select="uniform")
    with pytest.raises(
        OptionError, match="importance must be one of 'tfidf', 'idf', 'attention', got 'luck'"
    ):
        TrainConfig(model="m", corpus="c", output="o", importance="luck")  # type: ignore[arg-type]
