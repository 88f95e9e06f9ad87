"""Plans of experiments: a TOML file, checked as a whole before the first minute is spent.

    name = "strategies"
    seeds = [0, 1, 2]
    baseline = "plain"

    [base]                      # options of una_fast.training.TrainConfig
    model = "bert-base-uncased"
    corpus = "sentences.txt"

    [[arm]]                     # what is compared
    name = "plain"
    every = 0

    [[arm]]
    name = "una"
    grid = { radius = [400, 4000] }     # an arm for each combination

    [[condition]]               # under what it is compared: every arm runs under every condition
    name = "short"
    max_length = 32

    [grid]                      # conditions too, or the arms where none are named
    every = [1, 5]

    [evaluation]
    sts = "path/to/senteval"

An option of an arm takes the place of the condition's, and that of the base's.
"""

import difflib
import errno
import itertools
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.evaluation.pairs import SEVEN
from una_fast.files import storage_errors
from una_fast.hub import looks_like_path
from una_fast.options import options_of
from una_fast.sources import find_files
from una_fast.train_config import TrainConfig

__all__ = ["FILES", "Evaluation", "Plan", "Run", "Weights", "load_plan", "shipped_plans"]

Options = dict[str, Any]

Weights = str
"""Which weights of a run are scored: "best" on the development set, or those of the "last" step."""

WEIGHTS: tuple[Weights, ...] = ("best", "last")

_OURS = {
    "output": "an experiment chooses the folder of each run",
    "seed": "a plan has seeds",
    "sts": "a plan has evaluation.sts",
    "resume": "an experiment always does",
    "progress": "the command decides it",
}
"""Options of TrainConfig that a plan may not set, and what stands in their place."""

_OPTIONS = options_of(TrainConfig)
FILES = ("corpus", "paraphrases", "pairs")
"""The options that name text."""

_PARTS = ("name", "description", "seeds", "baseline", "base", "arm", "condition", "grid", "evaluation")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An arm or a condition: its name, and the options in which it departs from the base."""

    name: str
    options: Options


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scoring of encoders.

    Attributes:
        sts: A folder in SentEval's layout, or None.
        pairs: Files of pairs with scores, each a task by its name.
        tasks: Names out of the seven; None takes all that `sts` has.
        weights: "best", "last" or both.
        batch_size: Sentences encoded at a time.
    """

    sts: str | None = None
    pairs: tuple[str, ...] = ()
    tasks: tuple[str, ...] | None = None
    weights: tuple[Weights, ...] = ("best",)
    batch_size: int = 64

    def __post_init__(self) -> None:
        if not isinstance(self.sts, str | None):
            raise OptionError(f"evaluation.sts must be a path, got {self.sts!r}")
        if not all(isinstance(path, str) for path in self.pairs):
            raise OptionError(f"evaluation.pairs must be paths, got {list(self.pairs)!r}")
        if self.sts is None and not self.pairs:
            raise OptionError(
                "evaluation has neither sts, a folder in SentEval's layout, nor pairs, files of pairs with scores"
            )
        if self.tasks is not None and self.sts is None:
            raise OptionError("evaluation.tasks chooses among those of sts, which is not given")
        for task in self.tasks or ():
            if task not in SEVEN:
                raise OptionError(f"evaluation.tasks has {task!r}, which is unknown{_nearest(task, SEVEN)}")
        known = set(self.weights) <= set(WEIGHTS)
        if not self.weights or not known or len(set(self.weights)) != len(self.weights):
            raise OptionError(f'evaluation.weights must list "best", "last" or both, got {self.weights!r}')
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise OptionError(f"evaluation.batch_size must be at least 1, got {self.batch_size!r}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: an arm under a condition with a seed, and the options that these come to."""

    arm: str
    condition: str
    seed: int
    options: Options

    @property
    def key(self) -> tuple[str, str, int]:
        """The name that tells it from the other runs of its plan."""
        return self.condition, self.arm, self.seed

    @property
    def title(self) -> str:
        """Its name in messages."""
        return ", ".join(part for part in (self.condition, self.arm, f"seed {self.seed}") if part)

    def config(self, output: Path, **machine: Any) -> TrainConfig:
        """The training's options.

        Args:
            output: Where the encoder goes.
            machine: Options that the caller decides: `sts`, `progress`.

        Raises:
            OptionError: An option is out of range; the message names the run.
        """
        # An experiment scores what it has trained itself, pair by pair.
        options = {"test": False} | {
            name: _OPTIONS[name].from_toml(value) for name, value in self.options.items()
        }
        try:
            resume = options.get("checkpoint_every") != 0
            return TrainConfig(**options, seed=self.seed, output=output, resume=resume, **machine)
        except OptionError as error:
            raise OptionError(f"{self.title}: {error}") from error

    def table(self) -> str:
        """What tells the term table of its text from those of others."""
        named = (
            *(self.options.get(name) for name in FILES),
            self.options.get("tokenizer"),
            self.options.get("table"),
        )
        return repr(named)

    def start(self) -> tuple[str, str]:
        """The model it starts from, and the pooling by which it is trained, "auto" where the model is to say."""
        config = self.config(Path("unused"))
        return str(config.model), "cls" if config.pooling == "cls_mlp" else config.pooling


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment: every arm under every condition with every seed.

    Attributes:
        name: Its title.
        description: What it asks, in a sentence or two.
        seeds: Distinct; arms are compared seed by seed.
        baseline: The arm that the others are compared with, under the same condition.
        base: Options of all runs.
        arms: What is compared.
        conditions: Under what; one without name and options where the plan has none.
        evaluation: How encoders are scored.
    """

    name: str
    description: str
    seeds: tuple[int, ...]
    baseline: str
    base: Options
    arms: tuple[Variant, ...]
    conditions: tuple[Variant, ...]
    evaluation: Evaluation

    def __post_init__(self) -> None:
        _check_names("arm", self.arms)
        _check_names("condition", self.conditions)
        if self.baseline not in [arm.name for arm in self.arms]:
            arms = [arm.name for arm in self.arms]
            raise OptionError(
                f"baseline is {self.baseline!r}, which is no arm{_nearest(self.baseline, arms)}"
            )
        _check_seeds(self.seeds)
        for run in self.runs():
            _check_complete(run)
            config = run.config(Path("unused"))
            if "best" in self.evaluation.weights and self.evaluation.sts is None and config.dev is None:
                raise OptionError(
                    f"{run.title}: nothing says which weights are best: give dev, a file of pairs, or evaluation.sts, "
                    'for its STS-B dev; or set evaluation.weights to "last"'
                )

    def runs(self) -> Iterator[Run]:
        """All runs: seed by seed, so that an experiment cut short has compared whole seeds."""
        for seed, condition, arm in itertools.product(self.seeds, self.conditions, self.arms):
            options = {**self.base, **condition.options, **arm.options}
            yield Run(arm=arm.name, condition=condition.name, seed=seed, options=options)

    def missing_inputs(self) -> list[str]:
        """Files and folders that the runs name and that are not there, each with the option that names it."""
        named = {(name, run.options.get(name)) for run in self.runs() for name in _INPUTS}
        named.add(("evaluation.sts", self.evaluation.sts))
        named |= {("evaluation.pairs", path) for path in self.evaluation.pairs}
        lines = []
        for name, path in sorted((name, str(path)) for name, path in named if path is not None):
            if not _is_there(name, path):
                lines.append(f"{name} {path}")
        return lines


_INPUTS = ("corpus", "paraphrases", "pairs", "table", "model", "dev")


def _is_there(name: str, path: str) -> bool:
    if name == "model":  # one of the hub is looked for when the run starts
        return Path(path).is_dir() or not looks_like_path(path)
    try:
        return all(found.exists() for found in find_files(path) or [])
    except StorageError:
        return False


def shipped_plans() -> dict[str, str]:
    """The plans that come with the package: name and description."""
    return {name: _parse(name, _shipped(name))["description"] for name in _shipped_names()}


def load_plan(plan: str | os.PathLike[str], *, settings: Sequence[str] = ()) -> Plan:
    """Read a plan and check every run of it.

    Args:
        plan: A TOML file, or the name of a plan that comes with the package.
        settings: Changes as "name=value": an option of the base ("corpus=text.txt"), a part ("seeds=[0, 1]"),
            or a part's option ("evaluation.sts=data", "arm.una.every=2"). Values are TOML; what is no TOML is
            text.

    Raises:
        InputError: The file is no TOML.
        OptionError: A name is unknown, a value out of range, or something needed is missing.
        StorageError: The file cannot be read.
    """
    name, text = _read(plan)
    tree = _parse(name, text)
    for setting in settings:
        _apply(tree, setting)
    try:
        return _plan(tree)
    except OptionError as error:
        raise OptionError(f"plan {name}: {error}") from error


def _read(plan: str | os.PathLike[str]) -> tuple[str, str]:
    path = Path(plan)
    if not path.exists() and os.fspath(plan) in _shipped_names():
        return os.fspath(plan), _shipped(os.fspath(plan))
    try:
        with storage_errors(path):
            return str(path), path.read_text(encoding="utf-8")
    except StorageError as error:
        if error.errno != errno.ENOENT:
            raise
        shipped = ", ".join(_shipped_names())
        raise StorageError(
            error.errno, f"no such plan; those that come with una-fast: {shipped}", str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, byte {error.start}: not UTF-8") from error


def _shipped_names() -> list[str]:
    folder = files("una_fast.experiment") / "plans"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def _shipped(name: str) -> str:
    return (files("una_fast.experiment") / "plans" / f"{name}.toml").read_text(encoding="utf-8")


def _parse(name: str, text: str) -> Options:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"plan {name} is not TOML: {error}") from error


def _apply(tree: Options, setting: str) -> None:
    """Change one value of a plan as read."""
    path, equals, text = setting.partition("=")
    parts = [part.strip() for part in path.split(".", 2)]
    if not equals or not all(parts):
        raise OptionError(f"a setting is name=value, got {setting!r}")
    target, name = _target(tree, parts, setting)
    target[name] = _literal(text)


def _target(tree: Options, parts: list[str], setting: str) -> tuple[Options, str]:
    """The table that a setting's name leads to, and the key in it."""
    match parts:
        case [name]:
            return (tree if name in _PARTS else tree.setdefault("base", {})), name
        case ["base" | "evaluation" | "grid" as part, name]:
            return tree.setdefault(part, {}), name
        case ["arm" | "condition" as part, variant, name]:
            known = {entry.get("name"): entry for entry in tree.get(part, [])}
            if variant in known:
                return known[variant], name
            raise OptionError(f"setting {setting!r}: no {part} {variant!r}{_nearest(variant, known)}")
    raise OptionError(
        f"setting {setting!r}: a name is an option, a part of the plan, evaluation.NAME, grid.NAME, "
        f"arm.NAME.OPTION or condition.NAME.OPTION"
    )


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _plan(tree: Options) -> Plan:
    _check_keys("the plan", tree, _PARTS)
    for part in ("name", "seeds", "baseline", "evaluation"):
        if part not in tree:
            raise OptionError(f"{part} is missing")
    for part, kind in (
        ("base", dict),
        ("grid", dict),
        ("evaluation", dict),
        ("arm", list),
        ("condition", list),
    ):
        if not isinstance(tree.get(part, kind()), kind):
            raise OptionError(
                f"{part} must be a table, written {'[[%s]]' if kind is list else '[%s]'}" % part
            )
    base = tree.get("base", {})
    _check_options("base", base)
    arms, conditions = (
        _variants("arm", tree.get("arm", [])),
        _variants("condition", tree.get("condition", [])),
    )
    points = list(_points("grid", tree.get("grid", {})))
    if not arms:
        arms, points = [point for point in points if point.name], [Variant(name="", options={})]
    if not arms:
        raise OptionError("there is neither an [[arm]] nor a [grid]")
    return Plan(
        name=str(tree["name"]),
        description=str(tree.get("description", "")).strip(),
        seeds=tuple(tree["seeds"]) if isinstance(tree["seeds"], list) else (tree["seeds"],),
        baseline=str(tree["baseline"]),
        base=base,
        arms=tuple(arms),
        conditions=tuple(_crossed(conditions or [Variant(name="", options={})], points)),
        evaluation=_evaluation(tree["evaluation"]),
    )


def _evaluation(table: Options) -> Evaluation:
    _check_keys("evaluation", table, [field.name for field in fields(Evaluation)])
    lists = {
        name: tuple(value) if isinstance(value, list) else (value,)
        for name, value in table.items()
        if name in ("pairs", "tasks", "weights")
    }
    return Evaluation(**{**table, **lists})


def _variants(part: str, tables: list[Options]) -> list[Variant]:
    """The arms or conditions of a plan; one with a grid is one for each of its points."""
    found = []
    for number, table in enumerate(tables, 1):
        if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not table["name"]:
            raise OptionError(f"{part} {number} has no name")
        where = f"{part} {table['name']!r}"
        options = {name: value for name, value in table.items() if name not in ("name", "grid")}
        _check_options(where, options)
        points = _points(f"{where}, grid", table.get("grid", {}))
        found += _crossed([Variant(name=table["name"], options=options)], points)
    return found


def _points(where: str, grid: Mapping[str, Any]) -> Iterator[Variant]:
    """Every combination of a grid's values, named after them; of an empty grid the one without any."""
    _check_options(where, grid)
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise OptionError(f"{where}: {name} must be a list of values, got {values!r}")
    for values in itertools.product(*grid.values()):
        options = dict(zip(grid, values, strict=True))
        yield Variant(
            name=" ".join(f"{name}={_short(value)}" for name, value in options.items()), options=options
        )


def _short(value: object) -> str:
    """A value as part of a name: of a path its last part."""
    return Path(value).name if isinstance(value, str) else str(value)


def _crossed(first: Iterable[Variant], second: Iterable[Variant]) -> list[Variant]:
    return [
        Variant(name=f"{left.name} {right.name}".strip(), options={**left.options, **right.options})
        for left, right in itertools.product(first, list(second))
    ]


def _check_options(where: str, options: Mapping[str, Any]) -> None:
    for name in options:
        if name in _OURS:
            raise OptionError(f"{where}: {name} cannot be set here: {_OURS[name]}")
    _check_keys(where, options, [name for name in _OPTIONS if name not in _OURS])


def _check_keys(where: str, table: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in table:
        if name not in known:
            raise OptionError(f"{where} has {name!r}, which is unknown{_nearest(name, known)}")


def _nearest(name: str, known: Iterable[object]) -> str:
    close = difflib.get_close_matches(name, [str(each) for each in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(map(str, known))}"


def _check_names(part: str, variants: Sequence[Variant]) -> None:
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"two {part}s are called {name!r}")


def _check_seeds(seeds: tuple[int, ...]) -> None:
    whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
    if not seeds or not whole or len(set(seeds)) != len(seeds):
        raise OptionError(f"seeds must be distinct whole numbers, one at least, got {list(seeds)}")


def _check_complete(run: Run) -> None:
    for name, instead in (("model", ()), ("corpus", ("pairs",))):
        if not any(each in run.options for each in (name, *instead)):
            raise OptionError(f"{run.title}: {name} is missing; give it in [base] or with --set {name}=...")
    for name in ("model", *FILES):
        value = run.options.get(name, "")
        if not isinstance(value, str | list):
            raise OptionError(f"{run.title}: {name} must be a path or a name, got {value!r}")
