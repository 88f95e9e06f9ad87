"""The folder of an experiment: what has run so far, in files that are whole or not there.

    plan.json           the plan as resolved; by it the folder is known
    starts.jsonl        scores of the models that runs start from
    rows.jsonl          a line for each finished run: options, steps, scores
    cosines/            the cosine of every test pair, a file for each finished run
    runs/               encoders: of the run under way, and of all where they are kept
    summary.json, report.html

No file outside of `runs/` holds a time: an experiment that was killed and taken up again leaves the bytes of one that
was not.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from una_fast.errors import ArtifactError, OptionError
from una_fast.experiment.plan import Plan, Run
from una_fast.files import alone, replacing, storage_errors

__all__ = ["Store", "finished_runs", "open_store"]

_PLAN, _ROWS, _STARTS = "plan.json", "rows.jsonl", "starts.jsonl"

Row = dict[str, Any]
Cosines = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Store:
    """An experiment's folder, held by one process at a time; made by `open_store`."""

    folder: Path

    def rows(self) -> list[Row]:
        """The finished runs, in the order in which they finished."""
        return _read_lines(self.folder / _ROWS)

    def starts(self) -> list[Row]:
        """The scores of the start models."""
        return _read_lines(self.folder / _STARTS)

    def add_row(self, run: Run, row: Row, cosines: Mapping[str, Cosines]) -> None:
        """Enter a finished run: its cosines first, as it counts as finished by its row.

        Args:
            run: Which.
            row: What it came to.
            cosines: By weights and task.
        """
        with io.BytesIO() as file:
            flat = {
                f"{weights}/{task}": values
                for weights, by_task in cosines.items()
                for task, values in by_task.items()
            }
            np.savez(file, **flat)  # type: ignore[arg-type]  # its keywords are arrays, all but one
            _write(self._cosines_path(run), file.getvalue())
        self._append(_ROWS, {**_identity(run), **row})

    def add_start(self, start: Row) -> None:
        """Enter the scores of a start model."""
        self._append(_STARTS, start)

    def cosines(self, run: Run, weights: str) -> Cosines:
        """The cosine of each test pair by a finished run's encoder, by task."""
        path = self._cosines_path(run)
        try:
            with storage_errors(path), np.load(path) as arrays:
                names = [name for name in arrays.files if name.startswith(f"{weights}/")]
                return {name.removeprefix(f"{weights}/"): arrays[name] for name in names}
        except (ValueError, KeyError, EOFError) as error:
            raise ArtifactError(f"{path} is damaged: {error}") from error

    def encoder(self, run: Run) -> Path:
        """The folder that the encoder of a run goes to; the folder around it is the run's own."""
        return self.folder / "runs" / _slug(run) / "encoder"

    def write(self, name: str, text: str) -> None:
        """Write a text file of the folder."""
        _write(self.folder / name, text.encode())

    def _cosines_path(self, run: Run) -> Path:
        return self.folder / "cosines" / f"{_slug(run)}.npz"

    def _append(self, name: str, row: Row) -> None:
        """Add a line by writing the file anew: rows are few, and a line is then never half there."""
        lines = [json.dumps(each, ensure_ascii=False) for each in (*_read_lines(self.folder / name), row)]
        self.write(name, "".join(f"{line}\n" for line in lines))


@contextmanager
def open_store(plan: Plan, output: Path) -> Iterator[Store]:
    """Take a folder for a plan: a new one, an empty one, or one in which the plan has been run before.

    A plan may have grown since, by seeds, arms or conditions; what it had must be as it was.

    Raises:
        OptionError: The folder holds something else or belongs to another plan, whose differences are named, or
            another process is at work in it.
        StorageError: It cannot be made or written.
    """
    if output.exists() and not output.is_dir():
        raise OptionError(f"output {output} exists and is no folder")
    with storage_errors():
        output.mkdir(parents=True, exist_ok=True)
    if not (output / _PLAN).is_file() and any(path.name != ".lock" for path in output.iterdir()):
        raise OptionError(f"output {output} holds something other than an experiment: name another folder")
    with alone(output / ".lock", f"running an experiment in {output}"):
        yield _claim(plan, output)


def finished_runs(output: Path) -> set[tuple[str, str, int]]:
    """The keys of the runs that have finished in a folder, which need not exist."""
    return {_key(row) for row in _read_lines(output / _ROWS)}


def _claim(plan: Plan, output: Path) -> Store:
    wanted = _described(plan)
    if (output / _PLAN).is_file():
        differences = _differences(_read_json(output / _PLAN), wanted)
        if differences:
            more = f", and {len(differences) - 5} more" if len(differences) > 5 else ""
            raise OptionError(f"output {output} belongs to another plan: {'; '.join(differences[:5])}{more}")
    _write(output / _PLAN, (json.dumps(wanted, indent=1, ensure_ascii=False) + "\n").encode())
    for part in ("cosines", "runs"):
        (output / part).mkdir(exist_ok=True)
    return Store(folder=output)


def _described(plan: Plan) -> Row:
    """A plan for its file: everything that its results depend on, run by run."""
    described = {
        "format": 1,
        "name": plan.name,
        "description": plan.description,
        "baseline": plan.baseline,
        "evaluation": {name: value for name, value in asdict(plan.evaluation).items() if value != ()},
        "runs": [asdict(run) for run in plan.runs()],
    }
    plain: Row = json.loads(json.dumps(described))
    return plain


def _differences(there: Row, here: Row) -> list[str]:
    """In what a plan departs from the one that a folder belongs to; more runs are no departure."""
    found = [f"name was {there['name']!r}, is {here['name']!r}"] if there["name"] != here["name"] else []
    found += _changes("evaluation.", there["evaluation"], here["evaluation"])
    runs = {_key(run): run for run in here["runs"]}
    for run in there["runs"]:
        where = ", ".join(part for part in (run["condition"], run["arm"]) if part)
        if _key(run) not in runs:
            found.append(f"{where}, seed {run['seed']} is no longer planned")
        else:
            found += _changes(f"{where}: ", run["options"], runs[_key(run)]["options"])
    return list(dict.fromkeys(found))


def _changes(prefix: str, there: Row, here: Row) -> list[str]:
    return [
        f"{prefix}{name} was {there.get(name, 'not set')!r}, is {here.get(name, 'not set')!r}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]


def _key(row: Row) -> tuple[str, str, int]:
    return row["condition"], row["arm"], row["seed"]


def _identity(run: Run) -> Row:
    return {"condition": run.condition, "arm": run.arm, "seed": run.seed}


def _slug(run: Run) -> str:
    """A file name for a run: readable, and distinct by a digest of what it stands for."""
    readable = re.sub(r"[^A-Za-z0-9.=]+", "-", f"{run.condition} {run.arm} {run.seed}").strip("-")[:80]
    digest = hashlib.sha256(json.dumps([run.condition, run.arm, run.seed]).encode()).hexdigest()
    return f"{readable}-{digest[:8]}"


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(data)


def _read_lines(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [_parse(path, line) for line in _read(path).splitlines()]


def _read_json(path: Path) -> Row:
    return _parse(path, _read(path))


def _read(path: Path) -> str:
    with storage_errors(path):
        return path.read_text(encoding="utf-8")


def _parse(path: Path, text: str) -> Row:
    try:
        row: Row = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from error
    return row
