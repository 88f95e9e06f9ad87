"""The published way of working, stated in our own plain Python: the peer of the benchmarks.

Fitting goes through the corpus twice, once for the document frequencies and once for the largest TF-IDF of each term,
and cuts every sentence into NLTK tokens both times.

Augmenting, too, cuts a sentence twice: for the probabilities, which are NumPy's, and for the tokens that go. A term
has a list of 2r + 1 terms drawn beforehand, through which it cycles. Drawing those lists is what takes the published
code its minutes and gigabytes; here they are drawn for the terms that are asked for, and a benchmark that is about
augmenting alone asks for them before it starts its clock.

What the published code does besides is left out here: it copies every list of tokens, and it splits text into sentences
before it cuts it.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
from nltk.tokenize import word_tokenize

import una_fast
from una_fast import _reference


def tokens_of(sentence: str) -> list[str]:
    """NLTK's tokens of the lower-cased sentence."""
    return word_tokenize(sentence.lower(), preserve_line=True)


def fit(sentences: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The idf and the largest TF-IDF of every term, in two passes."""
    df: Counter[str] = Counter()
    for sentence in sentences:
        df.update(set(tokens_of(sentence)))
    idf = {term: math.log(len(sentences) / n) for term, n in df.items()}
    score = dict.fromkeys(idf, 0.0)
    for sentence in sentences:
        tokens = tokens_of(sentence)
        for term, count in Counter(tokens).items():
            tfidf = math.log(1 + count / len(tokens)) * idf[term]
            score[term] = max(score[term], tfidf)
    return idf, score


class ReferenceMethod:
    """Augments as the published code does, from a table of ours whose terms cover the text."""

    def __init__(self, table: una_fast.TermTable, *, radius: int = 4000, seed: int = 0) -> None:
        self.terms = table.terms
        self.score = table.score
        self.rank = {term: rank for rank, term in enumerate(self.terms)}
        self.idf = dict(zip(self.terms, table.idf.tolist(), strict=True))
        self.radius = radius
        self.generator = np.random.default_rng(seed)
        self.random = random.Random(seed)
        self.drawn: dict[int, list[str]] = {}
        self.place: Counter[int] = Counter()

    def draw(self, rank: int) -> list[str]:
        """The terms that replace one of this rank, in order."""
        if rank not in self.drawn:
            low, high = max(0, rank - self.radius), min(len(self.terms) - 1, rank + self.radius)
            weights = self.score[low : high + 1]
            ranks = self.generator.choice(
                np.arange(low, high + 1), size=2 * self.radius + 1, p=weights / weights.sum()
            )
            self.drawn[rank] = [self.terms[k] for k in ranks]
        return self.drawn[rank]

    def replacement(self, term: str) -> str:
        """What replaces a term next."""
        rank = self.rank[term]
        draws = self.draw(rank)
        self.place[rank] += 1
        return draws[self.place[rank] % len(draws)]

    def scores(self, tokens: list[str]) -> list[float]:
        """The TF-IDF of each token in its sentence."""
        counts = Counter(tokens)
        tfidf = {t: math.log(1 + n / len(tokens)) * self.idf[t] for t, n in counts.items()}
        return [tfidf[token] for token in tokens]

    def augment(self, sentence: str) -> str:
        """The negative of a sentence."""
        scores = np.array(self.scores(tokens_of(sentence)))
        scores -= scores.min()
        chances = scores / scores.sum() * 0.5 * len(scores)
        if chances.max() < 1:
            chances[chances.argmax()] = 1
        tokens = tokens_of(sentence)
        for i in range(len(tokens)):
            if self.random.random() < chances[i]:
                tokens[i] = self.replacement(tokens[i])
        return " ".join(tokens)

    def augment_cutting_once(self, sentence: str) -> str:
        """The same with less work: one cut, and probabilities in plain Python."""
        tokens = tokens_of(sentence)
        chances = _reference.replacement_probabilities(self.scores(tokens), 0.5)
        for i, chance in enumerate(chances):
            if self.random.random() < chance:
                tokens[i] = self.replacement(tokens[i])
        return " ".join(tokens)
