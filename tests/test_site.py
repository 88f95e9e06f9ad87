"""The documentation as a site: every page in its place, every link to something, nothing from elsewhere."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import api_pages
import site_pages

pytestmark = pytest.mark.skipif(
    not find_spec("zensical") or not find_spec("mkdocstrings_handlers"), reason="needs the extra docs"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is made of, to be built without a trace in the checkout."""
    root = tmp_path_factory.mktemp("site")
    for name in ("docs", "python"):
        shutil.copytree(
            site_pages.ROOT / name, root / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for name in ("zensical.toml", "CHANGELOG.md"):
        shutil.copy(site_pages.ROOT / name, root)
    return root


def test_it_is_built_and_whole(root: Path) -> None:
    site = site_pages.build(root, pictures=False)
    api = (site / "api" / "una_fast.html").read_text(encoding="utf-8")
    assert "una_fast.Augmenter" in api
    assert "replace_prob" in api
    assert "local-worker.js" in api
    changes = (site / "changelog.html").read_text(encoding="utf-8")
    assert "Unreleased" in changes


def test_a_link_to_nowhere_is_found(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "docs", tmp_path / "docs")
    for name in ("zensical.toml", "CHANGELOG.md"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "python", tmp_path / "python")
    page = tmp_path / "docs" / "glossary.md"
    page.write_text("[b](nowhere.md)\n", encoding="utf-8")
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n", encoding="utf-8")
    with pytest.raises(SystemExit) as told:
        site_pages.build(tmp_path, pictures=False)
    assert "docs/lost.md is not in the navigation" in str(told.value)
    assert "page does not exist" in str(told.value)


def test_what_the_builder_lets_pass_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<h2 id="there">There</h2>', encoding="utf-8")
    links = ["b.html#there", "b.html#not", "c.html", "https://example.org/", "#here"]
    text = (
        "".join(f'<a href="{link}">x</a>' for link in links)
        + '<script src="https://example.org/x.js"></script>'
    )
    (tmp_path / "a.html").write_text(text, encoding="utf-8")
    assert sorted(site_pages.broken(tmp_path)) == [
        "a.html loads https://example.org/x.js",
        "a.html: #here has no such heading",
        "a.html: b.html#not has no such heading",
        "a.html: c.html leads nowhere",
    ]


def test_the_reference_lists_what_is_public() -> None:
    """`make options` writes it."""
    for name, text in api_pages.pages().items():
        assert (api_pages.FOLDER / name).read_text(encoding="utf-8") == text, name
