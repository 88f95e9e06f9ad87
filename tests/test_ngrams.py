"""Terms of several tokens: what they count as, and that merging, files and memory limits know them."""

import json
import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from una_fast import ArtifactError, Augmenter, InputError, OptionError, TermCounter, TermTable, fit
from una_fast.cli import main

SENTENCES = ["the cat sat", "the cat sat on the cat", "a dog", "the dog sat", "", "  ", "new york new york"]


def terms_of(sentence: str, n: int) -> list[str]:
    """The slow twin: tokens between spaces, joined."""
    tokens = sentence.split()
    return [
        " ".join(tokens[i : i + k])
        for k in range(1, min(n, len(tokens)) + 1)
        for i in range(len(tokens) - k + 1)
    ]


def counted(sentences: list[str], n: int) -> dict[str, tuple[int, float]]:
    """By term, the sentences that hold it and the largest TF-IDF that it reaches."""
    rows = [Counter(terms_of(sentence, n)) for sentence in sentences if sentence.strip()]
    df = Counter(term for row in rows for term in row)
    best: dict[str, float] = {}
    for row in rows:
        for term, count in row.items():
            best[term] = max(best.get(term, 0.0), count / row.total())
    return {term: (df[term], math.log(len(rows) / df[term]) * math.log1p(best[term])) for term in df}


def held(table: TermTable) -> dict[str, tuple[int, float]]:
    return {
        term: (int(df), float(score))
        for term, df, score in zip(table.terms, table.df, table.score, strict=True)
    }


@pytest.mark.parametrize("n", [1, 2, 3, 9, 4_000_000_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_ngrams_are_counted_as_terms_of_their_sentence(n: int, threads: int) -> None:
    table = fit(SENTENCES, tokenizer="whitespace", ngram_range=(1, n), threads=threads)
    assert table.transform(SENTENCES).shape == (len(SENTENCES), len(table))
    expected = counted(SENTENCES, n)
    assert table.ngram_range == (1, n)
    found = held(table)
    assert found.keys() == expected.keys()
    for term, (df, score) in expected.items():
        assert found[term] == (df, pytest.approx(score, rel=1e-14))


def test_real_text_is_counted_exactly(read_data: Callable[..., list[str]]) -> None:
    sentences = read_data("wiki_en.txt.gz", 3000)
    table = fit(sentences, tokenizer="whitespace", lowercase=False, ngram_range=(1, 2))
    assert {term: df for term, (df, _) in held(table).items()} == {
        term: df for term, (df, _) in counted(sentences, 2).items()
    }


def test_merged_saved_and_spilled_counts_freeze_to_the_same_table(tmp_path: Path) -> None:
    # Enough distinct pairs to pass the least memory that a limit may set.
    sentences = [" ".join(f"w{i * k % 4999}" for k in range(1, 12)) for i in range(12000)]
    whole = fit(sentences, tokenizer="whitespace", ngram_range=(1, 3))
    limited = fit(sentences, tokenizer="whitespace", ngram_range=(1, 3), memory_limit="16MiB", threads=2)
    assert limited.digest == whole.digest
    parts = [TermCounter(tokenizer="whitespace", ngram_range=(1, 3)) for _ in range(3)]
    for i, part in enumerate(parts):
        part.update(sentences[i::3])
        part.save(tmp_path / f"{i}.counts")
    merged = TermCounter.load(tmp_path / "0.counts")
    merged.merge(TermCounter.from_arrow(pa.table(parts[1].to_arrow())))
    merged.merge(parts[2])
    assert merged.freeze().digest == whole.digest
    whole.save(tmp_path / "table.safetensors")
    loaded = TermTable.load(tmp_path / "table.safetensors")
    assert (loaded.ngram_range, loaded.digest) == ((1, 3), whole.digest)


def test_single_tokens_are_what_they_were() -> None:
    table = fit(SENTENCES)
    assert table.digest == fit(SENTENCES, ngram_range=(1, 1)).digest
    assert table.ngram_range == (1, 1)


def test_counts_of_other_ngrams_do_not_merge(tmp_path: Path) -> None:
    pairs, tokens = TermCounter(ngram_range=(1, 2)), TermCounter()
    with pytest.raises(OptionError, match=r"ngram_range is \(1, 2\) here and \(1, 1\) there"):
        pairs.merge(tokens)


def test_rows_of_a_transform_hold_ngrams() -> None:
    table = fit(SENTENCES, tokenizer="whitespace", ngram_range=(1, 2))
    text = "the cat saw the cat"
    row = table.transform([text]).toarray()[0]
    counts = Counter(terms_of(text, 2))
    idf = dict(zip(table.terms, table.idf, strict=True))
    expected = {t: math.log1p(c / counts.total()) * idf[t] for t, c in counts.items() if t in idf}
    found = {term: row[rank] for rank, term in enumerate(table.terms) if term in expected}
    assert found == pytest.approx(expected, rel=1e-14)
    assert np.count_nonzero(row) == sum(value > 0 for value in expected.values())


def test_tokens_of_a_callable_make_ngrams_too() -> None:
    table = fit(["a-b-c", "a-b"], tokenizer=lambda text: text.split("-"), ngram_range=(1, 2))
    assert set(table.terms) == {"a", "b", "c", "a b", "b c"}


def test_no_negatives_come_from_such_a_table() -> None:
    with pytest.raises(OptionError, match="token by token"):
        Augmenter(fit(SENTENCES, ngram_range=(1, 2)))


@pytest.mark.parametrize("ngram_range", [(2, 2), (1, 0), (1,), 2, (1, 2.0), "12", (1, 1 << 32)])
def test_other_ranges_are_refused(ngram_range: object) -> None:
    with pytest.raises(OptionError, match="ngram_range must be"):
        fit(SENTENCES, ngram_range=ngram_range)  # type: ignore[arg-type]


def test_a_file_of_another_range_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    fit(SENTENCES, ngram_range=(1, 2)).save(path)
    path.write_bytes(path.read_bytes().replace(rb"\"ngram_range\":[1,2]", rb"\"ngram_range\":[2,2]"))
    with pytest.raises(ArtifactError, match="damaged"):
        TermTable.load(path)


@pytest.mark.parametrize("ngram_range", [[2, 2], "12", None, [1]])
def test_arrow_counts_of_another_range_are_refused(ngram_range: object) -> None:
    counter = TermCounter(ngram_range=(1, 2))
    counter.update(SENTENCES)
    table = counter.to_arrow()
    facts = {**json.loads(table.schema.metadata[b"una_fast"]), "ngram_range": ngram_range}
    with pytest.raises(InputError, match="metadata ngram_range is"):
        TermCounter.from_arrow(table.replace_schema_metadata({"una_fast": json.dumps(facts)}))


def test_the_command_counts_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "table.safetensors"
    text.write_text("\n".join(SENTENCES))
    assert (
        main(["fit", str(text), "-o", str(out), "--ngrams", "2", "--tokenizer", "whitespace", "--quiet"]) == 0
    )
    assert held(TermTable.load(out)).keys() == {term for s in SENTENCES for term in terms_of(s, 2)}


def test_pairs_stand_in_a_row() -> None:
    table = fit(["x y z"], tokenizer="whitespace", ngram_range=(1, 2))
    assert {term for term in table.terms if " " in term} == {" ".join(two) for two in pairwise("xyz")}
