"""The recipe for Spark in docs/engines.md, run by a local Spark: it needs PySpark and a Java."""

import shutil
from pathlib import Path

import pytest

from engines_page import run_block

pytest.importorskip("pyspark")


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a Java")
def test_the_recipe_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_block("spark")
