"""Paraphrasing: a line a sentence, the same bytes however often the run was stopped, and nothing begun is mixed up."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from paraphrase_support import MODELS, POSITIONS, tiny_bart, tiny_t5
from training_support import make_sentences, tiny_bert, write_lines
from una_fast import files
from una_fast.cli import main
from una_fast.errors import ArtifactError, InputError, OptionError
from una_fast.paraphrase import ParaphraseConfig, Result, paraphrase
from una_fast.paraphrase.model import Paraphraser
from una_fast.sources import load_sentences
from una_fast.training import TrainConfig
from una_fast.training.corpus import open_corpus

SENTENCES = make_sentences(50)
SAMPLE: dict[str, Any] = {"decoding": "sample", "temperature": 0.8, "top_p": 0.9}


@pytest.fixture(scope="module")
def bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bart(tmp_path_factory.mktemp("bart"))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "corpus.txt", SENTENCES)


def make(corpus: Path, model: Path, **options: Any) -> tuple[Result, list[str]]:
    given: dict[str, Any] = {"device": "cpu", "num_beams": 2, "block_lines": 20, "max_output_length": 12}
    output = corpus.with_name("out.txt")
    config = ParaphraseConfig(corpus=corpus, output=output, model=model, **{**given, **options})
    result = paraphrase(config)
    assert not output.with_name("out.txt.parts").exists()
    return result, output.read_text().split("\n")[:-1]


@pytest.mark.parametrize("family", list(MODELS))
def test_a_line_for_every_sentence(family: str, corpus: Path, tmp_path: Path) -> None:
    """Protects the whole way for each family: training takes the output as paraphrases of the corpus."""
    model = MODELS[family](tmp_path / "model")
    result, lines = make(corpus, model)
    assert (result.sentences, result.resumed, len(lines)) == (50, 0, 50)
    assert len(set(lines)) > 5, "what comes out depends on what goes in"
    config = TrainConfig(model=model, corpus=corpus, output=tmp_path / "o", paraphrases=result.output)
    assert list(open_corpus(config).paraphrases or []) == lines == list(load_sentences(result.output))


@pytest.mark.parametrize(
    "options", [{"num_beams": 1}, {"num_beams": 3}, SAMPLE], ids=["greedy", "beam", "sample"]
)
def test_batches_change_nothing(options: dict[str, Any], corpus: Path, bart: Path) -> None:
    """Protects the order of the lines, and draws from depending on company."""
    outputs = [make(corpus, bart, batch_size=size, **options)[1] for size in (1, 7, 64)]
    assert outputs[0] == outputs[1] == outputs[2]


def test_blocks_change_no_draw(corpus: Path, bart: Path) -> None:
    """Protects the key of a draw: the row in the corpus, not in the block."""
    assert make(corpus, bart, block_lines=7, **SAMPLE)[1] == make(corpus, bart, block_lines=50, **SAMPLE)[1]


def test_each_option_counts(corpus: Path, bart: Path) -> None:
    """Protects options from being taken and forgotten."""
    variants: list[dict[str, Any]] = [
        {"num_beams": 1},
        {"num_beams": 4},
        SAMPLE,
        {**SAMPLE, "seed": 1},
        {**SAMPLE, "temperature": 2.0},
        {**SAMPLE, "top_p": 0.2},
        {"prefix": "the old captain "},
        {"max_input_length": 4},
        {"max_output_length": 5},
    ]
    outputs = {tuple(make(corpus, bart, **options)[1]) for options in variants}
    assert len(outputs) == len(variants)


def test_lengths_are_at_most_the_positions_of_the_model(corpus: Path, bart: Path) -> None:
    """Protects models of few positions from an index error."""
    long = write_lines(corpus.with_name("long.txt"), [" ".join(SENTENCES)])
    assert len(make(long, bart, max_input_length=500, max_output_length=500)[1]) == 1
    config = ParaphraseConfig(
        corpus=long, output="o", model=bart, max_input_length=500, max_output_length=500, device="cpu"
    )
    loaded = Paraphraser(config)
    assert (loaded.max_input_length, loaded.max_output_length) == (POSITIONS, POSITIONS)


def test_what_the_model_leaves_empty_is_the_sentence(
    corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the alignment: no empty line, no line end within a line, and every fallback counted."""
    odd = ["", " \n ", "two\nlines\r\n here", "\r\n", "fine"]

    def generate(self: Paraphraser, tokens: list[Any], rows: Sequence[int]) -> list[str]:
        return [odd[row % 5] for row in rows]

    monkeypatch.setattr(Paraphraser, "_generate", generate)
    result, lines = make(corpus, bart)
    assert result.fallbacks == 30
    assert lines[:5] == [SENTENCES[0], SENTENCES[1], "two lines  here", SENTENCES[3], "fine"]
    assert len(lines) == 50


class StoppedError(Exception):
    """In place of what stops a run."""


def begin(corpus: Path, model: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Path:
    """A run that stops in its second block; returns its working folder."""
    calls = iter([False, True])

    def block(self: Paraphraser, sentences: Sequence[str], first_row: int, tick: Any = None) -> Any:
        if next(calls):
            raise StoppedError
        return original(self, sentences, first_row, tick)

    original = Paraphraser.block
    with monkeypatch.context() as patch:
        patch.setattr(Paraphraser, "block", block)
        with pytest.raises(StoppedError):
            make(corpus, model, **options)
    return corpus.with_name("out.txt.parts")


def test_a_stopped_run_goes_on(corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects finished blocks, also where the batch has to become smaller."""
    unbroken = make(corpus, bart)[1]
    corpus.with_name("out.txt").unlink()
    begin(corpus, bart, monkeypatch)
    assert not corpus.with_name("out.txt").exists(), "no output before it is whole"
    result, lines = make(corpus, bart, batch_size=3)
    assert (result.resumed, lines) == (20, unbroken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 3}, "num_beams was 2, now 3"),
        ({"prefix": "x", "seed": 4}, "prefix was '', now 'x'; seed was 0, now 4"),
        ({"precision": "bfloat16"}, "precision was 'float32', now 'bfloat16'"),
    ],
)
def test_other_settings_are_refused(
    corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    """Protects an output from being of two makings; the message tells what differs."""
    begin(corpus, bart, monkeypatch)
    with pytest.raises(OptionError, match=re.escape(message)):
        make(corpus, bart, **options)


def test_another_model_or_corpus_is_refused(
    corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Protects against the same names with other contents."""
    begin(corpus, bart, monkeypatch)
    with pytest.raises(OptionError, match="model_sha256 was"):
        make(corpus, tiny_t5(tmp_path / "t5"))
    write_lines(corpus, SENTENCES[::-1])
    with pytest.raises(OptionError, match="corpus_sha256 was"):
        make(corpus, bart)


def test_a_damaged_working_folder_is_refused(
    corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the output from a block that lost lines, and strangers' folders from us."""
    parts = begin(corpus, bart, monkeypatch)
    block = parts / "block-00000000.json"
    content = json.loads(block.read_text())
    lines = content["paraphrases"]
    damaged = (lines[1:], ["", *lines[1:]], ["a\nb", *lines[1:]], [1, *lines[1:]], None)
    for damage in (
        *({**content, "paraphrases": wrong} for wrong in damaged),
        {"lines": []},
        [],
        {**content, "x": 1},
    ):
        block.write_text(json.dumps(damage))
        with pytest.raises(ArtifactError, match=r"block-00000000\.json is damaged: remove it"):
            make(corpus, bart)
    block.unlink()
    assert make(corpus, bart)[0].resumed == 30
    parts.mkdir()
    (parts / "thesis.tex").touch()
    with pytest.raises(OptionError, match="holds something other than a paraphrasing run"):
        make(corpus, bart)
    (parts / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        make(corpus, bart)


def test_a_corpus_that_changes_meanwhile_is_noticed(
    corpus: Path, bart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the alignment with the corpus as it will be trained on."""
    original = Paraphraser.__init__

    def load(self: Paraphraser, config: ParaphraseConfig) -> None:
        write_lines(corpus, SENTENCES[::-1])
        original(self, config)

    monkeypatch.setattr(Paraphraser, "__init__", load)
    with pytest.raises(InputError, match="the corpus changed while it was paraphrased"):
        make(corpus, bart)


@pytest.mark.parametrize("name", ["corpus.txt.zst", "corpus.jsonl"])
def test_every_kind_of_file_is_read(name: str, tmp_path: Path, bart: Path) -> None:
    """Protects the one way of reading: what `fit` counts can be paraphrased."""
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / name
    if name.endswith("zst"):
        path.write_bytes(zstandard.compress("".join(f"{line}\n" for line in SENTENCES).encode()))
    else:
        path.write_text("".join(json.dumps({"text": line}) + "\n" for line in SENTENCES))
    assert make(path, bart)[1] == make(write_lines(tmp_path / "plain.txt", SENTENCES), bart)[1]


def test_an_output_is_for_one_process_at_a_time(corpus: Path, bart: Path, tmp_path: Path) -> None:
    """Protects the blocks of a run that is going on."""
    parts = tmp_path / "out.txt.parts"
    parts.mkdir()
    with (
        files.alone(parts / ".lock", "at it"),
        pytest.raises(OptionError, match=r"another process is paraphrasing for .*out\.txt"),
    ):
        make(corpus, bart)
    make(corpus, bart)


def test_an_empty_line_is_placed(tmp_path: Path, bart: Path) -> None:
    """Protects the alignment: file and line."""
    path = write_lines(tmp_path / "c.txt", ["one", "", "three"])
    with pytest.raises(InputError, match=r"c\.txt: line 2: no text, where every row must have some"):
        make(path, bart)
    assert not (tmp_path / "out.txt.parts" / "corpus").exists()


def test_wrong_use_is_named(corpus: Path, bart: Path, tmp_path: Path) -> None:
    """Protects the messages, before any work is done."""
    with pytest.raises(OptionError, match="temperature must be above 0"):
        make(corpus, bart, decoding="sample", temperature=0.0)
    with pytest.raises(OptionError, match="top_p must be at most 1"):
        make(corpus, bart, decoding="sample", top_p=1.5)
    with pytest.raises(OptionError, match='they need decoding="sample"'):
        make(corpus, bart, temperature=0.5)
    with pytest.raises(OptionError, match="num_beams must be at least 1, not 0"):
        make(corpus, bart, num_beams=0)
    with pytest.raises(OptionError, match="decoding must be one of 'beam', 'sample', got 'greedy'"):
        make(corpus, bart, decoding="greedy")
    with pytest.raises(OptionError, match="seed must be at least 0 and below"):
        make(corpus, bart, seed=2**63)
    with pytest.raises(OptionError, match="cannot be loaded as a sequence-to-sequence model"):
        make(corpus, tiny_bert(tmp_path / "bert"))
    with pytest.raises(OptionError, match="cannot be loaded"):
        make(corpus, tmp_path / "nowhere")
    with pytest.raises(InputError, match="no sentence in"):
        make(write_lines(tmp_path / "empty.txt", []), bart)
    with pytest.raises(OptionError, match="is the corpus itself"):
        paraphrase(ParaphraseConfig(corpus=corpus, output=corpus, model=bart))
    with pytest.raises(OptionError, match="is a folder"):
        paraphrase(ParaphraseConfig(corpus=corpus, output=tmp_path, model=bart))
    with pytest.raises(OptionError, match="it is read twice"):
        paraphrase(ParaphraseConfig(corpus=SENTENCES, output="o", model=bart))  # type: ignore[arg-type]


def words(corpus: Path, model: Path, output: Path) -> list[str]:
    """The command's words: 100 blocks for 400 sentences."""
    given = ["paraphrase", str(corpus), "-o", str(output), "--model", str(model), "--device", "cpu", "--json"]
    return [
        *given,
        "--num-beams",
        "2",
        "--block-lines",
        "4",
        "--batch-size",
        "2",
        "--max-output-length",
        "12",
    ]


def start(given: list[str], parts: Path, blocks: int) -> "subprocess.Popen[bytes]":
    """Run the command in a process of its own, and come back when it has finished so many blocks."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys, una_fast.cli; sys.exit(una_fast.cli.main({given!r}))"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 300
    while len(list(parts.glob("block-*.json"))) < blocks:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


def test_stopped_in_earnest_and_resumed_is_the_unbroken_run(
    tmp_path: Path, bart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects every line from being lost or doubled: kill -9, then Ctrl-C, then a run to the end."""
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(400))
    output, parts = tmp_path / "out.txt", tmp_path / "out.txt.parts"
    given = words(corpus, bart, output)
    process = start(given, parts, 3)
    process.kill()
    process.communicate()
    process = start(given, parts, 17)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    told = process.stderr.readline()
    while told and b"finished blocks are kept" not in told:
        told = process.stderr.readline()
    assert told, "the interruption is acknowledged"
    assert time.monotonic() - asked < 1
    assert b"Traceback" not in process.communicate()[1]
    assert process.returncode == 130
    finished = len(list(parts.glob("block-*.json")))
    assert 17 <= finished < 100
    assert not output.exists()

    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == 4 * finished
    resumed = output.read_bytes()
    output.unlink()
    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == 0
    assert resumed == output.read_bytes()
    assert resumed.count(b"\n") == 400


def test_every_option_reaches_the_configuration(tmp_path: Path) -> None:
    """Protects the names, and one place for defaults."""
    from una_fast.cli import parser

    required = ["paraphrase", "a.txt", "b.txt", "-o", "out", "--model", "m"]
    config = ParaphraseConfig.from_arguments(parser().parse_args(required))
    assert config == ParaphraseConfig(corpus=[Path("a.txt"), Path("b.txt")], output=Path("out"), model="m")
    values = {
        "prefix": "p: ",
        "decoding": "sample",
        "num_beams": 2,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "max_input_length": 20,
        "max_output_length": 21,
        "batch_size": 4,
        "block_lines": 5,
        "device": "cpu",
        "precision": "float32",
    }
    flags = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    changed = ParaphraseConfig.from_arguments(parser().parse_args([*required, *flags]))
    assert {name: getattr(changed, name) for name in values} == values


def test_the_command_tells_what_it_did(
    corpus: Path,
    bart: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Protects the count of fallbacks from going unseen."""
    given = words(corpus, bart, tmp_path / "out.txt")
    given.remove("--json")
    assert main(given) == 0
    assert "50 lines, 50 of them made in" in capsys.readouterr().out
    monkeypatch.setattr(Paraphraser, "_generate", lambda self, tokens, rows: [""] * len(rows))
    assert main(given) == 0
    assert "50 lines hold the sentence itself" in capsys.readouterr().out


def test_describing_the_command_does_not_import_torch() -> None:
    """Protects `una-fast --help` from taking seconds."""
    code = (
        "import sys, una_fast.cli as c; c.parser(); assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("damage", "says"), [("empty", "is empty"), ("cut off", "cut off or damaged"), ("lost", "lacks")]
)
def test_weights_that_cannot_be_read_or_do_not_fit_are_named(damage: str, says: str, tmp_path: Path) -> None:
    """Protects a paraphrasing from weights that were drawn at random, and says which file is at fault."""
    path = tiny_t5(tmp_path / "m") / "model.safetensors"
    weights = load_file(path)
    if damage == "lost":
        kept = {name: value for name, value in weights.items() if "decoder.block.0" not in name}
        assert len(kept) < len(weights)
        save_file(kept, path, metadata={"format": "pt"})
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-100])
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a cat\n")
    with pytest.raises(OptionError, match=says):
        paraphrase(ParaphraseConfig(corpus=corpus, output=tmp_path / "out", model=path.parent))
