"""Memory limits: the same bytes, held memory, and nothing left behind, whatever happens."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import una_fast
import zipf
from peak_memory import TOLERANCE, peak
from una_fast.cli import main
from una_fast.fit import SavedTable
from una_fast.memory import memory_limit

LIMIT = 16 << 20
BESIDE = 96 << 20
"""What a process may take beside its limit: Python, NumPy, blocks of text, what threads remember."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, sets limits of Linux")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300,000 tokens, some 120,000 terms: more than 16 threads hold in a MiB each."""
    path = tmp_path_factory.mktemp("zipf") / "small.txt"
    zipf.write(path, 300_000)
    return path


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five million tokens, some two million terms: ten times the least limit."""
    path = tmp_path_factory.mktemp("zipf") / "large.txt"
    zipf.write(path, 5_000_000)
    return path


def limited(temp_dir: Path, **options: object) -> una_fast.TermCounter:
    settings = {"threads": 16, "memory_limit": LIMIT, "temp_dir": temp_dir} | options
    return una_fast.TermCounter(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, None),
        (LIMIT, LIMIT),
        ("16777216", LIMIT),
        ("512MiB", 512 << 20),
        (" 2GB ", 2 * 10**9),
        ("1.5 GiB", 3 << 29),
        ("20000 kb", 20_000_000),
        ("17000000B", 17_000_000),
        ("1tib", 1 << 40),
    ],
)
def test_sizes_of_memory(size: int | str | None, expected: int | None) -> None:
    assert memory_limit(size) == expected


@pytest.mark.parametrize("size", ["", "MiB", "-1GB", "1 MiBs", "1e9", "1,5GB", "0x10", "٣GB", "1.GB", "half"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(una_fast.OptionError, match='size such as "512MiB"'):
        memory_limit(size)


@pytest.mark.parametrize("size", [0, -5, 1024, "15.9MiB", LIMIT - 1])
def test_too_small_a_limit_names_the_least(size: int | str) -> None:
    with pytest.raises(una_fast.OptionError, match=r"at least 16MiB \(16777216 bytes\), not"):
        una_fast.fit(["text"], memory_limit=size)


@pytest.mark.parametrize("pruning", [{}, {"min_df": 2, "max_terms": 1000}])
def test_files_and_tables_are_the_same_with_a_limit(
    corpus: Path, tmp_path: Path, pruning: dict[str, int]
) -> None:
    whole = una_fast.TermCounter()
    whole.update(corpus)
    expected = whole.freeze(**pruning)  # type: ignore[arg-type]
    expected.save(tmp_path / "expected")
    counter = limited(tmp_path)
    counter.update(corpus)
    assert len(list(tmp_path.glob(".una-fast-*/*"))) > 2
    assert counter.freeze(**pruning) == expected  # type: ignore[arg-type]
    saved = counter.freeze_to(tmp_path / "table", **pruning)  # type: ignore[arg-type]
    assert saved == SavedTable(path=tmp_path / "table", n_terms=len(expected), digest=expected.digest)
    assert (tmp_path / "table").read_bytes() == (tmp_path / "expected").read_bytes()
    assert counter.n_terms == whole.n_terms
    assert counter.to_arrow().equals(whole.to_arrow())
    whole.save(tmp_path / "whole")
    counter.save(tmp_path / "counts")
    assert (tmp_path / "counts").read_bytes() == (tmp_path / "whole").read_bytes()
    del counter
    assert list(tmp_path.glob(".una-fast-*")) == []


def test_limited_counters_go_on_merge_and_load(corpus: Path, tmp_path: Path) -> None:
    lines = corpus.read_text().splitlines()
    expected = una_fast.TermCounter()
    for part in (lines, lines[:5000], lines[5000:], lines[:100]):
        expected.update(part)
    left = limited(tmp_path)
    left.update(corpus)
    left.update(lines[:5000])
    left.save(tmp_path / "left")
    right = una_fast.TermCounter()
    right.update(lines[5000:])
    total = una_fast.TermCounter.load(tmp_path / "left", memory_limit="16MiB", temp_dir=tmp_path)
    total.merge(right)
    total.update(lines[:100])
    assert total.freeze() == expected.freeze()
    total.merge(total)
    expected.merge(expected)
    assert total.freeze() == expected.freeze()
    right.merge(left)
    right.update(lines[:100])
    assert right.n_documents == len(lines) * 2 + 100


def test_files_of_text_and_of_columns_together_keep_the_limit(corpus: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    parquet.write_table(pa.table({"text": corpus.read_text().splitlines()}), tmp_path / "x.parquet")
    counter = limited(tmp_path)
    counter.update([corpus, tmp_path / "x.parquet"])
    assert len(list(tmp_path.glob(".una-fast-*/*"))) > 2
    assert counter.freeze() == una_fast.fit([corpus, corpus])


def test_the_commands_take_a_limit(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    temp_dir = tmp_path / "temp"
    temp_dir.mkdir()
    limits = ["--memory-limit", "16MiB", "--temp-dir", str(temp_dir)]

    def out(name: str) -> list[str]:
        return ["-o", str(tmp_path / f"{name}.table"), "--counts", str(tmp_path / f"{name}.counts")]

    assert main(["fit", str(corpus), *out("whole")]) == 0
    assert main(["fit", str(corpus), "--threads", "16", *limits, *out("limited")]) == 0
    shares = [str(tmp_path / f"{i}") for i in (1, 2)]
    for i, share in enumerate(shares, 1):
        assert main(["fit", str(corpus), "--shard", f"{i}/2", "--counts", share]) == 0
    assert main(["merge", *shares, *limits, *out("merged")]) == 0
    for kind in ("table", "counts"):
        whole = (tmp_path / f"whole.{kind}").read_bytes()
        assert (tmp_path / f"limited.{kind}").read_bytes() == whole
        assert (tmp_path / f"merged.{kind}").read_bytes() == whole
    assert list(temp_dir.iterdir()) == []
    assert main(["fit", str(corpus), "--memory-limit", "lots", *out("none")]) == 1
    assert main(["fit", str(corpus), *limits[:2], "--temp-dir", str(tmp_path / "none"), *out("none")]) == 1
    assert f"{tmp_path / 'none'}" in capsys.readouterr().err
    assert list(tmp_path.glob("none*")) == []


def test_sums_beyond_64_bits_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa = pytest.importorskip("pyarrow")
    most = 2**64 - 1
    columns = {"term": ["a"], "df": pa.array([most], pa.uint64()), "best_count": [1], "best_length": [1]}
    facts = f'{{"format":1,"kind":"counts","lowercase":true,"n_documents":{most},"tokenizer":"treebank"}}'
    huge = una_fast.TermCounter.from_arrow(pa.table(columns).replace_schema_metadata({"una_fast": facts}))
    assert huge.freeze().df.tolist() == [most]
    for action in (lambda: huge.merge(huge), lambda: huge.update(["a"])):
        with pytest.raises(una_fast.InputError, match="18446744073709551615 and"):
            action()
    assert huge.n_documents == most
    huge.save(tmp_path / "huge")
    for limits in ([], ["--memory-limit", "16MiB"]):
        arguments = [
            "merge",
            str(tmp_path / "huge"),
            str(tmp_path / "huge"),
            "-o",
            str(tmp_path / "t"),
            *limits,
        ]
        assert main(arguments) == 1
        assert "more than 64 bits hold" in capsys.readouterr().err


def test_an_update_that_fails_leaves_counts_and_folder_as_they_were(corpus: Path, tmp_path: Path) -> None:
    counter = limited(tmp_path)
    counter.update(corpus)
    files = sorted(tmp_path.glob(".una-fast-*/*"))
    bad = tmp_path / "bad.txt"
    bad.write_bytes(corpus.read_bytes() + b"\xff\n")
    with pytest.raises(una_fast.InputError, match="invalid UTF-8"):
        counter.update(bad)
    assert sorted(tmp_path.glob(".una-fast-*/*")) == files
    assert counter.freeze() == una_fast.fit(corpus)


def test_a_copy_of_a_limited_counter_has_a_folder_of_its_own(corpus: Path, tmp_path: Path) -> None:
    counter = una_fast.TermCounter(memory_limit=LIMIT, temp_dir=tmp_path)
    counter.update(f"{corpus}*")
    digest = counter.freeze().digest
    again = pickle.loads(pickle.dumps(counter))
    assert len(list(tmp_path.iterdir())) == 2
    del counter
    assert len(list(tmp_path.iterdir())) == 1
    assert again.freeze().digest == digest
    del again
    assert not list(tmp_path.iterdir())


@linux
def test_a_fork_does_not_take_the_folder_away(corpus: Path, tmp_path: Path) -> None:
    script = """
import os, sys, una_fast
counter = una_fast.TermCounter(threads=16, memory_limit="16MiB", temp_dir=sys.argv[2])
counter.update(sys.argv[1] + "*")
child = os.fork()
if child == 0:
    if sys.argv[3] == "drop":
        del counter
        os._exit(0)
    if sys.argv[3] == "use":  # it writes runs of its own, in the same folder
        os._exit(counter.n_terms == 0 or counter.freeze().digest == "")
    sys.exit(0)
os.waitpid(child, 0)
print(counter.freeze().digest)
"""
    for end in ("drop", "exit", "use"):
        run = [sys.executable, "-W", "ignore", "-c", script, str(corpus), str(tmp_path), end]
        done = subprocess.run(run, check=True, capture_output=True, text=True)
        assert done.stdout == f"{una_fast.fit(corpus).digest}\n"
        # Counters alive when Python ends take their folders with them.
        assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys, una_fast
from pathlib import Path
corpus, place, limit, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
counter = una_fast.TermCounter(threads=2, memory_limit="16MiB", temp_dir=place / "temp")
full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    if step == "count":
        full()
    counter.update(Path(corpus))
    full()
    {"count": None, "merge": lambda: counter.n_terms, "save": lambda: counter.save(place / "out"),
     "freeze": lambda: counter.freeze_to(place / "out")}[step]()
except una_fast.StorageError as error:
    assert error.errno == 27 and error.filename, error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(Path(error.filename).parent.name, counter.n_documents, flush=True)
    counter.update(["still usable"])
    counter.freeze_to(place / "again")
"""


@linux
@pytest.mark.parametrize(
    ("spilled", "step"),
    [(True, "count"), (True, "merge"), (True, "save"), (True, "freeze"), (False, "save"), (False, "freeze")],
)
def test_a_full_disk_is_named_and_leaves_no_half_file(tmp_path: Path, step: str, spilled: bool) -> None:
    source = tmp_path / "corpus.txt"
    zipf.write(source, 1_000_000 if spilled else 100_000)
    (tmp_path / "temp").mkdir()
    (tmp_path / "out").write_text("old")
    limit = "500000" if step == "count" else "1000000"
    run = [sys.executable, "-c", FULL_DISK, str(source), str(tmp_path), limit, step]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    folder, n_documents = done.stdout.split()
    assert folder.startswith(".una-fast-") if spilled else folder == tmp_path.name
    assert n_documents == ("0" if step == "count" else str(len(source.read_text().splitlines())))
    assert (tmp_path / "out").read_text() == "old"
    assert list((tmp_path / "temp").iterdir()) == []
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {"corpus.txt"} == {"temp", "out", "again"}


@linux
def test_memory_stays_within_the_limit_and_a_constant(large: Path, tmp_path: Path) -> None:
    script = """
import sys
from una_fast.cli import main
assert main(sys.argv[1:]) == 0
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""

    def peak(*options: str) -> int:
        arguments = ["fit", str(large), "-o", str(tmp_path / "table"), "--threads", "2", "--json", *options]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
        )
        return int(done.stdout.split()[-1]) * 1024

    unlimited = peak()
    expected = (tmp_path / "table").read_bytes()
    within = peak("--memory-limit", str(LIMIT), "--counts", str(tmp_path / "counts"))
    assert (tmp_path / "table").read_bytes() == expected
    assert within < LIMIT + BESIDE
    assert unlimited > LIMIT + BESIDE + 5 * LIMIT, "a corpus that needs no limit shows nothing"
    # Loading and merging hold to it as well.
    counts = str(tmp_path / "counts")
    arguments = [
        "merge",
        counts,
        counts,
        "-o",
        str(tmp_path / "table"),
        "--memory-limit",
        str(LIMIT),
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    )
    assert int(done.stdout.split()[-1]) * 1024 < LIMIT + BESIDE


@linux
@pytest.mark.parametrize(("limit", "threads"), [(16, 1), (16, 2), (64, 1), (64, 2), (128, 8)])
def test_a_limit_is_held_by_all_that_counting_takes(large: Path, limit: int, threads: int) -> None:
    assert peak(large, limit << 20, threads) <= TOLERANCE * (limit << 20)


@linux
def test_ctrl_c_ends_merging_and_removes_the_folder(large: Path, tmp_path: Path) -> None:
    script = """
import sys, una_fast
counter = una_fast.TermCounter(threads=2, memory_limit="16MiB", temp_dir=sys.argv[2])
counter.update(sys.argv[1] + "*")
print("merging", flush=True)
try:
    counter.freeze_to(sys.argv[2] + "/table")
except KeyboardInterrupt:
    print("stopped", flush=True)
    counter.update(["still usable"])
"""
    run = [sys.executable, "-c", script, str(large), str(tmp_path)]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "merging\n"
    time.sleep(0.3)
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopped\n"
    assert time.perf_counter() - start < 1
    assert process.wait(timeout=30) == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space are of Linux here")
@pytest.mark.parametrize("limit", ["8GB", "10TB", 2**62])
@pytest.mark.parametrize("address_space", [4 << 30, None])
def test_a_limit_beyond_what_the_system_has_is_no_fault(limit: str | int, address_space: int | None) -> None:
    """Protects a process from being killed by an option: the limit is what terms may take, not what they must."""
    code = f"""
import resource
if {address_space}:
    resource.setrlimit(resource.RLIMIT_AS, ({address_space}, {address_space}))
import una_fast
print(una_fast.fit(["red fox", "blue fox"], threads=2, memory_limit={limit!r}).n_documents)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
