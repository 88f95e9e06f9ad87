"""Alignment and uniformity: their definitions, on the pairs and sentences that published figures are measured on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from una_fast.errors import InputError
from una_fast.evaluation import evaluate_geometry, geometry, pairs
from una_fast.evaluation.geometry import alignment, uniformity

VECTORS = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [-3.0, 0.0], "d": [1.0, 1.0]}


def encode(sentences: list[str]) -> list[list[float]]:
    return [VECTORS[sentence] for sentence in sentences]


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """STS-B's development split in small: one pair above 4, one at it, one below, "a" twice."""
    monkeypatch.setitem(pairs.PAIRS, "STS-B-dev", 3)
    folder = tmp_path / "STS" / "STSBenchmark"
    folder.mkdir(parents=True)
    rows = [("4.2", "a", "d"), ("4.0", "b", "c"), ("1.0", "a", "c")]
    text = "".join(f"g\tf\ty\t0\t{gold}\t{left}\t{right}\n" for gold, left, right in rows)
    (folder / "sts-dev.csv").write_text(text)
    return tmp_path


def naive_uniformity(vectors: np.ndarray[Any, Any]) -> float:
    kernel = [
        np.exp(-2 * np.sum((vectors[i] - vectors[j]) ** 2)) for i in range(len(vectors)) for j in range(i)
    ]
    return float(np.log(np.mean(kernel)))


def test_on_sts_b_dev(dev: Path) -> None:
    """Protects what is measured on what: pairs above 4, and each sentence once."""
    report = evaluate_geometry(encode, dev)
    assert (report.n_pairs, report.n_sentences) == (1, 4)
    assert report.alignment == pytest.approx(2 - 2 * np.sqrt(0.5))
    unit = np.array([[1, 0], [0, 1], [-1, 0], [np.sqrt(0.5), np.sqrt(0.5)]])
    assert report.uniformity == pytest.approx(naive_uniformity(unit), abs=1e-6)


def test_uniformity_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the blocks: they change nothing."""
    drawn = np.random.default_rng(0).normal(size=(23, 5)).astype(np.float32)
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    for rows in (4, 23, 512):
        monkeypatch.setattr(geometry, "ROWS", rows)
        assert uniformity(unit) == pytest.approx(naive_uniformity(unit), abs=1e-5)


def test_bounds() -> None:
    """Protects the meaning: 0 where everything coincides, 4 and -8 at the ends of the sphere."""
    same, opposite = np.ones((3, 1), np.float32), -np.ones((3, 1), np.float32)
    assert alignment(same, same) == uniformity(same) == 0
    assert alignment(same, opposite) == 4
    assert uniformity(np.array([[1.0], [-1.0]], np.float32)) == pytest.approx(-8)


def test_without_near_pairs(dev: Path) -> None:
    """Protects the message where there is nothing to align."""
    path = dev / "STS" / "STSBenchmark" / "sts-dev.csv"
    path.write_text(path.read_text().replace("4.2", "3.0"))
    with pytest.raises(InputError, match="no pair with a gold score above 4"):
        evaluate_geometry(encode, dev)
