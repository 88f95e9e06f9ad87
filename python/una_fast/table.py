"""The fitted vocabulary: terms by rank of importance, with their statistics."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from una_fast import _core
from una_fast.arrow import large_strings
from una_fast.checks import whole
from una_fast.errors import InputError
from una_fast.extras import require
from una_fast.files import replacing, storage_errors, write_text
from una_fast.hub import Uploads, bibtex, fetch, front_matter
from una_fast.notebook import table_html
from una_fast.phrases import Phrases
from una_fast.pickling import Pieces
from una_fast.sources import default_threads
from una_fast.tokenizers import CustomTokenizer, Tokenizer, is_custom, matching, missing

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

__all__ = ["SINGLE_TERMS", "TermStats", "TermTable", "Tokens", "single_terms"]

TABLE_FILE = "table.safetensors"
"""The file of a table in a folder or repository."""

Array = TypeVar("Array", bound=np.ndarray[Any, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class TermStats:
    """The statistics of one term.

    Attributes:
        term: the term, lower-cased if the table is.
        rank: its place by falling score, from 0.
        df: number of sentences that hold it.
        idf: ln(N / df), natural logarithm, float64.
        score: idf * ln(1 + max c/L), the largest TF-IDF that it reaches in any sentence.
    """

    term: str
    rank: int
    df: int
    idf: float
    score: float


class Tokens(NamedTuple):
    """The tokens of a sentence.

    Attributes:
        texts: the tokens as tokenised.
        spans: the characters of the sentence as written that each covers, as (start, end). A token of a callable that
            does not stand in the sentence after the tokens before it, a stem for one, covers none: start is end.
    """

    texts: list[str]
    spans: list[tuple[int, int]]


class TermTable(Uploads):
    """Terms sorted by falling maximum TF-IDF; equal scores by the terms' UTF-8 bytes.

    Immutable. Made by `una_fast.fit`, `TermCounter.freeze` or `TermTable.load`. Pickled, it is the bytes of its file,
    and the tokenizer where that is a callable or pattern.
    """

    def __init__(self, core: _core.TermTable, custom: CustomTokenizer | None = None) -> None:
        self._core = core
        self._custom = custom
        self._path: str | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, tokenizer: Tokenizer | None = None) -> TermTable:
        """Loads a table; every byte is checked before it is believed.

        Args:
            path: the file.
            tokenizer: the callable or pattern that the table was made with, since the file holds only its name.
                Without it the table can be looked at, exported and drawn from the others, and tokenizes nothing.

        Raises:
            OptionError: for a tokenizer of another name than the one recorded.
            ArtifactError: for a file that is damaged, hostile, or no table; it says what is wrong.
            StorageError: for a file that cannot be read.
        """
        core = _core.TermTable.load(os.fspath(path))
        table = cls(core, matching(tokenizer, core.tokenizer, os.fspath(path)))
        table._path = os.fspath(path)
        return table

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the table as one safetensors file: canonical bytes, atomic, durable on return.

        Raises:
            StorageError: where the system refuses; an old file then stays as it was.
        """
        self._core.save(os.fspath(path))
        self._path = os.fspath(path)

    @classmethod
    def from_pretrained(
        cls,
        repo_id_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        tokenizer: Tokenizer | None = None,
    ) -> TermTable:
        """Loads a table from a folder, as `save_pretrained` makes one, or from a repository of the Hugging Face hub.

        Args:
            repo_id_or_path: the folder, a name on the hub, or the file of a table.
            revision: branch, tag or commit of the repository.
            token: for a repository that is private; True takes the one that `hf auth login` left.
            cache_dir: where downloads are kept, by default where huggingface_hub keeps them.
            local_files_only: whether to do without the network.
            tokenizer: as for `load`.

        Raises:
            OptionError: for what is neither a folder nor a name on the hub; and as `load`.
            StorageError: where there is no such table, or the hub does not give it.
            ArtifactError: as `load`.
            MissingExtraError: without huggingface_hub, for a name on the hub.
        """
        if os.path.isfile(repo_id_or_path):
            return cls.load(repo_id_or_path, tokenizer=tokenizer)
        path = fetch(
            repo_id_or_path,
            TABLE_FILE,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        return cls.load(path, tokenizer=tokenizer)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Saves the table as `table.safetensors` in a folder, with a card that says what it is.

        Raises:
            StorageError: where the system refuses.
            MissingExtraError: without huggingface_hub, which makes the card.
        """
        self._save_files(Path(folder))
        self._path = os.fspath(Path(folder) / TABLE_FILE)

    def _save_files(self, folder: Path) -> None:
        card = self._card()
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._core.save(os.fspath(folder / TABLE_FILE))
        with replacing(folder / "README.md") as fresh:
            write_text(fresh, card)

    @contextmanager
    def _to_upload(self) -> Iterator[tuple[Path, None, str]]:
        with tempfile.TemporaryDirectory() as folder:
            self._save_files(Path(folder))
            yield Path(folder), None, f"A term table of {len(self):,} terms"

    def _card(self) -> str:
        front = front_matter({}, library_name="una-fast", tags=["una-fast", "tf-idf", "hard-negatives"])
        facts = {
            "terms": f"{len(self):,}",
            "sentences": f"{self.n_documents:,}",
            "tokenizer": self.tokenizer,
            "lower-cased": "yes" if self.lowercase else "no",
            **({} if self.ngram_range == (1, 1) else {"tokens a term": f"1 to {self.ngram_range[1]}"}),
            **({"phrases": f"{len(self.phrases):,}"} if self.phrases else {}),
            "min_df": self.min_df,
            "max_terms": self.max_terms or "-",
            "sha256": self.digest,
        }
        rows = "".join(f"| {name} | {value} |\n" for name, value in facts.items())
        usage = (
            "from una_fast import Augmenter, TermTable\n\n"
            'table = TermTable.from_pretrained("<this repository>")\n'
            'Augmenter(table).augment(["A sentence."])'
        )
        return (
            f"{front}\n# Term table\n\nTerms by falling maximum TF-IDF, from which una-fast makes hard negatives.\n\n"
            f"| | |\n|---|---|\n{rows}\n```python\n{usage}\n```\n\n{bibtex()}"
        )

    @property
    def digest(self) -> str:
        """SHA-256 of settings, N and arrays, in hexadecimal: the identity of the table."""
        return self._core.digest

    @property
    def tokenizer(self) -> str:
        """The name of the tokenizer it was fitted with; "callable:..." or "pattern:..." where it is not built in."""
        return self._core.tokenizer

    @property
    def lowercase(self) -> bool:
        """True where sentences were lower-cased before they were tokenised."""
        return self._core.lowercase

    @property
    def ngram_range(self) -> tuple[int, int]:
        """Least and most tokens of a term: (1, 1), or (1, n) where terms of several tokens were counted."""
        return 1, self._core.ngrams

    @cached_property
    def phrases(self) -> Phrases:
        """The phrases that were counted as one term each."""
        return Phrases._holding(self._core.phrases)

    @property
    def n_documents(self) -> int:
        """Number of sentences of the corpus, N."""
        return self._core.n_documents

    @property
    def min_df(self) -> int:
        """Terms in fewer sentences were left out."""
        return self._core.min_df

    @property
    def max_terms(self) -> int | None:
        """The most terms that were kept, if there was a limit."""
        return self._core.max_terms

    @cached_property
    def terms(self) -> list[str]:
        """The terms, by rank. Made on first use and kept."""
        return self._core.terms()

    @cached_property
    def df(self) -> NDArray[np.uint64]:
        """Document frequency by rank, shape (V,). A read-only copy."""
        return _frozen(self._core.df())

    @cached_property
    def idf(self) -> NDArray[np.float64]:
        """Inverse document frequency by rank, shape (V,). A read-only copy."""
        return _frozen(self._core.idf())

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """Maximum TF-IDF by rank, shape (V,), never rising. A read-only copy."""
        return _frozen(self._core.score())

    def __len__(self) -> int:
        return len(self._core)

    def __contains__(self, term: object) -> bool:
        return isinstance(term, str) and self._core.rank(term) is not None

    def __getitem__(self, term: str) -> TermStats:
        """The statistics of a term.

        Raises:
            KeyError: for a term that the table does not hold.
        """
        rank = self._core.rank(term)
        if rank is None:
            raise KeyError(term)
        return self._at(rank)

    def top(self, n: int = 20, *, least: bool = False) -> list[TermStats]:
        """The n terms of highest score, highest first; with `least` those of lowest, lowest first."""
        n = min(n, len(self))
        ranks = range(len(self) - 1, len(self) - 1 - n, -1) if least else range(n)
        return [self._at(rank) for rank in ranks]

    def vicinity(self, term: str, radius: int = 4000) -> list[TermStats]:
        """The terms that may replace `term`: those at most `radius` ranks away, itself among them, by rank.

        Raises:
            KeyError: for a term that the table does not hold.
            OptionError: for a radius that is no number of ranks.
        """
        start, stop = self._core.vicinity(self[term].rank, whole("radius", radius, below=1 << 32))
        return [self._at(rank) for rank in range(start, stop)]

    def tokenize(self, sentences: Iterable[str]) -> list[Tokens]:
        """The tokens of each sentence, cut as the table's own corpus was, with the characters that they cover.

        A phrase of the table is one token.

        Raises:
            InputError: for an item that is no str, and for what a callable or pattern may not return.
            OptionError: for a table that was loaded without its callable or pattern.
        """
        sentences = as_sequence(sentences)
        found: list[Tokens] = []
        for first in range(0, len(sentences), _AT_A_TIME):
            found += self._tokenized(sentences[first : first + _AT_A_TIME])
        return found

    def _tokenized(self, sentences: Sequence[str]) -> Iterator[Tokens]:
        tokens = self._tokens(sentences, spans=True)
        texts, starts, ends = _core.tokenize(
            sentences,
            tokenizer=self.tokenizer,
            lowercase=self.lowercase,
            phrases=self._core.phrases,
            tokens=tokens,
        )
        # In turns: all numbers of a long text would be made objects of at one stretch.
        turns = range(0, len(starts), _AT_A_TIME)
        spans = chain.from_iterable(
            zip(starts[i : i + _AT_A_TIME].tolist(), ends[i : i + _AT_A_TIME].tolist(), strict=True)
            for i in turns
        )
        return (Tokens(words, list(islice(spans, len(words)))) for words in texts)

    def _tokens(self, sentences: Sequence[str], *, spans: bool) -> _core.Tokens | None:
        """The tokens of sentences as the compiled half takes them; None where it finds them itself.

        Raises:
            InputError: for an item that is no str, and for what a callable or pattern may not return.
            OptionError: for a table that was loaded without its callable or pattern.
        """
        if self._custom is not None:
            return self._custom.tokens(sentences, lowercase=self.lowercase, spans=spans)
        if is_custom(self.tokenizer):
            raise missing(self.tokenizer)
        return None

    def transform(self, sentences: Iterable[str], *, threads: int | None = None) -> csr_matrix:
        """The sentences as a sparse matrix of TF-IDF: a row each, a column for each term of the table, by rank.

        The value of a term is ln(1 + c / L) * ln(N / df), float64, with c of the L tokens of the sentence. Terms that
        the table does not hold are left out, yet count for L; an empty sentence is an empty row. Column indices
        ascend within a row; they are int64 only where there are 2**31 values or more.

        Args:
            sentences: any iterable of str; `una_fast.sources.load_sentences` reads files into one.
            threads: number of threads; by default one for each core.

        Returns:
            A `scipy.sparse.csr_matrix` of shape (n, V), as scikit-learn's vectorizers give.

        Raises:
            InputError: for an item that is no str, and for what a callable or pattern may not return.
            OptionError: for a table that was loaded without its callable or pattern.
            MissingExtraError: without scipy.
        """
        csr_matrix = require("transform", "scipy.sparse").csr_matrix
        sentences = as_sequence(sentences)
        tokens = self._tokens(sentences, spans=False)
        values, ranks, bounds = self._core.transform(
            sentences, tokens=tokens, threads=default_threads(threads)
        )
        kind = np.int32 if max(len(values), len(self)) <= np.iinfo(np.int32).max else np.int64
        shape = (len(bounds) - 1, len(self))
        matrix = csr_matrix((values, ranks.astype(kind), bounds.astype(kind)), shape=shape)
        matrix.has_sorted_indices = matrix.has_canonical_format = True
        return matrix

    def to_arrow(self) -> pa.Table:
        """The table as Arrow columns, by rank: term, df, best_count, best_length, idf, score.

        The term bytes are copied once; `df` and the others too.

        Raises:
            MissingExtraError: without pyarrow.
        """
        pa = require("to_arrow", "pyarrow")
        data, offsets = self._core.term_bytes()
        terms = large_strings(offsets.astype(np.int64), data)
        count, length = self._core.best()
        return pa.table(
            {
                "term": terms,
                "df": self.df,
                "best_count": count,
                "best_length": length,
                "idf": self.idf,
                "score": self.score,
            }
        )

    def _at(self, rank: int) -> TermStats:
        term, df, idf, score, _, _ = self._core.stats(rank)
        return TermStats(term=term, rank=rank, df=df, idf=idf, score=score)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_pieces, (Pieces(self._core.to_bytes()), self._custom)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TermTable) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def _repr_html_(self) -> str:
        n = min(_SHOWN, len(self))
        least = sorted(self.top(min(n, len(self) - n), least=True), key=lambda stats: stats.rank)
        rows: list[tuple[object, ...]] = [
            (stats.term, f"{stats.rank:,}", f"{stats.score:.3f}", f"{stats.idf:.3f}", f"{stats.df:,}")
            for stats in (*self.top(n), *least)
        ]
        if len(self) > len(rows):
            rows.insert(n, ("...", "", "", "", ""))
        phrases = f", {len(self.phrases):,} phrases" if self.phrases else ""
        caption = (
            f"TermTable: {len(self):,} terms of {self.n_documents:,} sentences, {self.tokenizer}{phrases}"
        )
        return table_html(caption, ("term", "rank", "score", "idf", "df"), rows)

    def __repr__(self) -> str:
        return (
            f"TermTable({len(self):,} terms of {self.n_documents:,} sentences, tokenizer={self.tokenizer!r})"
        )


_SHOWN = 5
"""Terms of each end that a notebook shows."""


def _from_pieces(pieces: Pieces, custom: CustomTokenizer | None) -> TermTable:
    return TermTable(_core.TermTable.from_bytes(pieces.cut()), custom)


_AT_A_TIME = 1 << 10
"""Sentences that are tokenized at a time."""

SINGLE_TERMS = (
    "most sentences are a single term: for text without spaces between words (Chinese, Japanese, Thai) give "
    'tokenizer="unicode" (--tokenizer unicode), which makes a term of each character, or a function that cuts words'
)
"""What `single_terms` says to who fits."""

_FEW = 100


def single_terms(table: TermTable) -> bool:
    """True where most of a hundred sentences or more hold one term alone."""
    return table.n_documents >= _FEW and int(table.df.sum()) < 1.5 * table.n_documents


def as_sequence(sentences: Iterable[str]) -> Sequence[str]:
    """The sentences as something that can be read twice.

    Raises:
        InputError: for a mapping, whose keys are no sentences; for bytes; for what is no iterable.
    """
    if isinstance(sentences, Mapping | bytes | bytearray | memoryview):
        raise InputError(f"expected sentences, a list of str for example, not {type(sentences).__name__}")
    if isinstance(sentences, Sequence):
        return sentences
    try:
        return list(sentences)
    except TypeError:
        if isinstance(sentences, Iterable):
            raise
        raise InputError(
            f"expected sentences, a list of str for example, not {type(sentences).__name__}"
        ) from None


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
