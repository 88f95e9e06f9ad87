"""Gradients in parts: caching, accumulation and several processes give those of the whole batch."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from training_support import WordSwapper, make_sentences, tiny_bert, tiny_roberta, write_lines
from una_fast.encoder.backbone import input_names, load_backbone, load_tokenizer, tokenise
from una_fast.training import TrainConfig, nt_xent, train
from una_fast.training.model import SentenceEncoder
from una_fast.training.optimisation import backward, backward_in_chunks


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("gradients") / "bert", dropout=0.0)


def gradients(encoder: SentenceEncoder) -> torch.Tensor:
    found = [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]
    return torch.cat([gradient.flatten() for gradient in found])


@settings(max_examples=10, deadline=None)
@given(chunk_size=st.integers(1, 20), examples=st.integers(2, 8))
def test_cached_gradients_are_those_of_the_batch(model: Path, chunk_size: int, examples: int) -> None:
    """Protects gradient caching, for chunks of any size, whole batches included."""
    texts = [text for text in make_sentences(examples) for _ in range(2)]
    encoder = SentenceEncoder(load_backbone(model), "cls_mlp").train()
    inputs = tokenise(load_tokenizer(model), texts, max_length=32, names=input_names(encoder.backbone))
    # Rows differ, as they would by dropout: else the loss is flat.
    inputs["input_ids"][::2, 1] = 5
    whole = backward(encoder, inputs, nt_xent, nullcontext)
    expected = gradients(encoder)
    encoder.zero_grad()
    cached = backward_in_chunks(
        encoder, inputs, nt_xent, nullcontext, chunk_size=chunk_size, quiet=nullcontext
    )
    torch.testing.assert_close(cached, whole)
    torch.testing.assert_close(gradients(encoder), expected, rtol=1e-4, atol=1e-5)


def test_a_chunk_meets_the_same_dropout_twice(tmp_path: Path) -> None:
    """Protects the random states: with one chunk, caching is the whole batch, masks included, and what is drawn after
    it is too.
    """
    folder = tiny_bert(tmp_path / "bert", dropout=0.3)
    encoder = SentenceEncoder(load_backbone(folder), "cls_mlp").train()
    texts = [text for text in make_sentences(6) for _ in range(2)]
    inputs = tokenise(load_tokenizer(folder), texts, max_length=32, names=input_names(encoder.backbone))
    found = []
    for chunk_size in (None, 12):
        torch.manual_seed(3)
        encoder.zero_grad()
        if chunk_size is None:
            loss = backward(encoder, inputs, nt_xent, nullcontext)
        else:
            loss = backward_in_chunks(
                encoder, inputs, nt_xent, nullcontext, chunk_size=chunk_size, quiet=nullcontext
            )
        found.append((loss, gradients(encoder), torch.rand(3)))
    for whole, cached in zip(*found, strict=True):
        torch.testing.assert_close(cached, whole)


def options(folder: Path, model: Path, **changes: Any) -> dict[str, Any]:
    corpus = write_lines(folder / "corpus.txt", make_sentences(64))
    return {
        "model": str(model),
        "corpus": str(corpus),
        "batch_size": 8,
        "max_steps": 4,
        "learning_rate": 1e-3,
        "pooling": "mean",
        "log_every": 1,
        "device": "cpu",
        "dropout": 0.0,
        **changes,
    }


def test_accumulation_adds_up_the_batches_of_a_step(tmp_path: Path, model: Path) -> None:
    """Protects the mean over batches: a step of two batches has the mean of their losses."""
    plain = options(tmp_path, model, learning_rate=1e-12, every=0)
    single = train(TrainConfig(**plain, output=tmp_path / "one"))
    double = train(TrainConfig(**{**plain, "max_steps": 2}, output=tmp_path / "two", accumulate=2))
    losses = [loss for _, loss in single.losses]
    pairs = [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2]
    assert [loss for _, loss in double.losses] == pytest.approx(pairs, rel=1e-5)


WORKER = """
import json, sys
import torch
torch.set_num_threads(1)
from training_support import WordSwapper
from una_fast.training import TrainConfig, train
train(TrainConfig(**json.loads(sys.argv[1])), augmenter=WordSwapper())
"""


def torchrun(folder: Path, options: dict[str, Any], *, processes: int) -> subprocess.CompletedProcess[str]:
    script = folder / "worker.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{WORKER}")
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
    ]
    return subprocess.run(
        [*launcher, str(script), json.dumps(options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def in_shards(corpus: Path, n: int) -> str:
    """The sentences of a file as so many files of Parquet beside it; the pattern that finds them."""
    import pyarrow as pa
    import pyarrow.parquet

    sentences = corpus.read_text(encoding="utf-8").splitlines()
    step = -(-len(sentences) // n)
    for number in range(n):
        rows = pa.table({"text": sentences[number * step : (number + 1) * step]})
        pyarrow.parquet.write_table(rows, corpus.parent / f"shard-{number}.parquet")
    return str(corpus.parent / "shard-*.parquet")


@pytest.mark.parametrize(
    "changes",
    [
        {"every": 2, "distinct": True, "pooling": "cls_mlp", "shards": 3},
        {"every": 1, "loss": "info_nce", "accumulate": 2, "chunk_size": 3, "checkpoint_every": 1},
    ],
    ids=["nt_xent from shards of Parquet", "info_nce accumulated and cached"],
)
def test_two_processes_train_like_one(tmp_path: Path, model: Path, changes: dict[str, Any]) -> None:
    """Protects data parallel training: same rows, all of them negatives of each other, the same weights to rounding."""
    changes = {**changes}
    shards = changes.pop("shards", 0)
    chosen = options(tmp_path, model, **changes)
    if shards:
        chosen |= {
            "corpus": in_shards(Path(chosen["corpus"]), shards),
            "mapped_corpus": str(tmp_path / "copy"),
        }
    alone = train(TrainConfig(**chosen, output=tmp_path / "alone"), augmenter=WordSwapper())
    done = torchrun(tmp_path, {**chosen, "output": str(tmp_path / "shared")}, processes=2)
    assert done.returncode == 0, done.stderr[-3000:]

    manifest = json.loads((tmp_path / "shared" / "training.json").read_text())
    assert manifest["processes"] == 2
    assert [loss for _, loss in manifest["losses"]] == pytest.approx(
        [loss for _, loss in alone.losses], rel=1e-4
    )
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "shared"))
    # Adam divides by the size of a gradient, so where that is next to 0 its rounding shows.
    apart = torch.cat([(theirs[name] - value).abs().flatten() for name, value in ours.items()])
    assert apart.max() < 2e-4
    assert apart.mean() < 2e-6
    assert not (tmp_path / "shared.run" / "checkpoints").exists()


def test_processes_draw_dropout_masks_of_their_own(tmp_path: Path) -> None:
    """Protects the two views of a sentence from being drawn alike on every rank."""
    chosen = options(tmp_path, tiny_roberta(tmp_path / "model"), max_steps=1, every=0, dropout=0.3)
    done = torchrun(tmp_path, {**chosen, "output": str(tmp_path / "shared")}, processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    alone = train(TrainConfig(**chosen, output=tmp_path / "alone"))
    manifest = json.loads((tmp_path / "shared" / "training.json").read_text())
    assert manifest["losses"][0][1] != pytest.approx(alone.losses[0][1], rel=1e-6)
