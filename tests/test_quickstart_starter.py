"""The starter model: equal sentences and seed give equal bytes, and `transformers` loads what was saved."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the starter model needs the train extra")
transformers = pytest.importorskip("transformers", reason="the starter model needs the train extra")

from una_fast.errors import InputError, OptionError  # noqa: E402
from una_fast.quickstart.starter import build_starter  # noqa: E402

# Many words of equal frequency, so that ties between merges are the rule.
SENTENCES = [
    f"The {first}{second} of a {second}{third} is not the {third}{first}."
    for first in ("house", "river", "mount", "caf\u00e9")
    for second in ("gate", "light", "stone")
    for third in ("keeper", "walk", "Tower")
]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_another_process_builds_the_same_bytes(tmp_path: Path) -> None:
    build_starter(SENTENCES, tmp_path / "here", vocab_size=200)
    script = (
        "import sys; from una_fast.quickstart.starter import build_starter;"
        f"build_starter({SENTENCES!r}, sys.argv[1], vocab_size=200)"
    )
    for name in ("there", "elsewhere"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=True, capture_output=True)
        assert digests(tmp_path / name) == digests(tmp_path / "here")


def test_the_seed_draws_the_weights_and_nothing_else(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    build_starter(SENTENCES, tmp_path / "a", vocab_size=200, seed=1)
    build_starter(SENTENCES, tmp_path / "b", vocab_size=200, seed=2)
    differing = {
        name for name, digest in digests(tmp_path / "a").items() if digests(tmp_path / "b")[name] != digest
    }
    assert differing == {"model.safetensors"}
    assert torch.equal(torch.random.get_rng_state(), before)


def test_transformers_loads_a_fast_tokenizer_with_the_template_of_bert(tmp_path: Path) -> None:
    build_starter(SENTENCES, tmp_path, vocab_size=200)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.is_fast
    encoded = tokenizer("The RIVERgate", "a caf\u00e9")
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert tokens[0] == "[CLS]"
    assert tokens.count("[SEP]") == 2
    assert "[UNK]" not in tokens
    assert sorted(set(encoded["token_type_ids"])) == [0, 1]
    assert tokenizer.decode(encoded["input_ids"], skip_special_tokens=True) == "the rivergate a cafe"
    # A letter that only continues words in the text is an ordinary entry, not a special one.
    assert set(tokenizer.all_special_tokens) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}


def test_the_model_and_its_tokenizer_fit_each_other(tmp_path: Path) -> None:
    build_starter(SENTENCES, tmp_path, vocab_size=200)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path)
    batch = tokenizer(SENTENCES[:3], padding=True, return_tensors="pt")
    state = model(**batch).last_hidden_state
    assert state.shape == (3, batch["input_ids"].shape[1], model.config.hidden_size)
    assert model.config.vocab_size == len(tokenizer) <= 200


def test_thousands_of_characters_are_known_where_the_vocabulary_has_room(tmp_path: Path) -> None:
    """Protects Chinese: a text that looks empty to its model."""
    characters = [chr(0x4E00 + number) for number in range(1800)]
    sentences = ["".join(characters[first : first + 30]) for first in range(0, 1800, 30)]
    build_starter(sentences, tmp_path / "model", vocab_size=8000)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert loaded.tokenize("".join(characters)) == characters


def test_what_cannot_be_built_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="vocab_size=20"):
        build_starter(SENTENCES, tmp_path, vocab_size=20)
    with pytest.raises(InputError, match="no text"):
        build_starter(["", "  "], tmp_path)
