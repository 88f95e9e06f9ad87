"""Every figure of docs/experiments.md that comes from the scores of several seeds is what those scores give."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
sys.path.insert(0, str(ROOT / "examples"))

from results_table import read, table  # noqa: E402

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")

TABLES = {
    "pretrained-tiny": ("a pretrained start of two layers", "plain"),
    "pretrained-ablation": ("places, words, how often", "plain"),
    "importance": ("by what measure", "plain"),
    "pairs-1e-5": ("pairs as positives", "plain"),
    "pairs-3e-4": ("pairs as positives", "plain"),
    "parts-of-speech": ("parts of speech, and phrases", "plain"),
    "radius": ("the radius", "4,000"),
    "static-starts": ("static encoders", "each token its own, 256"),
    "chinese-random": ("another language", "plain"),
    "korean-random": ("another language", "plain"),
    "long-documents": ("longer documents", "plain"),
}


def told(section: str, arm: str) -> list[list[float]]:
    """The numbers of each row of an arm, in any table of a section."""
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    text = page.split(f"## Measured: {section}\n")[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if arm in [cell.strip() for cell in line.split("|")[1:3]]]
    return [[float(number) for number in NUMBER.findall(row)] for row in rows]


def test_each_store_is_known() -> None:
    assert {path.stem for path in RESULTS.glob("*.tsv")} == {*TABLES, "punctuation"}


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_those_of_the_scores(name: str) -> None:
    section, baseline = TABLES[name]
    for arm, cells in table(read(RESULTS / f"{name}.tsv"), baseline).items():
        mean, _, difference, _, interval, p, _ = cells
        # Scores are rounded in the store, and were not when the page was written: p leaps where a sum is near a tie.
        expected = [
            pytest.approx(float(x), abs=0.011) for x in NUMBER.findall(f"{mean} {difference} {interval}")
        ]
        expected += [pytest.approx(float(x), rel=0.13) for x in NUMBER.findall(p) if name != "static-starts"]
        rows = told(section, arm)
        assert any(all(number in row for number in expected) for row in rows), (arm, expected, rows)
