"""Protects what a model's folder says: it is done, or refused by name; and the user's files in an output."""

import json
import os
import shutil
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from test_families import SENTENCES, config, make
from una_fast.encoder.backbone import load_tokenizer
from una_fast.errors import OptionError
from una_fast.evaluation import evaluate_sts, load_encoder
from una_fast.evaluation.pairs import Pairs
from una_fast.training import train
from una_fast.training.corpus import Corpus
from una_fast.training.data import BatchBuilder

SETTINGS = ("bert", "roberta", "distilbert", "xlm-roberta", "albert", "camembert", "xlnet")


def encoder_of(folder: Path, *, place: str = "", settings: str = "bert", **said: Any) -> str:
    """A tiny BERT as sentence-transformers saves one."""
    name = make(folder / place, "bert", {})
    modules = [
        {"idx": 0, "name": "0", "path": place, "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True, **said.pop("pooling", {})}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    prompts = {"prompts": said.pop("prompts", {}), "default_prompt_name": said.pop("default", None)}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (Path(name) / f"sentence_{settings}_config.json").write_text(json.dumps({"max_seq_length": 5, **said}))
    return str(folder)


# --- What a folder says ----------------------------------------------------------------------------------------------


def test_the_default_prompt_stands_before_every_text(tmp_path: Path) -> None:
    plain = load_encoder(encoder_of(tmp_path / "plain"))
    prompted = load_encoder(
        encoder_of(tmp_path / "m", prompts={"sts": "a cat ", "other": "dog"}, default="sts")
    )
    np.testing.assert_array_equal(prompted(["ran", "sat"]), plain(["a cat ran", "a cat sat"]))
    with pytest.raises(
        OptionError, match=r"puts the prompt 'a cat ' before every text, and training does not"
    ):
        train(config(tmp_path / "out", str(tmp_path / "m")))
    encoder_of(tmp_path / "none", prompts={"sts": "a cat "})
    np.testing.assert_array_equal(load_encoder(tmp_path / "none")(["ran"]), plain(["ran"]))
    encoder_of(tmp_path / "lost", default="sts")
    with pytest.raises(OptionError, match="has a default prompt 'sts', but no text for it"):
        load_encoder(tmp_path / "lost")
    apart = {"prompts": {"sts": "a "}, "default": "sts", "pooling": {"include_prompt": False}}
    with pytest.raises(OptionError, match="leaves its prompt 'a ' out of the mean"):
        load_encoder(encoder_of(tmp_path / "apart", **apart))


@pytest.mark.parametrize("place", ["", "0_Transformer"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_older_names_and_layouts_are_found(tmp_path: Path, settings: str, place: str) -> None:
    model = encoder_of(tmp_path / "m", settings=settings, place=place)
    encoder = load_encoder(model)
    assert encoder.max_length == 5
    np.testing.assert_array_equal(encoder(["the cat sat ran ate"]), encoder(["the cat sat dog dog dog"]))
    transformers = pytest.importorskip("sentence_transformers")
    expected = transformers.SentenceTransformer(model, device="cpu").encode(["the cat sat ran ate"])
    np.testing.assert_allclose(encoder(["the cat sat ran ate"]), expected, atol=1e-5)
    if place:
        assert train(config(tmp_path / "out", model)).steps == 3


def test_a_start_that_lowers_case_is_refused(tmp_path: Path) -> None:
    model = encoder_of(tmp_path / "m", do_lower_case=True)
    with pytest.raises(OptionError, match="do_lower_case"):
        train(config(tmp_path / "out", model))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("models/bert/tny", "there is no such folder"),
        ("./nosuch", "there is no such folder"),
        ("/no/such", "there is no such folder"),
        ("nosuch", "is no folder here, and the hub"),
        ("a b", "is no folder here, and no name on the hub is like that"),
        ("empty", "a folder without config.json"),
        ("adapter", "is an adapter of peft, not a whole model: merge it"),
    ],
)
def test_a_model_that_is_not_there_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    Path("empty").mkdir()
    Path("adapter").mkdir()
    Path("adapter", "adapter_config.json").write_text("{}")
    with pytest.raises(OptionError, match=message):
        load_encoder(name)
    with pytest.raises(OptionError, match=message):
        train(config(tmp_path / "out", name))


# --- Dropout, and weights without a part in the loss --------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "over"),
    [
        ("albert", {"embedding_size": 16}),
        ("bert", {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}),
    ],
)
def test_no_dropout_is_refused_unless_asked_for(tmp_path: Path, family: str, over: dict[str, Any]) -> None:
    model = make(tmp_path / "m", family, over)
    with pytest.raises(OptionError, match="has no dropout"):
        train(config(tmp_path / "out", model))
    assert not (tmp_path / "out").exists()
    with pytest.warns(UserWarning, match="dropout is 0"):
        train(config(tmp_path / "out", model, dropout=0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert train(config(tmp_path / "out", model, dropout=0.1)).steps == 3
        assert (
            train(config(tmp_path / "out", model, corpus=SENTENCES, paraphrases=SENTENCES[::-1])).steps == 3
        )


# --- The user's files ------------------------------------------------------------------------------------------------


def lines_in(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "corpus.txt").write_text("".join(f"{line}\n" for line in SENTENCES))
    return str(folder / "corpus.txt")


def test_files_of_the_user_in_an_output_stay(tmp_path: Path) -> None:
    model, out = make(tmp_path / "m", "bert", {}), tmp_path / "out"
    train(config(out, model))
    fresh = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    corpus = lines_in(out)
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").write_text("mine")
    (out / "link").symlink_to("corpus.txt")
    for over in ({"corpus": corpus, "table": str(out / "table.safetensors")}, {"corpus": corpus}, {}):
        train(config(out, model, **over))
        assert (out / "notes" / "mine.txt").read_text() == "mine"
        assert (out / "link").is_symlink()
        assert Path(corpus).read_text().count("\n") == len(SENTENCES)
        assert (out / "table.safetensors").read_bytes() == fresh["table.safetensors"]
    # Equal runs write equal bytes, whatever lies beside them.
    assert {name: (out / name).read_bytes() for name in fresh} == fresh
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "out"]


@pytest.mark.parametrize(
    "name", ["report.html", "config.json", "model.safetensors", "table.safetensors", "last"]
)
def test_a_file_of_the_user_under_a_name_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    model, out = make(tmp_path / "m", "bert", {}), tmp_path / "out"
    train(config(out, model, every=0))
    manifest = json.loads((out / "training.json").read_text())
    manifest["files"] = [file for file in manifest["files"] if file != name]
    (out / "training.json").write_text(json.dumps(manifest))
    (out / name).write_text("mine")
    with pytest.raises(OptionError, match=f"holds {name}, which no training run wrote"):
        train(config(out, model))
    assert (out / name).read_text() == "mine"


def test_inputs_that_the_run_would_write_are_refused(tmp_path: Path) -> None:
    model, out = make(tmp_path / "m", "bert", {}), tmp_path / "out"
    train(config(out, model))
    with pytest.raises(OptionError, match=r"holds README\.md, which this run reads and would write"):
        train(config(out, model, corpus=str(out / "README.md")))
    with pytest.raises(OptionError, match="holds the model to start from"):
        train(config(out, str(out), checkpoint_every=1))
    assert train(config(out, str(out))).steps == 3


def test_the_working_folder_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(tmp_path / "m", "bert", {})
    (tmp_path / "work" / "in").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "in")
    for output in (".", "..", str(tmp_path / "work"), os.getcwd()):
        with pytest.raises(OptionError, match="is the working folder, or holds it"):
            train(config(Path(output), model))


def test_two_runs_into_one_output_the_second_is_refused(tmp_path: Path) -> None:
    model, out = make(tmp_path / "m", "bert", {}), tmp_path / "out"
    inside, go = threading.Event(), threading.Event()

    class Maker:
        def augment(self, sentences: Any, **_: Any) -> list[str]:
            inside.set()
            go.wait(60)
            return list(sentences)

    first = threading.Thread(target=train, args=(config(out, model),), kwargs={"augmenter": Maker()})
    first.start()
    try:
        assert inside.wait(60)
        with pytest.raises(OptionError, match=r"another process is training into .*out"):
            train(config(out, model))
    finally:
        go.set()
        first.join()
    assert (out / "training.json").is_file()
    assert not (tmp_path / "out.run").exists()


# --- Batches and scores ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["one answer to many", "a chain", "alike for the tokenizer", "cut off"])
def test_distinct_rows_have_distinct_token_ids(tmp_path: Path, shape: str) -> None:
    tokenizer = load_tokenizer(make(tmp_path / "m", "bert", {}))
    left, right, size, length = SENTENCES, None, 4, 16
    if shape == "one answer to many":
        right = [f"the {['cat', 'dog', 'bird', 'fish'][i % 4]} ran away" for i in range(len(left))]
    elif shape == "a chain":
        right, size = left[1:] + left[:1], 6
    elif shape == "alike for the tokenizer":
        left = [text for i, text in enumerate(SENTENCES) for text in (text, f"{text} ", f"{text}  ")]
    else:
        left, length, size = (
            [f"{a} {b} {'x ' * i}" for i in range(8) for a in ("the", "a") for b in ("cat", "dog")],
            4,
            4,
        )
    for batch in range(3):
        builder = BatchBuilder(
            corpus=Corpus(sentences=left, paraphrases=right),
            negatives=None,
            tokenizer=tokenizer,
            names=frozenset({"input_ids", "attention_mask"}),
            batch_size=size,
            max_length=length,
            every=0,
            seed=0,
            distinct=True,
        )
        rows = [tuple(row) for row in builder.build(batch).inputs["input_ids"].tolist()]
        examples = [set(rows[i : i + 2]) for i in range(0, len(rows), 2)]
        assert sum(map(len, examples)) == len(set().union(*examples))


class Given:
    """Pairs of numbers as texts, whose vectors are known exactly."""

    def read(self, task: str) -> list[Pairs] | None:
        if task != "STS-B":
            return None
        rng = np.random.default_rng(3)
        left, right = ([str(n) for n in rng.integers(0, 60, 300)] for _ in range(2))
        return [Pairs(name="all", left=left, right=right, gold=rng.integers(0, 6, 300).astype(float))]


def whole_numbers(texts: list[str]) -> np.ndarray[Any, Any]:
    return np.array([np.random.default_rng(int(text)).integers(-1, 2, 12) for text in texts])


def test_equal_cosines_tie_whatever_the_scale_the_type_and_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from fractions import Fraction

    from scipy.stats import rankdata, spearmanr

    monkeypatch.setattr("una_fast.evaluation.pairs.check_published", lambda *_: None)
    (pairs,) = Given().read("STS-B") or []
    a, b = whole_numbers(pairs.left).astype(int), whole_numbers(pairs.right).astype(int)
    dot, norms = (a * b).sum(1), (a * a).sum(1) * (b * b).sum(1)
    exact = [Fraction(int(d) * abs(int(d)), int(n)) for d, n in zip(dot, norms, strict=True)]
    order = {value: i for i, value in enumerate(sorted(set(exact)))}
    want = spearmanr(rankdata([order[value] for value in exact]), pairs.gold).statistic
    import torch

    def noisy(texts: list[str]) -> np.ndarray[Any, Any]:
        """The last bits depend on the batch, as a GPU's do."""
        vectors = whole_numbers(texts).astype(np.float32)
        return vectors * np.float32(1 + len(texts) * 1e-7)

    for batch_size in (1, 7, 64):
        for encode in (
            whole_numbers,
            lambda texts: whole_numbers(texts) * 1e-200,
            lambda texts: whole_numbers(texts) * 1e200,
            lambda texts: whole_numbers(texts).astype(np.float32) * 3e-30,
            lambda texts: whole_numbers(texts).astype(np.float16),
            lambda texts: torch.tensor(whole_numbers(texts)).to(torch.bfloat16),
            lambda texts: torch.tensor(whole_numbers(texts)).double() / 3,
            noisy,
        ):
            score = evaluate_sts(encode, Given(), tasks=["STS-B"], batch_size=batch_size)["STS-B"]
            assert score.spearman == pytest.approx(want, abs=1e-12)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert evaluate_sts(whole_numbers, Given(), tasks=["STS-B"])["STS-B"].spearman == pytest.approx(want)
    finally:
        torch.set_default_dtype(before)


def test_the_copy_of_an_output_can_be_trained_over(tmp_path: Path) -> None:
    model, out = make(tmp_path / "m", "bert", {}), tmp_path / "out"
    train(config(out, model))
    shutil.copytree(out, tmp_path / "copy")
    assert train(config(tmp_path / "copy", model)).steps == 3
