# The compiled half; wrapped, and documented, by the modules beside it.

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = [
    "Augmenter",
    "CustomTokenizer",
    "DecompressedFile",
    "DocumentCounter",
    "DrawnWords",
    "Encoded",
    "Encoder",
    "HashingCounter",
    "LineBlock",
    "Lines",
    "Phrases",
    "Reading",
    "Replacement",
    "Source",
    "TemporaryFolder",
    "TermCounter",
    "TermTable",
    "Terms",
    "Tokens",
    "Vocabulary",
    "__version__",
    "exchange",
    "format_of",
    "litter",
    "read_sentences",
    "tokenize",
    "weigh",
    "write_mapped_corpus",
]

__version__: str

_Explained: TypeAlias = tuple[str, int, int, int | None, float, float, tuple[int, int], str | None]
_Path: TypeAlias = str | PathLike[str]
_Tick: TypeAlias = Callable[[int, int], object] | None
_Tokenize: TypeAlias = Callable[[list[str]], list[list[int]]]
_Batch: TypeAlias = tuple[
    NDArray[np.int32] | NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8] | None, int
]

@final
class Reading:
    def __new__(
        cls,
        *,
        errors: str,
        max_line_bytes: int,
        max_window_bytes: int,
        json: bool,
        text_field: str,
        shard: tuple[int, int] | None,
        aligned: bool,
    ) -> Reading: ...

@final
class CustomTokenizer:
    def __new__(
        cls,
        name: str,
        *,
        texts: Callable[[str], list[str]],
        spans: Callable[[str], list[tuple[int, int]]] | None,
    ) -> CustomTokenizer: ...
    def tokenize(self, sentences: Sequence[str], *, lowercase: bool, spans: bool) -> Tokens: ...

@final
class Tokens: ...

@disjoint_base
class Source:
    @final
    class Files(Source):
        __match_args__ = ("paths",)
        def __new__(cls, paths: Sequence[_Path]) -> Source.Files: ...
        @property
        def paths(self) -> list[Path]: ...

    @final
    class Rows(Source):
        __match_args__ = ("sentences",)
        def __new__(cls, sentences: Iterable[str]) -> Source.Rows: ...
        @property
        def sentences(self) -> Any: ...

    @final
    class Columns(Source):
        __match_args__ = ("columns",)
        def __new__(cls, columns: Iterable[tuple[_Path | None, Iterable[_Batch]]]) -> Source.Columns: ...
        @property
        def columns(self) -> Any: ...

    @final
    class Stream(Source):
        __match_args__ = ("stream", "name")
        def __new__(cls, stream: Any, *, name: _Path) -> Source.Stream: ...
        @property
        def stream(self) -> Any: ...
        @property
        def name(self) -> Path: ...

@final
class Phrases:
    def __new__(cls, texts: list[str]) -> Phrases: ...
    def __len__(self) -> int: ...
    def texts(self) -> list[str]: ...

@final
class TermCounter:
    def __new__(
        cls,
        *,
        tokenizer: str,
        lowercase: bool,
        ngrams: int,
        phrases: Phrases | None,
        memory_limit: int | None,
        temp_dir: _Path | None,
    ) -> TermCounter: ...
    def apart(self) -> TermCounter: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def lowercase(self) -> bool: ...
    @property
    def ngrams(self) -> int: ...
    @property
    def phrases(self) -> Phrases | None: ...
    @property
    def n_documents(self) -> int: ...
    @property
    def n_terms(self) -> int: ...
    @property
    def has_spilled(self) -> bool: ...
    @property
    def n_empty(self) -> int: ...
    @property
    def n_skipped(self) -> int: ...
    @property
    def n_null(self) -> int: ...
    def update(
        self,
        source: Source,
        *,
        reading: Reading,
        threads: int,
        tick: _Tick,
        custom: CustomTokenizer | None,
    ) -> None: ...
    def arrays(
        self, *, threads: int
    ) -> tuple[
        NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32]
    ]: ...
    @staticmethod
    def from_arrays(
        term_bytes: NDArray[np.uint8],
        offsets: NDArray[np.uint64],
        df: NDArray[np.uint64],
        best_count: NDArray[np.uint32],
        best_length: NDArray[np.uint32],
        *,
        tokenizer: str,
        lowercase: bool,
        ngrams: int,
        phrases: Phrases | None,
        n_documents: int,
    ) -> TermCounter: ...
    def merge(self, other: TermCounter, *, threads: int) -> None: ...
    def save(self, path: _Path, *, threads: int, tick: _Tick) -> None: ...
    @staticmethod
    def load(path: _Path, *, memory_limit: int | None, temp_dir: _Path | None) -> TermCounter: ...
    def to_bytes(self) -> tuple[NDArray[np.uint8], tuple[int, int, int]]: ...
    @staticmethod
    def from_bytes(
        pieces: list[bytes],
        left_out: tuple[int, int, int],
        *,
        memory_limit: int | None,
        temp_dir: _Path | None,
    ) -> TermCounter: ...
    @staticmethod
    def like_bytes(
        pieces: list[bytes], *, memory_limit: int | None, temp_dir: _Path | None
    ) -> TermCounter: ...
    def part_bytes(self, parts: int, *, threads: int) -> list[NDArray[np.uint8]]: ...
    def add_parts(
        self, rows: list[tuple[int, bool, NDArray[np.uint8]]], parts: int, *, threads: int
    ) -> list[int]: ...
    def find_phrases(
        self, *, association: str, threshold: float, min_df: int, threads: int, tick: _Tick
    ) -> list[str]: ...
    def freeze(self, *, min_df: int, max_terms: int | None, threads: int, tick: _Tick) -> TermTable: ...
    def freeze_to(
        self, path: _Path, *, min_df: int, max_terms: int | None, threads: int, tick: _Tick
    ) -> tuple[int, str]: ...

@final
class Vocabulary:
    def __new__(cls, terms: Iterable[str]) -> Vocabulary: ...

@final
class Terms:
    def __len__(self) -> int: ...
    def kept(self, kept: NDArray[np.bool_]) -> Terms: ...
    def vocabulary(self) -> Vocabulary: ...
    def list(self) -> list[str]: ...

@final
class DocumentCounter:
    def __new__(
        cls,
        *,
        tokenizer: str,
        lowercase: bool,
        ngram_range: tuple[int, int],
        stop_words: list[str],
        vocabulary: Vocabulary | None,
    ) -> DocumentCounter: ...
    def add(self, documents: list[str], *, threads: int) -> None: ...
    def finish(
        self, *, dtype: np.dtype[Any], threads: int
    ) -> tuple[Terms, tuple[NDArray[np.uint32], NDArray[Any], NDArray[np.uint64]], NDArray[np.uint32]]: ...

@final
class HashingCounter:
    def __new__(
        cls,
        *,
        tokenizer: str,
        lowercase: bool,
        ngram_range: tuple[int, int],
        stop_words: list[str],
        n_features: int,
        alternate_sign: bool,
    ) -> HashingCounter: ...
    def add(self, documents: list[str], *, threads: int) -> None: ...
    def finish(
        self, *, threads: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.uint64]]: ...

@final
class TermTable:
    @staticmethod
    def load(path: _Path) -> TermTable: ...
    def save(self, path: _Path) -> None: ...
    def to_bytes(self) -> NDArray[np.uint8]: ...
    @staticmethod
    def from_bytes(pieces: list[bytes]) -> TermTable: ...
    def __len__(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def lowercase(self) -> bool: ...
    @property
    def ngrams(self) -> int: ...
    @property
    def phrases(self) -> Phrases | None: ...
    @property
    def min_df(self) -> int: ...
    @property
    def max_terms(self) -> int | None: ...
    @property
    def n_documents(self) -> int: ...
    def rank(self, term: str) -> int | None: ...
    def stats(self, rank: int) -> tuple[str, int, float, float, int, int]: ...
    def vicinity(self, rank: int, radius: int) -> tuple[int, int]: ...
    def transform(
        self, sentences: Iterable[str], *, tokens: Tokens | None, threads: int
    ) -> tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.uint64]]: ...
    def terms(self) -> list[str]: ...
    def term_bytes(self) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]: ...
    def df(self) -> NDArray[np.uint64]: ...
    def idf(self) -> NDArray[np.float64]: ...
    def score(self) -> NDArray[np.float64]: ...
    def best(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...

@final
class Augmenter:
    def __new__(
        cls,
        table: TermTable,
        *,
        radius: int,
        replace_prob: float,
        select: str,
        replace: str,
        surface: str,
        exclude_self: bool,
        keep_script: bool,
        max_tokens: int | None,
        max_share: float | None,
        min_score: float,
        protect: Sequence[Sequence[str]],
        seed: int,
    ) -> Augmenter: ...
    def augment(
        self,
        sentences: Sequence[str],
        *,
        tokens: Tokens | None,
        rows: NDArray[np.uint64] | None,
        epoch: int,
        view: int,
        weights: tuple[NDArray[np.float64], NDArray[np.uint64]] | None,
        threads: int,
    ) -> tuple[list[str], tuple[int, int, int, list[int]]]: ...
    def augment_columns(
        self,
        batches: Sequence[_Batch],
        *,
        tokens: Tokens | None,
        rows: NDArray[np.uint64] | None,
        epoch: int,
        view: int,
        threads: int,
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.uint8]], tuple[int, int, int, list[int]]]: ...
    def explain(
        self,
        sentence: str,
        *,
        tokens: Tokens | None,
        row: int,
        epoch: int,
        view: int,
        weights: NDArray[np.float64] | None,
    ) -> tuple[list[_Explained], str]: ...

@final
class Encoder:
    def __new__(
        cls,
        augmenter: Augmenter,
        tokenize: _Tokenize,
        *,
        prefix: Sequence[int],
        suffix: Sequence[int],
        pad_id: int,
        max_length: int,
        cache: int,
    ) -> Encoder: ...
    def irregular_terms(self) -> list[int]: ...
    def draw(
        self,
        sentences: Sequence[str],
        *,
        tokens: Tokens | None,
        rows: NDArray[np.uint64] | None,
        epoch: int,
        view: int,
        threads: int,
    ) -> DrawnWords: ...
    def compose(self, rows: Sequence[Sequence[str]]) -> DrawnWords: ...
    def assemble(self, drawn: DrawnWords, tokenize: _Tokenize) -> Encoded: ...

@final
class DrawnWords: ...

@final
class Encoded:
    def __len__(self) -> int: ...
    @property
    def longest(self) -> int: ...
    def fill(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> None: ...

def weigh(
    values: NDArray[np.float64],
    columns: NDArray[np.uint32],
    bounds: NDArray[np.uint64],
    *,
    weights: NDArray[np.float64] | None,
    norm: str | None,
    threads: int,
) -> None: ...
def exchange(path: _Path, other: _Path) -> bool: ...
def litter(folder: _Path, *, remove: bool) -> list[Path]: ...
def read_sentences(
    sources: Sequence[Source], *, reading: Reading, tick: _Tick
) -> tuple[NDArray[np.uint8], NDArray[np.uint64], int, int]: ...
def write_mapped_corpus(
    sources: Sequence[Source], text: _Path, ends: _Path, *, reading: Reading, tick: _Tick
) -> tuple[int, int, int, int]: ...
def format_of(head: bytes) -> str | None: ...

@final
class Lines:
    @staticmethod
    def of_file(path: _Path, *, reading: Reading) -> Lines: ...
    @staticmethod
    def of_stream(stream: Any, *, name: _Path, reading: Reading) -> Lines: ...
    @property
    def json(self) -> bool: ...
    def __iter__(self) -> Lines: ...
    def __next__(self) -> LineBlock: ...

@final
class LineBlock:
    def __len__(self) -> int: ...
    def batch(self) -> _Batch: ...
    def lines(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> bytes: ...
    def objects(self, members: list[tuple[str, NDArray[np.int64], NDArray[np.uint8]]]) -> bytes: ...

@final
class Replacement:
    def __new__(cls, path: _Path) -> Replacement: ...
    @property
    def path(self) -> Path: ...
    def commit(self) -> None: ...
    def discard(self) -> None: ...

@final
class TemporaryFolder:
    def __new__(cls, place: _Path) -> TemporaryFolder: ...
    @property
    def path(self) -> Path: ...
    def discard(self) -> None: ...

@final
class DecompressedFile:
    def __new__(cls, path: _Path, *, reading: Reading) -> DecompressedFile: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def readable(self) -> bool: ...
    @staticmethod
    def writable() -> bool: ...
    @staticmethod
    def seekable() -> bool: ...
    def read(self, size: int, /) -> bytes: ...

def tokenize(
    sentences: Iterable[str],
    *,
    tokenizer: str,
    lowercase: bool,
    phrases: Phrases | None = None,
    tokens: Tokens | None = None,
) -> tuple[list[list[str]], NDArray[np.uintp], NDArray[np.uintp]]: ...
