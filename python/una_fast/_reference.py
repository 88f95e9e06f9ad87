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
    window = range(max(0, rank - radius), min(len(table.terms) - 1, rank + radius) + 1)
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
) -> str:
    """The negative of a tokenised sentence, with the same draws as the compiled half."""

    def block(purpose: int, slot: int) -> list[int]:
        return philox4x64([slot, row, epoch, view << 8 | purpose], [seed, STREAM])

    scores = token_scores(table, tokens)
    out = []
    for i, probability in enumerate(replacement_probabilities(scores, replace_prob)):
        if _unit(block(SELECT, i // 4)[i % 4]) >= probability:
            out.append(tokens[i])
            continue
        rank = table.rank(tokens[i])
        if rank is None:
            larger = sum(score > scores[i] for score in table.score)
            rank = min(larger, len(table.terms) - 1)
        words = [word for attempt in range(REJECTION_BLOCKS) for word in block(REPLACE, i << 8 | attempt)]
        last = block(REPLACE, i << 8 | REJECTION_BLOCKS)[0]
        out.append(table.terms[_draw(table, rank, radius, words, last)])
    return " ".join(out)


def _draw(table: ReferenceTable, rank: int, radius: int, words: Sequence[int], last: int) -> int:
    """A uniform rank of the window, kept with probability score / highest; after 16 refusals, by inversion."""
    first = max(0, rank - radius)
    scores = table.score[first : rank + radius + 1]
    for where, keep in zip(words[::2], words[1::2], strict=True):
        offset = where * len(scores) // WORD
        if scores[0] <= 0 or _unit(keep) * scores[0] < scores[offset]:
            return first + offset
    target = _unit(last) * sum(scores)
    for offset, score in enumerate(scores):
        target -= score
        if target < 0:
            return first + offset
    return first + len(scores) - 1


def _unit(word: int) -> float:
    return (word >> 11) / (1 << 53)
