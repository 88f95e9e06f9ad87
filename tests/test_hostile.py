"""Files made to do harm, with checksums that fit: an `ArtifactError`, or a table as good as any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hostile_files
import una_fast

CORPUS = ["the cat sat on the mat", "a dog lay on the rug", "the bird flew over the house", "Naïve cafés"]

LOAD_UNDER_WATCH = """
import resource, sys
from pathlib import Path
import una_fast
import una_fast.table, una_fast.fit

folder = Path(sys.argv[1])
files = sorted(str(path) for path in folder.iterdir())
status = Path("/proc/self/status").read_text()
address_space = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize")) << 10
limit = address_space + (256 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
seen, watching = [], False

def hook(event, arguments):
    if watching:
        seen.append((event, arguments))

sys.addaudithook(hook)
outcomes = [0, 0]
for file in files:
    for load in (una_fast.TermTable.load, una_fast.TermCounter.load):
        watching = True
        try:
            load(file)
        except una_fast.ArtifactError:
            accepted = 0
        else:
            accepted = 1
        watching = False
        outcomes[accepted] += 1
watching = True
eval("1")
watching = False
assert [seen.pop() for _ in range(2)][1][0] == "compile"
print(outcomes, sorted({(event, str(arguments)) for event, arguments in seen}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    counter = una_fast.TermCounter(tokenizer="word")
    counter.update(CORPUS)
    folder = tmp_path_factory.mktemp("good")
    paths = folder / "table", folder / "counts"
    counter.freeze(max_terms=50).save(paths[0])
    counter.save(paths[1])
    return [path.read_bytes() for path in paths]


def mutants(files: list[bytes], count: int) -> list[bytes]:
    parts = [hostile_files.take_apart(file) for file in files]
    assert [hostile_files.put_together(each) for each in parts] == files
    return [hostile_files.mutant(parts[seed % 2], seed) for seed in range(count)]


def use(table: una_fast.TermTable) -> None:
    """All that a table is good for."""
    first = table.terms[0]
    assert len(table) == len(table.terms) == len(table.top(len(table)))
    assert table[first].rank == 0
    assert table.vicinity(first, 2)[0].term == first
    if ":" in table.tokenizer:
        with pytest.raises(una_fast.OptionError):
            table.tokenize(CORPUS)
        return
    assert len(table.tokenize(CORPUS)) == table.transform(CORPUS).shape[0] == len(CORPUS)
    for surface in ("reference", "preserve"):
        assert len(una_fast.Augmenter(table, surface=surface).augment(CORPUS)) == len(CORPUS)


def test_mutants_are_refused_or_as_good_as_any_file(files: list[bytes], tmp_path: Path) -> None:
    path, again, accepted = tmp_path / "file", tmp_path / "again", 0
    for mutant in mutants(files, 600):
        path.write_bytes(mutant)
        for kind in (una_fast.TermTable, una_fast.TermCounter):
            try:
                loaded = kind.load(path)
            except una_fast.ArtifactError as error:
                message = str(error)
            else:
                message = ""
            if message:
                assert str(path) in message
                assert len(message) < 1000
                continue
            accepted += 1
            loaded.save(again)
            assert again.read_bytes() == mutant
            if isinstance(loaded, una_fast.TermTable):
                use(loaded)
            else:
                assert loaded.to_arrow().num_rows == loaded.n_terms
    assert 30 < accepted < 500


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
def test_loading_runs_nothing_opens_nothing_else_and_takes_no_more_memory(
    files: list[bytes], tmp_path: Path
) -> None:
    for number, mutant in enumerate([*files, *mutants(files, 400)]):
        (tmp_path / f"{number:04}").write_bytes(mutant)
    command = [sys.executable, "-c", LOAD_UNDER_WATCH, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    outcomes, events = done.stdout.strip().split("] ", 1)
    refused, accepted = map(int, outcomes.strip("[").split(","))
    assert refused > 400
    assert accepted > 20
    assert events == "[]"


def test_sums_that_no_number_holds_are_refused(files: list[bytes], tmp_path: Path) -> None:
    parts = hostile_files.take_apart(files[1])
    parts["facts"]["n_documents"] = 2**64 - 1
    path = tmp_path / "counts"
    path.write_bytes(hostile_files.put_together(parts))
    counter = una_fast.TermCounter.load(path)
    with pytest.raises(
        una_fast.InputError, match=r"18446744073709551615 and 1 documents are more than 64 bits hold"
    ):
        counter.update(["one"])
    assert counter.n_documents == 2**64 - 1
