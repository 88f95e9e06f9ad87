"""Sources: the same sentences give the same table by every route, and what is wrong with one is named by place."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import una_fast
from una_fast.sources import load_sentences

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
zstandard = pytest.importorskip("zstandard")

CORPUS = ["The cat sat on the mat.", "a dog lay on the rug", "the bird's café", "“quoted” words"]
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}

MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh91AY&SY", ".xz": b"\xfd7zXZ\0"}

words = st.text(st.sampled_from("abé 水\t.'"), max_size=12)
corpora = st.lists(words, min_size=1, max_size=30).map(lambda texts: ["always one", *texts])


def routes(corpus: list[str], folder: Path) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Every way in: a name, the source, its options."""
    import pyarrow.feather
    import pyarrow.parquet

    text = "\n".join(corpus).encode()
    objects = "".join(json.dumps({"id": 1, "body": line, "text": 3}) + "\n" for line in corpus).encode()
    for suffix, pack in {"": bytes, **PACK}.items():
        for name, data, options in (("x.txt", text, {}), ("x.jsonl", objects, {"text_field": "body"})):
            (folder / (name + suffix)).write_bytes(pack(data))
            yield name + suffix, folder / (name + suffix), options
    yield "stream", io.BytesIO(PACK[".xz"](text)), {}
    yield "stream of json", io.BytesIO(objects), {"text_field": "body"}
    table = pa.table({"text": corpus, "id": range(len(corpus))})
    pyarrow.parquet.write_table(table, folder / "x.parquet", row_group_size=7)
    pyarrow.feather.write_feather(table, folder / "x.feather")
    with pa.ipc.new_stream(folder / "x.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=5)
    for name in ("x.parquet", "x.feather", "x.arrow"):
        yield name, folder / name, {}
    halves = [corpus[: len(corpus) // 2], corpus[len(corpus) // 2 :]]
    yield "table", table, {}
    yield "batch", table.to_batches()[0], {"column": "text"}
    yield "reader", table.to_reader(3), {}
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        yield f"chunks of {kind}", pa.chunked_array([pa.array(half).cast(kind) for half in halves]), {}
    yield "array", pa.array(corpus), {}
    yield "slice", pa.array(["no", *corpus, None, "no"], pa.large_string())[1:-1], {}
    yield "polars series", pl.Series(corpus), {}
    yield "polars categories", pl.Series(corpus, dtype=pl.Categorical), {}
    yield "polars frame", pl.DataFrame({"id": range(len(corpus)), "text": corpus}), {}
    yield "iterator", iter(corpus), {}


@settings(max_examples=40, deadline=None)
@given(corpora)
def test_the_same_sentences_give_the_same_table_by_every_route(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[str]
) -> None:
    expected = una_fast.fit(corpus, threads=1).digest
    for name, source, options in routes(corpus, tmp_path_factory.mktemp("routes")):
        assert una_fast.fit(source, threads=2, **options).digest == expected, name


def test_every_route_counts_what_it_left_out_and_reads_into_memory(tmp_path: Path) -> None:
    corpus = [*CORPUS, "", " "]
    for name, source, options in routes(corpus, tmp_path):
        if "reader" in name or "stream" in name or name == "iterator":
            continue
        counter = una_fast.TermCounter(**options)
        counter.update(source)
        assert (counter.n_documents, counter.n_empty) == (len(CORPUS), 2), name
        assert list(load_sentences(source, **options)) == CORPUS, name


def test_nulls_are_skipped_and_counted(tmp_path: Path) -> None:
    import pyarrow.parquet

    column = pa.chunked_array([[None, *CORPUS], [None], [""]])
    pyarrow.parquet.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    for source in (column, tmp_path / "x.parquet", pl.Series(column.to_pylist())):
        counter = una_fast.TermCounter()
        counter.update(source)
        assert (counter.n_documents, counter.n_null, counter.n_empty) == (4, 2, 1)
        assert counter.freeze() == una_fast.fit(CORPUS)
    counter = una_fast.TermCounter()
    counter.update(pa.nulls(3))
    assert (counter.n_documents, counter.n_null) == (0, 3)


def test_a_hugging_face_column_is_read_in_the_order_of_its_rows() -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": [*CORPUS, None], "id": [*range(5)]})
    for source in (rows["text"], rows, rows.select([4, 2, 1, 0, 3])["text"]):
        counter = una_fast.TermCounter()
        counter.update(source)
        assert (counter.n_documents, counter.n_null) == (4, 1)
        assert counter.freeze() == una_fast.fit(CORPUS)
    assert una_fast.fit(rows.select([0, 1])["text"]) == una_fast.fit(CORPUS[:2])


def test_no_python_string_is_made_of_arrow_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from una_fast import arrow

    column = pa.array(CORPUS)
    (batch,) = arrow.batches_of_object(column, None)
    assert batch[1].ctypes.data == column.buffers()[2].address
    assert batch[0].ctypes.data == column.buffers()[1].address


def test_the_column_must_be_clear(tmp_path: Path) -> None:
    import pyarrow.parquet

    table = pa.table({"a": CORPUS, "b": CORPUS, "n": range(4)})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    listed = r"its columns are 'a' \(string\), 'b' \(string\), 'n' \(int64\)"
    for source in (table, tmp_path / "x.parquet"):
        with pytest.raises(una_fast.OptionError, match=listed):
            una_fast.fit(source)
        with pytest.raises(una_fast.OptionError, match=f"no column 'c', or several; {listed}"):
            una_fast.fit(source, column="c")
        with pytest.raises(una_fast.InputError, match="column 'n' holds int64, not strings"):
            una_fast.fit(source, column="n")
        assert una_fast.fit(source, column="b") == una_fast.fit(CORPUS)


def test_text_and_tables_count_together_or_not_at_all(tmp_path: Path) -> None:
    import pyarrow.parquet

    text, table = tmp_path / "a.txt", tmp_path / "b.parquet"
    text.write_text("\n".join(CORPUS[:2]))
    pyarrow.parquet.write_table(pa.table({"text": CORPUS[2:]}), table)
    assert una_fast.fit([table, text]) == una_fast.fit(CORPUS)
    table.write_bytes(table.read_bytes()[:-9])
    counter = una_fast.TermCounter()
    with pytest.raises(una_fast.InputError, match=r"b\.parquet: "):
        counter.update([text, table])
    assert counter.n_documents == 0


@pytest.mark.parametrize("suffix", PACK)
def test_many_members_are_read_whole_and_damage_is_never_passed_over(tmp_path: Path, suffix: str) -> None:
    pack, path = PACK[suffix], tmp_path / f"x.txt{suffix}"
    text = "".join(f"line {i} of {i * i % 1013}\n" for i in range(3000)).encode()
    whole = pack(text[:20_000]) + pack(b"") + pack(text[20_000:])
    path.write_bytes(whole)
    expected = una_fast.fit(io.BytesIO(text)).digest
    assert una_fast.fit(path).digest == expected
    for cut in (len(whole) - 1, len(whole) - 5, len(whole) // 2, 15):
        path.write_bytes(whole[:cut])
        with pytest.raises(una_fast.InputError, match=r"x\.txt.*: (compressed data ends too|damaged compr)"):
            una_fast.fit(path)
    for junk in (b"x", b"junk at the end", b"\xff" * 99):
        path.write_bytes(whole + junk)
        with pytest.raises(una_fast.InputError, match=r"x\.txt.*(line|from byte) \d+"):
            una_fast.fit(path)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(PACK)), st.data())
def test_a_mutated_stream_gives_the_text_that_python_gives_or_an_error(
    suffix: str, data: st.DataObject
) -> None:
    text = "".join(f"line {i}\n" for i in range(200)).encode()
    stream = bytearray(PACK[suffix](text) + PACK[suffix](b"more text\n"))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    del stream[data.draw(st.integers(at, len(stream))) :]
    try:
        found = una_fast.fit(io.BytesIO(stream), tokenizer="whitespace").digest
    except una_fast.InputError:
        return
    except MemoryError:
        pytest.fail("a small stream asked for all memory")
    # Without its first bytes a stream is text, as any other; with them, Python must have read it too.
    unpacked = UNPACK[suffix](bytes(stream)) if stream.startswith(MAGIC[suffix]) else bytes(stream)
    assert found == una_fast.fit(io.BytesIO(unpacked), tokenizer="whitespace").digest


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"other": 1}', r'x\.jsonl: line 2: no field "text" in the JSON object at byte 14'),
        ('{"text": 1}', r'x\.jsonl: line 2: field "text" is a number, not a string at byte 14'),
        ('{"text": "a" x}', r"x\.jsonl: line 2: bad JSON, expected `,` or `}` at byte 27"),
        ("[]", r"x\.jsonl: line 2: bad JSON, .*expected a JSON object"),
        ('{"text": "\\u0000"}', r'x\.jsonl: line 2: NUL in field "text" at byte 14'),
        ('{"text": "\\ud800"}', r"x\.jsonl: line 2: a surrogate without its partner"),
    ],
)
def test_bad_json_lines_are_named_or_skipped(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"text":"ab"}}\n{line}\n\n{{"text":null}}\n{{"text":"c"}}')
    with pytest.raises(una_fast.InputError, match=message):
        una_fast.fit(path)
    counter = una_fast.TermCounter(errors="skip")
    counter.update(path)
    assert (counter.n_documents, counter.n_skipped, counter.n_empty) == (2, 1, 2)


def test_bad_values_of_a_column_are_named_by_row(tmp_path: Path) -> None:
    import pyarrow.parquet

    column = pa.chunked_array([["fine", None], ["n\0l"]])
    with pytest.raises(una_fast.InputError, match=r"^sentence 2: NUL byte"):
        una_fast.fit(column)
    pyarrow.parquet.write_table(pa.table({"t": column}), tmp_path / "x.parquet")
    with pytest.raises(una_fast.InputError, match=r"x\.parquet: row 2: NUL byte"):
        una_fast.fit(tmp_path / "x.parquet")
    torn = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer("é".encode())]
    )
    with pytest.raises(una_fast.InputError, match="sentence 0: invalid UTF-8"):
        una_fast.fit(torn)
    wild = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\x09\0\0\0\2\0\0\0"), pa.py_buffer(b"ab")]
    )
    with pytest.raises(
        una_fast.InputError, match="sentence 0: the offsets are out of order or out of bounds"
    ):
        una_fast.fit(wild)


def test_what_a_producer_breaks_off_is_an_input_error() -> None:
    def batches() -> Iterator[Any]:
        yield pa.record_batch({"text": CORPUS})
        raise pa.ArrowInvalid("no more today")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"text": pa.string()}), batches())
    counter = una_fast.TermCounter()
    with pytest.raises(una_fast.InputError, match="no more today"):
        counter.update(reader)
    assert counter.n_documents == 0


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.feather"])
def test_unreadable_tables_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(una_fast.StorageError) as missing:
        una_fast.fit(tmp_path / name)
    assert (missing.value.errno, missing.value.filename) == (2, str(tmp_path / name))
    for content in (b"", b"no table", b"PAR1" * 9, b"ARROW1" * 9):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(una_fast.InputError, match=f"{name}: "):
            una_fast.fit(tmp_path / name)


def test_long_lines_are_refused_on_every_route(tmp_path: Path) -> None:
    long = [*CORPUS, "x" * 99]
    for name, source, options in routes(long, tmp_path):
        if name != "x.jsonl":
            with pytest.raises(una_fast.InputError, match="longer than max_line_bytes = 98"):
                una_fast.fit(source, max_line_bytes=98, **options)


class Failing(io.RawIOBase):
    """Gives some text, then what it is told to."""

    def __init__(self, then: Callable[[], Any]) -> None:
        self.left, self.then = 40, then

    def readinto(self, buffer: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            return self.then()
        buffer[:12] = b"some a text\n"
        return 12


def test_a_stream_that_fails_counts_nothing() -> None:
    def refuse() -> None:
        raise OSError(5, "no luck")

    for then, kind in (
        (refuse, OSError),
        (lambda: None, una_fast.InputError),
        (lambda: 1 << 40, una_fast.InputError),
    ):
        counter = una_fast.TermCounter()
        with pytest.raises(kind):
            counter.update(Failing(then))
        assert (counter.n_documents, counter.n_terms) == (0, 0)
    assert una_fast.fit(Failing(lambda: 0)).n_documents == 40


def test_a_stream_is_named_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "y.txt"
    path.write_bytes(b"fine\nn\0l\n")
    with (
        path.open("rb") as stream,
        pytest.raises(una_fast.InputError, match=r"y\.txt: line 2: NUL byte at byte 6"),
    ):
        una_fast.fit(stream)
    with pytest.raises(una_fast.InputError, match="<BytesIO>: line 2"):
        una_fast.fit(io.BytesIO(b"fine\nn\0l\n"))


def test_standard_input_is_a_dash(tmp_path: Path) -> None:
    out, extra = tmp_path / "table", tmp_path / "extra.txt"
    extra.write_text(CORPUS[3])
    command = [
        sys.executable,
        "-c",
        "import sys; from una_fast.cli import main; sys.exit(main())",
        "fit",
        "-",
        str(extra),
        "-o",
        str(out),
        "--json",
    ]
    data = gzip.compress("\n".join(CORPUS[:3]).encode())
    subprocess.run(command, input=data, check=True, capture_output=True)
    assert una_fast.TermTable.load(out) == una_fast.fit(CORPUS)


def test_without_pyarrow_the_message_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["pyarrow"] = None
import una_fast
class Column:
    def __arrow_c_stream__(self, requested_schema=None): ...
for source in (Column(), __import__("pathlib").Path({str(tmp_path / "x.parquet")!r})):
    try:
        una_fast.fit(source)
    except una_fast.MissingExtraError as error:
        print(error)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.count("pip install 'una-fast[arrow]'") == 2


@settings(deadline=None)
@given(corpora, st.integers(1, 5), st.integers(1, 3))
def test_shares_of_any_source_merge_to_the_whole(corpus: list[str], n: int, threads: int) -> None:
    whole = una_fast.fit(corpus)
    for source in (corpus, pa.array([None, *corpus]), io.BytesIO("\n".join(corpus).encode())):
        shares = []
        for i in range(1, n + 1):
            if isinstance(source, io.BytesIO):
                source.seek(0)
            shares.append(una_fast.TermCounter(shard=(i, n), threads=threads))
            shares[-1].update(source)
        total = shares.pop()
        for share in shares:
            total.merge(share)
        assert total.freeze() == whole


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (-1, 2), (1, 1 << 64)])
def test_impossible_shares_are_named(shard: tuple[int, int]) -> None:
    with pytest.raises(una_fast.OptionError, match=r"shard must be \(i, n\) with 1 <= i <= n"):
        una_fast.TermCounter(shard=shard)


def test_files_of_every_kind_shard_by_their_own_rows(tmp_path: Path) -> None:
    corpus = [f"word{i} again" for i in range(11)]
    for name, source, options in itertools.chain(routes(corpus, tmp_path)):
        if isinstance(source, os.PathLike):
            counter = una_fast.TermCounter(shard=(2, 3), **options)
            counter.update(source)
            assert counter.freeze() == una_fast.fit(corpus[1::3]), name


@pytest.mark.parametrize("zeros", [1, 7, 512, 1 << 19])
@pytest.mark.parametrize("between", [False, True])
def test_zeros_after_a_gzip_member_are_padding(zeros: int, between: bool, tmp_path: Path) -> None:
    """Protects files from tapes and from archivers that pad: Python and GNU gzip read them so."""
    first, second = gzip.compress(b"red fox\nblue "), gzip.compress(b"fox\n")
    data = first + bytes(zeros) * between + second + bytes(zeros)
    assert gzip.decompress(data) == b"red fox\nblue fox\n"
    path = tmp_path / "corpus.gz"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        assert una_fast.fit(source).n_documents == 2


@pytest.mark.parametrize("rest", [b"x", bytes(9) + b"\x1f", b"\x1f\x8b", bytes(3) + b"junk and more of it"])
def test_what_else_follows_a_gzip_member_is_a_fault(rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "corpus.gz"
    path.write_bytes(gzip.compress(b"red fox\n") + rest)
    with pytest.raises(una_fast.InputError, match=r"corpus\.gz"):
        una_fast.fit(path)


@pytest.mark.parametrize("window_log", [10, 27, 28, 31])
def test_zstd_of_any_window_that_its_own_tool_writes_is_read(window_log: int, tmp_path: Path) -> None:
    """Protects public dumps packed by `zstd --long=31`. The frame is of RFC 8878, section 3.1.1: one raw block."""
    text = b"red fox\nblue fox\n"
    header = b"\x28\xb5\x2f\xfd" + bytes([0, window_log - 10 << 3])
    path = tmp_path / "corpus.zst"
    path.write_bytes(header + (len(text) << 3 | 1).to_bytes(3, "little") + text)
    assert una_fast.fit(path).n_documents == 2
