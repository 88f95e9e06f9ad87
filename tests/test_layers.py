"""Imports run from a higher layer to a lower one, and never in a circle. `make house` draws them as they stand."""

from pathlib import Path

from layers import House

PACKAGE = Path(__file__).parent.parent / "python" / "una_fast"

LAYERS = [
    ["_core", "_interrupt", "citations", "errors"],
    ["checks"],
    [
        "draw_keys",
        "extras",
        "files",
        "log",
        "memory",
        "notebook",
        "pickling",
        "progress",
        "_reference",
        "tokenizers",
        "versions",
    ],
    ["hub"],
    ["arrow", "options", "phrases"],
    ["sources"],
    ["mapped_corpus", "table"],
    ["encode", "fit"],
    ["augment"],
    ["by_file", "page", "shared_options", "static"],
    ["datasets"],
    ["batches", "hard_negatives"],
    ["paraphrase_config", "train_config"],
    ["encoder"],
    ["evaluation"],
    ["paraphrase", "training"],
    ["datatrove", "experiment", "quickstart", "ray", "sentence_transformers", "sklearn"],
    ["", "cli"],
    ["__main__"],
]
"""The modules and packages below `una_fast`, the lowest first; "" is `una_fast` itself."""


def test_imports_run_downward() -> None:
    faults = House.read(PACKAGE).faults(LAYERS)
    assert not faults, "\n".join(faults)


def test_a_planted_circle_is_found_and_says_what_ties_it() -> None:
    planted = House.of(
        "p",
        {
            "__init__.py": "from p.room.a import f",
            "low.py": "import json",
            "room/__init__.py": "",
            "room/a.py": "from typing import TYPE_CHECKING\nfrom p.room import b\nfrom p import low\n",
            "room/b.py": "def g():\n    from p.room.a import f\n",
        },
    )
    circle = (
        "a circle of room.a, room.b:\n"
        "    room.a -> room.b: p.room.b (room/a.py:2)\n"
        "    room.b -> room.a: p.room.a.f (room/b.py:2)"
    )
    assert planted.faults([["low"], ["room"], [""]]) == [circle]


def test_a_planted_upward_import_is_found_and_so_is_a_module_without_a_layer() -> None:
    planted = House.of(
        "p",
        {
            "low.py": "if TYPE_CHECKING:\n    from p.high import H\nelse:\n    import p.high.deep\n",
            "high/__init__.py": "",
            "high/deep.py": "",
            "other.py": "",
        },
    )
    assert planted.faults([["low"], ["high"]]) == [
        "other stands in no layer: give it one in tests/test_layers.py",
        "low imports high.deep, which does not stand lower: p.high.deep (low.py:4)",
    ]
