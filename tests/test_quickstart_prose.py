"""The built-in corpus: it reads as English, it is the same in every process, and code stays out of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from una_fast.errors import InputError
from una_fast.quickstart.prose import is_prose, sentences_of, standard_library_sentences


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    return standard_library_sentences()


def test_there_is_enough_to_train_on(sentences: list[str]) -> None:
    assert len(sentences) > 10_000


def test_every_sentence_is_distinct_plain_prose(sentences: list[str]) -> None:
    assert len({sentence.casefold() for sentence in sentences}) == len(sentences)
    for sentence in sentences:
        assert is_prose(sentence)
        assert 5 <= len(sentence.split()) <= 60
        assert not set(sentence) & set("`*={}<>|\\\n\t"), sentence


def test_another_process_with_another_hash_seed_and_locale_reads_the_same(sentences: list[str]) -> None:
    script = (
        "import sys; from una_fast.quickstart.prose import standard_library_sentences as read;"
        "sys.stdout.buffer.write('\\n'.join(read()).encode())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == "\n".join(sentences)


def test_nothing_of_the_library_is_imported() -> None:
    script = (
        "import sys; import una_fast.quickstart.prose as prose; before = set(sys.modules);"
        "prose.standard_library_sentences(); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    new = done.stdout
    assert "pydoc_data" not in new
    assert "antigravity" not in new


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Return the first item that is found.", ["Return the first item that is found."]),
        ("A line that is broken\nin two is joined.", ["A line that is broken in two is joined."]),
        (
            "It is split here, i.e. at the dot. Not at the other dot of e.g. Mr. Smith.",
            ["It is split here, i.e. at the dot.", "Not at the other dot of e.g. Mr. Smith."],
        ),
        ("Call :func:`open` on the name of the file.", ["Call open on the name of the file."]),
        ("The *optional* ``mode`` is a **short** string.", ["The optional mode is a short string."]),
        ("It\u2019s the \u201clast\u201d one of the list.", ["It's the last one of the list."]),
        (
            "* The first point of the list.\n* The second point of the list.",
            ["The first point of the list.", "The second point of the list."],
        ),
        (":param name: The name of the new file.", ["The name of the new file."]),
        ("The title of all this\n=====================\n\nText.", []),
        (">>> print('This is the output of a call.')\nThis is the output of a call.", []),
        ("expr ::= term. This is a rule of the grammar.", []),
        ("Too short it is.", []),
        ("The value x = y[0] is the first of the list.", []),
    ],
)
def test_cleaning_rules(text: str, expected: list[str]) -> None:
    assert list(sentences_of(text)) == expected


def test_a_python_without_sources_says_what_to_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(InputError, match="--corpus"):
        standard_library_sentences()


def test_files_that_do_not_parse_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_bytes(b'"""The text of a broken file is lost."""\ndef (')
    (tmp_path / "latin.py").write_bytes(b'"""\xff is not the start of UTF-8 text."""\n')
    (tmp_path / "sound.py").write_bytes(
        b'"""The text of a sound file is read."""\n# And so is the comment below it.\n'
    )
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "case.py").write_bytes(b'"""The text of a test is not documentation."""\n')
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    assert standard_library_sentences() == [
        "The text of a sound file is read.",
        "And so is the comment below it.",
    ]
