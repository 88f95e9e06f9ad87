"""The commands fit, inspect and augment, as a user types them."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from una_fast.cli import COMMANDS, main

CORPUS = ["The cat sat on the mat.", "A dog lay on the rug.", "The bird flew over the house."]


@pytest.fixture
def table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    (tmp_path / "corpus.txt").write_text("\n".join(CORPUS) + "\n\n")
    path = str(tmp_path / "table.safetensors")
    assert main(["fit", str(tmp_path / "corpus.txt"), "-o", path, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["sentences"], figures["empty_lines"], figures["terms"]) == (3, 1, 14)
    return path


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as done:
            main([name, "--help"])
        assert done.value.code == 0
        assert f"una-fast {name}" in capsys.readouterr().out


def test_describing_the_commands_does_not_load_torch() -> None:
    code = "import sys; from una_fast.cli import parser; parser(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_inspect_shows_ranking_vicinity_and_negatives(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", table]) == 0
    out = capsys.readouterr().out
    assert "most important" in out
    assert "least important" in out
    assert main(["inspect", table, "--term", "Cat", "--sentence", "The cat sat.", "-n", "4"]) == 0
    out = capsys.readouterr().out
    assert "'cat': rank" in out
    negatives = out.split("rows 0 to 3:\n")[1].strip().splitlines()
    assert len(negatives) == 4
    assert all("[" in negative for negative in negatives)
    assert main(["inspect", table, "--sentence", "The cat sat.", "--surface", "preserve"]) == 0
    assert main(["inspect", table, "--term", "cat", "--sentence", "x", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["terms"] == 14
    assert len(shown["vicinity"]["cat"]) == 14
    assert main(["inspect", table, "--term", "wolf"]) == 1
    assert capsys.readouterr().err == "una-fast inspect: the table holds no term 'wolf'\n"


def test_augment_is_line_aligned(
    table: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import una_fast

    feed(monkeypatch, "\n".join([*CORPUS, "", "é new one"]).encode())
    assert main(["augment", table, "--seed", "3"]) == 0
    out = capsys.readouterr().out.split("\n")
    augmenter = una_fast.Augmenter(una_fast.TermTable.load(table), seed=3)
    assert out == [*augmenter.augment([*CORPUS, "", "é new one"]), ""]
    feed(monkeypatch, b"fine\nbad \xff\n")
    assert main(["augment", table]) == 1
    assert "standard input: line 2: invalid UTF-8 at byte 9" in capsys.readouterr().err


def test_augment_reads_and_writes_files_of_each_kind(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import una_fast

    expected = una_fast.Augmenter.preset("uda", una_fast.TermTable.load(table)).augment(CORPUS)
    options = ["--preset", "uda", "--threads", "2", "--stats"]
    for name in ("in.txt", "in.txt.gz"):
        text = "\r\n".join(CORPUS).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        out = tmp_path / f"out-{name}"
        assert main(["augment", table, str(tmp_path / name), "-o", str(out), *options]) == 0
        read = gzip.decompress(out.read_bytes()) if name.endswith(".gz") else out.read_bytes()
        assert read.decode() == "".join(f"{text}\n" for text in expected)
    # A packed file says neither when it was made nor what it was called.
    assert (tmp_path / "out-in.txt.gz").read_bytes()[3:8] == bytes(5)
    assert "3 sentences" in capsys.readouterr().err

    records = [{"id": i, "text": text} for i, text in enumerate(CORPUS)]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert (
        main(["augment", table, str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), *options]) == 0
    )
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert made == [{**record, "negative": text} for record, text in zip(records, expected, strict=True)]

    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    parquet.write_table(pa.Table.from_pylist(records), tmp_path / "in.parquet")
    arguments = [
        "augment",
        table,
        str(tmp_path / "in.parquet"),
        "-o",
        str(tmp_path / "out.parquet"),
        *options,
    ]
    assert main(arguments) == 0
    assert parquet.read_table(tmp_path / "out.parquet").to_pylist() == made
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_augment_refuses_what_it_cannot_read_and_leaves_no_half_file(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "fine"}\n{"title": "no text"}\n')
    (tmp_path / "broken.jsonl").write_text('{"text": "fine"}\n{"te')
    (tmp_path / "out.jsonl").write_text("old")
    for name, message in (
        ("in.jsonl", 'no field "text" in the JSON object'),
        ("broken.jsonl", "broken.jsonl: line 2: bad JSON"),
        ("none.jsonl", "No such file"),
    ):
        assert main(["augment", table, str(tmp_path / name), "-o", str(tmp_path / "out.jsonl")]) == 1
        assert message in capsys.readouterr().err
        assert (tmp_path / "out.jsonl").read_text() == "old"
    assert main(["augment", table, str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.txt")]) == 1
    assert "is the name of plain text" in capsys.readouterr().err
    assert main(["augment", table, "--preset", "una", "--select", "uniform"]) == 1
    assert "--preset una already decides" in capsys.readouterr().err


def test_errors_are_one_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["fit", str(tmp_path / "none"), "-o", str(tmp_path / "t")],
        ["inspect", str(tmp_path / "none")],
        ["export", str(tmp_path / "none"), "-o", "x.doc"],
    ):
        assert main(arguments) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith(f"una-fast {arguments[0]}: ")


def test_an_unknown_option_is_told_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects against abbreviations that change their meaning, and tells a slip of the hand."""
    for given, message in [
        (["--thred", "2"], "no option --thred; did you mean --threads?"),
        (["--min", "2"], "no option --min"),
        (["--output-dir=x"], "no option --output-dir"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main(["fit", "corpus.txt", "-o", "table", *given])
        error = capsys.readouterr().err
        assert message in error
        assert "una-fast fit" in error.splitlines()[0]


def test_files_and_options_stand_in_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects `una-fast augment TABLE --radius 2 FILE`, which a shell's user types first."""
    texts = [tmp_path / "one.txt", tmp_path / "-two.txt"]
    for number, path in enumerate(texts):
        path.write_text(f"a b c {number}\nd e f\n", encoding="utf-8")
    tables = [tmp_path / "first.table", tmp_path / "second.table"]
    one, two = map(str, texts)
    assert main(["fit", one, two, "-o", str(tables[0]), "--threads", "1"]) == 0
    assert main(["fit", one, "--threads", "1", "-o", str(tables[1]), "--", two]) == 0
    assert tables[0].read_bytes() == tables[1].read_bytes()
    capsys.readouterr()
    assert main(["augment", str(tables[0]), one, "--radius", "2", "--seed", "3"]) == 0
    before = capsys.readouterr().out
    assert main(["augment", str(tables[0]), "--radius", "2", one, "--seed", "3"]) == 0
    assert capsys.readouterr().out == before != ""


def command(*arguments: str, then: str = "", encoding: str = "utf-8") -> "subprocess.CompletedProcess[str]":
    line = " ".join([sys.executable, "-m", "una_fast", *arguments, then])
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-16"])
def test_a_terminal_of_any_encoding_is_written_to(encoding: str, tmp_path: Path) -> None:
    """Protects a table that was saved from being called failed: what cannot be shown is shown by its number."""
    corpus, output = tmp_path / "corpus.txt", tmp_path / "t\u00e9\u65e5.st"
    corpus.write_text("r\u00e9d fox\n\u65e5\u672c fox\n", encoding="utf-8")
    assert command("fit", str(corpus), "-o", str(output), encoding=encoding).returncode == 0
    for options in ([], ["--json"], ["--term", "fox"], ["--sentence", "r\u00e9d"]):
        done = command("inspect", str(output), *options, encoding=encoding)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(("then", "says"), [("> /dev/full", "No space left on device"), (">&-", "is closed")])
def test_an_output_that_is_full_or_closed_is_one_line(
    then: str, says: str, table: str, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("red fox\n")
    for arguments in (["inspect", table], ["inspect", table, "--json"], ["augment", table, str(corpus)]):
        done = command(*arguments, then=then)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"una-fast {arguments[0]}: standard output")
        assert says in done.stderr
    assert command("inspect", table, then="2>&-").returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    for word in ("augment",) if shell == "tcsh" else ("augment", "--memory-limit", "--surface"):
        assert word in script
    if shell == "bash" and shutil.which("bash"):
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_completion_says_what_it_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 1
    assert "pip install 'una-fast[completion]'" in capsys.readouterr().err


def test_fit_and_augment_read_their_options_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the command line gives wins, and values mean the same in both."""
    monkeypatch.chdir(tmp_path)
    Path("c.txt").write_text("the cat sat\na dog ran\nthe bird flew\n" * 3, encoding="utf-8")
    Path("fit.toml").write_text(
        'corpus = ["c.txt"]\noutput = "t.table"\nshard = "1/1"\nmin_df = 9\nmemory_limit = "1GiB"\nquiet = true\n',
        encoding="utf-8",
    )
    assert main(["fit", "--config", "fit.toml", "--min-df", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["terms"] == 8
    assert main(["fit", "c.txt", "-o", "other.table", "--min-df", "3"]) == 0
    assert Path("t.table").read_bytes() == Path("other.table").read_bytes()
    Path("augment.toml").write_text(
        'table = "t.table"\ninput = "c.txt"\noutput = "n.txt"\nradius = "50%"\nsurface = "preserve"\nseed = 3\n',
        encoding="utf-8",
    )
    assert main(["augment", "--config", "augment.toml"]) == 0
    words = ["--radius", "50%", "--surface", "preserve", "--seed", "3"]
    assert main(["augment", "t.table", "c.txt", "-o", "m.txt", *words]) == 0
    assert Path("n.txt").read_bytes() == Path("m.txt").read_bytes()


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        (["fit", "--config", "x.toml"], "shards = 2\n", "x.toml: no option 'shards'; did you mean 'shard'?"),
        (["fit", "--config", "x.toml"], 'corpus = ["c"]\nshard = "2"\n', "shard: '2' is not of the form I/N"),
        (["fit", "--config", "x.toml"], 'corpus = "c"\n', "corpus must be a list of names, got 'c'"),
        (["fit"], "", "CORPUS must be given, here or in the file of --config"),
        (["augment"], "", "TABLE must be given, here or in the file of --config"),
        (["paraphrase", "c.txt"], "", "--model and --output must be given, here or in the file of --config"),
        (["train", "c.txt"], "", "--model and --output must be given, here or in the file of --config"),
        (["train", "--config", "brt"], "", "by name there are bert, cpu, roberta"),
        (["paraphrase", "--config", "x.toml"], "modle = 1\n", "no option 'modle'; did you mean 'model'?"),
    ],
)
def test_a_file_of_options_that_is_wrong_is_told(
    words: list[str],
    content: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if words[0] in ("paraphrase", "train"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text(content, encoding="utf-8")
    assert main(words) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["train", "c.txt", "--model", "m", "--output", "o", "--batch-size", "0"],
        ["paraphrase", "c.txt", "--model", "m", "--output", "o", "--num-beams", "0"],
        ["evaluate", "m"],
    ],
    ids=lambda words: words[0],
)
def test_a_wrong_option_is_told_before_torch_is_loaded(words: list[str]) -> None:
    code = f"import sys; from una_fast.cli import main; assert main({words!r}) == 1; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_figures_of_export_and_augment_are_json_where_asked(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["export", table, "-o", str(tmp_path / "ref"), "--reference", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"terms": told["terms"], "output": str(tmp_path / "ref")}
    (tmp_path / "s.txt").write_text("the cat sat\n", encoding="utf-8")
    assert main(["augment", table, str(tmp_path / "s.txt"), "--stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().err.strip().splitlines()[-1])["sentences"] == 1
