"""The scripts and plans behind the figures of the docs run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the examples need the train extra")

import una_fast
from training_support import make_sentences, tiny_bert, write_lines
from una_fast.cli import main
from una_fast.evaluation import load_encoder
from una_fast.experiment import load_plan

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_a_small_bert_is_made_and_repeats_itself(tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "corpus.txt", make_sentences(80))
    for name in ("one", "two"):
        command = [EXAMPLES / "small_bert.py", corpus, "--output", tmp_path / name, "--steps", "2"]
        subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert load_encoder(tmp_path / "one", pooling="mean")(["a guitar"]).shape == (1, 128)


def test_the_plan_of_the_docs_can_be_run() -> None:
    plan = load_plan(EXAMPLES / "small-strategies.toml", settings=["corpus=c.txt", "model=m"])
    assert [arm.name for arm in plan.arms] == ["plain", "una", "tfidf-random", "random"]
    plan = load_plan(EXAMPLES / "pretrained-tiny.toml", settings=["corpus=c.txt", "model=m", "table=t"])
    assert [arm.name for arm in plan.arms] == ["plain", "una", "idf mean", "idf mean, una"]
    plan = load_plan(EXAMPLES / "pretrained-ablation.toml", settings=["corpus=c.txt", "model=m", "table=t"])
    assert [arm.options.get("preset") for arm in plan.arms].count(None) == 6
    plan = load_plan(EXAMPLES / "pretrained-rate.toml", settings=["corpus=c.txt", "model=m"])
    assert len(plan.arms) == 8


@pytest.mark.parametrize("plan", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_plan_can_be_read(plan: Path) -> None:
    text = plan.read_text(encoding="utf-8")
    missing = [
        f"{name}={name}" for name in ("model", "corpus") if f"{name} =" not in text and "pairs =" not in text
    ]
    assert list(load_plan(plan, settings=missing).runs())


def script(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_halves_are_of_texts_that_are_not_trained_on_and_are_looked_up(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    texts = [f"Number {i} begins: {said}. It goes on: {said}." for i, said in enumerate(make_sentences(1100))]
    html = "\n".join(f"<p>{text.replace(' ', '  ')}</p><pre>no text</pre>" for text in texts)
    (pages / "one.html").write_text(html, encoding="utf-8")
    output = tmp_path / "made"
    assert "100 texts to train on, 1,000 cut in halves" in script(
        "halves.py", "make", pages, "--output", output, "--words", 5
    )
    halves = [line.split("\t") for line in (output / "halves.tsv").read_text("utf-8").splitlines()]
    trained = (output / "texts.txt").read_text("utf-8").splitlines()
    assert sorted([" ".join(pair) for pair in halves] + trained) == sorted(texts)
    assert all(right.startswith("It goes on:") for _, right in halves)

    table = una_fast.fit(output / "texts.txt")
    table.save(tmp_path / "table")
    start = tiny_bert(tmp_path / "bert")
    una_fast.static_embedding(table, start / "tokenizer.json", dim=64).save_pretrained(tmp_path / "static")
    given = [f"model={tmp_path / 'static'}", f"corpus={output / 'texts.txt'}", f"table={tmp_path / 'table'}"]
    given += [f"evaluation.pairs={output / 'scored.tsv'}", "seeds=[0, 1]", "max_steps=1", "batch_size=32"]
    settings = [word for setting in given for word in ("--set", setting)]
    plan, results = EXAMPLES / "long-halves.toml", tmp_path / "results"
    command = ["experiment", str(plan), *settings, "--output", str(results), "--keep-encoders"]
    assert main(command) == 0
    told = script("halves.py", "score", plan, results, output / "halves.tsv", *settings)
    before, *runs = [float(found) for found in re.findall(r"found first ([\d.]+) %", told)]
    assert len(runs) == 6
    assert before > 1.0, "by the words that both halves hold"
    assert "una, ten tokens at most: " in told.splitlines()[-1]


def test_words_stay_by_their_part_of_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lexicon = tmp_path / "path" / "textblob" / "en"
    lexicon.mkdir(parents=True)
    (lexicon.parent / "__init__.py").write_text("")
    (lexicon / "en-lexicon.txt").write_text(";;; words\n\nthe DT\nplays VBZ\nold JJ\nThe NN\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"), prepend=os.pathsep)
    una_fast.fit(["the old captain plays .", "the guitar"]).save(tmp_path / "table")
    script("parts_of_speech.py", tmp_path / "table", "--output", tmp_path / "parts")
    for name, stay in {"nouns": ["old", "plays", "the"], "content": ["the"], "words": []}.items():
        assert sorted((tmp_path / "parts" / f"{name}.txt").read_text().split()) == [".", *stay]
