"""Protects the families of models: each is trained and scored, alone and by two processes, or refused by name."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from una_fast.errors import OptionError
from una_fast.evaluation import load_encoder
from una_fast.training import TrainConfig, train

SENTENCES = [
    f"{a} {b} {c}"
    for a in ("the", "a")
    for b in ("cat", "dog", "bird", "fish")
    for c in ("sat", "ran", "ate")
]

SPECIAL = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}

FAMILIES: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16, "hidden_dropout_prob": 0.1},
    "bert": {},
    "bert-generation": {},
    "big_bird": {"attention_type": "original_full"},
    "camembert": {},
    "convbert": {"embedding_size": 16},
    "data2vec-text": {},
    "deberta": {},
    "deberta-v2": {},
    "distilbert": {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2},
    "electra": {"embedding_size": 16},
    "ernie": {},
    "esm": {"position_embedding_type": "rotary", "mask_token_id": 4, "hidden_dropout_prob": 0.1},
    "flaubert": {"emb_dim": 16, "n_layers": 2, "n_heads": 2},
    "ibert": {},
    "layoutlm": {},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 4, "entity_emb_size": 16},
    "megatron-bert": {},
    "mobilebert": {
        "embedding_size": 16,
        "true_hidden_size": 16,
        "intra_bottleneck_size": 16,
        "hidden_dropout_prob": 0.1,
    },
    "modernbert": {**SPECIAL, "mlp_dropout": 0.1},
    "mpnet": {},
    "mra": {},
    "mt5": T5,
    "nystromformer": {"num_landmarks": 8, "segment_means_seq_len": 8},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16, "hidden_dropout_prob": 0.1},
    "roberta": {},
    "roberta-prelayernorm": {},
    "roformer": {"embedding_size": 16},
    "squeezebert": {"embedding_size": 16},
    "t5": T5,
    "umt5": T5,
    "xlm": {"emb_dim": 16, "n_layers": 2, "n_heads": 2},
    "xlm-roberta": {},
    "xlm-roberta-xl": {},
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "yoso": {},
}

PADDED = ("convbert", "nystromformer", "yoso")
"""Families whose own attention reaches into padding, so that a vector depends on the batch a little."""

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
WITHOUT: dict[str, set[str]] = {
    "clip": {*SIZES, "vocab_size"},
    "xlnet": {"max_position_embeddings"},
}
"""Sizes that a family does not take."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "bart": ({"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}, "an encoder and a decoder"),
    "fnet": ({}, "takes no attention mask"),
    "clip": ({}, "no model of text alone"),
}


def make(folder: Path, family: str, over: dict[str, Any]) -> str:
    """A tiny model of a family with random weights, and a tokenizer of words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    rules = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    rules.pre_tokenizer = pre_tokenizers.Whitespace()
    rules.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "pad", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=rules, model_max_length=32, **names).save_pretrained(folder)
    sizes = {"vocab_size": len(vocabulary), **SIZES}
    sizes = {name: size for name, size in sizes.items() if name not in WITHOUT.get(family, set())}
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model(family, **{**sizes, **over})).save_pretrained(folder)
    return str(folder)


def config(folder: Path, model: str, **over: Any) -> TrainConfig:
    options: dict[str, Any] = {
        "corpus": SENTENCES,
        "model": model,
        "output": str(folder),
        "pooling": "mean",
        "batch_size": 8,
        "max_length": 16,
        "max_steps": 3,
        "epochs": 2,
        "device": "cpu",
        "threads": 1,
        "report": False,
        "loggers": [],
    }
    return TrainConfig(**{**options, **over})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_trained_and_scored(tmp_path: Path, family: str) -> None:
    model = make(tmp_path / "start", family, FAMILIES[family])
    result = train(config(tmp_path / "out", model))
    assert result.steps == 3
    assert np.isfinite([loss for _, loss in result.losses]).all()
    encoder = load_encoder(tmp_path / "out")
    vectors = encoder(SENTENCES)
    assert vectors.shape == (len(SENTENCES), 16)
    if family in PADDED:
        return
    # A text's vector does not depend on the texts beside it, nor on the padding that they bring.
    np.testing.assert_allclose(encoder([*SENTENCES[:1], "the cat sat " * 4])[0], vectors[0], atol=2e-5)


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_cannot_be_is_refused_at_once(tmp_path: Path, family: str) -> None:
    over, reason = REFUSED[family]
    model = make(tmp_path / "start", family, over)
    with pytest.raises(OptionError, match=reason):
        train(config(tmp_path / "out", model))
    assert not (tmp_path / "out").exists()


def test_two_processes_train_every_family(tmp_path: Path) -> None:
    """One job for all: each process trains one family after another."""
    for family, over in FAMILIES.items():
        make(tmp_path / family, family, over)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        __file__,
    ]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path)], check=False, capture_output=True, text=True, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("family ")}
    assert sorted(told) == sorted(FAMILIES)
    assert [line for line in told.values() if not line.endswith(" 3")] == []
    assert json.loads((tmp_path / "bert-out" / "training.json").read_text())["processes"] == 2


def _train_all(folder: Path) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo")
    for family in FAMILIES:
        try:
            steps: Any = train(config(folder / f"{family}-out", str(folder / family))).steps
        except Exception as error:
            steps = f"{type(error).__name__}: {error}".replace("\n", " ")
        if dist.get_rank() == 0:
            print("family", family, steps, flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    _train_all(Path(sys.argv[1]))
