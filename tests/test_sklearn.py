"""scikit-learn's vectorizers and ours: the same matrices, entry for entry, and the same errors."""

import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import text as theirs
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

import una_fast
from sklearn_floor import run_their_tests
from una_fast import OptionError, TermCounter
from una_fast import sklearn as ours

DOCUMENTS = [
    "The cat sat on the mat.",
    "A dog, a cat; THE DOG",
    "",
    "   \n\t ",
    "café Café CAFE\u0301 naïve ΑΣ İstanbul ﬁne ½ ² _under_score x1 1",
    "new york new york",
    "of the and",
    "x y z",
]


def assert_same(found: Any, expected: Any) -> None:
    """The same arrays: also the order of the entries of a row."""
    assert type(found) is type(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    for name in ("indptr", "indices", "data"):
        mine, other = getattr(found, name), getattr(expected, name)
        assert mine.dtype == other.dtype, name
        np.testing.assert_array_equal(mine, other, err_msg=name)


def both(name: str, documents: Any, **parameters: Any) -> None:
    """Fit and transform with both, or the same error from both."""
    make = getattr(theirs, name), getattr(ours, name)
    results = []
    for kind in make:
        vectorizer = kind(**parameters)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                matrix = vectorizer.fit_transform(documents() if callable(documents) else documents)
                again = vectorizer.transform(documents() if callable(documents) else documents)
                terms = getattr(vectorizer, "vocabulary_", None)
                results.append((matrix, again, terms, [str(w.message) for w in told]))
            except Exception as error:
                results.append((type(error), str(error)))
    expected, found = results
    if len(expected) == 2:
        assert found == expected
        return
    assert_same(found[0], expected[0])
    assert_same(found[1], expected[1])
    assert found[2:] == expected[2:]


def named(parameters: dict[str, Any]) -> str:
    """A name of a test: the same in every process."""
    return " ".join(parameters) or "defaults"


OF_A_VOCABULARY = {"max_df", "max_features", "min_df", "vocabulary"}

PARAMETERS: list[dict[str, Any]] = [
    {},
    {"lowercase": False},
    {"ngram_range": (1, 2)},
    {"ngram_range": (2, 3)},
    {"ngram_range": (2, 1)},
    {"ngram_range": (0, 1)},
    {"ngram_range": (1, 50)},
    {"token_pattern": r"(?u)\b\w+\b"},
    {"token_pattern": r"\w+", "stop_words": ["a", "cat"], "ngram_range": (1, 2)},
    {"token_pattern": r"\S+"},
    {"token_pattern": r"(?u)\b(\w)\w+\b"},
    {"token_pattern": None, "tokenizer": str.split},
    {"stop_words": "english"},
    {"stop_words": ["The", "CAT", "new york"], "ngram_range": (1, 2)},
    {"stop_words": ["don't", "the"]},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii", "ngram_range": (1, 2)},
    {"strip_accents": str.swapcase, "lowercase": False},
    {"preprocessor": lambda text: text.replace("cat", "dog")},
    {"preprocessor": lambda text: None},
    {"analyzer": "char", "ngram_range": (1, 3)},
    {"analyzer": "char_wb", "ngram_range": (2, 3)},
    {"analyzer": str.split},
    {"min_df": 2},
    {"min_df": 0.3, "max_df": 0.8, "ngram_range": (1, 2)},
    {"max_df": 1},
    {"min_df": 5, "max_df": 2},
    {"min_df": 7},
    {"max_features": 5},
    {"max_features": 5, "ngram_range": (1, 2), "min_df": 2},
    {"max_features": 500},
    {"binary": True, "max_features": 6},
    {"vocabulary": ["cat", "dog", "the cat", "never"], "ngram_range": (1, 2)},
    {"vocabulary": {"dog": 1, "cat": 0}, "binary": True},
    {"vocabulary": {"cat", "dog"}},
    {"vocabulary": {"dog": 2, "cat": 0}},
    {"vocabulary": ["cat", "Dog"]},
    {"vocabulary": []},
    {"dtype": np.float32},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=named)
@pytest.mark.parametrize("name", ["CountVectorizer", "TfidfVectorizer"])
def test_every_parameter_does_what_it_does_there(name: str, parameters: dict[str, Any]) -> None:
    both(name, DOCUMENTS * 40, **parameters)  # more than are worth handing over, for transform


@pytest.mark.parametrize(
    "parameters",
    [{"dtype": np.uint8}, {"dtype": np.int32, "binary": True}, {"dtype": np.float64, "ngram_range": (1, 3)}],
    ids=str,
)
def test_counts_have_the_type_asked_for(parameters: dict[str, Any]) -> None:
    both("CountVectorizer", DOCUMENTS * 40, **parameters)


@pytest.mark.parametrize(
    "parameters",
    [{"norm": "l1"}, {"norm": None}, {"use_idf": False}, {"smooth_idf": False}, {"sublinear_tf": True}],
    ids=str,
)
def test_weights_are_those_of_theirs(parameters: dict[str, Any]) -> None:
    both("TfidfVectorizer", DOCUMENTS * 40, ngram_range=(1, 2), **parameters)


# Letters that this Python does not know yet are letters here: see docs/scikit-learn.md.
known = st.characters(exclude_categories=["Cn", "Cs"])
words = st.lists(st.sampled_from(["aa", "bb", "Aa", "c", "é", "ΑΣ", "d_1", ".", "\n"]), max_size=9).map(
    " ".join
)


@given(
    st.lists(words | st.text(known, max_size=12), max_size=12),
    st.sampled_from(PARAMETERS[:18] + PARAMETERS[23:32]),
)
def test_any_text_is_counted_the_same(documents: list[str], parameters: dict[str, Any]) -> None:
    both("CountVectorizer", documents, **parameters)


HASHING = [{name: value for name, value in p.items() if name not in OF_A_VOCABULARY} for p in PARAMETERS]


@pytest.mark.parametrize(
    "parameters",
    [
        *(parameters for i, parameters in enumerate(HASHING) if parameters not in HASHING[:i]),
        {"n_features": 8},
        {"n_features": 4, "binary": True, "norm": None},
        {"alternate_sign": False, "norm": "l1", "ngram_range": (1, 2)},
        {"n_features": 16, "dtype": np.int32, "norm": None},
    ],
    ids=named,
)
def test_terms_are_hashed_as_theirs(parameters: dict[str, Any]) -> None:
    both("HashingVectorizer", DOCUMENTS * 40, **parameters)
    both("HashingVectorizer", lambda: iter(DOCUMENTS), **parameters)
    both("HashingVectorizer", ["", " "], **parameters)
    both("HashingVectorizer", [], **parameters)


def test_hashing_in_parts_changes_nothing() -> None:
    """More documents than one part holds, and fewer columns than terms."""
    made = [f"w{i % 977:x} w{i % 13} w{i % 7} w{i % 7}" for i in range(132_000)]
    both("HashingVectorizer", made, n_features=64)
    both("HashingVectorizer", lambda: iter(made), n_features=64, norm=None)


def in_parts(vectorizer: Any, parts: list[list[str]]) -> Any:
    for part in parts:
        assert vectorizer.partial_fit(part) is vectorizer
    return vectorizer


def same_fit(found: Any, expected: Any, documents: list[str]) -> None:
    """What is learnt, and what is made with it, or the same error."""
    try:
        expected.fit(documents)
    except Exception as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            found.transform(documents)
        return
    assert found.vocabulary_ == expected.vocabulary_
    assert list(found.get_feature_names_out()) == list(expected.get_feature_names_out())
    assert_same(found.transform(documents), expected.transform(documents))
    if hasattr(expected, "idf_"):
        np.testing.assert_array_equal(found.idf_, expected.idf_)
        assert found.idf_.dtype == expected.idf_.dtype


@pytest.mark.parametrize(
    "parameters", [p for p in PARAMETERS if p.get("ngram_range") not in [(2, 1), (0, 1)]], ids=named
)
@pytest.mark.parametrize("name", ["CountVectorizer", "TfidfVectorizer"])
@pytest.mark.filterwarnings("ignore")
def test_parts_add_up_to_the_whole(name: str, parameters: dict[str, Any]) -> None:
    """In any order, in one vectorizer or in two that are merged, kept in a pickle between two parts or used there."""
    kind, theirs_too = getattr(ours, name), getattr(theirs, name)
    if "preprocessor" not in parameters or parameters["preprocessor"]("") is not None:
        parts = [DOCUMENTS[:3], ["", " "], [], DOCUMENTS[3:], DOCUMENTS[:1]]
        whole = [document for part in parts for document in part]
        try:
            found = in_parts(kind(**parameters), parts)
        except ValueError as error:  # of the vocabulary that was given
            with pytest.raises(ValueError, match=re.escape(str(error))):
                theirs_too(**parameters).fit(whole)
            return
        same_fit(found, theirs_too(**parameters), whole)
        same_fit(in_parts(kind(**parameters), parts[::-1]), theirs_too(**parameters), whole)
        halves = [in_parts(kind(**parameters), some) for some in (parts[:3], parts[3:])]
        same_fit(halves[0].merge(halves[1]), theirs_too(**parameters), whole)
        same_fit(halves[1], theirs_too(**parameters), [*DOCUMENTS[3:], *DOCUMENTS[:1]])


@pytest.mark.parametrize(
    "parameters",
    [
        {"norm": None},
        {"use_idf": False},
        {"smooth_idf": False},
        {"sublinear_tf": True, "norm": "l1"},
        {"dtype": np.float32, "max_features": 7},
    ],
    ids=named,
)
def test_parts_weigh_as_the_whole(parameters: dict[str, Any]) -> None:
    found = in_parts(ours.TfidfVectorizer(**parameters), [DOCUMENTS[4:], DOCUMENTS[:4]])
    same_fit(found, theirs.TfidfVectorizer(**parameters), DOCUMENTS)


@pytest.mark.parametrize("parameters", [{}, {"norm": "l1", "min_df": 2}, {"sublinear_tf": True}], ids=named)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_documents_are_weighed_as_few(parameters: dict[str, Any], threads: int) -> None:
    """More than are weighed on the spot: 160,000 values, among them rows without terms."""
    made = [" ".join(f"w{i % n:x}" for n in (7, 11, 13, 997)) if i % 5 else "-" for i in range(50_000)]
    found, expected = ours.TfidfVectorizer(**parameters), theirs.TfidfVectorizer(**parameters)
    found.threads = threads
    assert_same(found.fit_transform(made), expected.fit_transform(made))
    assert_same(found.transform(made), expected.transform(made))


@pytest.mark.parametrize(
    "change", [lambda idf: idf[::-1], lambda idf: 2 * idf, lambda idf: idf.astype(np.float32)]
)
def test_an_idf_of_ones_own_is_used(change: Callable[[Any], Any]) -> None:
    found, expected = ours.TfidfVectorizer().fit(DOCUMENTS), theirs.TfidfVectorizer().fit(DOCUMENTS)
    found.idf_ = expected.idf_ = change(expected.idf_)
    assert_same(found.transform(DOCUMENTS), expected.transform(DOCUMENTS))


@pytest.mark.parametrize("idf", [np.ones(3), [1.0]], ids=["too short", "no array"])
def test_an_idf_that_does_not_fit_ends_as_it_does_there(idf: Any) -> None:
    told = []
    for kind in (theirs.TfidfVectorizer, ours.TfidfVectorizer):
        vectorizer = kind().fit(DOCUMENTS)
        vectorizer._tfidf.idf_ = idf
        with pytest.raises(Exception) as error:  # noqa: PT011  of whatever kind it is there
            vectorizer.transform(DOCUMENTS)
        told.append((error.type, str(error.value)))
    assert told[0] == told[1]


def test_a_vectorizer_is_used_and_kept_between_two_parts() -> None:
    vectorizer = ours.TfidfVectorizer().partial_fit(DOCUMENTS[:3])
    same_fit(vectorizer, theirs.TfidfVectorizer(), DOCUMENTS[:3])
    vectorizer = pickle.loads(pickle.dumps(vectorizer)).partial_fit(DOCUMENTS[3:])
    same_fit(vectorizer, theirs.TfidfVectorizer(), DOCUMENTS)
    vectorizer = pickle.loads(pickle.dumps(vectorizer))
    same_fit(vectorizer, theirs.TfidfVectorizer(), DOCUMENTS)
    same_fit(vectorizer.fit(DOCUMENTS[5:]), theirs.TfidfVectorizer(), DOCUMENTS[5:])


def test_sums_that_do_not_go_together_are_refused() -> None:
    vectorizer = ours.CountVectorizer().partial_fit(DOCUMENTS)
    with pytest.raises(OptionError, match="fitted by fit"):
        ours.CountVectorizer().fit(DOCUMENTS).partial_fit(DOCUMENTS)
    with pytest.raises(OptionError, match="must have been fitted by partial_fit"):
        vectorizer.merge(ours.CountVectorizer().fit(DOCUMENTS))
    with pytest.raises(OptionError, match="min_df is 1 here and 2 there"):
        vectorizer.merge(ours.CountVectorizer(min_df=2).partial_fit(DOCUMENTS))
    with pytest.raises(OptionError, match="takes its like, not a TfidfVectorizer"):
        vectorizer.merge(ours.TfidfVectorizer().partial_fit(DOCUMENTS))
    with pytest.raises(ValueError, match="string object received"):
        vectorizer.partial_fit("text")
    with pytest.raises(NotFittedError):
        ours.CountVectorizer().transform(DOCUMENTS)
    same_fit(vectorizer, theirs.CountVectorizer(), DOCUMENTS)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(threads: int) -> None:
    documents = [f"{'common ' * (i % 3)} word{i % 713} rare{i}" for i in range(9000)]
    vectorizer = ours.CountVectorizer(ngram_range=(1, 2))
    vectorizer.threads = threads
    expected = theirs.CountVectorizer(ngram_range=(1, 2))
    assert_same(vectorizer.fit_transform(documents), expected.fit_transform(documents))
    assert_same(vectorizer.transform(documents), expected.transform(documents))
    assert vectorizer.vocabulary_ == expected.vocabulary_


@pytest.mark.parametrize("name", ["wiki_en.txt.gz", "wiki_ko.txt.gz", "wiki_zh.txt.gz"])
def test_real_text_of_three_languages(name: str, read_data: Callable[..., list[str]]) -> None:
    documents = read_data(name, 20000)
    both("TfidfVectorizer", documents)
    both("CountVectorizer", documents[:5000], ngram_range=(1, 2), token_pattern=r"\w+", min_df=2)


def kinds_of_documents(folder: Path) -> list[tuple[Any, dict[str, Any]]]:
    """Documents that are no list of str."""
    path = folder / "document.txt"
    path.write_bytes("The café\n".encode("latin-1"))
    return [
        (lambda: iter(DOCUMENTS * 40), {}),
        (lambda: (text for text in DOCUMENTS), {}),
        (np.array(DOCUMENTS * 40), {}),
        (np.array(DOCUMENTS, dtype=object), {}),
        (tuple(DOCUMENTS), {}),
        ([text.encode() for text in DOCUMENTS], {}),
        ([*DOCUMENTS, b"caf\xe9"], {"encoding": "latin-1"}),
        ([*DOCUMENTS, b"caf\xe9"], {}),
        ([*DOCUMENTS, b"caf\xe9"], {"decode_error": "ignore"}),
        ([*DOCUMENTS, np.nan], {}),
        ([*DOCUMENTS, None], {}),
        ([*DOCUMENTS, 5], {"lowercase": False}),
        ([*DOCUMENTS, "a lone \ud800 surrogate and wo\udfffrd ΑΣ\ud800"], {}),
        ([path, path], {"input": "filename", "encoding": "latin-1"}),
        ([folder / "nosuch"], {"input": "filename"}),
        (lambda: [path.open("rb")], {"input": "file", "encoding": "latin-1"}),
        ("one string", {}),
        (5, {}),
        ([], {}),
        ([" ", "."], {}),
    ]


@pytest.mark.parametrize("number", range(20))
def test_documents_of_any_kind(number: int, tmp_path: Path) -> None:
    documents, parameters = kinds_of_documents(tmp_path)[number]
    both("CountVectorizer", documents, **parameters)


def test_a_subclass_that_changes_what_a_term_is_has_its_way() -> None:
    class Stemmed(ours.TfidfVectorizer):
        def build_analyzer(self) -> Callable[[str], list[str]]:
            analyze = super().build_analyzer()
            return lambda document: [term[:3] for term in analyze(document)]

    assert Stemmed().fit(["walking walked"]).get_feature_names_out().tolist() == ["wal"]


@pytest.mark.parametrize("method", ["decode", "build_preprocessor"])
def test_a_subclass_that_changes_texts_has_its_way(method: str) -> None:
    def decode(self: Any, document: str) -> str:
        return document.replace("a", "o")

    def build_preprocessor(self: Any) -> Callable[[str], str]:
        return lambda document: document.replace("a", "o").upper()

    changed = {"decode": decode, "build_preprocessor": build_preprocessor}[method]
    mine = type("Mine", (ours.CountVectorizer,), {method: changed})()
    other = type("Other", (theirs.CountVectorizer,), {method: changed})()
    assert_same(mine.fit_transform(DOCUMENTS), other.fit_transform(DOCUMENTS))
    assert mine.vocabulary_ == other.vocabulary_


def test_a_vocabulary_that_was_changed_is_the_vocabulary() -> None:
    documents = DOCUMENTS * 40
    mine, other = ours.CountVectorizer(), theirs.CountVectorizer()
    for vectorizer in (mine, other):
        vectorizer.fit(documents)
        vectorizer.transform(documents)
        columns = vectorizer.vocabulary_
        columns["cat"], columns["dog"] = columns["dog"], columns["cat"]
    assert_same(mine.transform(documents), other.transform(documents))
    mine.vocabulary_ = other.vocabulary_ = {"dog": 0}
    assert_same(mine.transform(documents), other.transform(documents))
    mine.vocabulary_.clear()
    other.vocabulary_ = {}
    for vectorizer in (mine, other):
        with pytest.raises(ValueError, match="Vocabulary is empty"):
            vectorizer.transform(documents)
    del mine.vocabulary_
    with pytest.raises(Exception, match="not fitted"):
        mine.transform(documents)


LAST = "zebra"

CHANGES: dict[str, Callable[[Any], Any]] = {
    "del": lambda columns: columns.__delitem__(LAST),
    "pop": lambda columns: columns.pop(LAST),
    "popitem": lambda columns: (columns.pop(LAST), columns.update({LAST: 0}), columns.popitem()),
    "or": lambda columns: columns.__ior__({"new": len(columns)}),
    "set": lambda columns: columns.__setitem__("new", len(columns)),
    "setdefault": lambda columns: columns.setdefault("new", len(columns)),
    "update": lambda columns: columns.update(new=len(columns)),
    "clear": lambda columns: (columns.clear(), columns.update(dog=1, cat=0)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_vocabulary_may_be_changed_in_any_way(change: Callable[[Any], Any]) -> None:
    """Before it is first handed over and after."""
    documents = [*DOCUMENTS, f"{LAST} new"] * 40
    mine, late, other = ours.CountVectorizer(), ours.CountVectorizer(), theirs.CountVectorizer()
    for vectorizer in (mine, late, other):
        vectorizer.fit([*documents[: len(DOCUMENTS)], LAST])
    mine.transform(documents)
    for vectorizer in (mine, late, other):
        change(vectorizer.vocabulary_)
    expected = other.transform(documents)
    assert_same(mine.transform(documents), expected)
    assert_same(late.transform(documents), expected)
    assert type(pickle.loads(pickle.dumps(mine)).vocabulary_) is dict


def test_few_documents_of_a_large_vocabulary_are_counted_by_scikit_learn() -> None:
    """To hand the vocabulary over would take longer."""
    made = [f"w{i:x}" for i in range(60_000)]
    mine, other = ours.CountVectorizer().fit(made), theirs.CountVectorizer().fit(made)
    assert_same(mine.transform(made[:300]), other.transform(made[:300]))
    assert "_handed_over" not in vars(mine)
    assert_same(mine.transform(made[:600]), other.transform(made[:600]))
    assert "_handed_over" in vars(mine)


def test_a_failed_fit_leaves_the_one_before() -> None:
    vectorizer = ours.CountVectorizer().fit(["a cat", "a dog"])
    with pytest.raises(ValueError, match="max_df corresponds to < documents"):
        vectorizer.set_params(min_df=2, max_df=1).fit(["one two"])
    assert vectorizer.vocabulary_ == {"cat": 0, "dog": 1}


@pytest.mark.parametrize("name", ["CountVectorizer", "TfidfVectorizer"])
def test_it_is_pickled_cloned_and_searched(name: str) -> None:
    kind = getattr(ours, name)
    vectorizer = kind(ngram_range=(1, 2)).fit(DOCUMENTS)
    loaded = pickle.loads(pickle.dumps(vectorizer))
    assert loaded.vocabulary_ == vectorizer.vocabulary_
    assert_same(loaded.transform(DOCUMENTS), vectorizer.transform(DOCUMENTS))
    assert clone(vectorizer).get_params() == vectorizer.get_params()
    assert vectorizer.get_params().keys() == getattr(theirs, name)().get_params().keys()
    pipeline = Pipeline([("vectors", kind()), ("labels", MultinomialNB())])
    search = GridSearchCV(pipeline, {"vectors__ngram_range": [(1, 1), (1, 2)]}, cv=2)
    search.fit(DOCUMENTS * 4, [i % 2 for i in range(4 * len(DOCUMENTS))])
    assert isinstance(search.best_estimator_["vectors"], getattr(theirs, name))


def test_names_and_inverse_are_those_of_theirs() -> None:
    mine, other = ours.CountVectorizer().fit(DOCUMENTS), theirs.CountVectorizer().fit(DOCUMENTS)
    assert mine.get_feature_names_out().tolist() == other.get_feature_names_out().tolist()
    rows = other.transform(DOCUMENTS)
    for found, expected in zip(mine.inverse_transform(rows), other.inverse_transform(rows), strict=True):
        assert found.tolist() == expected.tolist()
    with pytest.raises(AttributeError, match="vocabulary_"):
        _ = ours.CountVectorizer().vocabulary_


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2)])
@pytest.mark.parametrize("parameters", [{}, {"smooth_idf": False}, {"use_idf": False}], ids=named)
def test_a_table_is_a_fitted_vectorizer(ngram_range: tuple[int, int], parameters: dict[str, Any]) -> None:
    halves = [TermCounter(tokenizer="word", ngram_range=ngram_range) for _ in range(2)]
    documents = [text for text in DOCUMENTS if text.strip()]  # a corpus has no empty sentences
    for half, part in zip(halves, (documents[:3], documents[3:]), strict=True):
        half.update(part)
    halves[0].merge(halves[1])
    vectorizer = ours.TfidfVectorizer.from_table(halves[0].freeze(), **parameters)
    expected = theirs.TfidfVectorizer(ngram_range=ngram_range, **parameters).fit(documents)
    assert vectorizer.vocabulary_ == expected.vocabulary_
    if expected.use_idf:
        np.testing.assert_array_equal(vectorizer.idf_, expected.idf_)
    assert_same(vectorizer.transform(DOCUMENTS * 40), expected.transform(DOCUMENTS * 40))


def test_a_table_of_other_terms_is_refused() -> None:
    with pytest.raises(OptionError, match="'treebank'"):
        ours.CountVectorizer.from_table(una_fast.fit(DOCUMENTS))
    with pytest.raises(OptionError, match="ngram_range is for the table to say"):
        ours.CountVectorizer.from_table(una_fast.fit(DOCUMENTS, tokenizer="word"), ngram_range=(1, 2))


def test_their_own_tests_pass_with_ours_in_place(tmp_path: Path) -> None:
    """71 tests of scikit-learn's wheel; `make sklearn-floor` runs them under the oldest release too."""
    ran = run_their_tests(tmp_path, sys.path, capture_output=True)
    assert ran.returncode == 0, ran.stdout
    told = re.search(r"(\d+) matrices counted by una_fast, (\d+) left to scikit-learn", ran.stdout)
    assert told, ran.stdout
    assert int(told[1]) > 100


def test_documents_are_asked_for_once() -> None:
    given: list[int] = []

    def documents() -> Iterator[str]:
        for i in range(40000):
            given.append(i)
            yield f"word{i % 7}"

    assert ours.CountVectorizer().fit_transform(documents()).shape == (40000, 7)
    assert given == list(range(40000))


@pytest.mark.filterwarnings("ignore")
def test_bertopic_finds_the_same_topics() -> None:
    """It fits, prunes, updates and transforms by a vectorizer that is given to it."""
    bertopic = pytest.importorskip("bertopic")
    documents = [f"cat {i} sat on mat" if i % 2 else f"stocks rose {i} percent in market" for i in range(300)]
    embeddings = np.random.default_rng(0).normal(size=(300, 8)) + np.arange(300)[:, None] % 2 * 5
    found = []
    for kind in (ours.CountVectorizer, theirs.CountVectorizer):
        model = bertopic.BERTopic(
            umap_model=PCA(2),
            hdbscan_model=KMeans(2, random_state=0, n_init=1),
            vectorizer_model=kind(ngram_range=(1, 2), stop_words="english"),
        )
        model.fit(documents, embeddings=embeddings)
        model.update_topics(documents, vectorizer_model=kind(ngram_range=(1, 3)))
        shares, _ = model.approximate_distribution(documents[:5])
        found.append((model.get_topics(), list(model.get_topic_info().Name), shares.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("page", ["scikit-learn.md", "gensim.md", "phrases.md"])
def test_the_pages_of_the_docs_run(page: str) -> None:
    """Old calls beside new calls, which assert that both say the same."""
    pytest.importorskip("gensim")
    text = (Path(__file__).parent.parent / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    exec("\n".join(blocks), {})
