"""Options, each stated once: beside the field of a dataclass that holds it.

A field says its default, its bounds, what it does, the group it belongs to and whether it shapes the result. All else
is derived: the checks of a configuration, `--help` and the parsing of the command line, the reading of TOML, the
settings that a result records, the documentation.

    @dataclass(frozen=True, kw_only=True)
    class Config(Options):
        \"\"\"How to train.\"\"\"

        batch_size: int = option(64, "Examples contrasted with each other.", group="optimisation", least=2, shapes=True)
        loss: Literal["a", "b"] = option("a", "What is minimised.", group="optimisation", shapes=True)

    Config(batch_size=1)             # OptionError: batch_size must be a whole number of at least 2, got 1
    add_options(parser, Config)      # --batch-size N, --loss {a,b}, in groups
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from una_fast.checks import check_choice, check_switch, real, whole
from una_fast.errors import InputError, OptionError, StorageError
from una_fast.files import read_bytes

__all__ = [
    "GROUPS",
    "Group",
    "Option",
    "Options",
    "add_options",
    "check_names",
    "given_options",
    "markdown_table",
    "option",
    "options_of",
    "read_toml",
    "shared",
]

Group = Literal["text", "model", "negatives", "optimisation", "evaluation", "output", "machine"]

GROUPS: tuple[Group, ...] = get_args(Group)
"""In the order of `--help`: what a newcomer needs first stands first."""

Kind = Literal["whole", "real", "switch", "choice", "text", "path", "texts", "paths", "choices", "other"]

_SEPARATORS = tuple({"/", os.sep})

_FILES = ("TABLE", "COUNTS")
"""Values that are always files."""

_METAVARS: Mapping[Kind, str] = {"whole": "N", "real": "X", "text": "NAME", "path": "PATH"}


@dataclass(frozen=True, kw_only=True)
class Option:
    """All that is said of an option, but its name and type, which are those of its field.

    Attributes:
        default: Its default; MISSING where it must be given.
        help: What it does, in one sentence: for `--help` and the documentation.
        more: Further sentences, for the documentation alone.
        group: The group that it is shown in.
        least, above, below, most: Bounds of a number; a whole one is at least 0, and has no `above`.
        shapes: True where results of other values are other results, on every machine: such options are recorded.
        metavar: What stands for its value in `--help`.
        short: A letter that stands for it on the command line.
        positional: True where the command line takes it without its name.
        repeatable: True where the command line takes it several times, a value each.
        on_command_line: False where only Python can give it.
        kind: Its kind, where its type does not say so.
        parse: Reads its value on the command line, where the kind does not say how; argparse.ArgumentTypeError is
            wrong usage.
        check: Refuses a value, given the option's name, where the kind does not say what is one.
    """

    default: Any
    help: str
    more: str = ""
    group: Group
    least: float | None = None
    above: float | None = None
    below: float | None = None
    most: float | None = None
    shapes: bool = False
    metavar: str | None = None
    short: str | None = None
    positional: bool = False
    repeatable: bool = False
    on_command_line: bool = True
    kind: Kind | None = None
    parse: Callable[[str], Any] | None = None
    check: Callable[[str, Any], None] | None = None


def shared(default: Any, help: str, *, group: Group, **rest: Any) -> Option:  # noqa: A002  # the field's standard term
    """An option that several configurations have: to be stated once, and given to `option` in each of them."""
    return Option(default=default, help=help, group=group, **rest)


def option(first: Any = MISSING, help: str = "", **rest: Any) -> Any:  # noqa: A002
    """A field that is an option: of this default and these properties, or of a shared `Option`, some of it changed."""
    if isinstance(first, Option):
        stated = Option(**{**vars(first), **({"help": help} if help else {}), **rest})
    else:
        stated = Option(default=first, help=help, **rest)
    kept = {} if stated.default is MISSING else {"default": stated.default}
    return field(**kept, metadata={"option": stated})


@dataclass(frozen=True)
class _Field:
    """An option with what its type says."""

    name: str
    stated: Option
    kind: Kind
    optional: bool
    choices: tuple[str, ...]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def typed(self) -> str:
        """What the command line calls it."""
        return self.stated.metavar or self.name.upper() if self.stated.positional else self.flag

    def plain(self, value: Any) -> Any:
        """A number of numpy as one of Python, which JSON can hold; anything else as it is."""
        if isinstance(value, bool | int | float):
            return value
        if self.kind == "whole" and isinstance(value, Integral):
            return int(value)
        return float(value) if self.kind == "real" and isinstance(value, Real) else value

    def check(self, value: object) -> None:
        """Refuses a value that is out of range or of another kind."""
        if value is None and self.optional:
            return
        if self.stated.check is not None:
            self.stated.check(self.name, value)
        elif self.kind == "whole":
            stated = self.stated
            below = 1 << 64 if stated.below is None else int(stated.below)
            whole(self.name, value, least=int(stated.least or 0), below=below, most=stated.most)
        elif self.kind == "real":
            bounds = {name: getattr(self.stated, name) for name in ("least", "above", "below", "most")}
            real(self.name, value, **{name: bound for name, bound in bounds.items() if bound is not None})
        elif self.kind == "switch":
            check_switch(self.name, value)
        elif self.kind == "choice":
            check_choice(self.name, value, self.choices)
        elif self.kind in ("text", "path"):
            if not isinstance(value, str | os.PathLike):
                raise OptionError(
                    f"{self.name} must be a {'name' if self.kind == 'text' else 'path'}, got {value!r}"
                )
        elif self.kind in ("choices", "texts"):
            self._check_each(value)

    def _check_each(self, value: object) -> None:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise OptionError(f"{self.name} must be a list of names, got {value!r}")
        for each in value:
            if self.kind == "choices":
                check_choice(self.name, each, self.choices)

    def parse(self, text: str) -> Any:
        """A value from the command line; "none" where the option may have none."""
        if text is argparse.SUPPRESS:  # argparse hands over the default of a positional one that is not given
            return text
        if text.lower() == "none" and self.optional:
            return None
        if self.stated.parse is not None:
            return self.stated.parse(text)
        if self.kind == "path" and text.endswith(_SEPARATORS) and not self._may_be_folder(text):
            raise argparse.ArgumentTypeError(f"{text!r} names a folder, not a file")
        convert: Any = {"whole": int, "real": float, "path": Path}.get(self.kind, str)
        try:
            return convert(text)
        except ValueError:
            wanted = "a whole number" if self.kind == "whole" else "a number"
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}") from None

    def _may_be_folder(self, text: str) -> bool:
        """False for what is a file, and for what is to be one."""
        return os.path.isdir(text) or not (
            os.path.exists(text.rstrip("/\\")) or self.stated.metavar in _FILES
        )

    def from_toml(self, value: Any) -> Any:
        """A value of TOML as the configuration takes it: TOML has no None, and a list of files is of path objects."""
        if value == "none" and self.optional:
            return None
        if self.kind == "paths" and isinstance(value, list):
            return [Path(path) for path in value]
        if isinstance(value, str) and self.stated.parse is not None:
            try:
                return self.stated.parse(value)
            except argparse.ArgumentTypeError as error:
                raise OptionError(f"{self.name}: {error}") from None
        if isinstance(value, str) and self.kind == "path":
            return Path(value)
        return tuple(value) if self.kind in ("texts", "choices") and isinstance(value, list) else value

    def given(self, value: Any) -> Any:
        """A value of the command line as the configuration takes it: one file stays a str, which may be a glob."""
        if self.kind == "paths" and isinstance(value, list):
            return value[0] if len(value) == 1 else [Path(file) for file in value]
        return tuple(value) if isinstance(value, list) else value

    def add_to(self, group: argparse._ActionsContainer, from_file: bool) -> None:
        """Declares the option; where it is not given, the namespace has no such name."""
        required = self.stated.default is MISSING and not from_file
        if self.stated.positional:
            self._add_positional(group, required)
            return
        flags = [*([f"-{self.stated.short}"] if self.stated.short else []), self.flag]
        kept: dict[str, Any] = {"help": self._help(), "dest": self.name, "default": argparse.SUPPRESS}
        metavar = self.stated.metavar or _METAVARS.get(self.kind)
        if self.kind == "switch" and self.stated.default is False and not from_file:
            group.add_argument(*flags, action="store_true", **kept)
        elif self.kind == "switch":
            group.add_argument(*flags, action=argparse.BooleanOptionalAction, **kept)
        elif self.kind == "choice":
            group.add_argument(*flags, choices=self.choices, **kept)
        elif self.stated.repeatable:
            group.add_argument(*flags, action="append", metavar=metavar or "TEXT", **kept)
        elif self.kind == "choices":
            group.add_argument(*flags, nargs="*", choices=self.choices, metavar=metavar or "NAME", **kept)
        elif self.kind in ("texts", "paths"):
            group.add_argument(*flags, nargs="+", type=self.parse, metavar=metavar or "NAME", **kept)
        else:
            group.add_argument(*flags, type=self.parse, metavar=metavar, required=required, **kept)

    def _add_positional(self, group: argparse._ActionsContainer, required: bool) -> None:
        many = self.kind in ("paths", "texts")
        nargs = ("+" if required else "*") if many else (None if required else "?")
        metavar = self.stated.metavar or self.name.upper()
        group.add_argument(
            self.name,
            nargs=nargs,
            type=self.parse,
            default=argparse.SUPPRESS,
            metavar=metavar,
            help=self._help(),
        )

    def _help(self) -> str:
        """The help, with its default where that says something."""
        text = self.stated.help.rstrip(".").replace("%", "%%")
        shown = self.default_text()
        return f"{text} (default: {shown})" if shown else text

    def default_text(self) -> str:
        """The default as the documentation shows it; nothing where there is none to show."""
        default = self.stated.default
        if default is MISSING or default is None or default == "":
            return ""
        if self.kind == "switch":
            return "yes" if default else ""
        if isinstance(default, tuple):
            return " ".join(map(str, default))
        return f"{default:g}" if isinstance(default, float) else str(default)


@dataclass(frozen=True, kw_only=True)
class Options:
    """A dataclass of options, checked when it is made; its documentation lists them."""

    shipped: ClassVar[Path | None] = None
    """The folder of configurations that come with the package, by name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        stated = {
            name: value.metadata["option"]
            for name, value in vars(cls).items()
            if isinstance(value, Field) and "option" in value.metadata
        }
        lines = [
            f"    {name}: {' '.join(filter(None, (each.help, each.more)))}" for name, each in stated.items()
        ]
        cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__ or ""), "", "Attributes:", *lines])

    def __post_init__(self) -> None:
        """Check every option; subclasses add what concerns several."""
        for each in options_of(type(self)).values():
            given = getattr(self, each.name)
            value = each.plain(given)
            if value is not given:
                object.__setattr__(self, each.name, value)
            each.check(value)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], *, where: str) -> Self:
        """The configuration of these options; `where` names their origin in messages.

        Raises:
            OptionError: An option does not exist, must be given, or is out of range.
        """
        known = options_of(cls)
        check_names(options, known, where=where)
        if missing := _missing(cls, options):
            raise OptionError(f"{where}: {' and '.join(each.name for each in missing)} must be given")
        return cls(**{name: known[name].from_toml(value) for name, value in options.items()})

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """The options of a TOML file, under the names of this class; `options` override it.

        Paths in the file are relative to the current directory, as on a command line.

        Raises:
            StorageError: The file cannot be read.
            InputError: It is not TOML.
            OptionError: It names an option that does not exist, or lacks one that must be given.
        """
        return cls.from_options({**cls.read(path), **options}, where=str(path))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> dict[str, Any]:
        """What a TOML file says, or one that is shipped, by its name.

        Raises:
            StorageError: The file cannot be read.
            InputError: It is not TOML.
        """
        named = {file.stem: file for file in cls.shipped.glob("*.toml")} if cls.shipped else {}
        if not os.path.exists(path) and os.fspath(path) in named:
            path = named[os.fspath(path)]
        try:
            return read_toml(path)
        except StorageError as error:
            hint = f"; by name there are {', '.join(sorted(named))}" if named else ""
            raise StorageError(f"{error}{hint}") from error

    @classmethod
    def from_command_line(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """The configuration of a command line that may name a file of options by --config; what it gives itself wins.

        `others` are options that both may leave out.

        Raises:
            StorageError, InputError, OptionError: As for `from_toml`.
        """
        config = getattr(arguments, "config", None)
        given = {**others, **({} if config is None else cls.read(config)), **given_options(cls, arguments)}
        if config is None and (missing := _missing(cls, given)):
            typed = " and ".join(each.typed for each in missing)
            raise OptionError(f"{typed} must be given, here or in the file of --config")
        return cls.from_options(given, where="the command line" if config is None else str(config))

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """The configuration of a parsed command line; what was not given has its default.

        Raises:
            OptionError: An option is out of range.
        """
        return cls(**{**given_options(cls, arguments), **others})

    def settings(self) -> dict[str, Any]:
        """The options that shape the result, without paths and without what only concerns this machine."""
        return {
            name: getattr(self, name) for name, each in options_of(type(self)).items() if each.stated.shapes
        }


def _missing(cls: type[Options], given: Iterable[str]) -> list[_Field]:
    """The options that must be given, and are not."""
    known = options_of(cls).items()
    return [each for name, each in known if each.stated.default is MISSING and name not in given]


def given_options(cls: type[Options], arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that a parsed command line gives."""
    known = options_of(cls)
    return {name: known[name].given(value) for name, value in vars(arguments).items() if name in known}


def add_options(parser: argparse.ArgumentParser, *classes: type[Options], from_file: bool = False) -> None:
    """Declare the options of classes on a command line, in groups; one that is not given leaves no trace.

    With `from_file`, those that must be given may also come from a file, and are not asked for here.
    """
    shown = [each for cls in classes for each in options_of(cls).values() if each.stated.on_command_line]
    for each in shown:
        if each.stated.positional:
            each.add_to(parser, from_file)
    for name in GROUPS:
        members = [each for each in shown if each.stated.group == name and not each.stated.positional]
        if members:
            group = parser.add_argument_group(name)
            for each in members:
                each.add_to(group, from_file)


def check_names(names: Iterable[str], known: Iterable[str], *, where: str) -> None:
    """Refuse names that are no options, and suggest the nearest one.

    Raises:
        OptionError: `where` has such a name.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"{where}: no option {name!r}{hint}")


def markdown_table(cls: type[Options]) -> str:
    """The options as a table in Markdown, group by group."""
    rows = ["| option | default | what it does |", "|---|---|---|"]
    for group in GROUPS:
        members = [each for each in options_of(cls).values() if each.stated.group == group]
        rows += [f"| **{group}** | | |"] if members else []
        for each in members:
            values = f" One of {', '.join(f'`{choice}`' for choice in each.choices)}." if each.choices else ""
            more = f" {each.stated.more}" if each.stated.more else ""
            default = f"`{each.default_text()}`" if each.default_text() else ""
            rows.append(f"| `{each.name}` | {default} | {each.stated.help}{values}{more} |")
    return "\n".join(rows)


_KNOWN: dict[type, Mapping[str, _Field]] = {}


def options_of(cls: type[Options]) -> Mapping[str, _Field]:
    """The options of a dataclass by name, in the order of its fields."""
    if cls not in _KNOWN:
        hints = typing.get_type_hints(cls)
        _KNOWN[cls] = {
            each.name: _field(each.name, each.metadata["option"], hints[each.name])
            for each in fields(cls)
            if "option" in each.metadata
        }
    return _KNOWN[cls]


def _field(name: str, stated: Option, hint: Any) -> _Field:
    union = get_origin(hint) in (typing.Union, types.UnionType)
    parts = [part for part in (get_args(hint) if union else (hint,)) if part is not type(None)]
    optional = union and type(None) in get_args(hint)
    inner = get_args(parts[0])
    several = bool(inner) and get_origin(parts[0]) is not Literal
    literal = inner[0] if several else parts[0]
    choices = get_args(literal) if get_origin(literal) is Literal else ()
    return _Field(
        name=name,
        stated=stated,
        kind=stated.kind or _kind_of(parts, several, choices),
        optional=optional,
        choices=choices,
    )


def _kind_of(parts: Sequence[Any], several: bool, choices: tuple[str, ...]) -> Kind:
    """The kind of option that a field of one of these types is."""
    if choices:
        return "choices" if several else "choice"
    if several:
        return "texts"
    if len(parts) > 1:  # a str or a path: a name on the hub is no path
        names = all(part in (str, Path) or get_origin(part) is os.PathLike for part in parts)
        return "text" if names else "other"
    simple: dict[Any, Kind] = {bool: "switch", int: "whole", float: "real", str: "text", Path: "path"}
    return simple.get(parts[0], "other")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options of a TOML file.

    Raises:
        StorageError: The file cannot be read.
        InputError: It is not TOML.
    """
    name = os.fspath(path)
    try:
        return tomllib.loads(read_bytes(Path(name)).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not TOML: {error}") from error
