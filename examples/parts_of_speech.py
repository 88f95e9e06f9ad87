"""Files of the words that negatives are to leave alone, by part of speech.

    pip install textblob                       # which brings a lexicon of English along, and needs no download
    python examples/parts_of_speech.py corpus.table --output parts
    una-fast experiment examples/parts-of-speech.toml --output results

A word is of the part of speech that the lexicon gives it, its most frequent one; words that it does not know are taken
for nouns, as most of them are names. Writes nouns.txt, all terms of the table that are no nouns; content.txt, all that
are neither nouns nor verbs, adjectives, adverbs or numbers; words.txt, all that are no words: files for `protect`. A
comma is in all three.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import una_fast

KEPT = {"nouns": ("NN",), "content": ("NN", "VB", "JJ", "RB", "CD"), "words": ("",)}
"""By file: the beginnings of the Penn Treebank tags of words that may be replaced."""


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    tags = _lexicon()
    terms = una_fast.TermTable.load(args.table).terms
    args.output.mkdir(parents=True, exist_ok=True)
    for name, kept in KEPT.items():
        protected = [
            term
            for term in terms
            if not (any(map(str.isalnum, term)) and tags.get(term, "NN").startswith(kept))
        ]
        (args.output / f"{name}.txt").write_text("\n".join(protected) + "\n", encoding="utf-8")
        print(f"{args.output / name}.txt: {len(protected):,} of {len(terms):,} terms stay")


def _lexicon() -> dict[str, str]:
    """The tag of each word in lower case."""
    spec = find_spec("textblob")
    if spec is None or spec.origin is None:
        raise SystemExit("this needs textblob: pip install textblob")
    lines = (Path(spec.origin).parent / "en" / "en-lexicon.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for line in lines:
        word, _, tag = line.partition(" ")
        if tag and not line.startswith(";"):
            found.setdefault(word.lower(), tag.strip())
    return found


if __name__ == "__main__":
    main()
