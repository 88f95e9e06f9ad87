"""What is public, as text: names, parameters and defaults of every public module.

    python tests/public_names.py          # writes tests/public_names.txt anew

A change of that file is a change of what users may rely on, and belongs into the changelog.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).with_suffix(".txt")

MODULES = (
    "una_fast",
    "una_fast.batches",
    "una_fast.datasets",
    "una_fast.datatrove",
    "una_fast.encode",
    "una_fast.evaluation",
    "una_fast.experiment",
    "una_fast.mapped_corpus",
    "una_fast.paraphrase",
    "una_fast.ray",
    "una_fast.sentence_transformers",
    "una_fast.sklearn",
    "una_fast.sources",
    "una_fast.training",
)


def lines() -> Iterator[str]:
    """A line a module, a name, and a public member of a class."""
    for name in MODULES:
        module = import_module(name)
        yield name
        for public in sorted(module.__all__):
            yield from _of(public, getattr(module, public), "    ")


def _of(name: str, value: Any, indent: str) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{indent}class {name}{_parameters(value)}"
        for member, inner in sorted(vars(value).items()):
            if not member.startswith("_") and _is_of_ours(inner):
                yield from _of(member, inner, indent + "    ")
    elif isinstance(value, staticmethod | classmethod):
        yield f"{indent}{name}{_parameters(value.__func__)}"
    elif callable(value):
        yield f"{indent}{name}{_parameters(value)}"
    else:
        yield f"{indent}{name}"


def _is_of_ours(member: Any) -> bool:
    """Functions and properties; what a dataclass or another library puts beside them shows elsewhere or is theirs."""
    plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    return inspect.isfunction(plain) or (hasattr(member, "__get__") and not inspect.isclass(member))


def _parameters(function: Any) -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    kept = [
        parameter.replace(annotation=parameter.empty, default=_default(parameter.default))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=kept, return_annotation=signature.empty))


class _Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _default(value: Any) -> Any:
    """A default as it is told; of objects without a form of their own, that there is one."""
    if value is inspect.Parameter.empty:
        return value
    plain = isinstance(value, bool | int | float | str | None | tuple | list | dict)
    return _Shown(repr(value) if plain else "...")


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(lines()) + "\n", encoding="utf-8")
