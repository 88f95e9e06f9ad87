"""Negatives: the law, the same text everywhere, and the edges."""

import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast import _reference
from una_fast.datasets import Negatives
from una_fast.errors import OptionError

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


strategies = st.fixed_dictionaries(
    {},
    optional={
        "select": st.sampled_from(["tfidf", "inverse", "uniform"]),
        "replace": st.sampled_from(["vicinity", "uniform"]),
        "exclude_self": st.booleans(),
        "protect": st.lists(st.sampled_from([*WORDS[:6], "unseen"]), max_size=4),
        "max_replaced": st.sampled_from([1, 3, 0.2, 1.0]),
        "min_score": st.sampled_from([0.0, 0.2, 0.6, 50.0]),
        "radius": st.sampled_from([0, 1, 9]),
        "replace_prob": st.sampled_from([0.3, 1.0]),
    },
)


@settings(max_examples=500)
@given(
    words=st.lists(st.sampled_from([*WORDS[:12], "unseen"]), max_size=12),
    row=st.integers(0, 10_000),
    options=strategies,
    weighted=st.booleans(),
)
def test_every_option_does_what_the_plain_python_statement_says(
    words: list[str], row: int, options: dict[str, Any], weighted: bool
) -> None:
    weights = [float((7 * i + row) % 5) for i in range(len(words))] if weighted else None
    made = una_fast.Augmenter(TABLE, **options).augment(
        [" ".join(words)], rows=[row], weights=None if weights is None else [weights]
    )
    assert made == [_reference.augment(ORACLE, words, row=row, weights=weights, **options)]


@given(st.text(max_size=60), st.integers(0, 1000))
def test_preserve_leaves_all_but_the_replaced_spans(sentence: str, row: int) -> None:
    explained = una_fast.Augmenter(TABLE, surface="preserve").explain(sentence, row=row)
    rebuilt, copied = "", 0
    for token in explained.tokens:
        assert copied <= token.start <= token.end <= len(sentence)
        if token.replacement is not None:
            rebuilt += sentence[copied : token.start] + token.replacement
            copied = token.end
    assert rebuilt + sentence[copied:] == explained.negative


def test_presets_name_the_strategies_of_the_paper() -> None:
    for name, strategy in una_fast.augment.PRESETS.items():
        made = una_fast.Augmenter.preset(name, TABLE, seed=4).augment(CORPUS)
        assert made == una_fast.Augmenter(TABLE, **strategy, seed=4).augment(CORPUS)
    with pytest.raises(una_fast.OptionError, match="preset must be one of 'una', 'uda'"):
        una_fast.Augmenter.preset("eda", TABLE)  # type: ignore[arg-type]
    with pytest.raises(una_fast.OptionError, match="preset 'uda' already decides select"):
        una_fast.Augmenter.preset("uda", TABLE, select="tfidf")


def test_statistics_are_those_of_the_explanations() -> None:
    augmenter = una_fast.Augmenter(TABLE, radius=2)
    negatives, stats = augmenter.augment_with_stats(CORPUS)
    explained = [augmenter.explain(sentence, row=row) for row, sentence in enumerate(CORPUS)]
    assert negatives == [one.negative for one in explained]
    tokens = [token for one in explained for token in one.tokens]
    assert (stats.sentences, stats.tokens) == (len(CORPUS), len(tokens))
    assert stats.replaced == sum(token.replaced for token in tokens)
    assert stats.changed == sum(token.replacement not in (None, token.text) for token in tokens)
    shares = [100 * np.mean([token.replaced for token in one.tokens]) for one in explained]
    assert abs(stats.quantile(0.5) - np.median(shares)) <= 1
    assert "replaced" in str(stats + stats)


class Rows:
    """A map-style dataset, as data loaders take."""

    def __init__(self, augmenter: una_fast.Augmenter) -> None:
        self.augmenter = augmenter

    def __len__(self) -> int:
        return len(CORPUS)

    def __getitem__(self, row: int) -> str:
        return self.augmenter.augment([CORPUS[row]], rows=[row])[0]


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_of_data_loaders_make_the_same_text(context: str, workers: int) -> None:
    data = pytest.importorskip("torch.utils.data")
    augmenter = una_fast.Augmenter(TABLE, seed=6, protect=["w0"])
    # Threads have run in this process before it forks: a pool would now be dead in the child.
    expected = augmenter.augment(CORPUS * 10)[: len(CORPUS)]
    how = {"multiprocessing_context": context} if workers else {}
    loader = data.DataLoader(Rows(augmenter), batch_size=17, num_workers=workers, **how)
    assert [text for batch in loader for text in batch] == expected


def test_tables_and_augmenters_can_be_pickled() -> None:
    augmenter = una_fast.Augmenter(TABLE, radius=3, seed=2, max_replaced=0.5, protect=["w1"])
    again = pickle.loads(pickle.dumps(augmenter))
    assert again.options == augmenter.options
    assert again.table == TABLE
    assert again.augment(CORPUS) == augmenter.augment(CORPUS)


def test_numbers_of_numpy_leave_no_trace() -> None:
    options: dict[str, Any] = {
        "radius": 0.5,
        "replace_prob": 0.25,
        "max_replaced": 2,
        "min_score": 0.0,
        "seed": 3,
    }
    of_numpy = {name: np.asarray(value)[()] for name, value in options.items()}
    assert all(isinstance(value, np.generic) for value in of_numpy.values())
    made = [una_fast.Augmenter(TABLE, **kwargs) for kwargs in (options, of_numpy)]
    assert pickle.dumps(made[0]) == pickle.dumps(made[1])
    columns = [Negatives(made[0], epoch=number(3), views=number(2)) for number in (int, np.int64)]
    assert pickle.dumps(columns[0]) == pickle.dumps(columns[1])


def test_the_gil_is_free_while_a_large_batch_is_augmented() -> None:
    big, done, turns = CORPUS * 2000, threading.Event(), []

    def turn() -> None:
        while not done.is_set():
            turns.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=turn)
    thread.start()
    start = time.perf_counter()
    una_fast.Augmenter(TABLE).augment(big)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(start < moment < end for moment in turns) > 5


def test_many_threads_share_one_augmenter() -> None:
    augmenter = una_fast.Augmenter(TABLE, seed=1)
    expected = augmenter.augment(CORPUS)
    with ThreadPoolExecutor(8) as pool:
        assert all(made == expected for made in pool.map(lambda _: augmenter.augment(CORPUS), range(200)))


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


MANY = [
    f"{sentence} été {i}" for i, sentence in enumerate(CORPUS * 200)
]  # some MB, which go through in blocks


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_of_a_large_batch_are_invisible(threads: int) -> None:
    rows = np.arange(len(MANY))[::-1]
    augmenter = una_fast.Augmenter(TABLE, threads=threads)
    negatives, stats = augmenter.augment_with_stats(MANY, rows=rows)
    small = [
        augmenter.augment_with_stats(MANY[i : i + 500], rows=rows[i : i + 500]) for i in range(0, 60_000, 500)
    ]
    assert negatives == [negative for some, _ in small for negative in some]
    assert stats == sum((part for _, part in small[1:]), small[0][1])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_fault_of_a_large_batch_is_the_one_reported(threads: int) -> None:
    augmenter = una_fast.Augmenter(TABLE, threads=threads)
    broken: list[Any] = list(MANY)
    broken[50_000], broken[55_000] = 7, None
    with pytest.raises(una_fast.InputError, match="sentence 50000: expected str, found int"):
        augmenter.augment(broken)
    weights = [np.ones(sentence.count(" ") + 1) for sentence in MANY]
    weights[40_000] = np.ones(1)
    with pytest.raises(una_fast.OptionError, match="sentence 40000: weights has 1 numbers"):
        augmenter.augment(broken, weights=weights)


def test_a_sequence_that_ends_before_its_length_is_refused() -> None:
    class Short(list[str]):
        def __len__(self) -> int:
            return 3

    with pytest.raises(una_fast.InputError, match="the sequence ended after 2 sentences of 3"):
        una_fast.Augmenter(TABLE).augment(Short(["a", "b"]))


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
        ({"max_replaced": 0}, "max_replaced must be at least 1 token"),
        ({"max_replaced": 1.5}, "max_replaced as a share of the tokens must be above 0 and at most 1"),
        ({"max_replaced": True}, "max_replaced must be a whole number or a share"),
        ({"min_score": float("nan")}, "min_score must be a finite number"),
        ({"protect": "the"}, "protect must be terms"),
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
    with pytest.raises(una_fast.OptionError, match="sentence 1: weights has 3 numbers for 2 tokens"):
        augmenter.augment(["w1", "w1 w2"], weights=[[1], [1, 2, 3]])
    with pytest.raises(una_fast.OptionError, match="one array for each of 2 sentences, not 1"):
        augmenter.augment(["w1", "w1 w2"], weights=[[1]])
    with pytest.raises(una_fast.InputError, match="sentence 0: weights must be finite and not negative"):
        augmenter.augment(["w1"], weights=[[-1.0]])


def test_replacements_follow_the_law_on_a_real_table(read_data: Callable[..., list[str]]) -> None:
    stats = pytest.importorskip("scipy.stats")
    table = una_fast.fit(read_data("wiki_en.txt.gz", 50_000))
    augmenter = una_fast.Augmenter(table, seed=12)
    n, last = 40_000, len(table) - 1
    rank_of = {term: rank for rank, term in enumerate(table.terms)}
    for rank in (0, 2500, len(table) // 2, last - 100, last):
        low, high = max(0, rank - 4000), min(last, rank + 4000)
        law = table.score[low : high + 1] / table.score[low : high + 1].sum()
        drawn = np.array([rank_of[text] for text in augmenter.augment([table.terms[rank]] * n)])
        assert low <= drawn.min()
        assert drawn.max() <= high
        edges = np.linspace(0, high - low + 1, 51).astype(int)
        expected = n * np.add.reduceat(law, edges[:-1])
        observed = np.histogram(drawn - low, bins=edges)[0]
        # A fixed seed: the outcome is always the same, and a law that is off by a few percent fails it.
        assert stats.chisquare(observed, expected * n / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize(
    "rows", [[2**63, 1], (2**64 - 1, 0), [np.uint64(2**63), 1], np.array([2**63, 1], object)]
)
def test_rows_may_pass_63_bits(rows: Any) -> None:
    """Protects whole numbers from numpy, which makes floats of such lists."""
    augmenter = una_fast.Augmenter(una_fast.fit(["red fox", "blue fox"], threads=1), threads=1)
    exact = np.array([int(row) for row in rows], np.uint64)
    assert augmenter.augment(["red fox"] * 2, rows=rows) == augmenter.augment(["red fox"] * 2, rows=exact)


@pytest.mark.parametrize("rows", [[2**64, 1], [2**63, -1], [2**63, 0.5], [1.0, 2.0], ["1", "2"]])
def test_rows_that_are_no_whole_numbers_are_refused(rows: Any) -> None:
    augmenter = una_fast.Augmenter(una_fast.fit(["red fox", "blue fox"], threads=1), threads=1)
    with pytest.raises(OptionError, match="rows must be whole numbers"):
        augmenter.augment(["red fox"] * 2, rows=rows)


def test_options_of_numpy_are_those_of_python() -> None:
    table = una_fast.fit(["the red fox", "a blue fox", "the fox"], threads=1)
    given = {
        "max_replaced": np.int64(1),
        "radius": np.int32(2),
        "seed": np.uint64(2**63),
        "threads": np.int8(1),
    }
    plain = {name: int(value) for name, value in given.items()}
    sentences = ["the red fox", "a blue fox"]
    made = [una_fast.Augmenter(table, **options).augment(sentences) for options in (given, plain)]
    assert made[0] == made[1]
    for name, value in {"seed": None, "radius": 2.0, "max_replaced": "1", "threads": "2"}.items():
        with pytest.raises(OptionError, match=name):
            una_fast.Augmenter(table, **{name: value})
