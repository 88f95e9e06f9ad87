"""Phrases: words in a row that are one term (`new york`), as a set of them or as the rule by which they are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args, overload

from una_fast import _core
from una_fast.checks import check_choice, real, whole
from una_fast.errors import OptionError

if TYPE_CHECKING:
    from una_fast.tokenizers import CustomTokenizer

__all__ = ["ASSOCIATIONS", "Association", "PhraseRule", "Phrases", "cut", "required_rule", "rule_of"]

Association: TypeAlias = Literal["npmi", "word2vec"]
"""How well two parts of a phrase go together; see `PhraseRule`."""

ASSOCIATIONS: tuple[Association, ...] = get_args(Association)
MIN_DF = 5
MAX_TOKENS = 2
"""By default; see `PhraseRule`."""

_THRESHOLDS: dict[Association, float] = {"npmi": 0.5, "word2vec": 10.0}


class Phrases(Sequence[str]):
    """A set of phrases, in order of their bytes, each its tokens with single spaces between them.

    Args:
        phrases: the tokens of each.

    Raises:
        OptionError: for a phrase of less than two tokens, or a token that is empty or holds a space or NUL.
    """

    __slots__ = ("_core", "_texts")

    def __init__(self, phrases: Iterable[Sequence[str]] = ()) -> None:
        texts = []
        for phrase in phrases:
            tokens = list(phrase)
            if isinstance(phrase, str) or not all(isinstance(token, str) for token in tokens):
                raise OptionError(f"phrases: the tokens of a phrase are a list of str, not {phrase!r}")
            if any(" " in token for token in tokens):
                raise OptionError(f"phrases: a token of {tokens!r} holds a space")
            texts.append(" ".join(tokens))
        self._core = _core.Phrases(texts) if texts else None
        self._texts: list[str] | None = None

    @classmethod
    def _holding(cls, core: _core.Phrases | None) -> Phrases:
        """What the compiled half has."""
        made = cls()
        made._core = core
        return made

    def _list(self) -> list[str]:
        if self._texts is None:
            self._texts = [] if self._core is None else self._core.texts()
        return self._texts

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._list()[index]

    def __len__(self) -> int:
        return 0 if self._core is None else len(self._core)

    def __iter__(self) -> Iterator[str]:
        return iter(self._list())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phrases) and self._list() == other._list()

    def __hash__(self) -> int:
        return hash(tuple(self._list()))

    def __reduce__(self) -> tuple[object, ...]:
        return Phrases, ([text.split(" ") for text in self],)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3])) + (", ..." if len(self) > 3 else "")
        return f"Phrases({len(self):,}{': ' if shown else ''}{shown})"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhraseRule:
    """The words in a row that are phrases, by how much more often they stand together than chance has it.

    All counts are of sentences: df(ab) of N hold a and b side by side. So a score is exact, and the same for every
    order of the corpus. A phrase of three words or more is as good as its weakest cut in two. Only words make phrases:
    tokens that begin with a letter or digit and hold no apostrophe.

    Attributes:
        association: "npmi", normalised pointwise mutual information (Bouma 2009), ln(p(ab) / (p(a) p(b))) / -ln p(ab)
            with p = df / N, from -1 over 0, which is chance, to 1; or "word2vec" (Mikolov et al. 2013, equation 6,
            times N): (df(ab) - min_df) N / (df(a) df(b)).
        threshold: the least score of a phrase; by default 0.5 for "npmi" and 10 for "word2vec".
        min_df: the least number of sentences that hold it.
        max_tokens: the most tokens of a phrase, 2 or more.
    """

    association: Association = "npmi"
    threshold: float | None = None
    min_df: int = MIN_DF
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        check_choice("association", self.association, ASSOCIATIONS)
        # Numbers of numpy become those of Python, which every file can hold.
        if self.threshold is not None:
            object.__setattr__(self, "threshold", real("threshold", self.threshold))
        object.__setattr__(self, "min_df", whole("min_df", self.min_df, least=1))
        object.__setattr__(self, "max_tokens", whole("max_tokens", self.max_tokens, least=2))

    @property
    def least(self) -> float:
        """The threshold in force."""
        return _THRESHOLDS[self.association] if self.threshold is None else self.threshold


def rule_of(phrases: object) -> PhraseRule | None:
    """The rule that an option `phrases` is or names; None for phrases themselves.

    Raises:
        OptionError: for a name that is no rule.
    """
    if isinstance(phrases, PhraseRule):
        return phrases
    if isinstance(phrases, str):
        for association in ASSOCIATIONS:
            if phrases == association:
                return PhraseRule(association=association)
        raise OptionError(
            f'phrases must be "npmi", "word2vec", a PhraseRule or the phrases themselves, got {phrases!r}'
        )
    return None


def required_rule(rule: object) -> PhraseRule:
    """The rule that an option `rule` is or names.

    Raises:
        OptionError: for anything else.
    """
    found = rule_of(rule)
    if found is None:
        raise OptionError(f'rule must be "npmi", "word2vec" or a PhraseRule, got {rule!r}')
    return found


def cut(
    phrases: Iterable[str] | None, *, tokenizer: str, custom: CustomTokenizer | None, lowercase: bool
) -> _core.Phrases | None:
    """Phrases as text is cut: `Phrases` as they are, any others by the tokenizer.

    Raises:
        OptionError: for a phrase that is a single token; for a rule, since it takes a pass over the corpus to follow.
    """
    if phrases is None or isinstance(phrases, Phrases):
        return None if phrases is None else phrases._core
    if rule_of(phrases) is not None:
        raise OptionError(
            "phrases must be known to count them: `find_phrases` finds them, and `fit` does both"
        )
    entries = list(phrases)
    tokens = None if custom is None else custom.tokens(entries, lowercase=lowercase, spans=False)
    found = (
        _core.tokenize(entries, tokenizer=tokenizer, lowercase=lowercase, tokens=tokens)[0] if entries else []
    )
    for entry, words in zip(entries, found, strict=True):
        if len(words) < 2:
            raise OptionError(
                f"phrases: {entry!r} is {'a single token' if words else 'no token'} to the tokenizer {tokenizer!r}; "
                "a phrase is two or more"
            )
    return Phrases(found)._core
