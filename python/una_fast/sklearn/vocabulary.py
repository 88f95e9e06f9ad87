"""A vocabulary that says whether it was changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["Vocabulary"]


class Vocabulary(dict[str, int]):
    """Columns by their terms: a dict, and whether it is as it was made. Copies and pickles are plain dicts."""

    as_made: bool = True

    def __reduce__(self) -> tuple[type[dict[str, int]], tuple[dict[str, int]]]:
        return dict, (dict(self),)


def _noted(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    @wraps(method)
    def changes(self: Vocabulary, *args: Any, **kwargs: Any) -> Any:
        self.as_made = False
        return method(self, *args, **kwargs)

    return changes


for _name in ["__delitem__", "__ior__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update"]:
    setattr(Vocabulary, _name, _noted(_name))
