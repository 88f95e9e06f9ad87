"""What becomes of work where the system refuses threads, as it does in a container at its limit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import hashlib, json, sys
from pathlib import Path
import una_fast

text = [f"Sentence number {i} has words and word{i}." for i in range(20_000)]
corpus = Path(sys.argv[1])
corpus.write_text("\\n".join(text) + "\\n")
table = una_fast.fit(corpus, threads=1)
augmenter = una_fast.Augmenter(table, threads=3)
other = una_fast.TermCounter(threads=3)
other.update(corpus)

def merged():
    counter = una_fast.TermCounter(threads=3)
    counter.update(corpus)
    counter.merge(other)
    return counter.freeze().digest

ways = {
    "file": lambda: una_fast.fit(corpus, threads=3).digest,
    "file on two threads": lambda: una_fast.fit(corpus, threads=2).digest,
    "list": lambda: una_fast.fit(text, threads=3).digest,
    "pattern": lambda: una_fast.fit(corpus, tokenizer=str.split, threads=3).n_documents,
    "merge": merged,
    "list of negatives": lambda: hashlib.sha256("\\n".join(augmenter.augment(text)).encode()).hexdigest(),
    "negatives": lambda: augmenter.augment(text[:300])[299],
    "matrix": lambda: float(table.transform(text, threads=3).sum()),
}
for name, go in ways.items():
    try:
        print(json.dumps([name, go()]))
    except una_fast.StorageError as error:
        print(json.dumps([name, str(error)]))
"""

REFUSED = "[Errno 11] the system starts no more threads"

NEEDY = {"list", "pattern", "list of negatives"}
"""Ways on which this thread makes or takes Python objects while another works."""


def answers(folder: Path, refused: str | None) -> dict[str, object]:
    """What each way gives where the calls of a thread for threads that `refused` names, from 1, fail."""
    trace = ["strace", "-f", "-o", str(folder / "trace"), "-e", "trace=clone,clone3"]
    trace += ["-e", f"inject=clone,clone3:error=EAGAIN:when={refused}"] if refused else []
    run = [*trace, sys.executable, "-c", WORK, str(folder / "corpus.txt")]
    # NumPy's library of linear algebra has threads of its own, and takes a refusal badly.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(run, check=False, capture_output=True, text=True, env=environment)
    if "PTRACE" in done.stderr:
        pytest.skip("no process may be traced here")
    assert "panicked" not in done.stderr
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace to refuse threads")
def test_fewer_threads_give_the_same_result(tmp_path: Path) -> None:
    expected = answers(tmp_path, None)
    for refused in ("1", "2", "3", "5", "2..4", "7+"):
        found = answers(tmp_path, refused)
        for name, answer in found.items():
            assert answer == expected[name] or (answer == REFUSED and name in NEEDY), (refused, name)
    assert answers(tmp_path, "1+") == expected | dict.fromkeys(NEEDY, REFUSED)
