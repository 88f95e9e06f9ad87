"""Phrases: found by their formula, counted, saved and replaced as one term; without them nothing changes."""

import dataclasses
import io
import json
import math
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from una_fast import (
    ArtifactError,
    Augmenter,
    InputError,
    OptionError,
    PhraseRule,
    Phrases,
    TermCounter,
    TermTable,
    _reference,
    find_phrases,
    fit,
)
from una_fast.cli import main

CORPUS = [
    "She left New York for Los Angeles",
    "New York is cold in winter",
    "Los Angeles is warm, and so is New  York in summer",
    "The cat can't see the dog",
    "the dog saw New York City from above",
    "Machine learning is fun",
    "He knows Machine learning and the city of Los Angeles",
    "york is old",
]
PHRASES = ["New York", "new york city", "los angeles", "machine learning", "can't see"]
TABLE = fit(CORPUS, phrases=PHRASES)


def joined(tokens: Sequence[str], phrases: Sequence[str]) -> list[str]:
    """The slow twin: at every place all phrases are tried, and the longest is taken."""
    terms, rest = [], list(tokens)
    while rest:
        begins = [words for phrase in phrases if rest[: len(words := phrase.split(" "))] == words]
        words = max(begins, key=len, default=rest[:1])
        terms.append(" ".join(words))
        rest = rest[len(words) :]
    return terms


WORDS = st.sampled_from("abcd")
LISTS = st.lists(st.lists(WORDS, min_size=2, max_size=4).map(" ".join), max_size=5)


@settings(max_examples=150)
@given(
    sentences=st.lists(st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=12),
    phrases=LISTS,
    threads=st.integers(1, 3),
    limited=st.booleans(),
)
def test_statistics_are_those_of_the_joined_tokens(
    sentences: list[str], phrases: list[str], threads: int, limited: bool
) -> None:
    if not any(sentences):
        return
    limit = "16MiB" if limited else None
    table = fit(sentences, tokenizer="whitespace", phrases=phrases, threads=threads, memory_limit=limit)
    oracle = _reference.fit(joined(sentence.split(), phrases) for sentence in sentences if sentence)
    assert table.terms == oracle.terms
    assert table.df.tolist() == oracle.df
    np.testing.assert_allclose(table.score, oracle.score, rtol=1e-14)
    assert list(table.phrases) == sorted(set(phrases))


@settings(max_examples=150)
@given(
    sentences=st.lists(st.lists(WORDS, min_size=1, max_size=9), min_size=2, max_size=12),
    phrases=LISTS,
    row=st.integers(0, 99),
    options=st.fixed_dictionaries(
        {},
        optional={
            "select": st.sampled_from(["tfidf", "inverse", "uniform"]),
            "replace": st.sampled_from(["vicinity", "uniform"]),
            "exclude_self": st.booleans(),
            "radius": st.sampled_from([1, 9]),
            "max_replaced": st.sampled_from([1, 0.5]),
        },
    ),
)
def test_negatives_follow_the_law_with_phrases_as_terms(
    sentences: list[list[str]], phrases: list[str], row: int, options: dict[str, Any]
) -> None:
    table = fit([" ".join(words) for words in sentences], tokenizer="whitespace", phrases=phrases)
    oracle = _reference.fit(joined(words, phrases) for words in sentences)
    for words in sentences:
        terms = joined(words, phrases)
        weights = [float((7 * i + row) % 5) for i in range(len(terms))]
        for given_weights in (None, weights):
            [made] = Augmenter(table, **options).augment(
                [" ".join(words)], rows=[row], weights=None if given_weights is None else [given_weights]
            )
            assert made == _reference.augment(oracle, terms, row=row, weights=given_weights, **options)


@pytest.mark.parametrize("association", ["npmi", "word2vec"])
@pytest.mark.parametrize("max_tokens", [2, 3])
def test_phrases_of_real_text_are_those_of_the_formula(
    read_data: Callable[..., list[str]], association: Any, max_tokens: int
) -> None:
    sentences = read_data("wiki_en.txt.gz", 4000)
    rule = PhraseRule(association=association, min_df=3, max_tokens=max_tokens)
    df: Counter[str] = Counter()
    for cut in fit(sentences).tokenize(sentences):
        grams = [
            " ".join(cut.texts[i : i + k]) for k in range(1, max_tokens + 1) for i in range(len(cut.texts))
        ]
        ends = [len(gram.split(" ")) for gram in grams]
        whole = [k for k in range(1, max_tokens + 1) for _ in cut.texts]
        df.update({gram for gram, found, k in zip(grams, ends, whole, strict=True) if found == k})

    def is_good(phrase: str) -> bool:
        words, together, n = phrase.split(" "), df[phrase], len(sentences)
        for i in range(1, len(words)):
            a, b = df[" ".join(words[:i])], df[" ".join(words[i:])]
            if association == "npmi":
                score = math.log(together * n / (a * b)) / math.log(n / together)
            else:
                score = (together - rule.min_df) * n / (a * b)
            if score < rule.least:
                return False
        return all(word[0].isalnum() and "'" not in word and "’" not in word for word in words)

    expected = sorted(
        (phrase for phrase in df if " " in phrase and df[phrase] >= rule.min_df and is_good(phrase)),
        key=str.encode,
    )
    found = find_phrases(sentences, rule)
    assert list(found) == expected
    assert len(found) > 50
    shuffled = sentences[::2] + sentences[1::2]
    assert find_phrases(shuffled, rule, threads=1, memory_limit="16MiB") == found
    assert fit(sentences, phrases=rule) == fit(shuffled, phrases=found, threads=1)


def test_phrases_are_cut_by_the_tokenizer_or_taken_exactly() -> None:
    assert list(TABLE.phrases) == [
        "ca n't see",
        "los angeles",
        "machine learning",
        "new york",
        "new york city",
    ]
    exact = Phrases([["ca", "n't", "see"], *(phrase.lower().split(" ") for phrase in PHRASES[:4])])
    assert exact == TABLE.phrases
    assert fit(CORPUS, phrases=exact) == TABLE
    assert fit(CORPUS, phrases=[]) == fit(CORPUS)
    assert TABLE.digest != fit(CORPUS).digest
    assert TABLE["new york"].df == 3
    assert TABLE["york"].df == 1
    assert "city" in TABLE
    assert "angeles" not in TABLE


def test_phrases_of_a_tokenizer_in_python() -> None:
    table = fit(CORPUS, tokenizer=str.split, phrases=PHRASES)
    assert list(table.phrases) == [
        "can't see",
        "los angeles",
        "machine learning",
        "new york",
        "new york city",
    ]
    [cut] = table.tokenize(["She saw New York City twice"])
    assert cut.texts == ["she", "saw", "new york city", "twice"]
    assert cut.spans[2] == (8, 21)
    assert fit(CORPUS, tokenizer=str.split, phrases=PhraseRule(min_df=4)).phrases == Phrases(
        [["new", "york"]]
    )


def test_merging_saving_and_arrow_know_the_phrases(tmp_path: Path) -> None:
    parts = [TermCounter(phrases=PHRASES, threads=1) for _ in range(2)]
    for i, part in enumerate(parts):
        part.update(CORPUS[i::2])
    parts[0].save(tmp_path / "counts")
    whole = TermCounter.load(tmp_path / "counts")
    whole.merge(TermCounter.from_arrow(parts[1].to_arrow()))
    assert whole.phrases == TABLE.phrases
    assert whole.freeze() == TABLE
    assert pickle.loads(pickle.dumps(whole)).freeze() == TABLE
    TABLE.save(tmp_path / "table.safetensors")
    loaded = TermTable.load(tmp_path / "table.safetensors")
    assert (loaded, loaded.phrases) == (TABLE, TABLE.phrases)
    assert pickle.loads(pickle.dumps(TABLE)).phrases == TABLE.phrases
    assert whole.freeze_to(tmp_path / "again.safetensors").digest == TABLE.digest
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "table.safetensors").read_bytes()
    for other in (TermCounter(), TermCounter(phrases=["new york"])):
        with pytest.raises(OptionError, match="the phrases are others here"):
            whole.merge(other)


def test_damage_to_phrases_is_found(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    TABLE.save(path)
    whole = path.read_bytes()
    phrases = whole.index(b"ca n't see\0")
    for at in [phrases, phrases + 2, len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(
            ArtifactError, match="the checksum of phrases does not match: the file is damaged"
        ):
            TermTable.load(path)
    for shorter in [whole[:-1], whole + b"a b\0"]:
        path.write_bytes(shorter)
        with pytest.raises(ArtifactError, match="the file is damaged"):
            TermTable.load(path)


def test_a_phrase_is_explained_and_replaced_as_one() -> None:
    sentence = "In New  York, Machine learning thrives"
    explained = Augmenter(TABLE).explain(sentence)
    assert [token.text for token in explained.tokens] == [
        "in",
        "new york",
        ",",
        "machine learning",
        "thrives",
    ]
    for token in explained.tokens:
        assert " ".join(sentence[token.start : token.end].lower().split()) == token.text
    maker = Augmenter(TABLE, surface="preserve", max_replaced=1)
    made = set(maker.augment([sentence] * 500, weights=[[0.0, 1.0, 0.0, 0.0, 0.0]] * 500))
    assert "In Los Angeles, Machine learning thrives" in made
    assert "In Can't See, Machine learning thrives" in made
    assert len(made) == len(TABLE.phrases)
    made = set(maker.augment([sentence] * 500, weights=[[0.0, 0.0, 0.0, 1.0, 0.0]] * 500))
    assert "In New  York, New york city thrives" in made


def test_what_is_protected_keeps_its_phrase() -> None:
    sentences = ["york and New York City", "new york and machine learning"] * 50
    free = Augmenter(TABLE, replace_prob=1.0).augment(sentences)
    assert any("new york city" not in text for text in free[::2])
    held = Augmenter(TABLE, replace_prob=1.0, protect=["york", "Machine learning"]).augment(sentences)
    assert all(text.startswith("york ") and text.endswith(" new york city") for text in held[::2])
    assert all(text.startswith("new york ") and text.endswith(" machine learning") for text in held[1::2])


def test_transform_counts_phrases_as_terms() -> None:
    matrix = TABLE.transform(["New York and new york city"])
    terms = {TABLE.terms[rank] for rank in matrix.indices}
    assert terms == {"new york", "and", "new york city"}
    value = matrix[0, TABLE["new york"].rank]
    assert value == pytest.approx(math.log(1 + 1 / 3) * math.log(len(CORPUS) / 3), rel=1e-15)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ("NPMI", 'phrases must be "npmi", "word2vec", a PhraseRule or the phrases themselves'),
        (["new york", "York"], "'York' is a single token to the tokenizer 'treebank'"),
        (["  "], "'  ' is no token"),
        (iter(["york"]), "is a single token"),
    ],
)
def test_what_is_no_phrase_is_named(phrases: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        fit(CORPUS, phrases=phrases)


def test_numbers_of_numpy_are_numbers() -> None:
    """Protects options that come out of an array, here and in what counts and draws."""
    rule = PhraseRule(threshold=np.float32(0.5), min_df=np.int64(3), max_tokens=np.int32(3))  # type: ignore[arg-type]
    assert rule == PhraseRule(threshold=0.5, min_df=3, max_tokens=3)
    assert json.dumps(dataclasses.asdict(rule))
    table = fit(CORPUS, ngram_range=(np.int64(1), np.int64(2)))
    assert table == fit(CORPUS, ngram_range=(1, 2))
    table = fit(CORPUS)
    made = Augmenter(table, radius=np.float32(0.5)).augment(CORPUS)  # type: ignore[arg-type]
    assert made == Augmenter(table, radius=0.5).augment(CORPUS)


def test_mistakes_are_named() -> None:
    for once in [iter(CORPUS), io.BytesIO(b"a b\n"), (text for text in CORPUS)]:
        with pytest.raises(OptionError, match="can be read once"):
            fit(once, phrases="npmi")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="phrases must be known to count them"):
        TermCounter(phrases="npmi")
    with pytest.raises(OptionError, match="ngram_range"):
        TermCounter().find_phrases()
    with pytest.raises(OptionError, match="rule must be"):
        find_phrases(CORPUS, ["new york"])  # type: ignore[arg-type]
    for options, message in [
        ({"association": "pmi"}, "association must be one of"),
        ({"threshold": math.nan}, "threshold must be a finite number"),
        ({"min_df": 0}, "min_df must be"),
        ({"max_tokens": 1}, "max_tokens must be"),
    ]:
        with pytest.raises(OptionError, match=message):
            PhraseRule(**options)  # type: ignore[arg-type]
    for phrases in [["new york"], [["new"]], [["new", "york city"]], [["new", ""]], [["a\0", "b"]]]:
        with pytest.raises(OptionError, match="phrases: "):
            Phrases(phrases)
    with pytest.warns(UserWarning, match="no words are phrases by PhraseRule"):
        assert fit(CORPUS, phrases="npmi") == fit(CORPUS)


def test_a_corpus_that_changed_between_the_passes_is_refused() -> None:
    class Once:
        """An iterable that is not the same the second time."""

        turns = 0

        def __iter__(self) -> Any:
            self.turns += 1
            return iter(CORPUS * self.turns)

    with pytest.raises(InputError, match=r"had 16 sentences when phrases were looked for, and 32"):
        fit(Once(), phrases=PhraseRule(min_df=2))


def test_the_command_line_finds_and_takes_phrases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text("\n".join(CORPUS), encoding="utf-8")
    Path("phrases.txt").write_text("\n".join(PHRASES), encoding="utf-8")
    finding = ["--phrases", "npmi", "--phrase-min-df", "2", "--phrase-threshold", "0.6"]
    assert main(["fit", "corpus.txt", "-o", "found.safetensors", "--json", *finding]) == 0
    figures = json.loads(capsys.readouterr().out)
    found = fit(CORPUS, phrases=PhraseRule(min_df=2, threshold=0.6))
    assert figures["phrases"] == len(found.phrases) > 0
    assert TermTable.load("found.safetensors") == found
    assert main(["fit", "corpus.txt", "-o", "given.safetensors", "--phrases", "phrases.txt"]) == 0
    assert TermTable.load("given.safetensors") == TABLE
    assert main(["fit", "corpus.txt", "-o", "same.safetensors", "--phrases", "found.safetensors"]) == 0
    assert Path("same.safetensors").read_bytes() == Path("found.safetensors").read_bytes()
    capsys.readouterr()
    assert main(["inspect", "given.safetensors", "--sentence", "Los Angeles"]) == 0
    assert "5 phrases" in (out := capsys.readouterr().out)
    assert "los angeles" in out
    assert main(["fit", "-", "-o", "none.safetensors", "--phrases", "npmi"]) == 1
    assert "reads the corpus twice" in capsys.readouterr().err
    assert main(["fit", "corpus.txt", "-o", "none.safetensors", "--phrases", "missing.txt"]) != 0
    assert "missing.txt" in capsys.readouterr().err
    assert not Path("none.safetensors").exists()


def test_a_memory_limit_shows_in_no_phrase(read_data: Callable[..., list[str]], tmp_path: Path) -> None:
    """Words that stand in phrases alone are in memory, and in no file and no table."""
    sentences = read_data("wiki_en.txt.gz", 120_000)
    phrases = find_phrases(sentences, PhraseRule(min_df=3, threshold=0.3))
    whole = fit(sentences, phrases=phrases)
    for threads in (1, 2):
        counter = TermCounter(phrases=phrases, threads=threads, memory_limit="16MiB", temp_dir=tmp_path)
        counter.update(sentences)
        assert counter._core.has_spilled
        assert counter.freeze() == whole
    assert min(whole.df) == 1
    assert len(phrases) > 3000
