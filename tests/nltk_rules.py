"""NLTK's word tokenizer in two editions, as data: the oracle where that version of NLTK is not installed.

Each edition is a list of substitutions, applied in order to the whole text, which is padded with a space on
either side before the second list, and split at whitespace at last. NLTK 3.9.1 runs all of them on `re`. NLTK
3.10.4 runs them on the third-party `regex` module, whose classes differ beyond ASCII, save for the
contractions, which stay on `re`.
"""
# The curly quotes are meant.

import re
from collections.abc import Callable, Sequence
from typing import Any

import regex

Rule = tuple[str, str]

STARTING_QUOTES: list[Rule] = [
    ("([«“‘„]|[`]+)", r" \1 "),
    (r'^"', r"``"),
    (r"(``)", r" \1 "),
    (r"([ \(\[{<])(\"|\'{2})", r"\1 `` "),
]
SINGLE_QUOTE_39: Rule = (r"(?i)(\')(?!re|ve|ll|m|t|s|d|n)(\w)\b", r"\1 \2")
SINGLE_QUOTE_310: Rule = (r"(?i)(?<!\w)(\')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", r"\1 ")

PUNCTUATION: list[Rule] = [
    (r"([^\.])(\.)([\]\)}>\"\'»”’ ]*)\s*$", r"\1 \2 \3 "),
    (r"([:,])([^\d])", r" \1 \2"),
    (r"([:,])$", r" \1 "),
    (r"\.{2,}", r" \g<0> "),
    (r"[;@#$%&]", r" \g<0> "),
]
DASHES_310: Rule = (r"[\u2012-\u2015]", r" \g<0> ")
LATE_PUNCTUATION: list[Rule] = [
    (r"([^\.])(\.)([\]\)}>\"\']*)\s*$", r"\1 \2\3 "),
    (r"[?!]", r" \g<0> "),
    (r"([^'])' ", r"\1 ' "),
    (r"[*]", r" \g<0> "),
    (r"[\]\[\(\)\{\}\<\>]", r" \g<0> "),
    (r"--", r" -- "),
]

ENDING_QUOTES: list[Rule] = [
    (r"([»”’])", r" \1 "),
    (r"''", r" '' "),
    (r'"', r" '' "),
    (r"\s+", r" "),
    (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
    (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
]
CONTRACTIONS: list[Rule] = [
    (pattern, r" \1 \2 ")
    for pattern in (
        r"(?i)\b(can)(not)\b",
        r"(?i)\b(d)('ye)\b",
        r"(?i)\b(gim)(me)\b",
        r"(?i)\b(gon)(na)\b",
        r"(?i)\b(got)(ta)\b",
        r"(?i)\b(lem)(me)\b",
        r"(?i)\b(more)('n)\b",
        r"(?i)\b(wan)(na)(?=\s)",
        r"(?i) ('t)(is)\b",
        r"(?i) ('t)(was)\b",
    )
]


def _compiled(compile_: Callable[[str], Any], rules: Sequence[Rule]) -> list[tuple[Any, str]]:
    return [(compile_(pattern), replacement) for pattern, replacement in rules]


def _tokenizer(compile_: Callable[[str], Any], before_padding: Sequence[Rule]) -> Callable[[str], list[str]]:
    before = _compiled(compile_, before_padding)
    after = _compiled(compile_, ENDING_QUOTES) + _compiled(re.compile, CONTRACTIONS)

    def tokenize(text: str) -> list[str]:
        for pattern, replacement in before:
            text = pattern.sub(replacement, text)
        text = f" {text} "
        for pattern, replacement in after:
            text = pattern.sub(replacement, text)
        return text.split()

    return tokenize


treebank_310 = _tokenizer(
    regex.compile,
    [*STARTING_QUOTES, SINGLE_QUOTE_310, *PUNCTUATION, DASHES_310, *LATE_PUNCTUATION],
)
treebank_310.__doc__ = "The tokens of a text by the rules of NLTK 3.10.4."

treebank_39 = _tokenizer(re.compile, [*STARTING_QUOTES, SINGLE_QUOTE_39, *PUNCTUATION, *LATE_PUNCTUATION])
treebank_39.__doc__ = "The tokens of a text by the rules of NLTK 3.9.1."
