"""Callables and patterns as tokenizers: the same tables and negatives as built-in ones, under another name."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer

import una_fast
from una_fast import _reference
from una_fast.cli import main
from una_fast.tokenizers import CustomTokenizer

WORD = re.compile(r"(?u)\b\w\w+\b")
CORPUS = [
    "The cat sat on the mat, didn't it?",
    "İstanbul's dogs lay on the RUG",
    "A bird flew over the house. The house stood.",
    "ΣΊΣΥΦΟΣ rolled a stone, and the stone rolled back",
    "...",
    "Naïve cafés serve the cat.",
]
sentences = st.lists(st.text(st.sampled_from("abC İσΣé.,'-中\u0301"), min_size=1), min_size=1, max_size=12)


def split(sentence: str) -> list[str]:
    return sentence.split()


def treebank(sentence: str) -> list[str]:
    """NLTK, as its documentation has it used."""
    return NLTKWordTokenizer().tokenize(sentence)


def stems(sentence: str) -> list[str]:
    stemmer = PorterStemmer()
    return [stemmer.stem(word) for word in sentence.split()]


TWINS = [(split, "whitespace"), (treebank, "treebank"), (WORD, "word")]


def arrays(table: una_fast.TermTable) -> list[Any]:
    return [table.n_documents, table.terms, table.df.tolist(), table.idf.tolist(), table.score.tolist()]


def fit(corpus: list[str], tokenizer: Any, **options: Any) -> una_fast.TermTable | str:
    """The table, or what is said where there is none."""
    try:
        return una_fast.fit(corpus, tokenizer=tokenizer, **options)
    except una_fast.InputError as error:
        return str(error).split(" under")[0]


@pytest.mark.parametrize(("custom", "name"), TWINS, ids=[name for _, name in TWINS])
@pytest.mark.parametrize("lowercase", [True, False])
@settings(max_examples=60)
@given(corpus=sentences)
def test_everything_is_as_with_the_built_in_twin(
    custom: Any, name: str, lowercase: bool, corpus: list[str]
) -> None:
    if name == "treebank":  # a quote reads as `` in NLTK, and then stands nowhere in the sentence
        corpus = [sentence.replace("'", "-") for sentence in corpus]
    ours, theirs = (fit(corpus, tokenizer, lowercase=lowercase) for tokenizer in (custom, name))
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
        return
    assert arrays(ours) == arrays(theirs)
    assert (ours.transform(corpus) != theirs.transform(corpus)).nnz == 0
    for surface in ("reference", "preserve"):
        made = []
        for table in (ours, theirs):
            maker = una_fast.Augmenter(table, seed=7, surface=surface)
            explained = [maker.explain(sentence, row=3) for sentence in corpus]
            made.append((maker.augment_with_stats(corpus, epoch=2), explained))
        assert made[0] == made[1]
    assert ours.tokenize(corpus) == theirs.tokenize(corpus)


def test_the_plain_python_statement_says_the_same() -> None:
    table = una_fast.fit(CORPUS, tokenizer=stems)
    documents = [stems(sentence.lower()) for sentence in CORPUS]
    reference = _reference.fit(documents)
    assert table.terms == reference.terms
    assert table.df.tolist() == reference.df
    for row, (tokens, negative) in enumerate(
        zip(documents, una_fast.Augmenter(table, seed=5).augment(CORPUS), strict=True)
    ):
        assert negative == _reference.augment(reference, tokens, row=row, seed=5)


def write(path: Path, corpus: list[str]) -> None:
    text = "\n".join(corpus) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": line}) + "\n" for line in corpus), encoding="utf-8")
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.table({"text": corpus}), path)
    else:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("threads", [1, 2])
def test_every_kind_of_source_is_counted_alike(tmp_path: Path, threads: int) -> None:
    corpus = [f"{sentence} {i}" for i, sentence in enumerate(CORPUS * 2000)]
    expected = arrays(una_fast.fit(corpus, tokenizer="whitespace"))
    paths = [tmp_path / name for name in ("a.txt", "a.gz", "a.jsonl", "a.parquet")]
    for path in paths:
        write(path, corpus)

    def count(source: Any, **options: Any) -> list[Any]:
        return arrays(una_fast.fit(source, tokenizer=split, threads=threads, **options))

    for path in paths:
        assert count(path) == expected
    assert count(iter(corpus)) == expected
    assert count(pa.chunked_array([corpus])) == expected
    for path in paths[:2]:
        assert count(io.BytesIO(path.read_bytes())) == expected
    assert count(io.BytesIO(paths[2].read_bytes()), text_field="text") == expected
    twice = arrays(una_fast.fit(corpus * 2, tokenizer="whitespace"))
    assert count([paths[0], paths[3]]) == twice
    shares = [una_fast.TermCounter(tokenizer=split, shard=(i, 3), threads=threads) for i in (1, 2, 3)]
    for share in shares:
        share.update(paths[1])
    shares[0].merge(shares[1])
    shares[0].merge(shares[2])
    assert arrays(shares[0].freeze()) == expected


def test_counts_and_empty_lines_are_as_with_built_in_tokenizers(tmp_path: Path) -> None:
    path = tmp_path / "corpus"
    path.write_bytes(b"a b\n\n \xff\nc\n")
    counter = una_fast.TermCounter(tokenizer=split, errors="skip")
    counter.update(path, progress=True)
    assert (counter.n_documents, counter.n_empty, counter.n_skipped) == (2, 1, 1)
    with pytest.raises(una_fast.InputError, match="line 3: invalid UTF-8 at byte 6"):
        una_fast.fit(path, tokenizer=split)
    with pytest.raises(una_fast.StorageError, match="none"):
        una_fast.fit(tmp_path / "none", tokenizer=split)


def returning(value: Any) -> Callable[[str], Any]:
    def odd(sentence: str) -> Any:
        return value if "bad" in sentence else [sentence]

    return odd


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (("a",), "returned tuple, not a list of str,"),
        ("a b", "returned str, not a list of str,"),
        (None, "returned NoneType, not a list of str,"),
        (["a", 1], "gave a token that is int, not str,"),
        (["a", b"b"], "gave a token that is bytes, not str,"),
        (["a", ""], "gave an empty token"),
        (["a\0"], "gave a token with a NUL"),
        (["\ud800"], "gave a token with a lone surrogate"),
    ],
)
def test_what_may_not_be_returned_is_named_with_tokenizer_and_sentence(
    tmp_path: Path, value: object, what: str
) -> None:
    custom = returning(value)
    name = "callable:test_custom_tokenizers.returning.<locals>.odd"
    message = re.escape(f'the tokenizer "{name}" {what} for "bad one"')
    path = tmp_path / "corpus"
    path.write_text("good\nbad one\nbad two\n\x00", encoding="utf-8")
    counter = una_fast.TermCounter(tokenizer=custom)
    for source in (["good", "bad one", "bad two"], path, io.BytesIO(path.read_bytes())):
        with pytest.raises(una_fast.InputError, match=message):
            counter.update(source)
    assert (counter.n_documents, counter.n_terms) == (0, 0)
    table = una_fast.fit(["good", "fine"], tokenizer=custom)
    for use in (table.tokenize, table.transform, una_fast.Augmenter(table).augment):
        with pytest.raises(una_fast.InputError, match=message):
            use(["good", "bad one"])


def test_an_exception_of_the_callable_comes_through_with_the_sentence() -> None:
    def failing(sentence: str) -> list[str]:
        raise LookupError(sentence)

    counter = una_fast.TermCounter(tokenizer=failing)
    with pytest.raises(LookupError, match="a b") as caught:
        counter.update(iter(["A b"]))
    [note] = caught.value.__notes__
    assert re.fullmatch(r'raised by the tokenizer "callable:.*failing" for "a b"', note)
    assert counter.n_documents == 0


@pytest.mark.parametrize(
    ("pattern", "sentence", "tokens"),
    [
        (r"#(\w+)", "tag #tag #b", ["tag", "b"]),
        (r"(?<=#)\w+", "tag #tag", ["tag"]),
        (r"[^ ]+(?: York)?", "new York is", ["new York", "is"]),
        (r"(?=(\w\w))", "abc", ["ab", "bc"]),
    ],
)
def test_patterns_give_matches_or_their_only_group(pattern: str, sentence: str, tokens: list[str]) -> None:
    compiled = re.compile(pattern)
    table = una_fast.fit([sentence], tokenizer=compiled, lowercase=False)
    found = table.tokenize([sentence])[0]
    assert found.texts == tokens == compiled.findall(sentence)
    covered = [sentence[start:end] for start, end in found.spans]
    assert all(text in ("", token) for text, token in zip(covered, tokens, strict=True))
    assert found.spans[0] == compiled.search(sentence).span(compiled.groups)


@pytest.mark.parametrize("pattern", [r"\w*", r"a|(b)"])
def test_patterns_that_match_nothing_are_refused_where_they_do(pattern: str) -> None:
    with pytest.raises(una_fast.InputError, match=r"gave an empty token for \"a b\""):
        una_fast.fit(["a b"], tokenizer=re.compile(pattern))


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ("nltk", "tokenizer must be one of"),
        ("callable:nltk.word_tokenize", "is the name of one that is not built in"),
        (5, "not int"),
        (re.compile(r"(a)(b)"), "has 2 groups"),
        (re.compile(rb"a"), "a pattern of str, not of bytes"),
    ],
)
def test_what_is_no_tokenizer_is_refused(tokenizer: Any, message: str) -> None:
    with pytest.raises(una_fast.OptionError, match=message):
        una_fast.fit(["a"], tokenizer=tokenizer)


class Callme:
    def __call__(self, sentence: str) -> list[str]:
        return sentence.split()

    def method(self, sentence: str) -> list[str]:
        return sentence.split()


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        (split, "callable:test_custom_tokenizers.split"),
        (Callme(), "callable:test_custom_tokenizers.Callme"),
        (Callme().method, "callable:test_custom_tokenizers.Callme.method"),
        (str.split, "callable:builtins.str.split"),
        (re.compile("a b").findall, "callable:re.Pattern.findall"),
        (re.compile("a|b"), "pattern:a|b"),
        (re.compile("a|b", re.I | re.A), "pattern[ai]:a|b"),
    ],
)
def test_names(tokenizer: Any, name: str) -> None:
    assert CustomTokenizer(tokenizer).name == name


def test_long_names_are_shortened_and_stay_apart() -> None:
    names = {CustomTokenizer(re.compile("é" * n)).name for n in (200, 201, 300)}
    assert len(names) == 3
    assert all(len(name.encode()) <= 190 and "(sha256 " in name for name in names)
    table = una_fast.fit(["éé" * 200], tokenizer=re.compile("é" * 200))
    assert table.tokenizer in names


def test_a_loaded_table_knows_the_name_and_asks_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "table"
    table = una_fast.fit(CORPUS, tokenizer=split)
    table.save(path)
    loaded = una_fast.TermTable.load(path)
    assert loaded.tokenizer == table.tokenizer == "callable:test_custom_tokenizers.split"
    assert loaded == table
    assert loaded["cat."].df == 1
    assert len(loaded.vicinity("cat.", 2)) == 5
    assert loaded.to_arrow().num_rows == len(table)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    maker = una_fast.Augmenter(loaded)
    for use in (
        lambda: loaded.tokenize(["a"]),
        lambda: loaded.transform(["a"]),
        lambda: maker.augment(["a"]),
        lambda: maker.augment_with_stats(["a"]),
        lambda: maker.explain("a"),
    ):
        with pytest.raises(
            una_fast.OptionError, match=r"'callable:test_custom_tokenizers\.split' is known by name"
        ):
            use()
    for other in ("whitespace", treebank, WORD):
        with pytest.raises(
            una_fast.OptionError, match=r"table was made with the tokenizer 'callable:.*split', not"
        ):
            una_fast.TermTable.load(path, tokenizer=other)
    again = una_fast.TermTable.load(path, tokenizer=split)
    assert una_fast.Augmenter(again).augment(CORPUS) == una_fast.Augmenter(table).augment(CORPUS)
    built_in = una_fast.fit(CORPUS)
    built_in.save(path)
    assert una_fast.TermTable.load(path, tokenizer="treebank") == built_in
    with pytest.raises(una_fast.OptionError, match="made with the tokenizer 'treebank', not 'word'"):
        una_fast.TermTable.load(path, tokenizer="word")


def test_loaded_counts_merge_by_name_and_ask_for_the_tokenizer_to_count_on(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    counter = una_fast.TermCounter(tokenizer=split)
    counter.update(CORPUS[:3])
    counter.save(path)
    loaded = una_fast.TermCounter.load(path)
    with pytest.raises(una_fast.OptionError, match="is known by name alone"):
        loaded.update(CORPUS[3:])
    rest = una_fast.TermCounter(tokenizer=split)
    rest.update(CORPUS[3:])
    loaded.merge(rest)
    whole = una_fast.fit(CORPUS, tokenizer=split)
    assert loaded.freeze() == whole
    resumed = una_fast.TermCounter.load(path, tokenizer=split)
    resumed.update(CORPUS[3:])
    assert resumed.freeze() == whole
    arrow = una_fast.TermCounter.from_arrow(resumed.to_arrow(), tokenizer=split)
    assert una_fast.Augmenter(arrow.freeze()).augment(CORPUS)
    assert una_fast.TermCounter.from_arrow(resumed.to_arrow()).freeze() == whole
    with pytest.raises(una_fast.OptionError, match="the Arrow table was made with"):
        una_fast.TermCounter.from_arrow(resumed.to_arrow(), tokenizer=WORD)
    with pytest.raises(
        una_fast.OptionError, match=r'tokenizer is "callable:.*split" here and "treebank" there'
    ):
        loaded.merge(una_fast.TermCounter())


def test_tables_travel_with_their_tokenizer() -> None:
    for tokenizer in (split, WORD):
        maker = una_fast.Augmenter(una_fast.fit(CORPUS, tokenizer=tokenizer), surface="preserve")
        copy = pickle.loads(pickle.dumps(maker))
        assert copy.augment(CORPUS) == maker.augment(CORPUS)


def test_tokens_that_the_sentence_does_not_hold() -> None:
    table = una_fast.fit(CORPUS, tokenizer=stems)
    sentence = "The houses stood"
    found = table.tokenize([sentence])[0]
    assert found == (["the", "hous", "stood"], [(0, 3), (4, 8), (11, 16)])
    table = una_fast.fit(["flies fly"], tokenizer=lambda s: [w.replace("ies", "y") for w in s.split()])
    assert table.tokenize(["Flies fly"])[0].spans == [(6, 9), (9, 9)]
    assert una_fast.Augmenter(table).augment(["Flies fly"])
    preserving = una_fast.Augmenter(table, surface="preserve")
    message = (
        r'sentence 1: the token "fly" of the tokenizer "callable:.*<lambda>" does not stand in the sentence'
    )
    with pytest.raises(una_fast.InputError, match=message):
        preserving.augment(["fly", "Flies fly"])
    with pytest.raises(una_fast.InputError, match='the token "fly"'):
        preserving.explain("Flies fly")


def test_spans_are_those_of_the_sentence_as_written() -> None:
    table = una_fast.fit(["İzmir ẞtreet bay"], tokenizer=split)
    assert table.tokenize(["İzmir ẞtreet Bay"])[0].spans == [(0, 5), (6, 12), (13, 16)]
    negative = una_fast.Augmenter(table, surface="preserve", replace_prob=1.0).augment(["İzmir,  Bay"])[0]
    assert "  " in negative


def test_ids_are_those_of_the_text() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[UNK]": 0, "[PAD]": 1, "a": 2, "cat": 3}, "[UNK]")
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    table = una_fast.fit(CORPUS, tokenizer=split)
    maker = una_fast.Augmenter(table)
    encoded = maker.encode(CORPUS, tokenizer=backend, max_length=32)
    for text, ids, mask in zip(maker.augment(CORPUS), encoded.input_ids, encoded.attention_mask, strict=True):
        assert ids[mask == 1].tolist() == backend.encode(text).ids


def test_weights_are_one_for_each_token() -> None:
    maker = una_fast.Augmenter(una_fast.fit(CORPUS, tokenizer=split), replace_prob=0.01)
    weights = [np.eye(1, len(sentence.split()), 0)[0] for sentence in CORPUS]
    for sentence, negative in zip(CORPUS, maker.augment(CORPUS, weights=weights), strict=True):
        assert negative.split()[1:] == sentence.lower().split()[1:]


@pytest.mark.parametrize("source", ["file", "rows", "stream"])
def test_ctrl_c_ends_the_count_and_leaves_the_counter_usable(tmp_path: Path, source: str) -> None:
    path = tmp_path / "corpus"
    path.write_text("one two three\n" * 3_000_000)
    counter = una_fast.TermCounter(tokenizer=lambda sentence: sentence.split())

    def endless() -> Iterator[str]:
        while True:
            yield "one two three"

    given: Any = {"file": path, "rows": endless()}.get(source) or open(path, "rb")  # noqa: SIM115
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        counter.update(given)
    timer.join()
    assert counter.n_documents == 0
    counter.update(["one two"])
    assert counter.n_documents == 1


def test_the_command_takes_patterns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, table, out = tmp_path / "corpus", tmp_path / "table", tmp_path / "out"
    corpus.write_text("\n".join(CORPUS) + "\n", encoding="utf-8")
    pattern = ["--tokenizer-pattern", r"\b\w\w+\b"]
    assert main(["fit", str(corpus), "-o", str(table), "--quiet", *pattern]) == 0
    loaded = una_fast.TermTable.load(table)
    assert arrays(loaded) == arrays(una_fast.fit(CORPUS, tokenizer="word"))
    assert main(["augment", str(table), str(corpus), "-o", str(out), *pattern]) == 0
    expected = una_fast.Augmenter(una_fast.fit(CORPUS, tokenizer="word")).augment(CORPUS)
    assert out.read_text(encoding="utf-8").splitlines() == expected
    assert main(["inspect", str(table), "--sentence", "The cat", *pattern]) == 0
    capsys.readouterr()
    assert main(["inspect", str(table), "--term", "cat"]) == 0
    for wrong, message in (
        (["augment", str(table), str(corpus)], "give it again"),
        (["augment", str(table), str(corpus), "--tokenizer-pattern", "a"], "was made with the tokenizer"),
        (["fit", str(corpus), "-o", str(out), "--tokenizer-pattern", "("], "is no regular expression"),
        (["fit", str(corpus), "-o", str(out), "--tokenizer", "word", *pattern], "takes the place of"),
    ):
        assert main(wrong) == 1
        assert message in capsys.readouterr().err
