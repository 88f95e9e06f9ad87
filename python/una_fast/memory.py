"""Sizes of memory as users write them."""

from __future__ import annotations

import re

from una_fast.checks import whole
from una_fast.errors import OptionError

__all__ = ["LEAST", "MemorySize", "memory_limit", "size_in_bytes"]

MemorySize = int | str
"""Bytes: a whole number, or text such as "512MiB", "2GB", "1.5 GiB"."""

LEAST = 16 << 20
"""The least limit: below it, files would be so many and so small that counting does little else."""

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}


def memory_limit(limit: MemorySize | None) -> int | None:
    """The limit in bytes; None is none.

    Raises:
        OptionError: for what is no size, and for less than `LEAST`.
    """
    if limit is None:
        return None
    parsed = _parsed("memory_limit", limit) if isinstance(limit, str) else limit
    size = whole("memory_limit", parsed, least=-(1 << 63))
    if size < LEAST:
        raise OptionError(f"memory_limit must be at least {LEAST >> 20}MiB ({LEAST} bytes), not {limit!r}")
    return size


def size_in_bytes(name: str, size: MemorySize) -> int:
    """The bytes of an option of that name that is a size.

    Raises:
        OptionError: for what is no size.
    """
    return whole(name, _parsed(name, size) if isinstance(size, str) else size)


def _parsed(name: str, text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip(), re.ASCII)
    unit = None if found is None else _UNITS.get(found[2].lower())
    if found is None or unit is None:
        raise OptionError(
            f'{name} must be bytes, or a size such as "512MiB", "2GB" or "1.5 GiB", not {text!r}'
        )
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
