"""What a run reads: pairs, tables, and what is refused before the first step."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import una_fast
from training_support import make_sentences, tiny_bert, write_lines
from una_fast.errors import InputError, OptionError
from una_fast.training import TrainConfig, train
from una_fast.training.corpus import open_corpus, open_table
from una_fast.training.distributed import Processes


def config(**options: Any) -> TrainConfig:
    return TrainConfig(model="m", output="o", **options)


def test_pairs_are_corpus_and_paraphrases(tmp_path: Path) -> None:
    """Protects the two-column file: the same run as from two line-aligned files."""
    left, right = make_sentences(20), make_sentences(20, seed=1)
    pairs = tmp_path / "pairs.tsv.gz"
    pairs.write_bytes(
        gzip.compress("".join(f"{a}\t{b}\n" for a, b in zip(left, right, strict=True)).encode())
    )
    corpus = open_corpus(config(pairs=pairs))
    assert (list(corpus.sentences), list(corpus.paraphrases or ())) == (left, right)
    aligned = config(
        corpus=write_lines(tmp_path / "l.txt", left), paraphrases=write_lines(tmp_path / "r.txt", right)
    )
    assert corpus.digest() == open_corpus(aligned).digest()


def test_an_index_is_the_same_corpus(tmp_path: Path) -> None:
    """Protects runs on corpora larger than memory: same rows, same identity, same table."""
    pairs = write_lines(tmp_path / "pairs.tsv", [f"{a}\t{a} indeed" for a in make_sentences(20)])
    held, mapped = config(pairs=pairs), config(pairs=pairs, mapped_corpus=tmp_path / "index")
    corpora = [open_corpus(held), open_corpus(mapped)]
    assert list(corpora[0].sentences) == list(corpora[1].sentences)
    assert corpora[0].digest() == corpora[1].digest()
    tables = [open_table(held, corpus, Processes()) for corpus in corpora]
    assert tables[0].digest == tables[1].digest


@pytest.mark.parametrize("line", ["no tab here", "a\tb\tc", "a\t ", "\tb"])
def test_a_ragged_pair_is_named(tmp_path: Path, line: str) -> None:
    """Protects a paraphrase from meeting the sentence of another line."""
    pairs = write_lines(tmp_path / "pairs.tsv", ["a\tb", "c\td", line])
    with pytest.raises(InputError, match="pairs, line 3: expected a sentence, a tab and its paraphrase"):
        open_corpus(config(pairs=pairs))


def test_paraphrases_of_another_length_and_with_gaps(tmp_path: Path) -> None:
    """Protects alignment."""
    corpus = write_lines(tmp_path / "c.txt", make_sentences(5))
    with pytest.raises(InputError, match="4 paraphrases, 5 sentences"):
        open_corpus(config(corpus=corpus, paraphrases=write_lines(tmp_path / "p.txt", make_sentences(4))))
    gap = write_lines(tmp_path / "g.txt", ["a", "", "c", "d", "e", "f"])
    with pytest.raises(InputError, match=r"g\.txt: line 2: no text, where every row must have some"):
        open_corpus(config(corpus=corpus, paraphrases=gap))


def test_a_table_is_fitted_on_sentences_and_paraphrases(tmp_path: Path) -> None:
    """Protects the published order of things: the table knows the words of both."""
    pairs = write_lines(tmp_path / "pairs.tsv", ["old words\tnew speech"] * 3)
    options = config(pairs=pairs)
    table = open_table(options, open_corpus(options), Processes())
    assert {"old", "words", "new", "speech"} == set(table.terms)
    assert table.n_documents == 6


def test_a_table_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Protects negatives from other terms than the ones asked for; without the option the table decides."""
    table = una_fast.fit(make_sentences(20), tokenizer="word")
    table.save(tmp_path / "t.safetensors")
    corpus = make_sentences(20)
    options = config(corpus=corpus, table=tmp_path / "t.safetensors", tokenizer="treebank")
    with pytest.raises(
        OptionError, match=r"is 'treebank', but table '.*t\.safetensors' was fitted with 'word'"
    ):
        open_table(options, open_corpus(options), Processes())
    options = config(corpus=corpus, table=table)
    assert open_table(options, open_corpus(options), Processes()).tokenizer == "word"


def test_pairs_train_and_are_recorded(tmp_path: Path) -> None:
    """Protects the way from the file to the manifest."""
    lines = [f"{a}\t{b}" for a, b in zip(make_sentences(30), make_sentences(30, seed=1), strict=True)]
    result = train(
        TrainConfig(
            model=tiny_bert(tmp_path / "bert"),
            pairs=write_lines(tmp_path / "pairs.tsv", lines),
            output=tmp_path / "out",
            batch_size=10,
            loss="info_nce",
            loggers=("tensorboard", "jsonl"),
            log_every=1,
            device="cpu",
        )
    )
    manifest = json.loads((result.output / "training.json").read_text())
    assert manifest["paraphrases"] is True
    assert manifest["settings"]["loss"] == "info_nce"
    assert len((tmp_path / "out.run" / "metrics.jsonl").read_text().splitlines()) == 3
    assert list((tmp_path / "out.run" / "tensorboard").iterdir())
