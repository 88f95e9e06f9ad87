"""Tokenizers against what they promise to equal: NLTK in two editions, scikit-learn, and Python itself."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nltk_rules
from una_fast import _core

# Dense in what the rules act on: quotes, stops, brackets, digits, white space, parts of contractions, odd letters.
PIECES = [
    *" '\".,:;!?-()[]{}<>`*…«»“”‘’\t\n\u2014\u00a0\u001c1٣aséſİıK中\u0301_",
    "'s",
    "'ll",
    "n't",
    "can",
    "not",
]
texts = st.lists(
    st.sampled_from([*PIECES, "gim", "me", "wan", "na", "more'n", "'tis", "cannot", "--", "..."])
).map("".join)


def ours(name: str, sentences: list[str], *, lowercase: bool = False) -> list[list[str]]:
    return _core.tokenize(sentences, tokenizer=name, lowercase=lowercase)[0]


@settings(max_examples=2000)
@given(texts)
def test_dense_texts_equal_both_editions_of_the_rules(text: str) -> None:
    assert ours("treebank", [text]) == [nltk_rules.treebank_310(text)]
    assert ours("treebank-3.9", [text]) == [nltk_rules.treebank_39(text)]


@settings(max_examples=500)
@given(st.one_of(texts, st.text()))
def test_words_and_white_space_are_those_of_python(text: str) -> None:
    # A character assigned after this Python's Unicode may be a letter to us and nothing to it.
    text = "".join(c for c in text if c.isprintable() or c.isspace())
    assert ours("word", [text]) == [re.findall(r"(?u)\b\w\w+\b", text)]
    assert ours("whitespace", [text]) == [text.split()]
    assert ours("whitespace", [text], lowercase=True) == [text.lower().split()]


def differences(name: str, sentences: list[str], expected: Callable[[str], list[str]]) -> list[str]:
    lowered = [sentence.lower() for sentence in sentences]
    found = ours(name, sentences, lowercase=True)
    assert len(found) == len(lowered)
    return [text for text, tokens in zip(lowered, found, strict=True) if tokens != expected(text)]


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        ("wiki_en.txt.gz", 30_000),
        ("wiki_ko.txt.gz", 10_000),
        ("wiki_zh.txt.gz", 10_000),
        ("wikisplit_pairs.tsv.gz", 10_000),
    ],
)
def test_real_sentences_equal_nltk(read_data: Callable[..., list[str]], file: str, limit: int) -> None:
    tokenize = pytest.importorskip("nltk.tokenize")
    sentences = read_data(file, limit)
    assert len(sentences) == limit
    found = differences("treebank", sentences, lambda text: tokenize.word_tokenize(text, preserve_line=True))
    assert found == []


@pytest.mark.parametrize(
    "file", ["wiki_en.txt.gz", "wiki_ko.txt.gz", "wiki_zh.txt.gz", "wikisplit_pairs.tsv.gz"]
)
def test_real_sentences_equal_the_rules_of_the_older_edition(
    read_data: Callable[..., list[str]], file: str
) -> None:
    assert differences("treebank-3.9", read_data(file, 20_000), nltk_rules.treebank_39) == []


def test_chinese_is_more_than_one_term_a_sentence() -> None:
    assert ours("unicode", ["我们喜欢读书。", "plain words, too"]) == [
        list("我们喜欢读书"),
        ["plain", "words", "too"],
    ]
