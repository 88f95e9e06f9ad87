"""Protects one way to read: what a source is, and that every command reads it by the same rules."""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import os
import tempfile
from collections import UserDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import una_fast
from una_fast import InputError, OptionError
from una_fast.cli import main
from una_fast.sources import load_sentences

WORDS = {"tokenizer": "whitespace", "threads": 1}


def terms(source: Any, **options: Any) -> list[str]:
    return sorted(una_fast.fit(source, **{**WORDS, **options}).terms)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    una_fast.fit(["red fox ran", "blue fox sat", "red hen"], **WORDS).save("t.una")
    return tmp_path


@pytest.fixture
def augment(here: Path, capsysbinary: Any) -> Callable[..., tuple[int, bytes, str]]:
    def run(*arguments: str) -> tuple[int, bytes, str]:
        code = main(["augment", "t.una", *arguments, "--radius", "2"])
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return run


def packed(name: str, data: bytes) -> bytes:
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(Path(name).suffix)
    return data if pack is None else pack(data)


# --- Lines of JSON ---------------------------------------------------------------------------------------------------

JSON_NAMES = ["a.jsonl", "a.ndjson", "a.JSONL", "a.json", "a.jl", "a.jsonlines", "a.JSONL.gz", "a.jsonl.xz"]


@pytest.mark.parametrize("name", JSON_NAMES)
def test_every_name_of_json_lines_is_one_for_all(
    here: Path, augment: Callable[..., tuple[int, bytes, str]], name: str
) -> None:
    line = '{"text":"red fox","n":1.50}\n'
    Path(name).write_bytes(packed(name, line.encode()))
    assert terms(name) == ["fox", "red"]
    assert list(load_sentences(name)) == ["red fox"]
    code, out, _ = augment(name)
    made = json.loads(out)
    assert (code, made["text"]) == (0, "red fox")
    assert out.startswith(b'{"text":"red fox","n":1.50, "negative": ')


def test_a_field_that_is_named_makes_lines_json_whatever_the_name(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    Path("x.txt").write_text('{"t": "red fox"}\n')
    assert terms("x.txt", text_field="t") == ["fox", "red"]
    assert terms(io.StringIO('{"t": "red fox"}\n'), text_field="t") == ["fox", "red"]
    assert json.loads(augment("x.txt", "--text-field", "t")[1])["t"] == "red fox"
    Path("plain.txt").write_text("red fox\n")
    for refused in (lambda: terms("plain.txt", text_field="t"), lambda: terms(["red"], text_field="t")):
        with pytest.raises((InputError, OptionError)):
            refused()
    code, _, err = augment("plain.txt", "--text-field", "t")
    assert code == 1
    assert "plain.txt: line 1: bad JSON" in err


OTHERS = [
    "[" * 5000 + "]" * 5000,
    "9" * 5000,
    "1e400",
    "-0.0",
    '"\\ud800 \\u00e9"',
    '{"a": [1, 2,  3]}',
    '"\u2028"',
]


@pytest.mark.parametrize("other", OTHERS, ids=range(len(OTHERS)))
def test_other_fields_pass_as_they_are_written(
    here: Path, augment: Callable[..., tuple[int, bytes, str]], other: str
) -> None:
    line = f'{{"o":{other} , "text":"red fox"}}'
    Path("x.jsonl").write_text(line + "\r\n", encoding="utf-8", newline="")
    assert terms("x.jsonl") == ["fox", "red"]
    code, out, _ = augment("x.jsonl")
    assert code == 0
    assert out.decode().startswith(line[:-1] + ', "negative": "')


@pytest.mark.parametrize("other", ["NaN", "Infinity", "[1,]", "'a'", "01", "tru"])
def test_what_is_no_json_is_refused_in_the_same_words(
    here: Path, augment: Callable[..., tuple[int, bytes, str]], other: str
) -> None:
    Path("x.jsonl").write_text(f'{{"text":"red fox"}}\n{{"text":"red","o":{other}}}\n')
    with pytest.raises(InputError, match=r"x\.jsonl: line 2: bad JSON") as fitted:
        una_fast.fit("x.jsonl")
    with pytest.raises(InputError) as loaded:
        load_sentences("x.jsonl")
    code, _, err = augment("x.jsonl")
    assert code == 1
    assert str(fitted.value) == str(loaded.value)
    assert err == f"una-fast augment: {fitted.value}\n"


def test_json_of_other_layouts_says_what_to_do(here: Path) -> None:
    Path("list.json").write_text('[{"text": "a"}]')
    Path("pretty.json").write_text('{\n "text": "a"\n}')
    with pytest.raises(InputError, match="without the brackets"):
        una_fast.fit("list.json")
    with pytest.raises(InputError, match="must stand on one line"):
        una_fast.fit("pretty.json")


def test_a_field_that_exists_is_not_overwritten(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    Path("n.jsonl").write_text('{"text":"red"}\n{"text":"red fox","negative":"keep me"}\n')
    code, _, err = augment("n.jsonl", "-o", "o.jsonl")
    assert code == 1
    assert 'n.jsonl: line 2: the JSON object has a field "negative" already' in err
    assert augment("n.jsonl", "--negative-field", "text")[0] == 1
    assert augment("n.jsonl", "--negative-field", "other")[0] == 0
    assert not Path("o.jsonl").exists()


def test_lines_that_hold_no_sentence_keep_their_place(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    lines = ['{"text":"red"}', "", '{"text":null}', '{"no":1}', '{"text":"x\\ud800"}', "no json"]
    Path("x.jsonl").write_text("\n".join(lines))
    code, out, _ = augment("x.jsonl", "--errors", "skip")
    made = out.decode().split("\n")
    assert code == 0
    assert made[1:] == [
        "",
        '{"text":null, "negative": null}',
        '{"no":1}',
        '{"text":"x\\ud800"}',
        "no json",
        "",
    ]
    Path("x.txt").write_bytes(b"red\n\n\xff\n\0\nfox")
    for errors, n_lines in (("skip", 5), ("replace", 5)):
        code, out, _ = augment("x.txt", "--errors", errors)
        assert (code, out.count(b"\n"), out.split(b"\n")[1]) == (0, n_lines, b"")
    with pytest.raises(InputError, match=r"x\.txt: line 3: invalid UTF-8 at byte 5"):
        una_fast.fit("x.txt")
    assert "x.txt: line 3: invalid UTF-8 at byte 5" in augment("x.txt")[2]


def test_augment_writes_what_its_name_says(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    Path("x.txt").write_text("red fox\nblue fox\n")
    plain = augment("x.txt")[1]
    for name in ("o.txt.gz", "o.txt.bz2", "o.txt.xz"):
        assert augment("x.txt", "-o", name)[0] == 0
        opened = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[Path(name).suffix]
        with opened(name) as file:
            assert file.read() == plain
    code, _, err = augment("x.txt", "-o", "o.txt.zst")
    assert (code, Path("o.txt.zst").exists()) == (1, False)
    assert "o.txt.zst" in err
    rows = [*zip(["red fox", "blue fox"], plain.decode().splitlines(), strict=True)]
    for name in ("o.jsonl", "o.jsonl.gz", "o.parquet", "o.csv", "o.arrow"):
        assert augment("x.txt", "-o", name)[0] == 0
        assert _columns(name, "text", "negative") == rows, name


def _columns(name: str, *columns: str) -> list[tuple[str, ...]]:
    texts = [list(load_sentences(name, **{_option(name): column})) for column in columns]
    return [*zip(*texts, strict=True)]


def _option(name: str) -> Any:
    return "text_field" if ".jsonl" in name else "column"


def test_augment_makes_several_negatives_in_one_run(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    """Each view is that of a run of its own, whatever comes in and goes out."""
    Path("x.txt").write_text("red fox\nblue fox\n")
    Path("x.jsonl").write_text('{"text": "red fox", "n": 1.50}\n{"text": "blue fox"}\n')
    Path("x.csv").write_text("n,text\n1.50,red fox\n,blue fox\n")
    apart = [augment("x.txt", "--view", str(view))[1].decode().splitlines() for view in (1, 2, 3)]
    expected = [*zip(*apart, strict=True)]
    names = ("negative_1", "negative_2", "negative_3")
    for source in ("x.txt", "x.jsonl", "x.csv"):
        for output in ("o.jsonl", "o.parquet", "o.tsv"):
            if source == "x.jsonl" and output != "o.jsonl":
                continue
            assert augment(source, "--view", "1", "--views", "3", "-o", output)[0] == 0, (source, output)
            assert _columns(output, *names) == expected, (source, output)
    assert augment("x.jsonl", "--views", "2")[1].startswith(b'{"text": "red fox", "n": 1.50, "negative_1": ')
    assert "name an output of JSON lines or a table" in augment("x.txt", "--views", "2")[2]
    assert (
        "holds JSON lines, and o.parquet is the name of a table" in augment("x.jsonl", "-o", "o.parquet")[2]
    )
    assert "is the column of the sentences" in augment("x.txt", "--negative-field", "text", "-o", "o.csv")[2]


def test_augment_lays_out_pairs(here: Path, augment: Callable[..., tuple[int, bytes, str]]) -> None:
    """As generate_hard_negatives, from any file to JSON lines or a table; a row is its line's or its place."""
    import json

    Path("x.txt").write_text("red fox\n\nblue fox\n")
    Path("x.jsonl").write_text(
        '{"q": "red fox", "a": "old"}\n{"q": null, "a": ""}\n{"q": "blue fox", "a": "new"}\n'
    )
    Path("x.csv").write_text("q,a\nred fox,old\n,\nblue fox,new\n")
    first, _, second = augment("x.txt")[1].decode().splitlines()
    other = augment("x.txt", "--view", "1")[1].decode().splitlines()
    for source, options, anchor, positive, positives in (
        ("x.txt", (), "text", "positive", ("red fox", "blue fox")),
        ("x.jsonl", ("--text-field", "q", "--positive-column", "a"), "q", "a", ("old", "new")),
        ("x.csv", ("--column", "q", "--positive-column", "a"), "q", "a", ("old", "new")),
    ):
        lines = augment(source, "--format", "triplet", *options)[1].decode().splitlines()
        assert [json.loads(line) for line in lines] == [
            {anchor: "red fox", positive: positives[0], "negative": first},
            {anchor: "blue fox", positive: positives[1], "negative": second},
        ]
        (line, _) = (
            augment(source, "--format", "labeled-list", "--views", "2", *options)[1].decode().splitlines()
        )
        assert json.loads(line) == {
            anchor: "red fox",
            positive: [positives[0], first, other[0]],
            "labels": [1, 0, 0],
        }
        assert augment(source, "--format", "n-tuple", "--views", "2", *options, "-o", "o.parquet")[0] == 0
        assert _columns("o.parquet", anchor, positive, "negative_1", "negative_2") == [
            ("red fox", positives[0], first, other[0]),
            ("blue fox", positives[1], second, other[2]),
        ]
        out = augment(source, "--format", "labeled-pair", *options, "-o", "o.csv")
        assert out[0] == 0
        with open("o.csv", newline="") as file:
            assert [*csv.reader(file)][1:3] == [["red fox", positives[0], "1"], ["red fox", first, "0"]]
    for arguments, said in (
        (("x.txt", "--positive-column", "a"), "only with --format"),
        (("x.txt", "--format", "triplet", "--positive-column", "a"), "has no fields"),
        (("x.txt", "--format", "triplet", "-o", "o.txt"), "o.txt names neither"),
        (("x.txt", "--format", "triplet", "--negative-field", "n"), "calls them 'negative'"),
        (("x.txt", "--format", "labeled-list", "-o", "o.csv"), "lists, which o.csv cannot hold"),
    ):
        code, _, err = augment(*arguments)
        assert (code, said in err) == (1, True), err


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".dat"])
def test_compressed_text_is_told_by_its_bytes(
    here: Path, augment: Callable[..., tuple[int, bytes, str]], suffix: str
) -> None:
    Path("plain").write_bytes(b"red fox\nred hen\n")
    expected = augment("plain")[1]
    for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
        Path(f"x{suffix}").write_bytes(pack(b"red fox\nred hen\n"))
        assert terms(f"x{suffix}") == ["fox", "hen", "red"]
        assert augment(f"x{suffix}") == (0, expected, "")


# --- Tables ----------------------------------------------------------------------------------------------------------


def test_tables_are_told_by_their_bytes_or_their_name(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet, feather, csv = (pytest.importorskip(f"pyarrow.{name}") for name in ("parquet", "feather", "csv"))
    rows = pa.table({"id": ["007", "8", "9"], "text": ["red fox", 'a "b",\nc', ""]})
    parquet.write_table(rows, "p.bin")
    feather.write_feather(rows, "f2.bin")
    with pa.ipc.new_stream("s.bin", rows.schema) as stream:
        stream.write_table(rows)
    csv.write_csv(rows, "c.csv")
    csv.write_csv(rows, "c.tsv", csv.WriteOptions(delimiter="\t"))
    Path("c.csv.gz").write_bytes(gzip.compress(Path("c.csv").read_bytes()))
    Path("c.CSV.xz").write_bytes(lzma.compress(b"\xef\xbb\xbf" + Path("c.csv").read_bytes()))
    expected = terms(["red fox", 'a "b",\nc'])
    for name in ("p.bin", "f2.bin", "s.bin", "c.csv", "c.tsv", "c.csv.gz", "c.CSV.xz"):
        assert terms(name, column="text") == expected, name
        assert list(load_sentences(name)) == ["red fox", 'a "b",\nc'], name
        assert augment(name, "-o", "o.parquet")[0] == 0, name
        made = parquet.read_table("o.parquet")
        assert made.select(["id", "text"]).to_pylist() == rows.to_pylist(), name
        with pytest.raises(OptionError, match=r"no column 'no'.*its columns are 'id'"):
            una_fast.fit(name, column="no")
        with pytest.raises(OptionError, match="text_field='text' names a field"):
            una_fast.fit(name, text_field="text")
        assert "give --column" in augment(name, "--text-field", "t")[2]
    code, out, _ = augment("c.csv")
    assert code == 0
    assert out.splitlines()[0] == b'"id","text","negative"'
    for name in ("o.arrow", "o.feather", "o.arrows", "o.tsv"):
        assert augment("c.csv", "-o", name)[0] == 0
        assert list(load_sentences(name, column="negative")) == list(
            load_sentences("o.parquet", column="negative")
        )
    assert augment("p.bin")[2].endswith("it needs a file to write (-o)\n")
    Path("two.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OptionError, match="the option column must say which one"):
        una_fast.fit("two.csv")
    Path("ragged.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match=r"ragged\.csv: .*Expected 2 columns, got 1"):
        una_fast.fit("ragged.csv", column="a")


def test_binary_values_that_are_text_are_read(here: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kinds = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string_view(), pa.binary(3)]
    columns = [pa.array([b"red", None, b"fox"], kind) for kind in kinds]
    columns += [pa.array(["red", None, "fox"]).dictionary_encode(), columns[0].dictionary_encode()]
    runs = pa.array(["red", "red", "fox"])
    columns.append(pytest.importorskip("pyarrow.compute").run_end_encode(runs))
    for column in columns:
        assert terms(pa.table({"text": column})) == ["fox", "red"], column.type
        assert terms(column[1:]) in (["fox"], ["fox", "red"])
    bad = pa.table({"n": [1], "text": pa.array([b"\xff"])})
    parquet.write_table(bad, "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: row 0: invalid UTF-8"):
        una_fast.fit("b.parquet", column="text")
    with pytest.raises(InputError, match=r"b\.parquet: column 'n' holds int64, not strings"):
        una_fast.fit("b.parquet", column="n")


def test_a_column_of_text_is_refused(here: Path, augment: Callable[..., tuple[int, bytes, str]]) -> None:
    Path("p.txt").write_text("red fox\n")
    for source in ("p.txt", ["red fox"], io.BytesIO(b"red fox\n")):
        with pytest.raises(OptionError, match="column='c' names a column of a table"):
            una_fast.fit(source, column="c")
    assert "--column c names a column of a table" in augment("p.txt", "--column", "c")[2]


# --- Files that are no text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("red".encode("utf-32"), "UTF-32 text: convert it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull fetches it"),
        (b"PK\x03\x04\x14\0", "a zip archive: unpack it first"),
        (b"FEA1\0\0\0\0", "a Feather file"),
        (
            gzip.compress(b"PAR1\x15\x04"),
            "a Parquet file: it is read from a file, not from a pipe, and not compressed",
        ),
        (gzip.compress(b"red\n") + b"junk", r"from byte 24 of the file on is no gzip"),
        (b"\x28\xb5\x2f\xfd\x21\x07\x05rest", "zstd data that needs dictionary 7"),
    ],
    ids=["UTF-32", "git-lfs", "zip", "Feather", "Parquet", "no gzip", "zstd"],
)
def test_what_a_file_is_stands_in_the_message(
    here: Path, augment: Callable[..., tuple[int, bytes, str]], data: bytes, message: str
) -> None:
    Path("x.txt").write_bytes(data)
    with pytest.raises(InputError, match=rf"x\.txt: .*{message}") as error:
        una_fast.fit("x.txt")
    assert augment("x.txt")[2] == f"una-fast augment: {error.value}\n"


def test_a_pointer_in_place_of_a_table_is_told(here: Path) -> None:
    Path("x.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match=r"x\.parquet: a git LFS pointer"):
        una_fast.fit("x.parquet")


def test_a_window_beyond_the_limit_names_the_option(here: Path) -> None:
    preset = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    Path("x.xz").write_bytes(lzma.compress(b"red fox\n", lzma.FORMAT_XZ, filters=preset))
    assert terms("x.xz") == ["fox", "red"]
    with pytest.raises(InputError, match=r"x\.xz: .*max_window_bytes = 67108864"):
        una_fast.fit("x.xz", max_window_bytes="64MiB")
    for wrong in ("much", -1, 1.5, True, None):
        with pytest.raises(OptionError, match="max_window_bytes"):
            una_fast.fit("x.xz", max_window_bytes=wrong)  # type: ignore[arg-type]


# --- Objects ---------------------------------------------------------------------------------------------------------


class DatasetDict(dict[str, Any]):
    """As in Hugging Face datasets, where it is a dict of splits."""


@pytest.mark.parametrize("make", [dict, DatasetDict, UserDict])
def test_mappings_are_refused_with_the_way_out(make: Callable[[Any], Any]) -> None:
    source = make({"train": ["red fox"], "test": ["red hen"]})
    for refused in (lambda: una_fast.fit(source), lambda: load_sentences(source)):
        with pytest.raises(InputError, match=r"no source of sentences: give one of its values.*\['train'\]"):
            refused()
    with pytest.raises(InputError, match="expected sentences"):
        una_fast.Augmenter(una_fast.fit(["red fox"])).augment(source)


@pytest.mark.parametrize("source", [b"red", bytearray(b"red"), memoryview(b"red"), 7, None, 1.5, object()])
def test_what_is_no_source_is_refused(source: Any) -> None:
    table = una_fast.fit(["red fox"])
    for refused in (
        lambda: una_fast.fit(source),
        lambda: load_sentences(source),
        lambda: una_fast.Augmenter(table).augment(source),
        lambda: table.tokenize(source),
    ):
        with pytest.raises(InputError):
            refused()


@pytest.mark.parametrize("items", [[b"red"], [1], [None], [["red"]], np.array([b"red"]), [{"text": "red"}]])
def test_items_that_are_no_sentences_are_named(items: Any) -> None:
    with pytest.raises(InputError, match="sentence 0: expected str, found"):
        una_fast.fit(items)


def test_text_handles_are_read_as_text_from_where_they_stand(here: Path) -> None:
    for encoding, text in (
        ("iso2022_jp", "日本 語"),
        ("utf-7", "réd fox"),
        ("hz", "中文 字"),
        ("latin-1", "réd fox"),
        ("utf-16", "réd fox"),
        ("shift_jis", "日本 語"),
    ):
        Path("x").write_bytes((f"header\n{text}\n\n{text}").encode(encoding))
        for opened in (
            codecs.open("x", "r", encoding),  # noqa: SIM115
            open("x", encoding=encoding),  # noqa: SIM115
            codecs.getreader(encoding)(open("x", "rb")),  # noqa: SIM115
        ):
            with opened as handle:
                handle.readline()
                counter = una_fast.TermCounter(**WORDS)
                counter.update(handle)
                assert sorted(counter.freeze().terms) == sorted(text.split()), (encoding, opened)
                assert (counter.n_documents, counter.n_empty) == (2, 1)
    for mode, data in (("w+", "réd\u2028fox\n"), ("w+b", "réd\u2028fox\n".encode())):
        with tempfile.SpooledTemporaryFile(mode=mode, encoding="utf-8" if mode == "w+" else None) as spooled:
            spooled.write(data)
            spooled.seek(0)
            assert una_fast.fit(spooled, **WORDS).n_documents == 1
    with pytest.raises(InputError, match=r"codec can't decode|invalid start byte"):
        una_fast.fit(io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"))
    closed = io.StringIO("red")
    closed.close()
    with pytest.raises((InputError, ValueError), match="closed"):
        una_fast.fit(closed)


class ReadOnly:
    """A stream with `read` alone, as cloud storage gives them."""

    name = "cloud"

    def __init__(self, data: bytes | str) -> None:
        self._file = io.BytesIO(data) if isinstance(data, bytes) else io.StringIO(data)

    def read(self, size: int = -1) -> bytes | str:
        return self._file.read(size)


def test_streams_without_readinto_are_read() -> None:
    text = "red fox\n" * 200_000
    for data in (text, text.encode(), gzip.compress(text.encode())):
        table = una_fast.fit(ReadOnly(data), **WORDS)
        assert (table.n_documents, sorted(table.terms)) == (200_000, ["fox", "red"])
        assert len(load_sentences(ReadOnly(data))) == 200_000


def test_names_of_files_among_many_are_refused(here: Path) -> None:
    Path("a.txt").write_text("red fox\n")
    Path("b.txt").write_text("blue fox\n")
    names = ["a.txt", "b.txt"]
    for source in (
        names,
        iter(names),
        set(names),
        map(str, map(Path, names)),
        np.array(names),
        ["gone.txt", "b.txt"],
    ):
        with pytest.raises(InputError, match=r"names an existing file"):
            una_fast.fit(source, **WORDS)
    with pytest.raises(InputError, match="names an existing file"):
        una_fast.fit(pytest.importorskip("pandas").Series(names), **WORDS)
    for paths in ([Path("a.txt"), Path("b.txt")], iter(map(Path, names)), {Path("a.txt"), Path("b.txt")}):
        assert terms(paths) == ["blue", "fox", "red"]
    for mixed in ([Path("a.txt"), "red"], ["red", Path("a.txt")]):
        with pytest.raises(InputError, match="give files apart from sentences"):
            una_fast.fit(mixed, **WORDS)  # type: ignore[arg-type]
    Path("word").write_text("")
    assert terms(["word", "a.b", "no/such"]) == ["a.b", "no/such", "word"]


@pytest.mark.parametrize("errors", ["replace", "skip"])
def test_surrogates_are_repaired_or_skipped_on_every_route(here: Path, errors: str) -> None:
    Path("x.jsonl").write_text('{"text":"red \\ud83d"}\n{"text":"q"}\n')
    for source in (["red \ud83d", "q"], iter(["red \ud83d", "q"]), "x.jsonl"):
        expected = ["q", "red", "\ufffd"] if errors == "replace" else ["q"]
        assert terms(source, errors=errors) == expected
    assert list(load_sentences(["a\ud83d\0", "q"], errors=errors)) == (
        ["a\ufffd\ufffd", "q"] if errors == "replace" else ["q"]
    )


# --- Protected terms, and tokenizers by name -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "sentence", "kept"),
    [
        ("don't", "I don't like it", "do n't"),
        ("New York", "I like New York", "new york"),
        ("can't", "you can't", "ca n't"),
        ("Mr.", "I like Mr.", "mr ."),
    ],
)
def test_what_the_tokenizer_cuts_is_protected_in_a_row(word: str, sentence: str, kept: str) -> None:
    table = una_fast.fit(["I don't like New York", "you can't see Paris", "they won't go home"], threads=1)
    augmenter = una_fast.Augmenter(table, protect=[word], replace_prob=1.0, exclude_self=True)
    assert all(kept in negative for negative in augmenter.augment([sentence] * 200))
    free = una_fast.Augmenter(table, replace_prob=1.0, exclude_self=True)
    assert not all(kept in negative for negative in free.augment([sentence] * 200))


def test_what_is_protected_and_not_in_the_table_is_told(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    table = una_fast.fit(["red fox ran", "blue fox sat", "red hen"], **WORDS)
    assert una_fast.Augmenter(table, protect=["red", "red fox", "wolf", "red wolf"]).missing == (
        "wolf",
        "red wolf",
    )
    Path("names.txt").write_text("red\nwolf\n")
    Path("x.txt").write_text("red fox\n")
    code, _, err = augment("x.txt", "--protect", "names.txt")
    assert (code, err) == (0, "protect: 1 of 2 terms are in the table; not in it: wolf\n")
    for wrong in ("red", b"red", [1], {"red": 1}, 7):
        with pytest.raises(OptionError, match="protect must be terms"):
            una_fast.Augmenter(table, protect=wrong)  # type: ignore[arg-type]


def test_a_tokenizer_is_named_by_module_and_function(
    here: Path, augment: Callable[..., tuple[int, bytes, str]]
) -> None:
    Path("cutter_of_mine.py").write_text("def cut(text):\n    return text.split('-')\nwrong = 3\n")
    Path("x.txt").write_text("red-fox\nblue-hen\n")
    assert main(["fit", "x.txt", "-o", "t.una", "--tokenizer", "cutter_of_mine:cut"]) == 0
    assert main(["inspect", "t.una", "--tokenizer", "cutter_of_mine:cut", "--sentence", "red-fox"]) == 0
    assert augment("x.txt")[0] == 1
    code, out, _ = augment("x.txt", "--tokenizer", "cutter_of_mine:cut")
    assert (code, len(out.splitlines())) == (0, 2)
    for name in ("cutter_of_mine:no", "no_such_module:cut", "cutter_of_mine:wrong", "cutter_of_mine:"):
        code, _, err = augment("x.txt", "--tokenizer", name)
        assert code == 1
        assert f"--tokenizer {name}" in err or "was fitted with" in err


def test_the_inputs_of_the_whole_house_are_read_alike(here: Path) -> None:
    """A pipe gives its bytes once."""
    reader, writer = os.pipe()
    os.write(writer, b"red fox\n")
    os.close(writer)
    assert terms(f"/dev/fd/{reader}") == ["fox", "red"]
    os.close(reader)


def test_a_radius_may_be_a_share_and_a_window_that_is_all_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = una_fast.fit([f"word{i} other{i % 40}" for i in range(200)], threads=1)
    n_terms = len(table)
    for radius, ranks in ((7, 7), (0.05, n_terms // 20), (1.0, n_terms), (1e-9, 1), (np.int64(3), 3)):
        augmenter = una_fast.Augmenter(table, radius=radius)
        assert augmenter.radius == ranks
        assert augmenter.covers_all == (2 * ranks + 1 >= n_terms)
        expected = una_fast.Augmenter(table, radius=ranks).augment(["word1 other2"] * 20)
        assert augmenter.augment(["word1 other2"] * 20) == expected
    for wrong in (-1, 0.0, 1.5, float("nan"), "5%", None, True, 2**32):
        with pytest.raises(OptionError, match="radius"):
            una_fast.Augmenter(table, radius=wrong)  # type: ignore[arg-type]
    table.save("big.una")
    Path("x.txt").write_text("word1 other2\n")
    assert main(["augment", "big.una", "x.txt"]) == 0
    assert f"4,000 ranks either way are all of the {n_terms} terms" in capsys.readouterr().err
    assert main(["augment", "big.una", "x.txt", "--radius", "5%"]) == 0
    assert capsys.readouterr().err == ""


def test_replacements_keep_to_the_script_of_the_word() -> None:
    corpus = [f"word{i} 猫{chr(0x4E00 + i)} {i} кот{chr(0x430 + i % 30)}" for i in range(300)]
    table = una_fast.fit(corpus, tokenizer="whitespace", threads=1)
    kept = una_fast.Augmenter(table, keep_script=True, replace_prob=1.0, select="uniform", radius=1.0)
    for negative in kept.augment(corpus):
        latin, han, number, cyrillic = negative.split()
        assert (latin[:4], han[0], number.isdigit(), cyrillic[:3]) == ("word", "猫", True, "кот")
    for wrong in (1, "yes", None):
        with pytest.raises(OptionError, match="keep_script must be true or false"):
            una_fast.Augmenter(table, keep_script=wrong)  # type: ignore[arg-type]


def test_text_without_spaces_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"我喜欢{chr(0x4E00 + i)}茶" for i in range(200)]
    with pytest.warns(UserWarning, match="most sentences are a single term"):
        una_fast.fit(lines)
    Path("zh.txt").write_text("\n".join(lines), encoding="utf-8")
    assert main(["fit", "zh.txt", "-o", "zh.una"]) == 0
    assert "--tokenizer unicode" in capsys.readouterr().err
    assert main(["fit", "zh.txt", "-o", "zh.una", "--tokenizer", "unicode"]) == 0
    assert capsys.readouterr().err == ""
