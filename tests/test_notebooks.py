"""The notebooks run, and show what they are kept with."""

from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

import nbformat

import notebooks


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_is_kept_with(path: Path, tmp_path: Path) -> None:
    """`python tests/notebooks.py` keeps new outputs."""
    kept = notebooks.shown(nbformat.read(path, as_version=4))
    assert any(outputs for _, outputs in kept)
    assert notebooks.shown(notebooks.ran(path, tmp_path)) == kept
