"""A pytest plugin: scikit-learn's own tests of text vectorizers, with ours in place of its.

    pytest -p sklearn_plugin --pyargs sklearn.feature_extraction.tests.test_text

It tells in the end how many matrices were counted by the compiled half, and how many were left to scikit-learn.
"""

from typing import Any

import pytest
import sklearn
from sklearn.feature_extraction import text

import una_fast.sklearn
from una_fast.sklearn import vectorizers
from una_fast.sklearn.counting import CountsHere

_theirs = text.CountVectorizer, text.HashingVectorizer
vectorizers._FEW = 0  # a few documents too
text.CountVectorizer = una_fast.sklearn.CountVectorizer
text.TfidfVectorizer = una_fast.sklearn.TfidfVectorizer

text.HashingVectorizer = una_fast.sklearn.HashingVectorizer

counted = {"here": 0, "there": 0}


def _note(cls: type, method: str, who: str) -> None:
    """Counts the calls of a method."""
    before = getattr(cls, method)

    def noted(self: Any, *args: Any) -> Any:
        counted[who] += 1
        return before(self, *args)

    setattr(cls, method, noted)


_note(CountsHere, "_add_all", "here")
_note(_theirs[0], "_count_vocab", "there")
_note(_theirs[1], "transform", "there")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The version, and who counted."""
    terminalreporter.write_line(
        f"scikit-learn {sklearn.__version__}: {counted['here']} matrices counted by una_fast, "
        f"{counted['there']} left to scikit-learn"
    )
