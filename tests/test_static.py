"""Static encoders: made of a table, started from, trained, scored, and saved as what they were."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tokenizers

import una_fast
from training_support import make_sentences, tiny_bert, write_lines
from una_fast.cli import main
from una_fast.encoder.backbone import load_backbone, load_tokenizer
from una_fast.errors import OptionError
from una_fast.evaluation import evaluate_pairs, load_encoder
from una_fast.training import TrainConfig, train

SENTENCES = make_sentences(100)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("static") / "bert") / "tokenizer.json"


@pytest.fixture
def start(tokenizer: Path, tmp_path: Path) -> Path:
    una_fast.static_embedding(una_fast.fit(SENTENCES), tokenizer, dim=16, seed=3).save_pretrained(
        tmp_path / "start"
    )
    return tmp_path / "start"


def run(start: Path, tmp_path: Path, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "corpus": write_lines(tmp_path / "corpus.txt", SENTENCES),
        "output": tmp_path / "out",
        "batch_size": 10,
        "learning_rate": 0.5,
        "device": "cpu",
        "report": False,
        "max_steps": 5,
    }
    return train(TrainConfig(**{"model": start, **options, **changes}))


@pytest.mark.parametrize("char_ngrams", [None, (3, 4)])
def test_vectors_are_as_long_as_the_idf_of_their_token(char_ngrams: tuple[int, int] | None) -> None:
    words = {word: i for i, word in enumerate(["[UNK]", "the", "dog", "s", "bird", "cat", "-"])}
    pieces = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.Punctuation()
    table = una_fast.fit(["the cat-s", "the dog", "the dog-s", "the old"], tokenizer="whitespace")
    options: dict[str, Any] = {"dim": 4096, "char_ngrams": char_ngrams}
    made = una_fast.static_embedding(table, pieces, seed=1, **options)
    lengths = np.linalg.norm(made.vectors, axis=1) / math.sqrt(4096)
    assert lengths[words["the"]] == 0.0, "in every sentence"
    assert lengths[words["-"]] == 0.0, "it says nothing"
    for token, df in (("dog", 2), ("s", 2), ("cat", 1), ("bird", 1)):
        assert lengths[words[token]] == pytest.approx(math.log(4 / df), rel=0.05), token
    same = una_fast.static_embedding(table, pieces, seed=1, **options)
    other = una_fast.static_embedding(table, pieces, seed=2, **options)
    assert (made.vectors == same.vectors).all()
    assert not (made.vectors == other.vectors).all()
    assert made.vectors.dtype == np.float32


def by_hand(spelt: list[str], least: int, most: int, dim: int, seed: int) -> Any:
    """The sums of the vectors of n-grams, one at a time, and each as long as one drawn at random."""
    every = [
        {text[i : i + n] for n in range(least, most + 1) for i in range(len(text) - n + 1)} or {text}
        for text in spelt
    ]
    rng = np.random.default_rng(seed)
    drawn = {gram: rng.standard_normal(dim, np.float32) for gram in sorted(set().union(*every))}
    rows = []
    for grams in every:
        row = np.zeros(dim)
        for gram in grams:
            row += math.log((1 + len(spelt)) / sum(gram in other for other in every)) * drawn[gram]
        rows.append(row * math.sqrt(dim) / np.linalg.norm(row))
    return np.stack(rows)


@pytest.mark.parametrize(
    ("words", "spelt"),
    [
        (
            ["dance", "##r", "dancing", "a"],
            ["\u2581dance\u2581", "r\u2581", "\u2581dancing\u2581", "\u2581a\u2581"],
        ),
        (["\u0120dance", "r", "\u0120dancing"], ["\u0120dance\u0120", "r\u0120", "\u0120dancing\u0120"]),
        (
            ["\u2581dance", "r", "\u2581\ub300\ud559"],
            ["\u2581dance\u2581", "r\u2581", "\u2581\ub300\ud559\u2581"],
        ),
    ],
    ids=["word pieces", "bytes", "sentence pieces"],
)
def test_a_tokens_direction_is_that_of_its_spelling(words: list[str], spelt: list[str]) -> None:
    """Protects the vectors against their slow twin, under the marks that vocabularies have."""
    marked = "\u2581[UNK]\u2581" if "##r" in words else f"[UNK]{spelt[0][-1]}"
    vocabulary = {word: i for i, word in enumerate([*words, "[UNK]"])}
    pieces = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    table = una_fast.fit(["one", "two", "three"])  # of none of the tokens: each has the same idf
    made = una_fast.static_embedding(table, pieces, dim=64, seed=5).vectors[:-1] / math.log(3)
    np.testing.assert_allclose(made, by_hand([*spelt, marked], 3, 4, 64, 5)[:-1], rtol=1e-5, atol=1e-5)
    near, far = (made[0] @ made[2] / 64, made[0] @ made[1] / 64)
    if "dancing" in words[2]:
        assert near > far + 0.2


def test_the_command_writes_the_same_encoder(
    tokenizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = una_fast.fit(SENTENCES)
    table.save(tmp_path / "table")
    una_fast.static_embedding(table, tokenizer, dim=24, seed=6).save_pretrained(tmp_path / "python")
    command = ["export", str(tmp_path / "table"), "--static", "-o", str(tmp_path / "shell")]
    given = ["--tokenizer-json", str(tokenizer.parent), "--dim", "24", "--seed", "6"]
    assert main([*command, *given]) == 0
    names = {path.name for path in (tmp_path / "python").iterdir()}
    assert {path.name for path in (tmp_path / "shell").iterdir()} == names
    for name in names:
        assert (tmp_path / "shell" / name).read_bytes() == (tmp_path / "python" / name).read_bytes(), name
    for more, message in [
        ([], "--static needs --tokenizer-json: each of its tokens gets a vector"),
        ([*given, "--reference"], "two kinds of output"),
    ]:
        assert main([*command, *more]) == 1
        assert message in capsys.readouterr().err


def test_what_cannot_be_is_named(tokenizer: Path, tmp_path: Path) -> None:
    table = una_fast.fit(SENTENCES)
    with pytest.raises(OptionError, match="dim must be at least 1"):
        una_fast.static_embedding(table, tokenizer, dim=0)
    for wrong, message in [
        ((4, 3), r"char_ngrams\[1\] must be at least 4"),
        ((0, 3), r"char_ngrams\[0\] must be at least 1"),
        (3, r"char_ngrams must be two lengths, such as \(3, 4\), or None, got 3"),
    ]:
        with pytest.raises(OptionError, match=message):
            una_fast.static_embedding(table, tokenizer, char_ngrams=wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="tokenizer must be"):
        una_fast.static_embedding(table, 7)  # type: ignore[arg-type]
    (tmp_path / "modules.json").write_text('[{"type": "StaticEmbedding", "path": ""}]')
    with pytest.raises(OptionError, match=r"static encoder without model\.safetensors"):
        load_backbone(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(OptionError, match="cannot be loaded"):
        load_backbone(tmp_path)


def test_it_is_the_same_encoder_wherever_it_is_loaded(start: Path) -> None:
    texts = [*SENTENCES[:20], "", "zzz unknown 한국어"]
    ours = load_encoder(start, device="cpu")(texts)
    made = una_fast.static_embedding(
        una_fast.fit(SENTENCES), start / "tokenizer.json", dim=16, seed=3
    ).encode(texts)
    np.testing.assert_allclose(ours, made, atol=1e-5)
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(str(start), device="cpu").encode(texts)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("loss", ["nt_xent", "info_nce", "margin"])
def test_it_is_trained_by_the_same_loop_and_saved_as_what_it_was(
    start: Path, tmp_path: Path, loss: str
) -> None:
    result = run(start, tmp_path, loss=loss)
    names = {path.name for path in result.output.iterdir()} - {
        "README.md",
        "training.json",
        "table.safetensors",
    }
    assert names == {path.name for path in start.iterdir()}
    assert (result.output / "tokenizer.json").read_bytes() == (start / "tokenizer.json").read_bytes()
    texts = SENTENCES[:20]
    ours = load_encoder(result.output, device="cpu")(texts)
    assert not np.allclose(ours, load_encoder(start, device="cpu")(texts), atol=1e-3), "it has learnt"
    library = pytest.importorskip("sentence_transformers")
    np.testing.assert_allclose(
        ours, library.SentenceTransformer(str(result.output), device="cpu").encode(texts), atol=1e-5
    )
    manifest = json.loads((result.output / "training.json").read_text())
    assert manifest["pooling"] == "mean"


def test_training_repeats_itself_and_resumes(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_training_comfort import interrupted_at
    from una_fast.training import TrainingInterrupted

    whole = run(start, tmp_path, output=tmp_path / "whole")
    interrupted_at(monkeypatch, 3)
    with pytest.raises(TrainingInterrupted):
        run(start, tmp_path)
    result = run(start, tmp_path, resume=True)
    weights = [(each.output / "model.safetensors").read_bytes() for each in (whole, result)]
    assert (result.resumed_at, weights[0]) == (2, weights[1])


def test_dropped_tokens_are_the_two_views(start: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="dropout is 0"):
        run(start, tmp_path, dropout=0.0, every=0)
    backbone = load_backbone(start, dropout=0.5)
    backbone.train()
    import torch

    ids, mask = torch.arange(1, 41).view(1, 40), torch.ones(1, 40, dtype=torch.long)
    states = backbone(ids, mask).last_hidden_state
    dropped = (states == 0).all(dim=-1).sum().item()
    assert 8 < dropped < 32
    assert load_backbone(start).config.token_dropout == 0.2


def model2vec_folder(folder: Path, tokenizer: Path, *, folded: bool) -> Path:
    """A folder as model2vec saves one: with a table for each token, or fewer vectors with weights and a mapping."""
    from safetensors.numpy import save_file

    size = tokenizers.Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    draw = np.random.default_rng(1)
    tensors = {"embeddings": draw.standard_normal((size, 8)).astype(np.float32)}
    if not folded:
        tensors = {
            "embeddings": draw.standard_normal((10, 8)).astype(np.float32),
            "weights": draw.uniform(0.5, 2.0, size),
            "mapping": draw.integers(0, 10, size),
        }
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": False,
        "hidden_dim": 8,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("folded", [True, False])
def test_a_model_of_model2vec_stays_one(tokenizer: Path, tmp_path: Path, folded: bool) -> None:
    start = model2vec_folder(tmp_path / "start", tokenizer, folded=folded)
    result = run(start, tmp_path, loss="info_nce")
    assert (result.output / "config.json").read_bytes() == (start / "config.json").read_bytes()
    texts = [*SENTENCES[:20], "zzz the 한국어 dog"]
    vectors = [load_encoder(place, device="cpu")(texts) for place in (start, result.output)]
    model2vec = pytest.importorskip("model2vec")
    for place, ours in zip((start, result.output), vectors, strict=True):
        theirs = model2vec.StaticModel.from_pretrained(str(place)).encode(texts)
        cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
        np.testing.assert_allclose(cosines, 1.0, atol=1e-5)


def test_it_is_scored_as_any_encoder(start: Path, tmp_path: Path) -> None:
    dev = write_lines(
        tmp_path / "dev.tsv",
        [f"{a}\t{a} {b}\t{i % 3}" for i, (a, b) in enumerate(pairwise(SENTENCES))],
    )
    made = una_fast.static_embedding(una_fast.fit(SENTENCES), start / "tokenizer.json", dim=16, seed=3)
    one, two = (evaluate_pairs(encoder, [dev])["dev.tsv"].spearman for encoder in (start, made))
    assert one == pytest.approx(two, abs=1e-6)


def test_the_idf_of_tokens_goes_into_a_sparse_encoder(
    tokenizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects the file that sentence-transformers' SparseStaticEmbedding reads."""
    modules = pytest.importorskip("sentence_transformers.sparse_encoder.modules")
    table = una_fast.fit(make_sentences(50))
    table.save(tmp_path / "table")
    out = tmp_path / "idf.json"
    assert main(["export", str(tmp_path / "table"), "-o", str(out), "--tokenizer-json", str(tokenizer)]) == 0
    weights = json.loads(out.read_text(encoding="utf-8"))
    loaded = load_tokenizer(tokenizer.parent if tokenizer.is_file() else tokenizer)
    assert list(weights) == loaded.convert_ids_to_tokens(range(len(loaded)))
    assert weights["[CLS]"] == weights["[SEP]"] == 0.0
    df = sum("guitar" in sentence.split() for sentence in make_sentences(50))
    assert weights["guitar"] == pytest.approx(math.log(50 / df))
    module = modules.SparseStaticEmbedding.from_json(str(out), loaded)
    assert module.weight.tolist() == pytest.approx(list(weights.values()), rel=1e-6)
    for arguments, message in [
        (["-o", str(out)], "needs --tokenizer-json"),
        (
            ["-o", str(tmp_path / "t.csv"), "--tokenizer-json", str(tokenizer)],
            "ends in .json, not for 't.csv'",
        ),
        (["-o", str(out), "--tokenizer-json", str(tmp_path / "none.json")], "none.json"),
    ]:
        assert main(["export", str(tmp_path / "table"), *arguments]) == 1
        assert message in capsys.readouterr().err
