"""Old seeds give old text, and old files are still written alike: see tests/golden/rebuild.py."""

import json
import sys
from pathlib import Path

import una_fast

GOLDEN = Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN))
import rebuild  # noqa: E402


def test_negatives_are_those_of_earlier_releases() -> None:
    table = una_fast.fit(rebuild.corpus(), tokenizer="whitespace")
    records = [json.loads(line) for line in (GOLDEN / "negatives.jsonl").read_text().splitlines()]
    assert len(records) == 200
    for record in records:
        augmenter = una_fast.Augmenter(
            table, radius=record["radius"], replace_prob=record["replace_prob"], seed=record["seed"]
        )
        made = augmenter.augment(
            [record["sentence"]], rows=[record["row"]], epoch=record["epoch"], view=record["view"]
        )
        assert made == [record["negative"]]


def test_tables_are_written_as_in_earlier_releases(tmp_path: Path) -> None:
    una_fast.fit(rebuild.corpus()).save(tmp_path / "table.safetensors")
    assert (tmp_path / "table.safetensors").read_bytes() == (GOLDEN / "table.safetensors").read_bytes()
