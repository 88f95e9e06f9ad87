"""`CountVectorizer` and `TfidfVectorizer`: scikit-learn's, with the loop over documents in the compiled half.

Three private methods of scikit-learn's class are replaced, which stand unchanged from 1.5 to 1.9: `_count_vocab` makes
matrix and vocabulary, `_limit_features` prunes them, `_sort_features` sorts them. All else (checks, warnings,
parameters, tags) is inherited. Terms become Python strings when `vocabulary_` is first looked at: of millions of pairs
of words that takes longer than counting them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction import text as theirs

from una_fast import _core
from una_fast.errors import InputError, OptionError
from una_fast.sources import default_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from una_fast.table import TermTable

try:
    from sklearn.utils._sparse import _align_api_if_sparse as aligned

    SparseRows = sp.csr_array
except ImportError:  # before 1.9 there was one kind of sparse matrix
    SparseRows = sp.csr_matrix

    def aligned(matrix: Any) -> Any:
        """As it is."""
        return matrix


__all__ = ["CountVectorizer", "TfidfVectorizer"]

_PATTERNS = {
    "word": (r"\b\w\w+\b", r"\b\w{2,}\b", r"\w\w+", r"\w{2,}"),
    "word-1": (r"\b\w+\b", r"\b\w{1,}\b", r"\w+", r"\w{1,}"),
}
"""By tokenizer, the patterns that it equals, with or without (?u) before them; the usual one first."""

_TOKENIZERS = {pattern: tokenizer for tokenizer, patterns in _PATTERNS.items() for pattern in patterns}

_FEW = 256
"""Documents below which a known vocabulary is not worth handing over."""

_AT_A_TIME = 1 << 14
"""Documents of an iterator that are taken at a time."""

_ANALYSIS = (
    "build_analyzer",
    "build_tokenizer",
    "_word_ngrams",
    "_check_stop_words_consistency",
)
"""Methods by which a subclass may change what a term is."""


class CountVectorizer(theirs.CountVectorizer):  # type: ignore[misc]
    """scikit-learn's `CountVectorizer`: the same parameters, attributes, results, warnings and errors, sooner.

    Attributes:
        threads: How many threads count; None is one for each core. An attribute and not a parameter, so that parameters
            are those of scikit-learn's class.
    """

    threads: int | None = None

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The columns by their terms. Terms are made Python strings of when this is first looked at."""
        known = self.__dict__
        if "_vocabulary" not in known:
            if "_terms" not in known:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute 'vocabulary_'")
            terms = known["_terms"].list()
            self._vocabulary = dict(zip(terms, range(len(terms)), strict=True))
            del known["_terms"]
        return cast("dict[str, int]", self._vocabulary)

    @vocabulary_.setter
    def vocabulary_(self, vocabulary: dict[str, int]) -> None:
        terms = self._counted_as(vocabulary)
        self._forget()
        if terms is None:
            self._vocabulary = vocabulary
        else:
            self._terms = terms

    @vocabulary_.deleter
    def vocabulary_(self) -> None:
        self._forget()

    def _forget(self) -> None:
        for name in ("_counted", "_handed_over", "_terms", "_vocabulary"):
            self.__dict__.pop(name, None)

    def _check_vocabulary(self) -> None:
        if "_terms" not in self.__dict__:  # which are not empty, nor to be made strings of for this
            super()._check_vocabulary()

    @classmethod
    def from_table(cls, table: TermTable, **parameters: Any) -> Self:
        """A fitted vectorizer with the terms of a table, and the columns that scikit-learn would give them.

        A table is fitted on files larger than memory, merged across machines and pruned by `min_df` and `max_terms`:
        see `una_fast.fit`.

        Args:
            table: Of the tokenizer "word" or "word-1".
            parameters: Of the class, but for those that say what a term is.

        Raises:
            OptionError: The tokenizer is another one, or a parameter contradicts the table.
        """
        if table.tokenizer not in _PATTERNS:
            raise OptionError(
                f'from_table needs a table of the tokenizer "word" or "word-1", not {table.tokenizer!r}'
            )
        if table.phrases:
            raise OptionError("from_table needs a table without phrases, which scikit-learn does not know")
        told = {
            "token_pattern": f"(?u){_PATTERNS[table.tokenizer][0]}",
            "lowercase": table.lowercase,
            "ngram_range": table.ngram_range,
        }
        taken = sorted(parameters.keys() & (told.keys() | _OF_A_TABLE))
        if taken:
            raise OptionError(f"{taken[0]} is for the table to say, or cannot be told of one")
        made = cls(**told, **parameters)
        terms = table.terms
        ranks = sorted(range(len(terms)), key=terms.__getitem__)
        made.vocabulary_ = {terms[rank]: column for column, rank in enumerate(ranks)}
        made.fixed_vocabulary_ = False
        made._take_weights(table, ranks)
        return made

    def _take_weights(self, table: TermTable, ranks: list[int]) -> None:
        """Takes from a table what is learnt beside the vocabulary, by the ranks of the columns: nothing."""

    def _count_vocab(self, raw_documents: Iterable[Any], fixed_vocab: bool) -> tuple[dict[str, int], Any]:
        counter = self._counter(raw_documents, fixed_vocab)
        if counter is None:
            return cast("tuple[dict[str, int], Any]", super()._count_vocab(raw_documents, fixed_vocab))
        threads = default_threads(self.threads)
        prepare = None if self._is_plain() else self.build_preprocessor()
        for documents in _batches(raw_documents):
            self._add(counter, documents, prepare, threads)
        terms, (columns, counts, bounds) = counter.finish(threads=threads)
        vocabulary: dict[str, int] = {}
        if fixed_vocab:
            vocabulary = self.__dict__.get("_vocabulary", vocabulary)
            n_terms = len(self.__dict__.get("_terms", vocabulary))
        elif len(terms) == 0:
            raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
        else:
            n_terms = len(terms)
            self._counted = (vocabulary, terms)
        index = np.int32 if len(columns) <= np.iinfo(np.int32).max else np.int64
        made = SparseRows(
            (
                counts.view(np.int32).astype(self.dtype, copy=False),
                columns.view(np.int32).astype(index, copy=False),
                bounds.astype(index),
            ),
            shape=(len(bounds) - 1, n_terms),
        )
        made.has_canonical_format = made.has_sorted_indices = fixed_vocab
        return vocabulary, aligned(made)

    def _limit_features(
        self,
        X: Any,  # noqa: N803  scikit-learn's name
        vocabulary: dict[str, int],
        high: float | None = None,
        low: float | None = None,
        limit: int | None = None,
    ) -> Any:
        counted = self._counted_as(vocabulary)
        if counted is None:
            return super()._limit_features(X, vocabulary, high, low, limit)
        kept = _kept(X, high, low, limit)
        if kept is None:
            return X
        self._counted = (vocabulary, counted.kept(kept))
        return X[:, np.flatnonzero(kept)]

    def _sort_features(self, X: Any, vocabulary: dict[str, int]) -> Any:  # noqa: N803
        return X if self._counted_as(vocabulary) is not None else super()._sort_features(X, vocabulary)

    def _counted_as(self, vocabulary: dict[str, int]) -> _core.Terms | None:
        """The terms that this vocabulary, empty as yet, stands for."""
        mine, terms = self.__dict__.get("_counted", (None, None))
        return terms if mine is vocabulary else None

    def _is_plain(self) -> bool:
        """Whether lower-casing, or nothing, is all that is done to a text before it is cut."""
        inherited = all(_is_inherited(self, name) for name in ("build_preprocessor", "decode"))
        return self.preprocessor is None and not self.strip_accents and inherited

    def _counter(self, documents: Iterable[Any], fixed_vocab: bool) -> _core.DocumentCounter | None:
        """A counter by these rules; None where scikit-learn must count itself."""
        tokenizer = _TOKENIZERS.get(str(self.token_pattern).removeprefix("(?u)"))
        counts_here = (
            self.analyzer == "word"
            and self.tokenizer is None
            and tokenizer is not None
            and self.ngram_range[0] >= 1
            and all(_is_inherited(self, name) for name in _ANALYSIS)
        )
        if not counts_here:
            return None
        known = None
        if fixed_vocab:
            few = isinstance(documents, Sized) and len(documents) < _FEW
            known = None if few else self._known()
            if known is None:
                return None
        self.build_analyzer()  # for its warnings and errors
        least, most = self.ngram_range
        try:
            return _core.DocumentCounter(
                tokenizer=cast("str", tokenizer),
                lowercase=bool(self.lowercase) and self._is_plain(),
                ngram_range=(int(least), int(most)),
                stop_words=list(self.get_stop_words() or ()),
                vocabulary=known,
            )
        except (
            TypeError,
            ValueError,
            OverflowError,
        ):  # stop words that are no text, or a range beyond all sense
            return None

    def _known(self) -> _core.Vocabulary | None:
        """The vocabulary as the compiled half has it; None where it is not one of text, with columns in a row."""
        handed: tuple[list[str], list[int], _core.Vocabulary] | None = self.__dict__.get("_handed_over")
        if "_terms" in self.__dict__:
            if handed is None:
                self._handed_over = handed = ([], [], self._terms.vocabulary())
            return handed[2]
        # A vocabulary is a dict, which anybody may have changed: comparing is quick where it holds the same objects.
        terms, columns = list(self.vocabulary_), list(self.vocabulary_.values())
        if handed is not None and handed[:2] == (terms, columns):
            return handed[2]
        try:
            order = np.argsort(np.asarray(columns, dtype=np.int64), kind="stable")
            if not np.array_equal(np.asarray(columns)[order], np.arange(len(columns))):
                return None
            known = _core.Vocabulary([terms[i] for i in order])
        except (InputError, TypeError, ValueError, OverflowError):
            return None
        self._handed_over = (terms, columns, known)
        return known

    def _add(
        self,
        counter: _core.DocumentCounter,
        documents: list[Any],
        prepare: Callable[[Any], Any] | None,
        threads: int,
    ) -> None:
        """Counts documents, which are decoded and prepared where they are not text as it is to be cut."""
        if prepare is None and self.input == "content":
            try:
                counter.add(documents, threads=threads)
                return
            except InputError:  # one of them is no str, or no Unicode text: none was counted
                prepare = self.build_preprocessor()
        prepare = prepare or self.build_preprocessor()
        counter.add([self._text(prepare(self.decode(document))) for document in documents], threads=threads)

    def _text(self, document: Any) -> str:
        if not isinstance(document, str):
            self.build_tokenizer()(document)  # which says what is wrong with it
            raise TypeError(f"expected string or bytes-like object, got {type(document).__name__!r}")
        if document.isascii():
            return document
        # A lone surrogate is no letter: words end there as they do at a space.
        return document.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", " ")

    def __getstate__(self) -> dict[str, Any]:
        if "_terms" in self.__dict__:
            _ = self.vocabulary_  # which is what is kept
        state = dict(super().__getstate__())
        for name in ("_counted", "_handed_over"):
            state.pop(name, None)
        return state


class TfidfVectorizer(CountVectorizer, theirs.TfidfVectorizer):  # type: ignore[misc]
    """scikit-learn's `TfidfVectorizer`: the same parameters, attributes, results, warnings and errors, sooner.

    See `CountVectorizer`.
    """

    def _take_weights(self, table: TermTable, ranks: list[int]) -> None:
        self._tfidf = theirs.TfidfTransformer(
            norm=self.norm, use_idf=self.use_idf, smooth_idf=self.smooth_idf, sublinear_tf=self.sublinear_tf
        )
        if not self.use_idf:
            return
        df = np.asarray(table.df, dtype=np.float64)[ranks]
        smooth = int(self.smooth_idf)
        self.idf_ = np.log((table.n_documents + smooth) / (df + smooth)) + 1.0


_OF_A_TABLE = {
    *("analyzer", "max_df", "max_features", "min_df", "preprocessor", "stop_words", "strip_accents"),
    *("tokenizer", "vocabulary"),
}
"""Parameters that change what a term is, or which are kept."""


def _is_inherited(vectorizer: theirs.CountVectorizer, name: str) -> bool:
    """Whether a method is scikit-learn's own."""
    found = getattr(getattr(vectorizer, name), "__func__", None)
    return found is getattr(theirs.CountVectorizer, name)


def _batches(documents: Iterable[Any]) -> Iterator[list[Any]]:
    if isinstance(documents, list):
        yield documents
        return
    left = iter(documents)
    while batch := list(islice(left, _AT_A_TIME)):
        yield batch


def _kept(
    X: Any,  # noqa: N803
    high: float | None,
    low: float | None,
    limit: int | None,
) -> NDArray[np.bool_] | None:
    """The terms that pruning keeps, as scikit-learn has it; None for all.

    Raises:
        ValueError: It keeps none.
    """
    n_documents, n_terms = X.shape
    # Every term is in one document at least, and in all at most.
    if (
        (high is None or high >= n_documents)
        and (low is None or low <= 1)
        and (limit is None or limit >= n_terms)
    ):
        return None
    df = np.bincount(X.indices, minlength=n_terms)
    kept = np.ones(n_terms, dtype=bool)
    if high is not None:
        kept &= df <= high
    if low is not None:
        kept &= df >= low
    if limit is not None and kept.sum() > limit:
        tf = np.asarray(X.sum(axis=0)).ravel()
        most = (-tf[kept]).argsort()[:limit]
        chosen = np.flatnonzero(kept)[most]
        kept = np.zeros(n_terms, dtype=bool)
        kept[chosen] = True
    if not kept.any():
        raise ValueError("After pruning, no terms remain. Try a lower min_df or a higher max_df.")
    return kept
