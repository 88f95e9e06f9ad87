"""scikit-learn's text vectorizers, counted by the compiled half: the same classes, parameters, results and errors.

    from una_fast.sklearn import TfidfVectorizer

    X = TfidfVectorizer(min_df=2, ngram_range=(1, 2)).fit_transform(sentences)

They are subclasses of scikit-learn's, 1.5 or later. What the compiled half cannot count (characters, a tokenizer or
analyzer of your own, other patterns) scikit-learn's own code does. It needs the extra `sklearn`.
"""

from una_fast.extras import require

require("una_fast.sklearn", "sklearn", "scipy")

from una_fast.sklearn.hashing import HashingVectorizer
from una_fast.sklearn.vectorizers import CountVectorizer, TfidfVectorizer

__all__ = ["CountVectorizer", "HashingVectorizer", "TfidfVectorizer"]
