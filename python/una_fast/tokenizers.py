"""Tokenizers, which make terms of sentences: rules of the compiled half, by name, or any callable or `re` pattern.

The rules of the compiled half are the fast ones. A callable or pattern runs in Python, a sentence at a time on one
thread, which is several times slower for `str.split` and over a hundred times for NLTK; what comes after it, counting
and sampling, is as fast as ever.

A callable takes a sentence, lower-cased already where the table is, and returns its tokens as a list of str. A pattern
gives its matches, or those of its group if it has one, as scikit-learn's `token_pattern` does.

Files of tables and counts hold the name of a callable or pattern and nothing that could be run. What must tokenize
after loading asks for it again: `TermTable.load(path, tokenizer=...)`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from una_fast import _core
from una_fast.errors import OptionError

__all__ = ["CustomTokenizer", "Tokenizer", "choose", "is_custom", "matching"]

Tokenizer: TypeAlias = str | Callable[[str], list[str]] | re.Pattern[str]
"""The name of a built-in rule, a callable, or a compiled pattern."""

NAME_BYTES = 190
"""Longer names are recorded by their start and a checksum."""

_FLAGS = {re.A: "a", re.I: "i", re.L: "L", re.M: "m", re.S: "s", re.X: "x"}


class CustomTokenizer:
    """A tokenizer that is Python code, and the name by which files know it.

    Args:
        tokenizer: a callable that takes a sentence and returns a list of str, or a compiled pattern of str with one
            group at most.

    Raises:
        OptionError: for anything else.
    """

    __slots__ = ("_core", "given", "name")

    def __init__(self, tokenizer: Callable[[str], list[str]] | re.Pattern[str]) -> None:
        spans: Callable[[str], list[tuple[int, int]]] | None = None
        if isinstance(tokenizer, re.Pattern):
            texts, spans = _matches(tokenizer), _spans(tokenizer)
        elif callable(tokenizer):
            texts = tokenizer
        else:
            raise OptionError(
                "tokenizer must be the name of a built-in one, a callable or a compiled pattern, "
                f"not {type(tokenizer).__name__}"
            )
        self.given = tokenizer
        self.name = _name(tokenizer)
        self._core = _core.CustomTokenizer(self.name, texts=texts, spans=spans)

    def tokens(self, sentences: Sequence[str], *, lowercase: bool, spans: bool) -> _core.Tokens:
        """The tokens of each sentence, and with `spans` where they stand in it.

        Raises:
            InputError: for an item that is no str, and for what the callable or pattern may not return.
        """
        return self._core.tokenize(sentences, lowercase=lowercase, spans=spans)

    def __reduce__(self) -> tuple[Any, ...]:
        return CustomTokenizer, (self.given,)

    def __repr__(self) -> str:
        return f"CustomTokenizer({self.name!r})"


def choose(tokenizer: Tokenizer) -> tuple[str, CustomTokenizer | None]:
    """The recorded name of a tokenizer, and the tokenizer itself where it is not built in.

    Raises:
        OptionError: for what is no tokenizer; a name that is not known is for the compiled half to refuse.
    """
    if not isinstance(tokenizer, str):
        custom = CustomTokenizer(tokenizer)
        return custom.name, custom
    if is_custom(tokenizer):
        raise OptionError(
            f"tokenizer {tokenizer!r} is the name of one that is not built in: give the tokenizer itself"
        )
    return tokenizer, None


def is_custom(name: str) -> bool:
    """Returns true for the recorded name of a callable or pattern."""
    return ":" in name


def matching(tokenizer: Tokenizer | None, recorded: str, where: str) -> CustomTokenizer | None:
    """The tokenizer given for what was saved, at the place `where`, under a recorded name.

    Raises:
        OptionError: for a tokenizer of another name.
    """
    if tokenizer is None:
        return None
    name, custom = choose(tokenizer)
    if name != recorded:
        raise OptionError(f"{where} was made with the tokenizer {recorded!r}, not {name!r}")
    return custom


def missing(recorded: str) -> OptionError:
    """The error that is raised where a callable or pattern is needed and was not given again."""
    return OptionError(
        f"the tokenizer {recorded!r} is known by name alone: to tokenize, give it again, as tokenizer= "
        "when loading or as --tokenizer or --tokenizer-pattern"
    )


def _name(tokenizer: Callable[[str], list[str]] | re.Pattern[str]) -> str:
    if isinstance(tokenizer, re.Pattern):
        flags = "".join(letter for flag, letter in _FLAGS.items() if tokenizer.flags & flag)
        return _shortened(
            f"pattern[{flags}]:{tokenizer.pattern}" if flags else f"pattern:{tokenizer.pattern}"
        )
    owner = tokenizer if hasattr(tokenizer, "__qualname__") else type(tokenizer)
    module = getattr(owner, "__module__", None) or type(getattr(owner, "__self__", owner)).__module__
    return _shortened(f"callable:{module}.{owner.__qualname__}")


def _shortened(name: str) -> str:
    data = name.encode("utf-8", "backslashreplace")
    if len(data) <= NAME_BYTES:
        return data.decode()
    end = f"... (sha256 {hashlib.sha256(data).hexdigest()[:32]})"
    return data[: NAME_BYTES - len(end)].decode("utf-8", "ignore") + end


def _group(pattern: re.Pattern[str]) -> int:
    if not isinstance(pattern.pattern, str):
        raise OptionError(f"tokenizer must be a pattern of str, not of {type(pattern.pattern).__name__}")
    if pattern.groups > 1:
        raise OptionError(
            f"tokenizer pattern {pattern.pattern!r} has {pattern.groups} groups: a token can be one at most; (?:...) "
            "groups without capturing"
        )
    return pattern.groups


def _matches(pattern: re.Pattern[str]) -> Callable[[str], list[str]]:
    _group(pattern)
    return pattern.findall


def _spans(pattern: re.Pattern[str]) -> Callable[[str], list[tuple[int, int]]]:
    group = _group(pattern)

    def spans(sentence: str) -> list[tuple[int, int]]:
        # A group that took no part stands at -1, and gives an empty token.
        return [
            (max(start, 0), max(end, 0)) for start, end in (m.span(group) for m in pattern.finditer(sentence))
        ]

    return spans
