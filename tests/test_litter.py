"""What killed runs leave behind: hidden, and removed by the next run in the same place, or by `una-fast clean`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import una_fast
from una_fast.cli import main
from una_fast.files import clean

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that tell who is alive")

HOLD = """
import sys, time, una_fast
from pathlib import Path
from una_fast.files import replacing, replacing_folder
place = Path(sys.argv[1])
counter = una_fast.TermCounter(memory_limit="16MiB", temp_dir=place)
with replacing(place / "out") as file, replacing_folder(place / "folder") as folder:
    file.write_bytes(b"half" * 1000)
    (folder / "part").write_bytes(b"half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def holding(place: Path) -> subprocess.Popen[str]:
    """A process in the middle of writing a file, a folder and runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    kill(holding(tmp_path))
    assert len(list(tmp_path.glob(".una-fast-*.tmp"))) == 3
    with holding(tmp_path) as alive:
        code = "import sys, una_fast; una_fast.fit(['a b']).save(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "table")], check=True)
        assert len(list(tmp_path.glob(".una-fast-*.tmp"))) == 3, "those of the one that is alive"
        assert alive.stdin is not None
        alive.stdin.close()
        assert alive.wait(timeout=60) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "out", "table"]


def test_clean_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    below = tmp_path / "deep" / "er"
    below.mkdir(parents=True)
    kill(holding(below))
    (below / ".una-fast-mine").write_text("not ours")
    (tmp_path / "una-fast-abcdef").mkdir()
    before = sorted(below.glob(".una-fast-*.tmp"))
    assert main(["clean", str(tmp_path), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "3 temporary files and folders, 4,004 bytes, would be removed" in told
    assert all(str(path) in told for path in before)
    assert sorted(below.glob(".una-fast-*.tmp")) == before
    assert main(["clean", str(tmp_path), "--json"]) == 0
    assert '"removed": true' in capsys.readouterr().out
    assert sorted(path.name for path in below.iterdir()) == [".una-fast-mine"]
    assert (tmp_path / "una-fast-abcdef").is_dir()
    assert main(["clean", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


def test_a_link_is_no_litter(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    os.symlink(tmp_path / "mine", tmp_path / ".una-fast-aaaaaaaaaaaa.tmp")
    assert clean(tmp_path) == []
    assert (tmp_path / "mine" / "file").exists()


def test_a_forked_child_holds_what_its_parent_held(tmp_path: Path) -> None:
    counter = una_fast.TermCounter(memory_limit="16MiB", temp_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert clean(tmp_path) == []
    del counter
    assert list(tmp_path.iterdir()) == []
