"""Writes docs/api: a page for each public module, of the names that it makes public, to be filled from docstrings.

`make options` calls it; a test compares.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from public_names import MODULES

FOLDER = Path(__file__).parent.parent / "docs" / "api"


def pages() -> Mapping[str, str]:
    """The pages by the names of their files."""
    return {f"{module}.md": _page(module) for module in MODULES}


def _page(name: str) -> str:
    module = import_module(name)
    first, _, rest = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    parts = [f"# {name}", first.replace("\n", " ")]
    prose = rest.partition("\n\n")[0]
    if prose and not prose.startswith(" ") and not prose.endswith(":"):  # neither code nor what leads to it
        parts.append(prose.replace("\n", " "))
    parts += [_entry(name, public) for public in module.__all__ if not public.startswith("_")]
    return "\n\n".join(parts) + "\n"


def _entry(module: str, name: str) -> str:
    value = getattr(import_module(module), name)
    where = getattr(value, "__module__", None)
    known = isinstance(where, str) and where.startswith("una_fast") and hasattr(value, "__qualname__")
    path = f"{where}.{value.__qualname__}" if known else f"{module}.{name}"
    return f"::: {path}\n    options:\n      heading: {module}.{name}\n      toc_label: {name}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
