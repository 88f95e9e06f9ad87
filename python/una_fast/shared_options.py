"""Options that several commands and configurations have, each stated once."""

import argparse

from una_fast.augment import PRESETS
from una_fast.checks import check_limit, check_radius
from una_fast.options import shared
from una_fast.sources import MAX_LINE_BYTES

__all__ = [
    "BATCH_SIZE",
    "COLUMN",
    "CONFIG",
    "COUNTS",
    "DEVICE",
    "EXCLUDE_SELF",
    "IMPORTANCE",
    "JSON",
    "KEEP_SCRIPT",
    "LOWERCASE",
    "MALFORMED",
    "MAX_LENGTH",
    "MAX_LINE",
    "MAX_REPLACED",
    "MAX_TERMS",
    "MAX_WINDOW",
    "MEMORY_LIMIT",
    "MIN_DF",
    "MIN_SCORE",
    "MODEL",
    "OUTPUT",
    "PATTERN",
    "POOLING",
    "PRECISION",
    "PRESET",
    "PROTECT",
    "QUIET",
    "RADIUS",
    "REPLACE",
    "REPLACE_PROB",
    "SEED",
    "SELECT",
    "STS",
    "SURFACE",
    "TEMP_DIR",
    "TEXT_FIELD",
    "THREADS",
    "TOKENIZER",
]


def _radius(text: str) -> float:
    """A number of ranks, or a share: told apart by the point, or by the sign of percent."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        return float(text) if "." in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of ranks or a share, got {text!r}") from None


def _limit(text: str) -> float:
    """A number of tokens, or a share: told apart by the point."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of tokens or a share, got {text!r}") from None


# Text: how files are read, and how text becomes terms.

TEXT_FIELD = shared(
    None,
    'Where lines are JSON objects, the name under which the sentence stands ("text" where none is given); to give it '
    "says that they are.",
    group="text",
    metavar="NAME",
)
COLUMN = shared(
    None,
    'Column of a table to read; by default "text", or its only one of strings.',
    group="text",
    metavar="NAME",
)
MAX_LINE = shared(MAX_LINE_BYTES, "Longest line accepted, in bytes.", group="text", least=1)
MAX_WINDOW = shared(
    "2GiB", "Largest zstd window or xz dictionary of a compressed file.", group="text", metavar="SIZE"
)
MALFORMED = shared(
    "strict",
    "For rows that are not UTF-8 or hold a NUL: stop, repair them, or leave them out.",
    group="text",
)
TOKENIZER = shared(
    None,
    "Rules that cut a sentence into terms: treebank (NLTK 3.10, the default), treebank-3.9, word (scikit-learn), "
    "word-1 (with words of one letter), unicode (UAX 29) or whitespace; or a function, as MODULE:FUNCTION, that takes "
    "a sentence and returns a list of str.",
    group="text",
)
PATTERN = shared(
    None,
    "Regular expression of Python that cuts sentences, in place of a tokenizer: slower.",
    more="No file holds it, so that it is given again with the table.",
    group="text",
    metavar="REGEX",
)
LOWERCASE = shared(True, "Lower the case of the text first.", group="text")
MIN_DF = shared(1, "Leave out terms in fewer sentences.", group="text", least=1)
MAX_TERMS = shared(None, "Keep at most so many terms, those in the most sentences.", group="text", least=1)

# Models.

MODEL = shared(
    None,
    "Encoder to start from: a folder, or a name on the Hugging Face hub.",
    group="model",
    metavar="MODEL",
)
POOLING = shared(
    "auto",
    "What of a transformer's states is the embedding; auto reads what the model says.",
    group="model",
)
MAX_LENGTH = shared(
    None,
    "Tokens read of a text, special tokens included; by default as many as the model takes.",
    group="model",
    least=1,
)

# Negatives.

SEED = shared(0, "The key of all draws.", group="negatives", least=0, below=2**63, shapes=True)
PRESET = shared(
    None,
    f"A named strategy in place of select and replace: {', '.join(PRESETS)}; una is the default.",
    group="negatives",
)
RADIUS = shared(
    4000,
    "Half-width of the window that replacements are drawn from: a number of ranks, or a share of the terms such as 5%.",
    more="In Python and TOML a share is a number with a point, such as 0.05.",
    group="negatives",
    kind="other",
    metavar="N",
    parse=_radius,
    check=check_radius,
    shapes=True,
)
REPLACE_PROB = shared(
    0.5,
    "The paper's p: the expected share of tokens replaced.",
    group="negatives",
    above=0.0,
    most=1.0,
    shapes=True,
)
SELECT = shared(
    "tfidf",
    "Which tokens go: important ones, unimportant ones, or any.",
    group="negatives",
    shapes=True,
)
REPLACE = shared(
    "vicinity",
    "What comes: a term of the vicinity in rank, or any term.",
    group="negatives",
    shapes=True,
)
SURFACE = shared(
    "reference",
    "Form of the negatives: reference, tokens lower-cased and joined by spaces, as the paper's code does; or preserve, "
    "the sentence as written, for cased models and for people.",
    group="negatives",
    shapes=True,
)
IMPORTANCE = shared(
    "tfidf",
    "What makes a token important: TF-IDF, idf alone, or the attention that it receives in the start model.",
    more='It has no meaning with select="uniform".',
    group="negatives",
    shapes=True,
)
KEEP_SCRIPT = shared(
    False,
    "Replace a token by terms of its own script only: a Chinese word by Chinese ones.",
    group="negatives",
    shapes=True,
)
EXCLUDE_SELF = shared(False, "Never replace a token by its own term.", group="negatives", shapes=True)
PROTECT = shared(
    None,
    "File of terms that are never touched, one a line, of one word or several: stop words, names.",
    group="negatives",
    metavar="FILE",
)
MAX_REPLACED = shared(
    None,
    "The most tokens of a sentence that go: a number such as 3, or a share such as 0.3.",
    more="In Python and TOML a share is a number with a point.",
    group="negatives",
    kind="other",
    metavar="N",
    parse=_limit,
    check=check_limit,
    shapes=True,
)
MIN_SCORE = shared(0.0, "Tokens of lower TF-IDF stay.", group="negatives", least=0.0, shapes=True)

# Evaluation.

STS = shared(None, "Folder of the STS tasks, in SentEval's layout.", group="evaluation", metavar="FOLDER")

# Output.

OUTPUT = shared(None, "File or folder to write.", group="output", short="o")
COUNTS = shared(
    None, "Counts to write, for una-fast merge; beside or without a table.", group="output", metavar="COUNTS"
)
CONFIG = shared(
    None,
    "TOML file of options, each under its name with _ for -; those given here win.",
    group="text",
    metavar="FILE",
    kind="path",
)

JSON = shared(False, "Print the figures as JSON.", group="output")
QUIET = shared(False, "Show no progress bar.", group="output")

# The machine: nothing here changes a result, but for the rounding of another device or precision.

THREADS = shared(None, "Threads to compute with; by default one for each core.", group="machine", least=1)
DEVICE = shared(
    "auto", "auto (CUDA, else MPS, else CPU), or a torch device such as cpu or cuda:1.", group="machine"
)
PRECISION = shared(
    "auto", "Type of the products inside the model; auto is bfloat16 on a GPU that can.", group="machine"
)
BATCH_SIZE = shared(64, "Sentences encoded at a time.", group="machine", least=1)
MEMORY_LIMIT = shared(
    None,
    "Keep terms beyond this size, such as 512MiB or 2GB, in temporary files; the result is the same.",
    group="machine",
    metavar="SIZE",
)
TEMP_DIR = shared(
    None, "Folder for temporary files; by default that of the system.", group="machine", metavar="FOLDER"
)
