"""What stands on the disk when the system fails, or the process is killed, while something is replaced."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from saving import DONE, REFUSED, WAYS
from una_fast import StorageError, files
from una_fast.mapped_corpus import map_sentences

HERE = Path(__file__).parent

CHANGES = (
    "trace=?openat,?mkdir,?mkdirat,?write,?pwrite64,?writev,?ftruncate,?fallocate,?copy_file_range,?sendfile,?chmod,"
    "?fchmod,?fchmodat,?fsync,?fdatasync,?rename,?renameat,?renameat2,?link,?linkat,?unlink,?unlinkat,?rmdir"
)
"""Calls by which a process changes what is on the disk, as strace is told of them."""

CLEARING = {"unlink", "unlinkat", "rmdir"}
"""Those of them that take away what nobody needs any more."""

FAULTS = ("ENOSPC", "EIO", "EDQUOT", "EACCES", "EINTR")


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


@posix
def test_links_and_modes_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    (folder / "old").chmod(0o604)
    (tmp_path / "file link").symlink_to(folder / "old")
    (tmp_path / "folder link").symlink_to(folder)
    with files.replacing(tmp_path / "file link") as partial:
        partial.write_text("new")
    assert (tmp_path / "file link").readlink() == folder / "old"
    assert (folder / "old").read_text() == "new"
    assert (folder / "old").stat().st_mode & 0o777 == 0o604
    with files.replacing_folder(tmp_path / "folder link") as fresh:
        (fresh / "new").touch()
    assert (tmp_path / "folder link").readlink() == folder
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert len(list(tmp_path.iterdir())) == 3


@posix
def test_only_files_take_the_place_of_files_and_folders_of_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    ways = [(files.replacing, "pipe"), (files.replacing, "folder"), (files.replacing_folder, "file")]
    for way, name in ways:
        with pytest.raises(StorageError, match=f"it exists and is no .*{name}'"), way(tmp_path / name):
            pytest.fail("there is nothing to replace")
    with (
        pytest.raises(StorageError, match=r"Not a directory: .*below'"),
        files.replacing(tmp_path / "file" / "below"),
    ):
        pytest.fail("nothing can stand there")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]


def test_without_an_exchange_an_older_folder_makes_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files._core, "exchange", lambda path, other: False)
    for name in ("one", "other"):
        with files.replacing_folder(tmp_path / "folder") as fresh:
            (fresh / name).touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "other"]


class Saver:
    """Goes the ways of `saving.py`, from a state of the disk that is always the same."""

    def __init__(self, folder: Path, server: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.server = server
        self.old = folder.with_name("old")

    def go(self, way: str, *options: str) -> int | None:
        """The exit code, or None where nothing can be traced; the disk is as it was before each attempt."""
        shutil.rmtree(self.folder / "out")
        shutil.copytree(self.old, self.folder / "out")
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.write(json.dumps([way, str(self.trace), ["-e", CHANGES, *options]]) + "\n")
        self.server.stdin.flush()
        code: int | None = json.loads(self.server.stdout.readline())
        return code

    @property
    def trace(self) -> Path:
        return self.folder / "trace"

    def calls(self) -> list[tuple[str, str, str]]:
        """The thread, the name and the arguments of each call of the last process."""
        lines = (re.match(r"(\d+) +(\w+)\((.*)\) += ", line) for line in self.trace.read_text().splitlines())
        return [match.group(1, 2, 3) for match in lines if match]  # type: ignore[misc]

    def found(self) -> dict[str, bytes]:
        """What is on the disk, runs in temporary folders aside."""
        return contents(self.folder / "out")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def saver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saver]:
    if not shutil.which("strace"):
        pytest.skip("there is no strace to have system calls fail by")
    folder = tmp_path_factory.mktemp("saving") / "folder"
    for name in ("out", "runs"):
        (folder / name).mkdir(parents=True)
    command = [sys.executable, str(HERE / "saving.py"), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        saver = Saver(folder, server)
        make_old(folder / "out")
        shutil.copytree(folder / "out", saver.old)
        if saver.go("counts") is None:
            pytest.skip("no process may be traced here")
        yield saver
        server.stdin.close()


def make_old(out: Path) -> None:
    """What stood there before: other files, and a copy of other sentences."""
    for way, place in WAYS.items():
        if way != "sentences":
            (out / Path(place).name).write_text(f"an older file of {way}")
    other = out.with_name("other.txt")
    other.write_text("another sentence\n")
    shutil.rmtree(out / "mapped")
    map_sentences(other, out / "mapped")


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def new(saver: Saver, way: str) -> dict[str, bytes]:
    """What is to stand on the disk in the end."""
    assert saver.go(way) == DONE
    return saver.found()


@pytest.fixture(scope="module")
def places(saver: Saver, way: str, new: dict[str, bytes]) -> list[tuple[str, int]]:
    """Every change of the disk on this way: the call, and its number among the thread's calls of that name."""
    assert saver.go(way) == DONE
    assert saver.found() == new
    counts = Counter((name, thread) for thread, name, _ in saver.calls())
    return sorted({(name, n) for (name, _), most in counts.items() for n in range(1, most + 1)})


def visible(found: dict[str, bytes]) -> dict[str, bytes]:
    """What is not on its way to its place, or out of it."""
    return {name: data for name, data in found.items() if not name.startswith(".")}


def test_nothing_is_in_place_before_it_is_on_the_disk(saver: Saver, way: str, new: dict[str, bytes]) -> None:
    assert saver.go(way) == DONE
    target = saver.folder / WAYS[way]
    calls = [(name, arguments) for _, name, arguments in saver.calls()]
    moves = [i for i, (name, said) in enumerate(calls) if name.startswith("rename") and f'"{target}"' in said]
    assert len(moves) == 1
    before, after = calls[: moves[0]], calls[moves[0] + 1 :]
    source = next(path for path in re.findall(r'"([^"]*)"', calls[moves[0]][1]) if path != str(target))
    synced = {"fsync", "fdatasync"}
    inside = {name.partition("/")[2] for name in new if name.split("/")[0] == target.name}
    for path in {source, *(str(Path(source) / name) for name in inside)}:
        last = [name for name, arguments in before if f"<{path}>" in arguments][-1]
        assert last in synced, f"{path} meets {last} after it was brought to the disk"
    assert any(name in synced and f"<{target.parent}>" in arguments for name, arguments in after)


def test_a_kill_leaves_the_old_or_the_new(
    saver: Saver, way: str, new: dict[str, bytes], places: list[tuple[str, int]]
) -> None:
    old = contents(saver.old)
    for call, number in places:
        assert saver.go(way, "-e", f"inject={call}:signal=KILL:when={number}") == -9, (call, number)
        assert visible(saver.found()) in (old, new), f"killed at {call} {number}"


def test_a_refusal_is_told_and_leaves_the_old(
    saver: Saver, way: str, new: dict[str, bytes], places: list[tuple[str, int]]
) -> None:
    old, runs = contents(saver.old), contents(saver.folder / "runs")
    for call, number in places:
        for fault in () if call in CLEARING else FAULTS:
            code = saver.go(way, "-e", f"inject={call}:error={fault}:when={number}")
            said, found = f"{fault} at {call} {number}: exit code {code}", saver.found()
            assert code in (DONE, REFUSED), said
            # The last calls bring the folder to the disk, and take away an older one: the new is in place by then.
            assert visible(found) == new or (code == REFUSED and visible(found) == old), said
            # Calls are counted by thread: where two threads meet the fault, the second met it while clearing up.
            in_clearing = saver.trace.read_text().count("(INJECTED)") > 1
            assert visible(found) == found or visible(found) == new or in_clearing, f"{said}, leaves litter"
            assert contents(saver.folder / "runs") == runs, said
