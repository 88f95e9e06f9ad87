"""Loading an encoder: what its files say about pooling is followed, and what we cannot follow is refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import una_fast
from training_support import tiny_bert
from una_fast.encoder.backbone import load_tokenizer, position_limit
from una_fast.errors import ArtifactError, OptionError
from una_fast.evaluation import load_encoder

SENTENCES = ["A Man plays a guitar .", "some bread"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "model")


def declare(folder: Path, file: str, content: Any) -> None:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "mean", "include_prompt": True}, "mean"),
        ({"pooling_mode": ["cls"]}, "cls"),
    ],
)
def test_declared_pooling(folder: Path, config: dict[str, Any], pooling: str) -> None:
    """Protects the scores of models written by any release of sentence-transformers."""
    declare(folder, "1_Pooling/config.json", config)
    assert load_encoder(folder, device="cpu").pooling == pooling


def test_pooling_is_never_guessed(folder: Path) -> None:
    """Protects against a score under the wrong pooling."""
    with pytest.raises(OptionError, match=r'give pooling="cls", "mean", "first_last_mean" or "idf_mean"'):
        load_encoder(folder, device="cpu")
    with pytest.raises(OptionError, match="pooling must be"):
        load_encoder(folder, pooling="max", device="cpu")  # type: ignore[arg-type]
    declare(folder, "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(OptionError, match="pools by"):
        load_encoder(folder, device="cpu")


def test_first_last_mean(folder: Path) -> None:
    """Protects the pooling: the mean of the states after the first and the last layer, without padding."""
    encoder = load_encoder(folder, pooling="first_last_mean", device="cpu")
    inputs = encoder.tokenizer([SENTENCES[1]], return_tensors="pt")
    with torch.inference_mode():
        states = encoder.backbone.eval()(**inputs, output_hidden_states=True).hidden_states
    assert len(states) == 3, "embeddings and two layers"
    wanted = ((states[1] + states[2]) / 2).mean(dim=1)[0].numpy()
    assert np.allclose(encoder(SENTENCES)[1], wanted, atol=1e-6)


def test_idf_mean(folder: Path, tmp_path: Path) -> None:
    """Protects the pooling: the mean of the last states, each times the idf of its token, special tokens 0."""
    table = una_fast.fit(SENTENCES)
    encoder = load_encoder(folder, pooling="idf_mean", table=table, device="cpu")
    weights = encoder.token_weights
    assert weights is not None
    tokens = encoder.tokenizer.convert_ids_to_tokens(encoder.tokenizer(SENTENCES[1])["input_ids"])
    df = {token: sum(token in encoder.tokenizer.tokenize(text) for text in SENTENCES) for token in tokens}
    inputs = encoder.tokenizer([SENTENCES[1]], return_tensors="pt")
    with torch.inference_mode():
        states = encoder.backbone.eval()(**inputs).last_hidden_state[0]
    idf = [math.log(len(SENTENCES) / df[token]) if df[token] else 0.0 for token in tokens]
    assert idf[0] == idf[-1] == 0.0
    wanted = sum(weight * state for weight, state in zip(idf, states, strict=True)) / sum(idf)
    assert np.allclose(encoder(SENTENCES)[1], wanted.numpy(), atol=1e-5)
    assert not encoder([""]).any()


def test_weights_of_tokens_come_from_somewhere(folder: Path, tmp_path: Path) -> None:
    """Protects against weights of another model, and against none."""
    with pytest.raises(OptionError, match=r'"idf_mean" takes them from a term table'):
        load_encoder(folder, pooling="idf_mean", device="cpu")
    with pytest.raises(OptionError, match="pooling 'mean' takes no table"):
        load_encoder(folder, pooling="mean", table=una_fast.fit(SENTENCES), device="cpu")
    declare(folder, "1_Pooling/config.json", {"pooling_mode": "mean"})
    declare(
        folder,
        "modules.json",
        [
            {"type": "sentence_transformers.models.Transformer", "path": ""},
            {"type": "sentence_transformers.models.WordWeights", "path": "1_WordWeights"},
            {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        ],
    )
    (folder / "1_WordWeights").mkdir()
    for values, message in [
        ({"emb_layer.weight": torch.ones(3, 1)}, r"its WordWeights are of shape \(3,\)"),
        ({"other": torch.ones(3, 1)}, "holds no weights of tokens"),
    ]:
        save_file(values, folder / "1_WordWeights" / "model.safetensors")
        with pytest.raises(ArtifactError, match=message):
            load_encoder(folder, device="cpu")
    rows = len(load_encoder(folder, pooling="mean", device="cpu").backbone.get_input_embeddings().weight)
    save_file({"emb_layer.weight": torch.ones(rows, 1)}, folder / "1_WordWeights" / "model.safetensors")
    encoder = load_encoder(folder, device="cpu")
    assert encoder.pooling == "idf_mean"
    plain = load_encoder(folder, pooling="mean", device="cpu")
    assert np.allclose(encoder(SENTENCES), plain(SENTENCES), atol=1e-6)
    declare(folder, "1_Pooling/config.json", {"pooling_mode": "cls"})
    with pytest.raises(OptionError, match="weights its tokens, and then pools by"):
        load_encoder(folder, device="cpu")


def test_further_modules_are_refused(folder: Path) -> None:
    """Protects against leaving out a dense layer in silence."""
    declare(folder, "1_Pooling/config.json", {"pooling_mode": "mean"})
    declare(folder, "modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    with pytest.raises(OptionError, match=r"further modules \['Dense'\]"):
        load_encoder(folder, device="cpu")


def test_damaged_settings_are_named(folder: Path) -> None:
    """Protects the message for a truncated file."""
    declare(folder, "1_Pooling/config.json", "{")
    with pytest.raises(ArtifactError, match=r"config\.json is not JSON"):
        load_encoder(folder, device="cpu")


def test_length_and_case_as_declared(folder: Path) -> None:
    """Protects max_seq_length and do_lower_case of the model, and the caller's word over the first."""
    declare(folder, "sentence_bert_config.json", {"max_seq_length": 4, "do_lower_case": True})
    encoder = load_encoder(folder, pooling="mean", device="cpu")
    assert (encoder.max_length, encoder.lowercase) == (4, True)
    assert load_encoder(folder, pooling="mean", device="cpu", max_length=16).max_length == 16
    assert load_encoder(folder, pooling="mean", device="cpu", max_length=1000).max_length == 64


def test_encoding_leaves_the_mode_of_the_model(folder: Path) -> None:
    """Protects training that is scored in between: no dropout in the scores, dropout on again afterwards."""
    encoder = load_encoder(folder, pooling="cls", device="cpu")
    encoder.backbone.train()
    assert np.array_equal(encoder(SENTENCES), encoder(SENTENCES))
    assert encoder.backbone.training
    assert encoder(SENTENCES).dtype == np.float32


def test_unknown_device_is_named(folder: Path) -> None:
    """Protects the message for a mistyped device."""
    with pytest.raises(OptionError, match="device must be"):
        load_encoder(folder, pooling="cls", device="gpu")


@pytest.mark.parametrize("length", [0, 1, -1, 2, 2.0, True])
def test_a_length_without_room_for_text_is_refused(length: Any, tmp_path: Path) -> None:
    """Protects against scores of texts that were cut to nothing, or not at all."""
    with pytest.raises(OptionError, match="max_length must be"):
        load_encoder(tiny_bert(tmp_path / "m"), pooling="cls", max_length=length)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
        (b"<html>not found</html>", "is no safetensors file, or cut off or damaged"),
        (None, "is no safetensors file, or cut off or damaged"),
    ],
)
def test_weights_that_cannot_be_read_are_named(data: bytes | None, says: str, tmp_path: Path) -> None:
    folder = Path(tiny_bert(tmp_path / "m"))
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100] if data is None else data)
    with pytest.raises(OptionError) as caught:
        load_encoder(folder, pooling="cls")
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_code_that_a_model_brings_along_is_neither_run_nor_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the user's machine: a model folder is data."""
    folder, mark = Path(tiny_bert(tmp_path / "m")), tmp_path / "ran"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    with pytest.raises(OptionError, match="cannot be loaded"):
        load_encoder(folder, pooling="cls")
    assert not mark.exists()


@pytest.mark.parametrize("positions", [0, -1])
def test_a_model_may_say_that_it_has_no_limit_of_positions(positions: int, tmp_path: Path) -> None:
    encoder = load_encoder(tiny_bert(tmp_path / "m"), pooling="cls")
    encoder.backbone.config.max_position_embeddings = positions
    assert position_limit(encoder.backbone, encoder.tokenizer) > 0


def test_texts_without_a_token_are_vectors_in_any_company(tmp_path: Path) -> None:
    """Protects scores from batch size, where the tokenizer adds no special tokens."""
    encoder = load_encoder(tiny_bert(tmp_path / "m"), pooling="mean")
    encoder.tokenizer.backend_tokenizer.post_processor = None
    np.testing.assert_allclose(encoder([""]), encoder(["", "the cat"])[:1], atol=1e-6)


@pytest.mark.parametrize("lost", ["module.", "layer.1.", "word_embeddings"])
def test_weights_that_do_not_fit_the_model_are_refused(lost: str, tmp_path: Path) -> None:
    """Protects scores and runs from weights that were drawn at random, silently."""
    path = Path(tiny_bert(tmp_path / "m")) / "model.safetensors"
    weights = load_file(path)
    if lost == "module.":
        weights = {f"module.{name}": value for name, value in weights.items()}
    kept = {name: value for name, value in weights.items() if lost == "module." or lost not in name}
    assert lost == "module." or len(kept) < len(weights)
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(OptionError, match=r"lacks \d+ of the model's tensors"):
        load_encoder(path.parent, pooling="cls")


def test_a_tokenizer_of_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "m")
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["zebra", "yak"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(OptionError, match="resize its embeddings"):
        load_encoder(folder, pooling="cls")
