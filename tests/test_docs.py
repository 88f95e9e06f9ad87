"""README and docs: every block of Python and shell is run, and prints what the page says."""

import subprocess
import sys
from pathlib import Path

import pytest

import docs_pages

pytest.importorskip("sentence_transformers")

TOLD = [page for page in docs_pages.PAGES if page.name not in docs_pages.ELSEWHERE]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of, made in a process of its own."""
    folder = tmp_path_factory.mktemp("docs") / "world"
    subprocess.run([sys.executable, docs_pages.__file__, "--world", folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    "page", [page for page in TOLD if any(docs_pages.blocks(page))], ids=lambda page: page.stem
)
def test_the_blocks_of_a_page_run(page: Path, world: Path) -> None:
    command = [sys.executable, docs_pages.__file__, page, "--world", world]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("page", docs_pages.PAGES, ids=lambda page: page.stem)
def test_code_is_fenced_so_that_it_is_found(page: Path) -> None:
    assert not docs_pages.unnamed(page)


def test_a_page_that_lies_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1, 2)\n```\n\n```text\n1 ...\n```\n\nThen:\n\n```sh\nexit 3\n```\n")
    first, second = docs_pages.blocks(page)
    assert (first.kind, first.prints, second.kind, second.prints) == ("python", "1 ...\n", "sh", None)
    assert docs_pages.matches("1 2\n", "1 ...\n")
    assert not docs_pages.matches("2 1\n", "1 ...\n")
    with pytest.raises(RuntimeError, match="failed with 3"):
        docs_pages.shell(second.text)
