"""English prose that every Python interpreter carries: its standard library's documentation, read as text.

Three sources: the language reference behind `help()` (`pydoc_data/topics.py`), and the docstrings and the
comments of the standard library's modules. Files are parsed with `ast`; nothing is imported, so nothing runs.

    >>> sentences = standard_library_sentences()
    >>> len(sentences) > 5_000
    True

From text to sentences, in this order:

1. A text is cut into paragraphs at blank lines, list markers and field markers.
2. Doctests, headings and their underlines, tables, and lines drawn with punctuation are dropped.
3. Markup is taken off the words: roles, back-quotes, emphasis, typographic quotes.
4. A sentence ends at `.`, `!` or `?` (with any closing quote or bracket) where white space and then a
   capital, a digit, a quote or an opening bracket follow, unless the dot belongs to an abbreviation.
5. A sentence is kept if it reads as prose: see `is_prose`.
6. Of equal sentences (case aside) the first stays.

The order is that of the topics, then of the files sorted by path; in a file docstrings come before comments,
each in the order of the source.
"""

import ast
import inspect
import os
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

from una_fast.errors import InputError

__all__ = ["is_prose", "sentences_of", "standard_library_sentences"]

# Folders of the standard library whose text is not documentation, or not the standard library's.
_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idlelib", "idle_test", "site-packages", "dist-packages", "__pycache__", "_vendor"}
)

_FEWEST_WORDS, _MOST_WORDS = 5, 60
_LEAST_LETTER_SHARE = 0.95
_LEAST_PLAIN_SHARE = 0.75
# No English sentence of five words or more does without all of these.
_FUNCTION_WORD_LIST = """
a an the this that these those it its is are was were be been has have had do does can may must should will
would of to in on at by for from with without as and or but not if when which who whose than then no any all
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())

_HEADING_RULE = re.compile(r"^\s*([-=*~^+#\"'`_.])\1{2,}\s*$")
_DRAWING = re.compile(r"[|+\-=*~_]{4,}|\s\|\s|::=|\.{4,}|[^.!?:]\s{3,}\S|->|=>|<-")
_LIST_MARKER = re.compile(r"^\s*(?:[*+\-•o]|\(?\d{1,2}[.)]|\([a-z]\)|[a-z]\)|\[\d+\])\s+(?=\S)")
_FIELD_MARKER = re.compile(r"^\s*(?:[:@]\w[^:]*:?\s|\.\.\s|[\w.*'\"(), ]{1,30}\s+--?\s)")

_ROLE = re.compile(r":[a-z:]+:`([^`]*)`")
_LITERAL = re.compile(r"``?([^`]+?)``?_{0,2}")
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,2}(\w(?:[^*\n]*\w)?)\*{1,2}(?![\w*])")
_QUOTED_CODE = re.compile(r"\"([^\"\s]+)\"")
_TYPOGRAPHY = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{NO-BREAK SPACE}": " ",
    }
)

# Whole lines of comment, one under the other. The marker is `#` or Sphinx's `#:`.
_COMMENT_BLOCK = re.compile(r"(?:^[ \t]*#(?!!).*\n)+", re.MULTILINE)
_COMMENT_MARKER = re.compile(r"^[ \t]*#+:? ?", re.MULTILINE)

_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|etc|vs|cf|viz|resp|approx|incl|al|Mr|Mrs|Dr|Prof|St|Jr|Inc|Ltd|Co|No|no|"
    r"Fig|Sec|sec|Vol|pp?|ed|[A-Z])\.$"
)
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*\s+(?=[A-Z0-9\"'(])")

_ENDS_A_SENTENCE = re.compile(r"[.!?][\"')]*$")
_STARTS_A_SENTENCE = re.compile(r"^[\"'(]?[A-Z]")
_CODE = re.compile(r"[=<>{}\[\]|\\@#^~&$*`]|\w\(|\b\w+\.\w+\.\w+|_\w|\w_|\.\.\.|://|\s[,;:.]|%\w|--|\s\(?\)")
_NOTE_TO_SELF = re.compile(r"\b(?:XXX|TODO|FIXME|BUG)\b")
_PLAIN_WORD = re.compile(r"^[\"'(]*[A-Za-z]+(?:['-][A-Za-z]+)*[\"'),.;:!?]*$")


def standard_library_sentences() -> list[str]:
    """Read the standard library's documentation as distinct English sentences, in a fixed order.

    Returns:
        More than ten thousand sentences on an ordinary interpreter; the same list in every process of it.

    Raises:
        InputError: This interpreter was installed without its sources.
    """
    library = Path(sysconfig.get_path("stdlib"))
    kept: dict[str, str] = {}
    for text in _texts(library):
        for sentence in sentences_of(text):
            kept.setdefault(sentence.casefold(), sentence)
    if not kept:
        raise InputError(
            f"{library}: this Python was installed without the sources of its standard library, so there is "
            "no text to start from; pass a file of your own, one sentence a line, with --corpus"
        )
    return list(kept.values())


def sentences_of(text: str) -> Iterator[str]:
    r"""Cut one documentation text into the sentences of it that read as prose.

    >>> list(sentences_of("Ties\n====\n\nThe *first* one wins,\ne.g. in a tie. Others are `lost`.\n\n>>> 1"))
    ['The first one wins, e.g. in a tie.']
    """
    for paragraph in _paragraphs(text):
        for sentence in _split(_plain(paragraph)):
            if is_prose(sentence):
                yield sentence


def is_prose(sentence: str) -> bool:
    """Tell whether a string reads as one English sentence rather than as code, a table or a heading.

    It has 5 to 60 words, a capital at its start and a full stop at its end; 95 of 100 characters are letters,
    spaces or plain punctuation; three words in four are plain words; two or more are function words; no code
    signs and no notes to self (TODO).
    """
    words = sentence.split()
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS:
        return False
    if not (_STARTS_A_SENTENCE.search(sentence) and _ENDS_A_SENTENCE.search(sentence)):
        return False
    if _CODE.search(sentence) or _NOTE_TO_SELF.search(sentence):
        return False
    if sentence.count("(") != sentence.count(")") or sentence.count('"') % 2:
        return False
    letters = sum(character.isalpha() or character in " ,.'-" for character in sentence)
    plain = sum(_PLAIN_WORD.match(word) is not None for word in words)
    functional = sum(word.strip("\"'(),.;:!?").lower() in _FUNCTION_WORDS for word in words)
    return (
        sentence.isascii()
        and letters >= _LEAST_LETTER_SHARE * len(sentence)
        and plain >= _LEAST_PLAIN_SHARE * len(words)
        and functional >= 2
    )


def _texts(library: Path) -> Iterator[str]:
    """Yield the topics, then the docstrings and comments of every file, in file order."""
    yield from _literal_strings(_parse(_read(library / "pydoc_data" / "topics.py")))
    for path in _source_files(library):
        source = _read(path)
        yield from _docstrings(_parse(source))
        yield from _comments(source)


def _source_files(library: Path) -> list[Path]:
    """List the library's .py files in code-point order of their paths, whatever the file system's order."""
    found: list[tuple[str, Path]] = []
    for folder, subfolders, names in os.walk(library):
        subfolders[:] = [name for name in subfolders if name not in _SKIPPED_FOLDERS]
        paths = (Path(folder) / name for name in names if name.endswith(".py"))
        found += ((path.relative_to(library).as_posix(), path) for path in paths)
    return [path for _, path in sorted(found)]


def _read(path: Path) -> str:
    """Read a source file in the encoding it declares; one that is missing or not text counts as empty."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def _parse(source: str) -> ast.Module:
    """Parse a source; one that does not parse counts as empty."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Old escapes in library code are not our user's business.
            return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _literal_strings(module: ast.Module) -> Iterator[str]:
    """Yield the values of the module's dict literals: `topics = {'assert': 'The "assert"...', ...}`."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for value in statement.value.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings under a node in the order of the source."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node, clean=False)
        if docstring:
            yield inspect.cleandoc(docstring)
    for child in ast.iter_child_nodes(node):
        yield from _docstrings(child)


def _comments(source: str) -> Iterator[str]:
    """Yield blocks of comment lines without their markers."""
    for block in _COMMENT_BLOCK.finditer(source):
        yield _COMMENT_MARKER.sub("", block.group())


def _paragraphs(text: str) -> Iterator[str]:
    """Yield runs of prose lines, joined by spaces; whatever is not prose ends a run and is dropped."""
    run: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if any(line.lstrip().startswith((">>>", "...", "$ ", "% ")) for line in lines):
            continue  # A doctest or a shell session: its output lines look like anything at all.
        for line in lines:
            if _HEADING_RULE.match(line):
                run.clear()  # What stood above the rule was its heading.
                continue
            if _DRAWING.search(line.strip()):
                yield " ".join(run)
                run.clear()
                continue
            marker = _LIST_MARKER.match(line) or _FIELD_MARKER.match(line)
            if marker:
                yield " ".join(run)
                run.clear()
            run.append(line[marker.end() if marker else 0 :].strip())
        yield " ".join(run)
        run.clear()


def _plain(paragraph: str) -> str:
    """Take the markup off the words and make the white space single."""
    text = paragraph.translate(_TYPOGRAPHY)
    text = _ROLE.sub(r"\1", text)
    text = _LITERAL.sub(r"\1", text)
    text = _EMPHASIS.sub(r"\1", text)
    text = _QUOTED_CODE.sub(r"\1", text)
    return " ".join(text.split())


def _split(text: str) -> Iterator[str]:
    """Split at sentence ends; a dot that belongs to an abbreviation or an initial ends nothing."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        sentence = text[start : match.end()].rstrip()
        if not _ABBREVIATION.search(sentence):
            yield sentence
            start = match.end()
    yield text[start:]
