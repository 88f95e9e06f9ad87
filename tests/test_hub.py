"""Tables and encoders to the Hugging Face hub and back, against a stand-in of its HTTP API; and their cards."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import una_fast
from hub_stand_in import Hub, stand_in
from una_fast.errors import OptionError, StorageError

huggingface_hub = pytest.importorskip("huggingface_hub")

TEXTS = ["the red cat sat", "the blue dog ran", "a red dog sat"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with stand_in() as running:
        yield running


def run(code: str, hub: Hub | None, folder: Path) -> str:
    """What code prints, in a process that knows this hub alone: its address is read at the import."""
    endpoint = "http://127.0.0.1:9" if hub is None else hub.endpoint
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "home"),
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_a_table_goes_to_the_hub_and_comes_back(hub: Hub, tmp_path: Path) -> None:
    table = una_fast.fit(TEXTS)
    table.save(tmp_path / "t")
    push = "import una_fast; table = una_fast.TermTable.load('t'); "
    printed = run(
        push + "print(table.push_to_hub('me/terms', private=True, commit_message='first'))", hub, tmp_path
    )
    assert printed.startswith(f"{hub.endpoint}/me/terms/commit/")
    files = hub.repos["me/terms"]["main"]
    assert sorted(files) == ["README.md", "table.safetensors"]
    assert files["table.safetensors"] == (tmp_path / "t").read_bytes()
    assert (hub.private["me/terms"], hub.messages) == (True, ["first"])
    assert "Bearer hf_secret" in hub.tokens

    pull = "import una_fast; print(una_fast.TermTable.from_pretrained('me/terms'{}).digest)"
    assert run(pull.format(""), hub, tmp_path) == table.digest
    assert run(pull.format(", local_files_only=True"), None, tmp_path) == table.digest, "from the cache"
    assert run(pull.format(", cache_dir='other'"), hub, tmp_path) == table.digest
    assert (tmp_path / "other").is_dir()

    printed = run(push + "print(table.push_to_hub('me/terms', create_pr=True))", hub, tmp_path)
    assert printed == f"{hub.endpoint}/me/terms/discussions/1"
    run(push + "table.push_to_hub('me/terms', revision='v2')", hub, tmp_path)
    assert "table.safetensors" in hub.repos["me/terms"]["v2"]
    assert run(pull.format(", revision='v2'"), hub, tmp_path) == table.digest


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (
            "from_pretrained('me/none')",
            "StorageError",
            "the hub has no repository 'me/none', or none that you may use",
        ),
        (
            "from_pretrained('me/terms', revision='v9')",
            "StorageError",
            "repository 'me/terms' has no such revision",
        ),
        ("from_pretrained('me/empty')", "StorageError", "repository 'me/empty' has no such file"),
        ("from_pretrained('a b')", "OptionError", "'a b' is neither a folder nor a name on the hub"),
        ("from_pretrained('me/x', local_files_only=True)", "StorageError", "'me/x' is not in the cache"),
        ("from_pretrained('./gone')", "StorageError", "there is no folder gone"),
    ],
)
def test_what_the_hub_does_not_give_is_named(
    hub: Hub, tmp_path: Path, call: str, kind: str, said: str
) -> None:
    hub.repos = {"me/terms": {"main": {"table.safetensors": b""}}, "me/empty": {"main": {}}}
    code = (
        "import una_fast\n"
        f"try:\n    una_fast.TermTable.{call}\n"
        "except una_fast.UnaError as error:\n    print(type(error).__name__, error)"
    )
    assert run(code, hub, tmp_path).startswith(f"{kind} {said}")


def test_a_hub_that_cannot_be_reached_is_one_error(tmp_path: Path) -> None:
    una_fast.fit(TEXTS).save(tmp_path / "t")
    code = (
        "import una_fast\n"
        "try:\n    una_fast.TermTable.load('t').push_to_hub('me/terms')\n"
        "except una_fast.StorageError as error:\n    print(error)"
    )
    assert run(code, None, tmp_path).startswith("the hub, 'me/terms': ")


def test_a_folder_is_loaded_like_a_repository(tmp_path: Path) -> None:
    table = una_fast.fit(TEXTS, lowercase=False)
    table.save_pretrained(tmp_path / "new" / "folder")
    for place in (tmp_path / "new" / "folder", str(tmp_path / "new" / "folder" / "table.safetensors")):
        assert una_fast.TermTable.from_pretrained(place) == table
    card = (tmp_path / "new" / "folder" / "README.md").read_text()
    data = huggingface_hub.ModelCard(card).data
    assert data.tags == ["una-fast", "tf-idf", "hard-negatives"]
    assert f"| sha256 | {table.digest} |" in card
    assert "shu-lampos-2024-una" in card
    with pytest.raises(StorageError, match=r"has no table\.safetensors"):
        una_fast.TermTable.from_pretrained(tmp_path)
    with pytest.raises(OptionError, match="treebank"):
        una_fast.TermTable.from_pretrained(tmp_path / "new" / "folder", tokenizer=str.split)


def test_an_encoder_goes_to_the_hub_without_what_is_the_users(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    code = """
from pathlib import Path
from training_support import make_sentences, tiny_bert, write_lines
from una_fast.training import TrainConfig, train
corpus = write_lines(Path("corpus.txt"), make_sentences(60))
pairs = zip(make_sentences(20), make_sentences(20, 1))
dev = write_lines(Path("dev.tsv"), [f"{a}\\t{b}\\t{i % 4}" for i, (a, b) in enumerate(pairs)])
result = train(TrainConfig(
    model=tiny_bert(Path("bert")), corpus=corpus, output="out", batch_size=10, dev=dev, eval_every=1, max_steps=3,
    device="cpu", report=False, language=["en"], license="apache-2.0", dataset_names=["wikipedia"],
))
(result.output / "diary.txt").write_text("mine")
print(result.push_to_hub("me/encoder"))
"""
    assert run(code, hub, tmp_path).splitlines()[-1].startswith(f"{hub.endpoint}/me/encoder/commit/")
    files = hub.repos["me/encoder"]["main"]
    assert {"model.safetensors", "config.json", "modules.json", "training.json", "README.md"} <= files.keys()
    assert not any(name.startswith(("last/", "diary")) for name in files)
    assert hub.messages == ["An encoder trained for 3 steps"]
    card = files["README.md"].decode()
    data = huggingface_hub.ModelCard(card).data
    assert (data.language, data.license, data.datasets) == (["en"], "apache-2.0", ["wikipedia"])
    assert data.base_model is None, "a folder of this machine is no name"
    for told in ("shu-lampos-2024-una", "gao-etal-2021-simcse", "| torch | "):
        assert told in card


def test_scores_stand_in_the_card_as_the_hub_reads_them() -> None:
    from una_fast.hub import front_matter

    facts: dict[str, Any] = {
        "model_name": "m",
        "base_model": "bert-base-uncased",
        "language": [],
        "license": None,
    }
    data = huggingface_hub.ModelCard(front_matter({"STS-B": 0.75, "SICK-R": None}, **facts)).data
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == (
        "STS-B",
        "spearman_cosine",
        0.75,
    )
    assert data.base_model == "bert-base-uncased"
    assert not hasattr(data, "license") or data.license is None
