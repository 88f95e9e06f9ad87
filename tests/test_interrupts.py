"""Ctrl-C: every long call ends with one KeyboardInterrupt and leaves everything usable; the command, with one line."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import una_fast
from interruptible import calls, interrupted_after

N_TERMS = 200_000


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """Keeps Ctrl-C out of what others have Python do when it collects garbage, whose exceptions it drops."""
    gc.disable()
    yield
    gc.enable()


def test_every_long_call_can_be_interrupted_and_repeated(tmp_path: Path) -> None:
    for call in calls(tmp_path, N_TERMS).values():
        start = time.perf_counter()
        call()
        takes = time.perf_counter() - start
        for part in (0.1, 0.5):
            interrupted_after(call, part * takes)
        call()
    left = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in left if name.endswith(".tmp")} - {
        path.name for path in tmp_path.glob(".una-fast-*.tmp") if path.is_dir()
    }, "only the counter that has spilled holds a folder"


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_interrupted_merge_leaves_the_counts_as_they_were(tmp_path: Path, threads: int) -> None:
    calls(tmp_path, N_TERMS)
    ours = una_fast.TermCounter.load(tmp_path / "counts", threads=threads)
    theirs = una_fast.TermCounter(threads=threads)
    theirs.update([f"{i:x} other{i}" for i in range(N_TERMS)])
    before, n_documents = ours.freeze().digest, ours.n_documents
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        interrupted_after(partial(ours.merge, theirs), delay)
        if ours.n_documents != n_documents:
            break  # it was done when the signal came
        assert ours.freeze().digest == before


COMMAND = """
import sys
sys.argv = ["una-fast", "fit", sys.argv[1], "-o", sys.argv[2]]
print("go", flush=True)
from una_fast.cli import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of a terminal")
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3])
def test_the_command_ends_with_one_line_from_the_first_import_on(tmp_path: Path, delay: float) -> None:
    fifo = tmp_path / "corpus"
    os.mkfifo(fifo)  # nothing ever comes through it
    run = [sys.executable, "-c", COMMAND, str(fifo), str(tmp_path / "table")]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    if process.returncode == 130:
        assert re.fullmatch("una-fast.*: interrupted\n", told)


def test_a_program_keeps_its_own_handlers() -> None:
    code = "import signal, una_fast; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
