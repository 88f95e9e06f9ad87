"""The term table itself as an encoder: texts as rows of TF-IDF, compared by cosine. Nothing is trained."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from una_fast.evaluation.pairs import Pairs
from una_fast.table import TermTable

__all__ = ["cosines_of"]


def cosines_of(table: TermTable, texts: Sequence[str]) -> Callable[[Pairs], NDArray[np.float64]]:
    """The function that gives the cosines of pairs of these texts, float64.

    A text without a term of the table is the zero vector, whose cosine with all is 0.
    """
    distinct = sorted(set(texts))
    rows = table.transform(distinct)
    norms = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    place = {text: row for row, text in enumerate(distinct)}

    def cosines(pairs: Pairs) -> NDArray[np.float64]:
        left = np.array([place[text] for text in pairs.left])
        right = np.array([place[text] for text in pairs.right])
        products = rows[left].multiply(rows[right]).sum(axis=1).A1
        lengths = norms[left] * norms[right]
        found: NDArray[np.float64] = np.divide(products, lengths, out=np.zeros(len(left)), where=lengths > 0)
        return found

    return cosines
