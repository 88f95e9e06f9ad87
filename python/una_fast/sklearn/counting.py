"""What the vectorizers share: scikit-learn's rules for what a term is, counted by the compiled half where it can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sklearn.feature_extraction import text as theirs

from una_fast import _core
from una_fast.errors import InputError
from una_fast.sources import default_threads

__all__ = ["PATTERNS", "CountsHere"]

_Counter = TypeVar("_Counter", _core.DocumentCounter, _core.HashingCounter)

PATTERNS = {
    "word": (r"\b\w\w+\b", r"\b\w{2,}\b", r"\w\w+", r"\w{2,}"),
    "word-1": (r"\b\w+\b", r"\b\w{1,}\b", r"\w+", r"\w{1,}"),
}
"""By tokenizer, the patterns that it equals, with or without (?u) before them; the usual one first."""

_TOKENIZERS = {pattern: tokenizer for tokenizer, patterns in PATTERNS.items() for pattern in patterns}

_AT_A_TIME = 1 << 14
"""Documents of an iterator that are taken at a time."""

_ANALYSIS = (
    "build_analyzer",
    "build_tokenizer",
    "_word_ngrams",
    "_check_stop_words_consistency",
)
"""Methods by which a subclass may change what a term is."""


class CountsHere(theirs._VectorizerMixin):  # type: ignore[misc]
    """The loop over documents, of a class that has scikit-learn's parameters of text analysis."""

    threads: int | None = None

    def _add_all(
        self, counter: _core.DocumentCounter | _core.HashingCounter, documents: Iterable[Any]
    ) -> None:
        """Counts documents."""
        threads = default_threads(self.threads)
        prepare = None if self._is_plain() else self.build_preprocessor()
        for batch in _batches(documents):
            self._add(counter, batch, prepare, threads)

    def _is_plain(self) -> bool:
        """Whether lower-casing, or nothing, is all that is done to a text before it is cut."""
        inherited = all(_is_inherited(self, name) for name in ("build_preprocessor", "decode"))
        return self.preprocessor is None and not self.strip_accents and inherited

    def _counter(self, kind: Callable[..., _Counter], **more: Any) -> _Counter | None:
        """A counter of terms; None where scikit-learn must count itself."""
        if not self._counts_here():
            return None
        self.build_analyzer()  # for its warnings and errors
        least, most = self.ngram_range
        try:  # stop words may be no text, and a range beyond all sense
            return kind(
                tokenizer=_TOKENIZERS[self._pattern()],
                lowercase=bool(self.lowercase) and self._is_plain(),
                ngram_range=(int(least), int(most)),
                stop_words=list(self.get_stop_words() or ()),
                **more,
            )
        except (TypeError, ValueError, OverflowError):
            return None

    def _pattern(self) -> str:
        return str(self.token_pattern).removeprefix("(?u)")

    def _counts_here(self) -> bool:
        """Whether the compiled half knows what a term is here."""
        return (
            self.analyzer == "word"
            and self.tokenizer is None
            and self._pattern() in _TOKENIZERS
            and self.ngram_range[0] >= 1
            and all(_is_inherited(self, name) for name in _ANALYSIS)
        )

    def _add(
        self,
        counter: _core.DocumentCounter | _core.HashingCounter,
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


def _is_inherited(vectorizer: theirs._VectorizerMixin, name: str) -> bool:
    """Whether a method is scikit-learn's own."""
    found = getattr(getattr(vectorizer, name), "__func__", None)
    return found is getattr(theirs._VectorizerMixin, name)


def _batches(documents: Iterable[Any]) -> Iterator[list[Any]]:
    if isinstance(documents, list):
        yield documents
        return
    left = iter(documents)
    while batch := list(islice(left, _AT_A_TIME)):
        yield batch
