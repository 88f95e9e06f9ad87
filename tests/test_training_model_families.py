"""Families differ in token types, positions and poolers: training must fit each, or say why not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
)

from training_support import (
    WordSwapper,
    make_sentences,
    tiny_bert,
    tiny_roberta,
    write_lines,
)
from una_fast.encoder.backbone import (
    input_names,
    load_backbone,
    load_tokenizer,
    position_limit,
    tokenise,
)
from una_fast.encoder.pooling import pool, token_states
from una_fast.errors import OptionError
from una_fast.evaluation import load_encoder
from una_fast.training import TrainConfig, train
from una_fast.training.model import SentenceEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILIES = [tiny_bert, tiny_roberta]
OTHERS = {
    "mpnet": (MPNetConfig, MPNetModel, {}),
    "distilbert": (
        DistilBertConfig,
        DistilBertModel,
        {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4},
    ),
    "modernbert": (
        ModernBertConfig,
        ModernBertModel,
        {"global_attn_every_n_layers": 2, "local_attention": 8},
    ),
    "electra": (ElectraConfig, ElectraModel, {"embedding_size": 32}),
}
"""Families that differ in names of options, in token types, in positions or in having a pooler."""
SENTENCES = [
    "the old captain paints a guitar .",
    "some bread",
    "a dog finds an apple behind the house at night .",
]


@pytest.fixture(scope="module", params=FAMILIES, ids=["bert", "roberta"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("family") / "model")


@pytest.mark.parametrize("pooling", ["cls_mlp", "cls", "mean", "first_last_mean", "idf_mean"])
def test_trained_folder_loads_everywhere_with_the_same_vectors(
    model: Path, pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the output: sentence-transformers, AutoModel and our own encoder agree to 1e-5."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(60))
    config = TrainConfig(
        model=model,
        corpus=corpus,
        output=tmp_path / "out",
        batch_size=8,
        max_steps=6,
        pooling=pooling,  # type: ignore[arg-type]
        device="cpu",
    )
    output = train(config, augmenter=WordSwapper()).output

    encoder = load_encoder(output, device="cpu")
    assert encoder.pooling == pooling.removesuffix("_mlp")
    ours = encoder(SENTENCES)
    theirs = sentence_transformers.SentenceTransformer(str(output), device="cpu")
    assert np.abs(theirs.encode(SENTENCES) - ours).max() < 1e-5
    similarity = theirs.similarity(theirs.encode(SENTENCES), theirs.encode(SENTENCES)).numpy()
    unit = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    assert np.abs(similarity - unit @ unit.T).max() < 1e-5

    plain, tokenizer = AutoModel.from_pretrained(output).eval(), load_tokenizer(output)
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = token_states(plain, inputs, encoder.pooling)
    assert np.abs(pool(hidden, inputs, encoder.pooling, encoder.token_weights).numpy() - ours).max() < 1e-5


def test_training_changed_the_weights_it_saves(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects against saving the model that came in, and against training a layer that is not saved."""
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(40))
    train(
        TrainConfig(model=model, corpus=corpus, output=tmp_path / "out", batch_size=8, device="cpu"),
        augmenter=WordSwapper(),
    )
    before = dict(load_backbone(model).named_parameters())
    after = dict(load_backbone(tmp_path / "out").named_parameters())
    assert before.keys() == after.keys()
    same = [name for name in before if torch.equal(before[name], after[name])]
    assert not same, "weights without a gradient"
    assert not [name for name in after if "pooler" in name or "head" in name]


def test_position_limit(model: Path) -> None:
    """Protects long texts from an index error: 64 positions for each, though RoBERTa declares 66."""
    backbone, tokenizer = load_backbone(model), load_tokenizer(model)
    assert position_limit(backbone, tokenizer) == 64
    vectors = load_encoder(model, pooling="cls", device="cpu")(["a guitar " * 100])
    assert np.isfinite(vectors).all()


def test_padding_does_not_change_a_vector(model: Path) -> None:
    """Protects the mask: a sentence alone and beside a longer one has the same embedding."""
    for pooling in ("cls", "mean"):
        encoder = load_encoder(model, pooling=pooling, device="cpu")  # type: ignore[arg-type]
        together = encoder(SENTENCES)
        alone = np.concatenate([encoder([sentence]) for sentence in SENTENCES])
        assert np.abs(together - alone).max() < 1e-5


def test_dropout_gives_two_views_in_training_and_one_in_evaluation(model: Path) -> None:
    """Protects the positive pair of SimCSE: two rows of one text differ in training, by dropout alone."""
    torch.manual_seed(0)
    encoder = SentenceEncoder(load_backbone(model), "cls_mlp")
    names = input_names(encoder.backbone)
    inputs = tokenise(load_tokenizer(model), [SENTENCES[0]] * 2, max_length=32, names=names)
    first, second = encoder.train()(inputs)
    assert not torch.equal(first, second)
    assert first.abs().max() <= 1  # through tanh
    first, second = encoder.eval()(inputs)
    assert torch.allclose(first, second, atol=1e-6)
    assert torch.equal(torch.stack([first, second]), encoder.embed(inputs))

    still = SentenceEncoder(load_backbone(model, dropout=0.0), "cls").train()
    first, second = still(inputs)
    assert torch.allclose(first, second, atol=1e-6)


def test_max_length_must_fit_the_model(model: Path, tmp_path: Path) -> None:
    """Protects against positions the model has not, and against sentences of special tokens only."""
    for max_length in (2, 65):
        config = TrainConfig(
            model=model, corpus="none", output=tmp_path / "out", max_length=max_length, device="cpu"
        )
        with pytest.raises(OptionError, match=r"max_length must be 3 \.\. 64"):
            train(config, augmenter=WordSwapper())


def test_a_family_without_pooler_and_token_types(tmp_path: Path) -> None:
    """Protects DistilBERT: it refuses `add_pooling_layer` and token types."""
    folder = tiny_bert(tmp_path / "model")
    config = DistilBertConfig(
        vocab_size=200, dim=16, n_heads=2, n_layers=1, hidden_dim=16, max_position_embeddings=32
    )
    DistilBertModel(config).save_pretrained(folder)
    assert input_names(load_backbone(folder)) == {"input_ids", "attention_mask"}
    assert load_backbone(folder, dropout=0.3).config.dropout == 0.3
    assert load_encoder(folder, pooling="cls", device="cpu")(SENTENCES).shape == (3, 16)


def test_weights_are_float32_whatever_was_saved(model: Path, tmp_path: Path) -> None:
    """Protects training from half-precision checkpoints, which AdamW cannot move by 3e-5."""
    half = AutoModel.from_pretrained(model).to(torch.bfloat16)
    half.save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in load_backbone(tmp_path).parameters()} == {torch.float32}


def _edit_tokenizer(folder: Path, **changes: object) -> None:
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(
        json.dumps({key: value for key, value in {**settings, **changes}.items() if value is not None})
    )


def test_a_tokenizer_without_pad_token_is_named(tmp_path: Path) -> None:
    """Protects the message for decoder tokenizers."""
    folder = tiny_bert(tmp_path / "model")
    _edit_tokenizer(folder, pad_token=None)
    with pytest.raises(OptionError, match="has no pad token"):
        load_tokenizer(folder)


def test_cls_pooling_needs_cls_first(tmp_path: Path) -> None:
    """Protects against an embedding read from an arbitrary first word."""
    folder = tiny_bert(tmp_path / "model")
    _edit_tokenizer(folder, cls_token=None)
    with pytest.raises(OptionError, match=r"puts none first: use pooling=\"mean\""):
        load_encoder(folder, pooling="cls", device="cpu")
    assert load_encoder(folder, pooling="mean", device="cpu")(SENTENCES).shape == (3, 32)
    config = TrainConfig(model=folder, corpus="none", output=tmp_path / "out", device="cpu")
    with pytest.raises(OptionError, match="reads the \\[CLS\\] token"):
        train(config)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Protects the message for a wrong path."""
    with pytest.raises(OptionError, match="nothing-here"):
        load_backbone(tmp_path / "nothing-here")


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("pooling", ["cls_mlp", "first_last_mean", "idf_mean"])
def test_other_families_train_and_load(name: str, pooling: str, tmp_path: Path) -> None:
    """Protects encoders beyond BERT and RoBERTa: from their own folder to a folder that sentence-transformers loads."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    make_config, make_model, options = OTHERS[name]
    folder = tiny_bert(tmp_path / "model")  # for its tokenizer
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = make_config(
        vocab_size=len(load_tokenizer(folder)),
        max_position_embeddings=64,
        pad_token_id=0,
        **(options if "dim" in options else sizes | options),
    )
    torch.manual_seed(0)
    make_model(config).save_pretrained(folder)
    result = train(
        TrainConfig(
            dropout=0.1,
            model=folder,
            corpus=make_sentences(40),
            output=tmp_path / "out",
            batch_size=8,
            max_steps=3,
            pooling=pooling,  # type: ignore[arg-type]
            device="cpu",
            loggers=(),
        ),
        augmenter=WordSwapper(),
    )
    ours = load_encoder(result.output, device="cpu")(SENTENCES)
    theirs = sentence_transformers.SentenceTransformer(str(result.output), device="cpu").encode(SENTENCES)
    assert np.abs(theirs - ours).max() < 1e-5
