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

vectorizers._FEW = 0  # a few documents too
text.CountVectorizer = una_fast.sklearn.CountVectorizer
text.TfidfVectorizer = una_fast.sklearn.TfidfVectorizer

counted = {"here": 0, "there": 0}
_counter = una_fast.sklearn.CountVectorizer._counter


def _noted(self: una_fast.sklearn.CountVectorizer, *args: Any) -> Any:
    counter = _counter(self, *args)
    counted["there" if counter is None else "here"] += 1
    return counter


una_fast.sklearn.CountVectorizer._counter = _noted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The version, and who counted."""
    terminalreporter.write_line(
        f"scikit-learn {sklearn.__version__}: {counted['here']} matrices counted by una_fast, "
        f"{counted['there']} left to scikit-learn"
    )
