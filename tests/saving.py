"""Ways in which una_fast replaces what stands on the disk, for tests that have the system fail in the middle.

    python saving.py FOLDER

Answers each line of JSON, a way's name, a file for the trace and the options of strace, by the exit code of a process
that went this way under strace: minus the signal that ended it, or one of those below.
"""

import contextlib
import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import una_fast
from una_fast.cli import parser
from una_fast.mapped_corpus import map_sentences

DONE, REFUSED, OTHERWISE = 0, 3, 4
"""It has been replaced; a `StorageError` that names a file; any other exception."""

WAYS = {
    "a table": "out/table.safetensors",
    "counts": "out/counts.safetensors",
    "a table within a limit": "out/limited.safetensors",
    "negatives": "out/negatives.txt",
    "packed negatives": "out/negatives.txt.gz",
    "a column of negatives": "out/negatives.parquet",
    "an export": "out/terms.csv",
    "sentences": "out/mapped",
}
"""What each of them replaces, in the folder."""


def main() -> None:
    folder = Path(sys.argv[1])
    ways = prepare(folder)
    for way, replace in ways.items():  # what is imported on the way is no longer read then
        replace(folder / WAYS[way])
    print("ready", flush=True)
    for line in sys.stdin:
        way, trace, options = json.loads(line)
        print(json.dumps(go(ways[way], folder / WAYS[way], trace, options)), flush=True)


def prepare(folder: Path) -> dict[str, Callable[[Path], object]]:
    """The ways; all that they need is at hand."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    text = [f"Sentence number {i} has words and word{i}." for i in range(200)]
    corpus, column = folder / "corpus.txt", folder / "corpus.parquet"
    corpus.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    pq.write_table(pa.table({"text": text}), column)
    saved = folder / "en.una"
    table = una_fast.fit(corpus, threads=1)
    table.save(saved)
    counter = una_fast.TermCounter(threads=1)
    counter.update(corpus)
    limited = una_fast.TermCounter(threads=1, memory_limit="16MiB", temp_dir=folder / "runs")
    limited.update(corpus)

    def command(*arguments: object) -> None:
        args = parser().parse_args([str(argument) for argument in arguments])
        with contextlib.redirect_stdout(io.StringIO()):
            assert args.run(args) == 0

    return {
        "a table": table.save,
        "counts": counter.save,
        "a table within a limit": limited.freeze_to,
        "negatives": lambda to: command("augment", saved, corpus, "-o", to),
        "packed negatives": lambda to: command("augment", saved, corpus, "-o", to),
        "a column of negatives": lambda to: command("augment", saved, column, "-o", to),
        "an export": lambda to: command("export", saved, "-o", to),
        "sentences": lambda to: map_sentences(corpus, to),
    }


def go(replace: Callable[[Path], object], target: Path, trace: str, options: list[str]) -> int | None:
    """The exit code of a process under strace; None where it cannot be traced."""
    child = os.fork()
    if not child:
        os._exit(attempt(replace, target))
    os.waitpid(child, os.WUNTRACED)
    strace = subprocess.Popen(
        ["strace", "-f", "-y", "-o", trace, *options, "-p", str(child)], stderr=subprocess.DEVNULL
    )
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if strace.poll() is not None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.001)
    os.kill(child, signal.SIGCONT)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    strace.wait()
    return code


def attempt(replace: Callable[[Path], object], target: Path) -> int:
    """Goes a way, once somebody has taken hold of the process."""
    any_process: Any = ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(0x59616D61, any_process, 0, 0, 0)  # PR_SET_PTRACER
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        replace(target)
    except una_fast.StorageError as error:
        return REFUSED if error.filename else OTHERWISE
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return OTHERWISE
    return DONE


if __name__ == "__main__":
    main()
