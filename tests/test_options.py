"""An option is stated once: what is derived from a field, and that every option of every command says enough."""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import man_page
import una_fast
from options_page import PAGE, page
from una_fast import cli
from una_fast.errors import OptionError
from una_fast.options import (
    GROUPS,
    Options,
    add_options,
    given_options,
    markdown_table,
    option,
    options_of,
    shared,
)
from una_fast.paraphrase_config import ParaphraseConfig
from una_fast.train_config import TrainConfig

SIZE = shared(4, "Size of a thing.", group="model", least=1, shapes=True)


@dataclass(frozen=True, kw_only=True)
class Toy(Options):
    """A toy."""

    files: list[str] = option(help="Files.", group="text", kind="paths", positional=True)
    size: int = option(SIZE)
    rate: float | None = option(0.5, "Rate.", group="optimisation", above=0.0, below=1.0)
    kind: Literal["a", "b"] = option("a", "Kind.", more="Of two.", group="optimisation", shapes=True)
    names: Sequence[Literal["x", "y"]] = option(("x",), "Names.", group="output")
    loud: bool = option(False, "Be loud.", group="output")
    nice: bool = option(True, "Be nice.", group="output")
    secret: str = option("s", "Secret.", group="machine", on_command_line=False)


def parsed(*words: str, from_file: bool = False) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser, Toy, from_file=from_file)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size", 0, "size must be at least 1, not 0"),
        ("size", True, "size must be a whole number, got True"),
        ("size", None, "size must be a whole number, got None"),
        ("rate", 1.0, "rate must be below 1, got 1.0"),
        ("rate", "fast", "rate must be a finite number, got 'fast'"),
        ("kind", "c", "kind must be one of 'a', 'b', got 'c'"),
        ("names", ["z"], "names must be one of 'x', 'y', got 'z'"),
        ("names", "x", "names must be a list of names, got 'x'"),
        ("loud", 1, "loud must be true or false, got 1"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Toy(files=["f"], **{name: value})
    assert str(caught.value) == message


def test_the_command_line_gives_what_was_said_and_the_class_the_rest() -> None:
    toy = Toy.from_arguments(parsed("f", "--size", "7", "--rate", "none", "--loud", "--no-nice", "--names"))
    assert toy == Toy(files="f", size=7, rate=None, loud=True, nice=False, names=())  # type: ignore[arg-type]
    assert given_options(Toy, parsed("f", "g")) == {"files": [Path("f"), Path("g")]}


def test_a_command_that_reads_a_file_takes_back_what_that_switches_on() -> None:
    assert parsed("f", "--no-loud", from_file=True).loud is False
    with pytest.raises(SystemExit):
        parsed("f", "--no-loud")


def test_toml_has_none_and_lists_of_files() -> None:
    toy = Toy.from_options({"files": ["f", "g"], "rate": "none", "names": ["y"]}, where="here")
    assert (toy.files, toy.rate, toy.names) == ([Path("f"), Path("g")], None, ("y",))
    with pytest.raises(OptionError, match=r"^here: no option 'sise'; did you mean 'size'\?$"):
        Toy.from_options({"files": "f", "sise": 3}, where="here")
    with pytest.raises(OptionError, match=r"^here: files must be given$"):
        Toy.from_options({}, where="here")


def test_settings_and_documentation_follow_the_fields() -> None:
    assert Toy(files=["f"]).settings() == {"size": 4, "kind": "a"}
    assert "\n    size: Size of a thing.\n" in (Toy.__doc__ or "")
    assert "| `kind` | `a` | Kind. One of `a`, `b`. Of two. |" in markdown_table(Toy)


def test_help_stands_in_groups_and_tells_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = capsys.readouterr().out
    places = [text.index(f"\n{group}:\n") for group in ("model", "optimisation", "output")]
    assert places == sorted(places)
    assert "Size of a thing (default: 4)" in text
    assert "secret" not in text


def commands() -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (
        action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(subparsers.choices)


def all_options() -> Iterator[tuple[type[Options], Any]]:
    """Every option of every configuration that a command has."""
    seen: list[type[Options]] = [TrainConfig, ParaphraseConfig]
    for name in cli.COMMANDS:
        module = __import__(f"una_fast.cli.{name}", fromlist=["x"])
        seen += [
            each for each in vars(module).values() if inspect.isclass(each) and issubclass(each, Options)
        ]
    for cls in dict.fromkeys(seen):
        for each in options_of(cls).values():
            yield cls, each


def test_every_option_says_what_it_does_and_every_number_its_bounds() -> None:
    for cls, each in all_options():
        where = f"{cls.__name__}.{each.name}"
        assert each.stated.help.endswith("."), where
        assert each.stated.group in GROUPS, where
        if each.kind in ("whole", "real"):
            assert (each.stated.least, each.stated.above) != (None, None), where


def test_every_option_of_every_command_is_declared_by_a_class() -> None:
    declared = {each.name for _, each in all_options()}
    for name, parser in commands().items():
        found = {action.dest for action in parser._actions} - {"help"}
        assert found <= declared, name


def test_every_field_of_a_configuration_is_an_option() -> None:
    for cls in {cls for cls, _ in all_options()}:
        assert {each.name for each in fields(cls)} == set(options_of(cls))


def test_the_page_of_options_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make options"


def test_one_name_means_one_thing_in_all_commands() -> None:
    kinds: dict[str, set[str]] = {}
    for _, each in all_options():
        kinds.setdefault(each.name, set()).add(each.kind)
    several = {name: found for name, found in kinds.items() if len(found) > 1}
    # `corpus` is files for most commands and one of them for a quickstart; a table or model may be a name or a path.
    assert several.keys() <= {"corpus", "output", "protect", "sts", "table", "model", "counts"}, several


@pytest.mark.parametrize(
    ("function", "cls"), [(una_fast.Augmenter, TrainConfig), (una_fast.TermCounter, TrainConfig)]
)
def test_signatures_have_the_defaults_that_are_stated(function: Any, cls: type[Options]) -> None:
    """The public signatures spell their defaults for who reads them; they are those of the options."""
    known = options_of(cls)
    for name, parameter in inspect.signature(function).parameters.items():
        if name in known and name not in ("tokenizer", "table") and known[name].stated.default is not MISSING:
            assert parameter.default == known[name].stated.default, name


@pytest.mark.parametrize("name", ["model", "output", "device"])
def test_a_name_or_path_of_another_kind_is_refused(name: str) -> None:
    given: dict[str, Any] = {"model": "m", "corpus": "c", "output": "o", name: 5}
    with pytest.raises(OptionError, match=f"{name} must be a (name|path), got 5"):
        TrainConfig(**given)


def test_numbers_of_numpy_become_those_of_python() -> None:
    """Protects records: JSON holds no numbers of numpy."""
    config = TrainConfig(
        model="m", corpus="c", output="o", batch_size=np.int64(8), learning_rate=np.float32(0.5)
    )
    assert (type(config.batch_size), type(config.learning_rate)) == (int, float)
    assert json.dumps(config.settings())


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="argparse lays help out otherwise in other versions"
)
def test_the_manual_page_is_that_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make options` writes it; the wheel installs it."""
    pytest.importorskip("argparse_manpage")
    monkeypatch.setenv("COLUMNS", "100")
    assert man_page.PAGE.read_text(encoding="utf-8") == man_page.page()
