"""Files of tables and counts taken apart, changed, and put together again with checksums that fit."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
from itertools import pairwise
from typing import Any

WIDTHS = {
    "df": ("U64", "Q"),
    "offsets": ("U64", "Q"),
    "best_count": ("U32", "I"),
    "best_length": ("U32", "I"),
}
ORDER = (*WIDTHS, "term_bytes")
EDGES = (0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63, 2**64 - 2, 2**64 - 1)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.0,
    1e300,
    "1",
    {"a": [1]},
    [0] * 500,
    [],
    2**70,
    json.loads("[" * 90 + "]" * 90),
)
NAMES = (
    "word",
    "",
    "callable:os.system",
    "pattern:(a+)+$",
    "pattern:\x1b[31m",
    "../../etc/passwd",
    "x:" * 200,
)
TERMS = (b"", b"\0", b"\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"the", "\u202e".encode(), b"x" * 5000)


def take_apart(file: bytes) -> dict[str, Any]:
    """The facts and arrays of a file, its arrays as lists of numbers."""
    (length,) = struct.unpack("<Q", file[:8])
    header, data = json.loads(file[8 : 8 + length]), file[8 + length :]
    facts = json.loads(header["__metadata__"]["una_fast"])
    del facts["sha256"], facts["digest"]
    raw = {name: data[slice(*header[name]["data_offsets"])] for name in ORDER}
    arrays = {
        name: list(struct.unpack(f"<{len(raw[name]) // struct.calcsize(c)}{c}", raw[name]))
        for name, (_, c) in WIDTHS.items()
    }
    bounds = arrays.pop("offsets")
    terms = [raw["term_bytes"][a:b] for a, b in pairwise(bounds)]
    return {"facts": facts, "arrays": arrays, "terms": terms, "bounds": {}, "header": {}, "length": None}


def put_together(parts: dict[str, Any]) -> bytes:
    """The file, with checksums that fit whatever it says."""
    ends = [0]
    for term in parts["terms"]:
        ends.append(ends[-1] + len(term))
    for place, value in parts["bounds"].items():
        ends[place % len(ends)] = value
    arrays = {**parts["arrays"], "offsets": ends}
    raw = {
        name: struct.pack(
            f"<{len(arrays[name])}{code}",
            *(value % 2 ** (8 * struct.calcsize(code)) for value in arrays[name]),
        )
        for name, (_, code) in WIDTHS.items()
    }
    raw["term_bytes"] = b"".join(parts["terms"])
    sealed = dict(parts["facts"], sha256={name: hashlib.sha256(raw[name]).hexdigest() for name in ORDER})
    sealed["digest"] = hashlib.sha256(_canonical(sealed).encode()).hexdigest()
    header: dict[str, Any] = {"__metadata__": {"una_fast": _canonical(sealed)}}
    start = 0
    for name in ORDER:
        dtype, code = WIDTHS.get(name, ("U8", "B"))
        end = start + len(raw[name])
        shape = [len(raw[name]) // struct.calcsize(code)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]} | parts["header"].get(
            name, {}
        )
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    length = len(text) if parts["length"] is None else parts["length"]
    return struct.pack("<Q", length) + text + b"".join(raw[name] for name in ORDER)


def mutant(parts: dict[str, Any], seed: int) -> bytes:
    """One of many files that differ from the one taken apart in one to three things."""
    dice, changed = random.Random(seed), copy.deepcopy(parts)
    for _ in range(dice.randint(1, 3)):
        _change(changed, dice)
    return put_together(changed)


def _change(parts: dict[str, Any], dice: random.Random) -> None:
    facts, terms = parts["facts"], parts["terms"]
    number = dice.choice((dice.choice(EDGES), dice.randrange(9), dice.randrange(2**64)))
    match dice.randrange(9):
        case 0:
            facts[dice.choice((*facts, "beside"))] = dice.choice((*ODD, *NAMES, number))
        case 1:
            facts["tokenizer"] = dice.choice(NAMES)
        case 2:
            facts["n_documents"] = number
        case 3:
            facts["kind"] = dice.choice(("table", "counts"))
        case 4:
            parts["bounds"][dice.randrange(99)] = number
        case 5:
            terms[dice.randrange(len(terms))] = dice.choice((*TERMS, *terms))
        case 6:
            name = dice.choice(ORDER)
            key = dice.choice(("dtype", "shape", "data_offsets"))
            parts["header"][name] = {key: dice.choice((*ODD, "F64", "BOOL", [number], [number, number]))}
        case 7:
            parts["length"] = number
        case _:
            array = parts["arrays"][dice.choice(("df", "best_count", "best_length"))]
            array[dice.randrange(len(array))] = number


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
