"""The notebooks in examples/, run.

python tests/notebooks.py     runs each, and keeps its outputs in it
"""

import copy
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.ipynb"))


def ran(path: Path, folder: Path) -> Any:
    """The notebook as it is after a run in that folder."""
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    return notebook


def shown(notebook: Any) -> list[tuple[str, Any]]:
    """What each cell of code shows: its source and outputs."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [(cell.source, [_plain(output) for output in cell.outputs]) for cell in cells]


def _plain(output: Any) -> Any:
    return output["text"] if output["output_type"] == "stream" else output["data"]


if __name__ == "__main__":
    for notebook in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as place:
            made = ran(notebook, Path(place))
        notebook.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
