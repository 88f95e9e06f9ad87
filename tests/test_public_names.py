"""What is public changes on purpose alone: names, parameters and defaults are those of the snapshot."""

import difflib
import platform

import numpy as np
import pytest

import una_fast
from public_names import MODULES, SNAPSHOT, lines


def test_public_names_are_those_of_the_snapshot() -> None:
    for module in MODULES:
        pytest.importorskip(module)
    now, then = list(lines()), SNAPSHOT.read_text(encoding="utf-8").splitlines()
    changes = "\n".join(difflib.unified_diff(then, now, "snapshot", "now", lineterm="", n=1))
    assert now == then, (
        f"{changes}\n\nIf that is meant: python tests/public_names.py, and a line in CHANGELOG.md"
    )


def test_versions_are_shown_without_importing_anything(capsys: pytest.CaptureFixture[str]) -> None:
    una_fast.show_versions()
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["una_fast"] == una_fast.__version__
    assert rows["numpy"] == np.__version__
    assert rows["python"].startswith(platform.python_version())
