"""Protects what is the user's from being written over, and the process from what a file says of itself."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import una_fast
from una_fast import ArtifactError, InputError, OptionError, files
from una_fast.cli import main
from una_fast.mapped_corpus import map_sentences
from una_fast.page.layout import page


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("x.txt").write_text("the cat sat\na dog ate the cat\n")
    assert main(["fit", "x.txt", "-o", "t", "--counts", "c"]) == 0
    Path("names.txt").write_text("cat\n")
    Path("link").symlink_to("x.txt")
    os.link("x.txt", "hard")
    Path("folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "fit x.txt -o x.txt",
        "fit x.txt -o ./folder/../x.txt",
        "fit x.txt -o link",
        "fit link -o x.txt",
        "fit x.txt -o hard",
        "fit *.txt -o x.txt",
        "fit x.txt --counts x.txt",
        "fit x.txt -o y --counts y",
        "fit x.txt -o y --counts folder/../y",
        "merge c c -o c",
        "merge c --counts c",
        "augment t x.txt -o t",
        "augment t x.txt -o x.txt",
        "augment t x.txt -o hard",
        "augment t x.txt --protect names.txt -o names.txt",
        "export t -o t.csv",
    ],
)
def test_an_output_that_is_an_input_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    os.link("t", "t.csv")
    before = {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}
    assert main(command.split()) == 1
    assert "name another file" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "command", ["fit x.txt -o x.txt/", "fit x.txt -o new/", "augment t x.txt -o names.txt/"]
)
def test_a_name_of_a_folder_is_no_file(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    before = {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}
    with pytest.raises(SystemExit):
        main(command.split())
    assert "names a folder, not a file" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


def test_two_writers_of_one_output_leave_one_of_them_whole(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "out") as first:
        with files.replacing(tmp_path / "out") as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert (tmp_path / "out").read_text() == "second"
    assert (tmp_path / "out").read_text() == "first"
    probe = tmp_path / "probe"
    probe.touch()
    assert (tmp_path / "out").stat().st_mode == probe.stat().st_mode
    with (
        files.replacing_folder(tmp_path / "folder") as first,
        files.replacing_folder(tmp_path / "folder") as second,
    ):
        (first / "a").touch()
        (second / "b").touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "out", "probe"]


def test_a_writer_sees_to_what_it_replaces(tmp_path: Path) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_text("old")
    out.chmod(0o440)
    link.symlink_to(out)

    def fail() -> None:
        with files.replacing(link) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert out.read_text() == "old"
    with files.replacing(link) as partial:
        assert partial.stat().st_mode & 0o077 == 0o040
        partial.write_text("new")
    assert link.is_symlink()
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("new", 0o440)


def test_bytes_of_every_layout_of_arrow_end_no_process() -> None:
    pytest.importorskip("pyarrow")
    command = [sys.executable, str(Path(__file__).parent / "fuzz_arrow.py"), "--mutants", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to a limit of addresses"
)
def test_terms_without_memory_for_them_are_an_exception() -> None:
    code = """
import resource, una_fast
table = una_fast.fit((f"w{i}" for i in range(1_000_000)), tokenizer="whitespace", threads=1)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
for room in (1 << 20, 8 << 20):
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
    try:
        table.terms
    except MemoryError:
        print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(table.terms))
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["MemoryError"] * 2 + ["1000000"]), done.stderr[
        -500:
    ]


@pytest.mark.parametrize("write", ["ipc", "parquet"])
def test_a_name_of_a_column_that_is_no_text_is_told(tmp_path: Path, write: str) -> None:
    pa = pytest.importorskip("pyarrow")
    table, sink = pa.table({"xyxyx": ["a b"]}), io.BytesIO()
    if write == "ipc":
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        pytest.importorskip("pyarrow.parquet").write_table(table, sink, store_schema=False)
    (tmp_path / "x").write_bytes(sink.getvalue().replace(b"xyxyx", b"xy\x80yx"))
    with pytest.raises(InputError, match="the name of a column is not UTF-8"):
        una_fast.fit(tmp_path / "x")


def test_a_source_that_cannot_be_read_ends_the_reading(tmp_path: Path) -> None:
    """Protects the thread that takes blocks from waiting for ever."""
    (tmp_path / "good.txt").write_text("the cat sat\n" * 100_000)
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
    for read in (
        una_fast.sources.load_sentences,
        lambda source: map_sentences(source, tmp_path / "copy"),
    ):
        with pytest.raises(una_fast.StorageError):
            read([tmp_path / "good.txt", tmp_path / "absent.txt"])
        with pytest.raises(InputError):
            read([tmp_path / "bad.txt", tmp_path / "good.txt"])
        with pytest.raises(ZeroDivisionError):
            read("x" if i else 1 // 0 for i in range(3, -1, -1))


def test_a_copy_that_was_damaged_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("".join(f"sentence number {i}\n" for i in range(1000)))
    damages: tuple[tuple[str, int, bytes], ...] = (
        ("text.utf8", 100, b"XXXX"),
        ("text.utf8", 300, b"\xff\xfe"),
        ("ends.u64", 80, b"\x00\x01"),
    )
    for name, at, data in damages:
        folder = tmp_path / f"{name}-{at}"
        whole = list(map_sentences(tmp_path / "c.txt", folder))
        assert list(map_sentences(tmp_path / "c.txt", folder)) == whole
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(data)
        with pytest.raises(ArtifactError, match="is damaged"):
            map_sentences(tmp_path / "c.txt", folder)


def test_what_a_page_is_filled_with_is_no_template() -> None:
    made = page("x {{BODY}} {{STYLE}}", ["<p>once {{TITLE}}</p>"])
    assert made.count("<p>once {{TITLE}}</p>") == 1
    assert "<title>x {{BODY}} {{STYLE}}</title>" in made


@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.vicinity("cat", -1),
        lambda table: table.vicinity("cat", 2**64),
        lambda table: table.vicinity("cat", 1.5),
        lambda _: una_fast.fit(["a b"], memory_limit="99999999999999TB"),
        lambda _: una_fast.fit(["a b"], memory_limit=2**64),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(call: Callable[[Any], object]) -> None:
    with pytest.raises(OptionError, match=r"radius|memory_limit"):
        call(una_fast.fit(["the cat sat"]))
