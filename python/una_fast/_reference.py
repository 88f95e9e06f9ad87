"""UNA in plain Python, slow and obvious: the oracle that the compiled half is tested against.

It states the law (arXiv 2401.02594, section 3, with the edge cases of `docs/design.md`) and nothing of how to make it
fast. Given the same draws it gives the same text, to the byte.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = [
    "ReferenceTable",
    "augment",
    "fit",
    "philox4x64",
    "replacement_law",
    "replacement_probabilities",
    "token_probabilities",
    "token_scores",
]

WORD = 1 << 64
SELECT, REPLACE = 0, 1
REJECTION_BLOCKS = 8
STREAM = int.from_bytes(b"una_fast", "big")


@dataclass(frozen=True, kw_only=True)
class ReferenceTable:
    """Terms by rank, with document frequency, largest ratio c/L, idf and score."""

    n_documents: int
    terms: list[str]
    df: list[int]
    best: list[Fraction]
    idf: list[float]
    score: list[float]

    def rank(self, term: str) -> int | None:
        """The rank of a term, if the table holds it."""
        return self.terms.index(term) if term in self.terms else None


def fit(documents: Iterable[Sequence[str]]) -> ReferenceTable:
    """Fits on tokenised sentences: scores by definition, order by falling score, then by UTF-8 bytes."""
    documents = [list(tokens) for tokens in documents]
    df: Counter[str] = Counter()
    best: dict[str, Fraction] = {}
    for tokens in documents:
        for term, count in Counter(tokens).items():
            df[term] += 1
            best[term] = max(best.get(term, Fraction(0)), Fraction(count, len(tokens)))
    n = len(documents)
    idf = {term: math.log(n / df[term]) for term in df}
    score = {term: idf[term] * math.log(1 + float(best[term])) for term in df}
    terms = sorted(df, key=lambda term: (-score[term], term.encode()))
    return ReferenceTable(
        n_documents=n,
        terms=terms,
        df=[df[t] for t in terms],
        best=[best[t] for t in terms],
        idf=[idf[t] for t in terms],
        score=[score[t] for t in terms],
    )


def token_scores(table: ReferenceTable, tokens: Sequence[str]) -> list[float]:
    """TF-IDF of each token in its sentence; a term that the table does not hold has df = 1."""
    counts = Counter(tokens)
    scores = []
    for token in tokens:
        rank = table.rank(token)
        idf = math.log(table.n_documents) if rank is None else table.idf[rank]
        scores.append(idf * math.log(1 + counts[token] / len(tokens)))
    return scores


def replacement_probabilities(scores: Sequence[float], p: float) -> list[float]:
    """p_i = (s_i - min s) / sum_j (s_j - min s) * p * L; the first arg-max gets 1 where the largest is below 1."""
    if not scores:
        return []
    above = [score - min(scores) for score in scores]
    total = sum(above)
    out = [a / total * (p * len(scores)) if total > 0 else p for a in above]
    if max(out) < 1:
        out[out.index(max(out))] = 1.0
    return out


def replacement_law(table: ReferenceTable, rank: int, radius: int) -> dict[int, float]:
    """The probability of each rank to replace a term of `rank`: proportional to score within the window."""
    window = _window(table, rank, radius)
    total = sum(table.score[k] for k in window)
    return {k: table.score[k] / total if total > 0 else 1 / len(window) for k in window}


def philox4x64(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """One block of Philox4x64-10 (Salmon et al., SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = c0 * 0xD2E7470EE14C6C93, c2 * 0xCA5A826395121157
        c0, c1, c2, c3 = (b // WORD) ^ c1 ^ k0, b % WORD, (a // WORD) ^ c3 ^ k1, a % WORD
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return [c0, c1, c2, c3]


def token_probabilities(
    scores: Sequence[float],
    *,
    replace_prob: float = 0.5,
    select: str = "tfidf",
    weights: Sequence[float] | None = None,
    may_go: Sequence[bool] | None = None,
) -> list[float]:
    """The probability of each token to be replaced; the law holds among the tokens that may go."""
    places = [i for i in range(len(scores)) if may_go is None or may_go[i]]
    out = [0.0] * len(scores)
    if select == "uniform":
        chosen = [replace_prob if len(scores) >= 3 else 0.0 for _ in places]
    else:
        measure = [(scores if weights is None else weights)[i] for i in places]
        if select == "inverse":
            measure = [max(measure) - value for value in measure]
        chosen = replacement_probabilities(measure, replace_prob)
    for i, probability in zip(places, chosen, strict=True):
        out[i] = probability
    return out


def augment(
    table: ReferenceTable,
    tokens: Sequence[str],
    *,
    row: int,
    epoch: int = 0,
    view: int = 0,
    seed: int = 0,
    radius: int = 4000,
    replace_prob: float = 0.5,
    select: str = "tfidf",
    replace: str = "vicinity",
    exclude_self: bool = False,
    protect: Sequence[str] = (),
    max_replaced: float | None = None,
    min_score: float = 0.0,
    weights: Sequence[float] | None = None,
) -> str:
    """The negative of a tokenised sentence, with the same draws as the compiled half."""

    def block(purpose: int, slot: int) -> list[int]:
        return philox4x64([slot, row, epoch, view << 8 | purpose], [seed, STREAM])

    scores = token_scores(table, tokens)
    may_go = [
        token not in protect and score >= min_score for token, score in zip(tokens, scores, strict=True)
    ]
    probabilities = token_probabilities(
        scores, replace_prob=replace_prob, select=select, weights=weights, may_go=may_go
    )
    going = [i for i, p in enumerate(probabilities) if _unit(block(SELECT, i // 4)[i % 4]) < p]
    if max_replaced is not None:
        most = max(1, int(max_replaced * len(tokens))) if isinstance(max_replaced, float) else max_replaced
        going = sorted(going, key=lambda i: (-probabilities[i], i))[:most]
    out = list(tokens)
    for i in going:
        rank = table.rank(tokens[i])
        own = rank if exclude_self else None
        if rank is None:
            larger = sum(score > scores[i] for score in table.score)
            rank = min(larger, len(table.terms) - 1)
        window = range(len(table.terms)) if replace == "uniform" else _window(table, rank, radius)
        # A phrase is replaced by phrases, a word by words.
        choices = [k for k in window if k != own and (" " in table.terms[k]) == (" " in tokens[i])]
        if not choices:
            continue
        words = [word for attempt in range(REJECTION_BLOCKS) for word in block(REPLACE, i << 8 | attempt)]
        last = block(REPLACE, i << 8 | REJECTION_BLOCKS)[0]
        if replace == "uniform":
            chosen = choices[words[0] * len(choices) // WORD]
        else:
            chosen = choices[_draw([table.score[k] for k in choices], words, last)]
        out[i] = table.terms[chosen]
    return " ".join(out)


def _window(table: ReferenceTable, rank: int, radius: int) -> range:
    return range(max(0, rank - radius), min(len(table.terms) - 1, rank + radius) + 1)


def _draw(scores: Sequence[float], words: Sequence[int], last: int) -> int:
    """A uniform choice, kept with probability score / highest; after 16 refusals, by inversion."""
    for where, keep in zip(words[::2], words[1::2], strict=True):
        offset = where * len(scores) // WORD
        if scores[0] <= 0 or _unit(keep) * scores[0] < scores[offset]:
            return offset
    target = _unit(last) * sum(scores)
    for offset, score in enumerate(scores):
        target -= score
        if target < 0:
            return offset
    return len(scores) - 1


def _unit(word: int) -> float:
    return (word >> 11) / (1 << 53)
