"""`CountVectorizer` and `TfidfVectorizer`: scikit-learn's, with the loop over documents in the compiled half.

Three private methods of scikit-learn's class are replaced, which stand unchanged from 1.5 to 1.9: `_count_vocab` makes
matrix and vocabulary, `_limit_features` prunes them, `_sort_features` sorts them. All else (checks, warnings,
parameters, tags) is inherited. Terms become Python strings when `vocabulary_` is first looked at: of millions of pairs
of words that takes longer than counting them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from itertools import compress
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sklearn.feature_extraction import text as theirs
from sklearn.utils.validation import check_is_fitted

from una_fast import _core
from una_fast.errors import InputError, OptionError
from una_fast.sklearn.counting import PATTERNS, CountsHere
from una_fast.sklearn.rows import SparseRows, aligned, can_weigh, rows_of, weigh
from una_fast.sklearn.totals import Totals, documents_of, kept
from una_fast.sklearn.vocabulary import Vocabulary
from una_fast.sources import default_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from una_fast.table import TermTable

__all__ = ["CountVectorizer", "TfidfVectorizer"]

_FEW = 256
"""Documents below which a known vocabulary is not worth handing over."""

_TERMS_A_DOCUMENT = 128
"""Terms for each document beyond which it is not, either: they are copied for every thread."""

_WEIGHS = theirs.TfidfVectorizer
"""The class as it is now, whatever somebody puts in its place."""

_IDF = _WEIGHS.idf_


class CountVectorizer(CountsHere, theirs.CountVectorizer):  # type: ignore[misc]
    """scikit-learn's `CountVectorizer`: the same parameters, attributes, results, warnings and errors, sooner.

    Attributes:
        threads: How many threads count; None is one for each core. An attribute and not a parameter, so that parameters
            are those of scikit-learn's class.
    """

    threads: int | None = None
    fixed_vocabulary_: bool
    _vocabulary: dict[str, int]

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The columns by their terms. Terms are made Python strings of when this is first looked at."""
        self._settle()
        known = self.__dict__
        if "_vocabulary" not in known:
            if "_terms" not in known:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute 'vocabulary_'")
            terms = known["_terms"].list()
            self._vocabulary = Vocabulary(zip(terms, range(len(terms)), strict=True))
        return self._vocabulary

    @vocabulary_.setter
    def vocabulary_(self, vocabulary: dict[str, int]) -> None:
        counted = self._counted_as(vocabulary)
        self._forget()
        if counted is None:
            self._vocabulary = vocabulary
        else:
            self._terms = counted[0]

    @vocabulary_.deleter
    def vocabulary_(self) -> None:
        self._forget()

    def _forget(self) -> None:
        for name in ("_counted", "_handed_over", "_terms", "_totals", "_unsettled", "_vocabulary"):
            self.__dict__.pop(name, None)

    @property
    def _is_as_counted(self) -> bool:
        """Whether the vocabulary is that of the terms which the compiled half holds: nobody has changed it."""
        known = self.__dict__
        return "_terms" in known and ("_vocabulary" not in known or known["_vocabulary"].as_made)

    @property
    def _n_terms(self) -> int:
        return len(self._terms if self._is_as_counted else self.vocabulary_)

    def _check_vocabulary(self) -> None:
        if not self._is_as_counted:  # its terms are not empty, nor to be made strings of for this
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
        if table.tokenizer not in PATTERNS:
            raise OptionError(
                f'from_table needs a table of the tokenizer "word" or "word-1", not {table.tokenizer!r}'
            )
        if table.phrases:
            raise OptionError("from_table needs a table without phrases, which scikit-learn does not know")
        told = {
            "token_pattern": f"(?u){PATTERNS[table.tokenizer][0]}",
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
        made._take_weights(np.asarray(table.df)[ranks], table.n_documents)
        return made

    def partial_fit(self, raw_documents: Iterable[Any], y: object = None) -> Self:  # noqa: ARG002  as `fit` has it
        """Learns from more documents. What is learnt is what one `fit` of all of them would have learnt.

        `min_df`, `max_df` and `max_features` are applied to all documents so far, when the vectorizer is next used: a
        column is not to be relied on until the last part was given. No matrix is kept, so memory grows with the terms
        and not with the documents.

        Args:
            raw_documents: As for `fit`; they are held in memory while they are counted.
            y: Not used.

        Returns:
            The vectorizer itself.

        Raises:
            OptionError: It was fitted by `fit`, which keeps no sums to add to.
        """
        self._validate_params()
        if isinstance(raw_documents, str):
            raise ValueError("Iterable over raw text documents expected, string object received.")
        self._validate_ngram_range()
        self._warn_for_unused_params()
        totals: Totals | None = self.__dict__.get("_totals")
        if totals is None:
            if {"_terms", "_vocabulary"} & self.__dict__.keys():
                raise OptionError(
                    "this vectorizer was fitted by fit: partial_fit goes on from partial_fit alone"
                )
            totals = Totals()
        documents = list(raw_documents)
        terms, df, tf = self._summed(documents)
        totals.add(terms, df, tf, len(documents))
        self._totals, self._unsettled = totals, True
        return self

    def merge(self, other: CountVectorizer) -> Self:
        """Adds what another vectorizer learnt by `partial_fit`, as if its documents had been given to this one.

        Args:
            other: Of the same class, with the same parameters. It stays as it is.

        Returns:
            The vectorizer itself.

        Raises:
            OptionError: Class or parameters differ, or one of the two has learnt nothing by `partial_fit`.
        """
        if type(other) is not type(self):
            raise OptionError(f"merge: a {type(self).__name__} takes its like, not a {type(other).__name__}")
        mine, others = self.get_params(), other.get_params()
        differing = [name for name in mine if not _equal(mine[name], others[name])]
        if differing:
            name = differing[0]
            raise OptionError(f"merge: {name} is {mine[name]!r} here and {others[name]!r} there")
        if not all("_totals" in vectorizer.__dict__ for vectorizer in (self, other)):
            raise OptionError("merge: both vectorizers must have been fitted by partial_fit")
        self._totals.merge(other._totals)
        self._unsettled = True
        return self

    def _summed(self, documents: list[Any]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """The terms of documents, in how many each is, and how often."""
        part = type(self)(**self.get_params(deep=False))
        part.threads = self.threads
        part._validate_vocabulary()
        fixed = self.fixed_vocabulary_ = bool(part.fixed_vocabulary_)
        try:
            vocabulary, X = part._count_vocab(documents, fixed)  # noqa: N806
        except ValueError as error:
            if fixed or not str(error).startswith("empty vocabulary"):
                raise
            return [], np.zeros(0, np.int64), np.zeros(0, np.int64)
        counted = part._counted_as(vocabulary)
        terms = sorted(vocabulary, key=vocabulary.__getitem__) if counted is None else counted[0].list()
        df = np.bincount(X.indices, minlength=len(terms))
        tf = df if self.binary else np.bincount(X.indices, weights=X.data, minlength=len(terms))
        return terms, df.astype(np.int64), tf.astype(np.int64)

    def _settle(self) -> None:
        """Makes vocabulary and weights of what `partial_fit` has summed up since they were last made.

        Raises:
            ValueError: No terms, or no terms after pruning.
        """
        if not self.__dict__.get("_unsettled"):
            return
        totals: Totals = self._totals
        if self.fixed_vocabulary_:
            self._unsettled = False
            self._validate_vocabulary()
            vocabulary = self._vocabulary
            df = totals.of(sorted(vocabulary, key=vocabulary.__getitem__))
        else:
            terms, df, tf = totals.in_order()
            if not terms:
                raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
            n = totals.n_documents
            high, low = documents_of(self.max_df, n), documents_of(self.min_df, n)
            if high < low:
                raise ValueError("max_df corresponds to < documents than min_df")
            dtype = np.zeros(0, self.dtype).sum().dtype
            chosen = kept(df, lambda: tf.astype(dtype), n, high, low, self.max_features)
            if chosen is not None:
                terms, df = list(compress(terms, chosen)), df[chosen]
            self.vocabulary_ = dict(zip(terms, range(len(terms)), strict=True))
        self._take_weights(df, totals.n_documents)
        self._totals, self._unsettled = totals, False

    def _take_weights(self, df: NDArray[Any], n_documents: int) -> None:
        """Takes what is learnt beside the vocabulary from the columns' document frequencies: nothing."""

    def _count_vocab(self, raw_documents: Iterable[Any], fixed_vocab: bool) -> tuple[dict[str, int], Any]:
        known = self._known_for(raw_documents) if fixed_vocab and self._counts_here() else None
        counter = None
        if known is not None or not fixed_vocab:
            counter = self._counter(_core.DocumentCounter, vocabulary=known)
        if counter is None:
            return cast("tuple[dict[str, int], Any]", super()._count_vocab(raw_documents, fixed_vocab))
        self._add_all(counter, raw_documents)
        dtype = np.dtype(self.dtype)
        threads = default_threads(self.threads)
        terms, (columns, counts, bounds), df = counter.finish(dtype=dtype, threads=threads)
        vocabulary: dict[str, int] = {}
        if fixed_vocab:
            vocabulary = self.__dict__.get("_vocabulary", vocabulary)
            n_terms = self._n_terms
        elif len(terms) == 0:
            raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
        else:
            n_terms = len(terms)
            self._counted = (vocabulary, terms, df)
        made = rows_of(columns, counts.astype(dtype, copy=False), bounds, n_terms)
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
        terms, df = counted
        chosen = kept(df, lambda: np.asarray(X.sum(axis=0)).ravel(), X.shape[0], high, low, limit)
        if chosen is not None:
            terms, df, X = terms.kept(chosen), df[chosen], X[:, np.flatnonzero(chosen)]  # noqa: N806
            self._counted = (vocabulary, terms, df)
        self._take_weights(df, X.shape[0])
        return X

    def _sort_features(self, X: Any, vocabulary: dict[str, int]) -> Any:  # noqa: N803
        return X if self._counted_as(vocabulary) is not None else super()._sort_features(X, vocabulary)

    def _counted_as(self, vocabulary: dict[str, int]) -> tuple[_core.Terms, NDArray[np.uint32]] | None:
        """The terms that this vocabulary, empty as yet, stands for, and their document frequencies."""
        mine, *counted = self.__dict__.get("_counted", (None,))
        return cast("tuple[_core.Terms, NDArray[np.uint32]]", counted) if mine is vocabulary else None

    def _known_for(self, documents: Iterable[Any]) -> _core.Vocabulary | None:
        """The vocabulary as the compiled half has it; None where these documents are not worth handing it over."""
        if isinstance(documents, Sized) and len(documents) < max(_FEW, self._n_terms // _TERMS_A_DOCUMENT):
            return None
        return self._known()

    def _known(self) -> _core.Vocabulary | None:
        """The vocabulary as the compiled half has it; None where it is not one of text, with columns in a row."""
        handed: tuple[list[str], list[int], _core.Vocabulary] | None = self.__dict__.get("_handed_over")
        if self._is_as_counted:
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

    def __getstate__(self) -> dict[str, Any]:
        if "_terms" in self.__dict__:
            _ = self.vocabulary_  # which is what is kept
        state = dict(super().__getstate__())
        for name in ("_counted", "_handed_over", "_terms"):
            state.pop(name, None)
        return state


class TfidfVectorizer(CountVectorizer, theirs.TfidfVectorizer):  # type: ignore[misc]
    """scikit-learn's `TfidfVectorizer`: the same parameters, attributes, results, warnings and errors, sooner.

    See `CountVectorizer`.
    """

    @property
    def idf_(self) -> NDArray[Any]:
        """The idf of each column."""
        self._settle()
        return cast("NDArray[Any]", _IDF.fget(self))

    @idf_.setter
    def idf_(self, value: NDArray[Any]) -> None:
        _IDF.fset(self, value)

    def fit(self, raw_documents: Iterable[Any], y: object = None) -> Self:  # noqa: ARG002  as scikit-learn has it
        """Learns vocabulary and idf; see scikit-learn's."""
        self._check_params()
        self._warn_for_unused_params()
        self._learnt(raw_documents)
        return self

    def fit_transform(self, raw_documents: Iterable[Any], y: object = None) -> Any:  # noqa: ARG002
        """Learns vocabulary and idf, and returns the matrix, of shape (documents, terms); see scikit-learn's."""
        self._check_params()
        return self._weighted(self._learnt(raw_documents))

    def transform(self, raw_documents: Iterable[Any]) -> Any:
        """The matrix of documents, of shape (documents, terms); see scikit-learn's."""
        check_is_fitted(self, msg="The TF-IDF vectorizer is not fitted")
        return self._weighted(self._counting.transform(raw_documents))

    @property
    def _counting(self) -> Any:
        """The vectorizer as one that counts and does not weigh."""
        return super(_WEIGHS, self)

    def _learnt(self, raw_documents: Iterable[Any]) -> Any:
        """The matrix of counts, from which the weights were taken."""
        self._tfidf = self._transformer()
        counts = self._counting.fit_transform(raw_documents)
        if not hasattr(self._tfidf, "n_features_in_"):  # scikit-learn counted, and no document frequencies
            self._tfidf.fit(counts)
        return counts

    def _weighted(self, counts: Any) -> Any:
        """The matrix as `TfidfTransformer.transform` makes it of counts, in place."""
        tfidf, n_terms = self._tfidf, counts.shape[1]
        idf = getattr(tfidf, "idf_", None)
        is_usual = tfidf.norm in (None, "l1", "l2") and getattr(tfidf, "n_features_in_", None) == n_terms
        has_weights = isinstance(idf, np.ndarray) and idf.dtype == np.float64 and idf.shape == (n_terms,)
        if not (is_usual and (has_weights or idf is None) and can_weigh(counts)):
            return tfidf.transform(counts, copy=False)
        if tfidf.sublinear_tf:
            np.log(counts.data, counts.data)
            counts.data += 1.0
        weights = None if idf is None else np.ascontiguousarray(idf)
        weigh(counts, weights=weights, norm=tfidf.norm, threads=default_threads(self.threads))
        return counts

    def partial_fit(self, raw_documents: Iterable[Any], y: object = None) -> Self:
        """Learns from more documents; see `CountVectorizer.partial_fit`."""
        self._check_params()
        return super().partial_fit(raw_documents, y)

    def _transformer(self) -> Any:
        return theirs.TfidfTransformer(
            norm=self.norm, use_idf=self.use_idf, smooth_idf=self.smooth_idf, sublinear_tf=self.sublinear_tf
        )

    def _take_weights(self, df: NDArray[Any], n_documents: int) -> None:
        self._tfidf = self._transformer()
        dtype = self.dtype if self.dtype in (np.float64, np.float32) else np.float64
        with np.errstate(
            divide="ignore"
        ):  # of a document without terms: for the width, and what fit sets beside idf
            self._tfidf.fit(SparseRows((1, len(df)), dtype=dtype))
        if self.use_idf:
            df = df.astype(dtype) + dtype(float(self.smooth_idf))
            idf = np.full_like(df, n_documents + int(self.smooth_idf)) / df
            self._tfidf.idf_ = np.log(idf) + dtype(1)


_OF_A_TABLE = {
    *("analyzer", "max_df", "max_features", "min_df", "preprocessor", "stop_words", "strip_accents"),
    *("tokenizer", "vocabulary"),
}
"""Parameters that change what a term is, or which are kept."""


def _equal(a: object, b: object) -> bool:
    """Whether two values of a parameter are the same, be they arrays."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(cast("Any", a), cast("Any", b))
    return a is b or a == b
