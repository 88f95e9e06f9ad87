"""Negatives: the law, the same text everywhere, and the edges."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast import _reference

DRAW = random.Random(0)
WORDS = [f"w{i}" for i in range(60)]
CORPUS = [
    " ".join(DRAW.choices(WORDS, weights=[1 / (i + 1) for i in range(60)], k=DRAW.randint(1, 12)))
    for _ in range(300)
]
TABLE = una_fast.fit(CORPUS)
ORACLE = _reference.fit(sentence.split() for sentence in CORPUS)


def test_the_generator_is_that_of_numpy() -> None:
    words = np.random.Philox(counter=[4, 7, 9, 11], key=[3, 5]).random_raw(4)
    assert words.tolist() == _reference.philox4x64([5, 7, 9, 11], [3, 5])


@settings(max_examples=300)
@given(
    sentence=st.lists(st.sampled_from([*WORDS, "unseen", "other"]), max_size=20).map(" ".join),
    row=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**64 - 1),
    view=st.integers(0, 2**32 - 1),
    seed=st.integers(0, 2**64 - 1),
    radius=st.sampled_from([0, 1, 7, 4000]),
    replace_prob=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_every_negative_is_that_of_the_plain_python_statement(
    sentence: str, row: int, epoch: int, view: int, seed: int, radius: int, replace_prob: float
) -> None:
    augmenter = una_fast.Augmenter(TABLE, radius=radius, replace_prob=replace_prob, seed=seed, threads=1)
    rows = np.array([row], dtype=np.uint64)
    expected = _reference.augment(
        ORACLE,
        sentence.split(),
        row=row,
        epoch=epoch,
        view=view,
        seed=seed,
        radius=radius,
        replace_prob=replace_prob,
    )
    assert augmenter.augment([sentence], rows=rows, epoch=epoch, view=view) == [expected]
    assert augmenter.explain(sentence, row=row, epoch=epoch, view=view).negative == expected


def test_batches_order_and_threads_are_invisible() -> None:
    big = CORPUS * 20
    whole = una_fast.Augmenter(TABLE, seed=5, threads=1).augment(big, epoch=1)
    augmenter = una_fast.Augmenter(TABLE, seed=5, threads=3)
    assert augmenter.augment(tuple(big), epoch=1) == whole
    order = np.random.default_rng(0).permutation(len(big))
    shuffled = augmenter.augment((big[i] for i in order), rows=order, epoch=1)
    assert shuffled == [whole[i] for i in order]
    assert augmenter.augment(big, epoch=2) != whole
    assert augmenter.augment(big, epoch=1, view=1) != whole
    assert una_fast.Augmenter(TABLE, seed=6).augment(big, epoch=1) != whole


def test_another_process_gives_the_same_text(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "table")
    code = f"""
import una_fast
table = una_fast.TermTable.load({str(tmp_path / "table")!r})
print("\\n".join(una_fast.Augmenter(table, seed=3).augment({CORPUS[:50]!r}, epoch=4)))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == una_fast.Augmenter(TABLE, seed=3).augment(CORPUS[:50], epoch=4)


def test_explain_tells_what_augment_does() -> None:
    table = una_fast.fit(["The Cité is old.", 'An older "city" is near.', "No city."])
    augmenter = una_fast.Augmenter(table, surface="preserve", seed=1)
    sentence = "«The  CITÉ», is   new."
    for row in range(50):
        explained = augmenter.explain(sentence, row=row)
        assert explained.negative == augmenter.augment([sentence], rows=[row])[0]
        rebuilt, copied = "", 0
        for token in explained.tokens:
            assert sentence[token.start : token.end].lower() == token.text
            if token.replaced:
                rebuilt += sentence[copied : token.start] + token.replacement
                copied = token.end
        assert rebuilt + sentence[copied:] == explained.negative
    new = next(token for token in explained.tokens if token.text == "new")
    assert new.rank is None


def test_edges() -> None:
    augmenter = una_fast.Augmenter(TABLE)
    assert augmenter.augment([]) == []
    assert augmenter.augment(["", "  \t"]) == ["", ""]
    lone = una_fast.fit(["only"])
    assert una_fast.Augmenter(lone).augment(["only", "other"]) == ["only", "only"]
    assert una_fast.Augmenter(TABLE, select="uniform", replace_prob=1.0).augment(["w1 w2"]) == ["w1 w2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replace_prob": 0.0}, "replace_prob must be above 0 and at most 1, not 0"),
        ({"radius": -1}, "radius must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**64}, r"seed must be .* below 2\*\*64"),
        ({"select": "idf"}, 'select must be one of .*, not "idf"'),
        ({"replace": "x"}, "replace must be one of"),
        ({"surface": "x"}, "surface must be one of"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(una_fast.OptionError, match=message):
        una_fast.Augmenter(TABLE, **options)  # type: ignore[arg-type]


def test_bad_arguments_are_named() -> None:
    augmenter = una_fast.Augmenter(TABLE)
    with pytest.raises(una_fast.InputError, match="not a single str"):
        augmenter.augment("a sentence")
    with pytest.raises(una_fast.InputError, match="sentence 1: expected str, found NoneType"):
        augmenter.augment(["w1", None])  # type: ignore[list-item]
    with pytest.raises(una_fast.OptionError, match=r"shape \(2,\)"):
        augmenter.augment(["w1", "w2"], rows=[1])
    with pytest.raises(una_fast.OptionError, match="none negative"):
        augmenter.augment(["w1"], rows=[-1])
    with pytest.raises(una_fast.OptionError, match="whole numbers"):
        augmenter.augment(["w1"], rows=[0.5])
