"""Training killed at every place in turn, and resumed: the output must be that of an unbroken run, byte for byte.

    python tests/killed_training.py FOLDER [--every N]

A place is a step, or an operation that changes a file: the kill comes just before it. Each run is a process forked
from this one, which never trains itself. Prints how many places there were and how many were tried.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_support import WordSwapper, make_sentences, tiny_bert, write_lines
from una_fast.evaluation import sts
from una_fast.training import TrainConfig, train
from una_fast.training.history import History

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"}
STEPS = 18


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="try every N-th place only")
    args = parser.parse_args()
    options = prepare(args.folder)
    expected, places = args.folder / "unbroken", args.folder / "places"
    assert in_a_child(lambda: count_places(options, expected, places)) == 0
    total, tried = int(places.read_text()), 0
    for place in range(1, total + 1, args.every):
        output = args.folder / f"killed-{place}"
        assert (
            in_a_child(lambda output=output, place=place: killed_run(options, output, place))
            == -signal.SIGKILL
        )
        assert in_a_child(lambda output=output: resumed_run(options, output)) == 0
        assert contents(output) == contents(expected), f"killed at place {place}"
        tried += 1
    print(f"{total} places, {tried} tried, 0 differ")


def prepare(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    corpus = make_sentences(90)
    gold = [f"g\tf\ty\t1\t{i % 6}\t{corpus[i]}\t{corpus[89 - i]}" for i in range(20)]
    write_lines(folder / "corpus.txt", corpus)
    (folder / "STS" / "STSBenchmark").mkdir(parents=True, exist_ok=True)
    write_lines(folder / "STS" / "STSBenchmark" / "sts-dev.csv", gold)
    sts.PAIRS["STS-B-dev"] = len(gold)
    return {
        "model": tiny_bert(folder / "bert"),
        "corpus": folder / "corpus.txt",
        "sts": folder,
        "batch_size": 10,
        "epochs": 2,
        "learning_rate": 3e-3,
        "eval_every": 4,
        "checkpoint_every": 3,
        "log_every": 5,
        "device": "cpu",
    }


def in_a_child(work: Callable[[], None]) -> int:
    """The exit status of a process that does the work; minus the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_each_place(act: Callable[[], None]) -> None:
    """Have `act` called just before every step and every change of a file."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES or (
            event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        ):
            act()

    sys.addaudithook(hook)
    add = History.add

    def counted(self: History, loss: Any) -> None:
        act()
        add(self, loss)

    History.add = counted  # type: ignore[method-assign]


def run(options: dict[str, Any], output: Path, *, resume: bool = False) -> None:
    result = train(TrainConfig(**options, output=output, resume=resume), augmenter=WordSwapper())
    assert result.steps == STEPS


def count_places(options: dict[str, Any], output: Path, report: Path) -> None:
    count = 0

    def act() -> None:
        nonlocal count
        count += 1

    at_each_place(act)
    run(options, output)
    report.write_text(str(count))


def killed_run(options: dict[str, Any], output: Path, place: int) -> None:
    count = 0

    def act() -> None:
        nonlocal count
        count += 1
        if count == place:
            os.kill(os.getpid(), signal.SIGKILL)

    at_each_place(act)
    run(options, output)


def resumed_run(options: dict[str, Any], output: Path) -> None:
    run(options, output, resume=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main()
