"""Checks of options, for every configuration: an option out of range is named with its value, at once."""

from __future__ import annotations

import math
from numbers import Integral, Real

from una_fast.errors import OptionError

__all__ = [
    "check_choice",
    "check_limit",
    "check_radius",
    "check_switch",
    "real",
    "whole",
]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuses what is none of the choices."""
    if value not in choices:
        raise OptionError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_switch(name: str, value: object) -> None:
    """Refuses what is neither true nor false."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be true or false, got {value!r}")


def whole(
    name: str, value: object, *, least: int = 0, below: int = 1 << 64, most: float | None = None
) -> int:
    """The whole number that an option is, of Python or numpy, as an int.

    Raises:
        OptionError: It is none, or not within `least` .. `below` - 1, or above `most`.
    """
    if type(value) is not int and (not isinstance(value, Integral) or isinstance(value, bool)):
        raise OptionError(f"{name} must be a whole number, got {value!r}")
    number = int(value)
    if number < least:
        raise OptionError(f"{name} must be at least {least}, not {number}")
    if most is not None and number > most:
        raise OptionError(f"{name} must be at most {most:g}, not {number}")
    if number >= below:
        raise OptionError(
            f"{name} must be at least {least} and below 2**{below.bit_length() - 1}, not {number}"
        )
    return number


def check_radius(name: str, value: object) -> None:
    """Refuses what is neither a number of ranks nor a share of the vocabulary."""
    if isinstance(value, Real) and not isinstance(value, Integral):
        if not 0 < float(value) <= 1:
            raise OptionError(
                f"{name} as a share of the vocabulary must be above 0 and at most 1, got {value!r}"
            )
        return
    whole(name, value, below=1 << 32)


def check_limit(name: str, value: object) -> None:
    """Refuses what is neither a number of tokens nor a share of them."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise OptionError(f"{name} must be a whole number or a share, not {value!r}")
    if isinstance(value, Integral):
        if not 1 <= int(value) < 1 << 32:
            raise OptionError(f"{name} must be at least 1 token, not {value}")
    elif not 0 < float(value) <= 1:
        raise OptionError(f"{name} as a share of the tokens must be above 0 and at most 1, not {value!r}")


def real(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> float:
    """The finite number that an option is, of Python or numpy, as a float, or an int where it is one.

    Raises:
        OptionError: It is none, or not within these bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise OptionError(f"{name} must be a finite number, got {value!r}")
    number = int(value) if isinstance(value, Integral) else float(value)
    bounds = (
        (number < least, f"at least {least:g}"),
        (number <= above, f"above {above:g}"),
        (number >= below, f"below {below:g}"),
        (number > most, f"at most {most:g}"),
    )
    for broken, bound in bounds:
        if broken:
            raise OptionError(f"{name} must be {bound}, got {value!r}")
    return number
