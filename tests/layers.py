"""The modules of a package and what each imports, read from its sources; circles and imports that run upward.

An import counts wherever it stands, within functions too. Those for the type checker alone do not: nothing is loaded
by them, and two modules may well name each other's types.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Layers = Sequence[Sequence[str]]
"""Modules and packages below the root, the lowest first; those of one layer do not know each other."""


@dataclass(frozen=True, order=True)
class Import:
    """A name that a module takes from another one."""

    source: str
    target: str
    text: str


@dataclass(frozen=True)
class House:
    """A package: its modules, by their names without that of the package, and their imports."""

    modules: frozenset[str]
    imports: tuple[Import, ...]

    @classmethod
    def read(cls, folder: Path) -> "House":
        files = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.py")}
        return cls.of(folder.name, files, compiled=["_core"])

    @classmethod
    def of(cls, package: str, files: Mapping[str, str], compiled: Iterable[str] = ()) -> "House":
        """The package of such files, by their paths within it."""
        sources = {_module_of(path): (path, text) for path, text in files.items()}
        modules = frozenset([*sources, *compiled])
        found = {
            Import(module, target, f"{name} ({path}:{line})")
            for module, (path, text) in sources.items()
            for target, name, line in _imports(ast.parse(text), package, modules)
            if target != module
        }
        return cls(modules, tuple(sorted(found)))

    def faults(self, layers: Layers) -> list[str]:
        """What is wrong, with the names that tie it."""
        level = {room: height for height, rooms in enumerate(layers) for room in rooms}
        homeless = [
            f"{module} stands in no layer: give it one in tests/test_layers.py"
            for module in sorted(self.modules)
            if _room(module) not in level
        ]
        upward = [
            f"{each.source} imports {each.target or 'the root'}, which does not stand lower: {each.text}"
            for each in self.imports
            if _room(each.source) in level
            and _room(each.source) != _room(each.target)
            and level.get(_room(each.target), len(layers)) >= level[_room(each.source)]
        ]
        return [*homeless, *upward, *self._circles()]

    def _circles(self) -> Iterator[str]:
        reached = {module: self._reached_from(module) for module in self.modules}
        seen = set()
        for module in sorted(self.modules):
            circle = frozenset(other for other in reached[module] if module in reached[other])
            if module in circle and circle not in seen:
                seen.add(circle)
                ties = [each for each in self.imports if each.source in circle and each.target in circle]
                lines = [f"    {each.source} -> {each.target}: {each.text}" for each in ties]
                yield "\n".join([f"a circle of {', '.join(sorted(circle))}:", *lines])

    def _reached_from(self, start: str) -> set[str]:
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            module = waiting.pop()
            new = {each.target for each in self.imports if each.source == module} - reached
            reached |= new
            waiting += new
        return reached

    def drawing(self, layers: Layers) -> str:
        """The package in text: its layers, the highest first, and what each module imports."""
        lines = []
        for room in (room for rooms in reversed(layers) for room in rooms):
            for module in sorted(module for module in self.modules if _room(module) == room):
                targets = {_short(each.target, room) for each in self.imports if each.source == module}
                lines.append(
                    f"{module.replace('.', '/') or 'una_fast':<28} {' '.join(sorted(targets))}".rstrip()
                )
        return "\n".join(lines)


def _module_of(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def _short(module: str, room: str) -> str:
    return "./" + module.removeprefix(f"{room}.") if module.startswith(f"{room}.") else _room(module)


def _imports(tree: ast.Module, package: str, modules: frozenset[str]) -> Iterator[tuple[str, str, int]]:
    for node in _at_run_time(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == package or name.startswith(f"{package}."):
                yield _known(name.removeprefix(package).removeprefix("."), modules), name, node.lineno


def _known(name: str, modules: frozenset[str]) -> str:
    """The module that a name is or stands in."""
    while name not in modules and name:
        name = name.rpartition(".")[0]
    return name


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only the type checker sees."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.orelse:
            yield from _at_run_time(child)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _at_run_time(child)
