"""Train sentence encoders with generated hard negatives (UNA, arXiv 2401.02594).

Fit exact TF-IDF on a corpus, then make near-miss sentences from it:

>>> import una_fast
>>> corpus = ["the cat sat on the mat", "a dog lay on the rug", "the bird flew over the house"]
>>> table = una_fast.fit(corpus)
>>> table["cat"].df
1
>>> negatives = una_fast.Augmenter(table, seed=1).augment(corpus)
>>> len(negatives)
3

Training is in `una_fast.training`, evaluation in `una_fast.evaluation` and paraphrasing in `una_fast.paraphrase` (extra
`train`); importing this package loads numpy and nothing heavier.
"""

from una_fast import _interrupt

if _interrupt.is_command():
    _interrupt.watch_imports()

from una_fast._core import __version__
from una_fast.augment import Augmenter, AugmentStats, Explanation, TokenExplanation
from una_fast.errors import (
    ArtifactError,
    InputError,
    InternalError,
    MissingExtraError,
    OptionError,
    StorageError,
    UnaError,
)
from una_fast.fit import TermCounter, find_phrases, fit
from una_fast.hard_negatives import generate_hard_negatives
from una_fast.phrases import PhraseRule, Phrases
from una_fast.static import StaticEmbedding, static_embedding
from una_fast.table import TermStats, TermTable, Tokens
from una_fast.versions import show_versions

__all__ = [
    "ArtifactError",
    "AugmentStats",
    "Augmenter",
    "Explanation",
    "InputError",
    "InternalError",
    "MissingExtraError",
    "OptionError",
    "PhraseRule",
    "Phrases",
    "StaticEmbedding",
    "StorageError",
    "TermCounter",
    "TermStats",
    "TermTable",
    "TokenExplanation",
    "Tokens",
    "UnaError",
    "__version__",
    "find_phrases",
    "fit",
    "generate_hard_negatives",
    "show_versions",
    "static_embedding",
]
