"""The published augmenter's way of working, stated in our own plain Python: the peer of the benchmarks.

NLTK tokens, scores by dictionary, and for each term a list of 2r + 1 terms drawn beforehand, through which it cycles.
Drawing those lists is what takes the published code its minutes and gigabytes; here they are drawn for the terms that
are asked for, and a benchmark that is about augmenting alone asks for them before it starts its clock.
"""

import math
import random
from collections import Counter

import numpy as np
from nltk.tokenize import word_tokenize

import una_fast
from una_fast import _reference


class ReferenceMethod:
    """Augments as the published code does, from a table of ours."""

    def __init__(self, table: una_fast.TermTable, *, radius: int = 4000, seed: int = 0) -> None:
        self.terms = table.terms
        self.score = table.score
        self.rank = {term: rank for rank, term in enumerate(self.terms)}
        self.idf = dict(zip(self.terms, table.idf.tolist(), strict=True))
        self.n_documents = table.n_documents
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

    def augment(self, sentence: str) -> str:
        """The negative of a sentence."""
        tokens = word_tokenize(sentence.lower(), preserve_line=True)
        counts = Counter(tokens)
        unseen = math.log(self.n_documents)
        scores = [self.idf.get(t, unseen) * math.log(1 + counts[t] / len(tokens)) for t in tokens]
        for i, p in enumerate(_reference.replacement_probabilities(scores, 0.5)):
            if self.random.random() < p:
                rank = self.rank.get(tokens[i])
                if rank is None:
                    rank = min(int(np.searchsorted(-self.score, -scores[i])), len(self.terms) - 1)
                draws = self.draw(rank)
                tokens[i] = draws[self.place[rank] % len(draws)]
                self.place[rank] += 1
        return " ".join(tokens)
