"""Plans: what they expand to, and what is said of one that cannot be run."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="experiments need the train extra")

from una_fast.errors import InputError, OptionError, StorageError
from una_fast.experiment import Plan, load_plan, shipped_plans

PLAN = """
name = "trial"
seeds = [3, 5]
baseline = "plain"

[base]
model = "m"
corpus = ["a.txt", "b.txt"]
batch_size = 8
paraphrases = "p.txt"

[[arm]]
name = "plain"
every = 0

[[arm]]
name = "una"
radius = 7
grid = { every = [1, 5], replace_prob = [0.25] }

[[condition]]
name = "dropout"
paraphrases = "none"

[[condition]]
name = "pairs"
batch_size = 16
radius = 9

[evaluation]
sts = "senteval"
"""


def load(tmp_path: Path, text: str = PLAN, *settings: str) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path, settings=settings)


def test_a_plan_is_every_arm_under_every_condition_with_every_seed(tmp_path: Path) -> None:
    runs = list(load(tmp_path).runs())
    arms = ["plain", "una every=1 replace_prob=0.25", "una every=5 replace_prob=0.25"]
    assert [run.key for run in runs] == [
        (condition, arm, seed) for seed in (3, 5) for condition in ("dropout", "pairs") for arm in arms
    ]


def test_an_arm_overrides_its_condition_which_overrides_the_base(tmp_path: Path) -> None:
    runs = {run.key: run.config(tmp_path) for run in load(tmp_path).runs()}
    plain = runs["pairs", "plain", 3]
    una = runs["pairs", "una every=5 replace_prob=0.25", 3]
    assert (plain.batch_size, plain.radius, plain.every) == (16, 9, 0)
    assert (una.batch_size, una.radius, una.every, una.seed) == (16, 7, 5, 3)


def test_none_is_written_as_a_word_and_files_are_paths(tmp_path: Path) -> None:
    """Protects the two things that TOML cannot say."""
    runs = {run.key: run.config(tmp_path) for run in load(tmp_path).runs()}
    assert runs["dropout", "plain", 3].paraphrases is None
    assert runs["pairs", "plain", 3].paraphrases == "p.txt"
    assert runs["pairs", "plain", 3].corpus == [Path("a.txt"), Path("b.txt")]


def test_a_grid_alone_makes_the_arms(tmp_path: Path) -> None:
    text = PLAN[: PLAN.index("[[arm]]")].replace('"plain"', '"every=0"')
    plan = load(tmp_path, text + '[grid]\nevery = [0, 5]\n[evaluation]\nsts = "s"\n')
    assert [arm.name for arm in plan.arms] == ["every=0", "every=5"]
    assert [condition.name for condition in plan.conditions] == [""]


def test_a_grid_beside_arms_makes_conditions(tmp_path: Path) -> None:
    plan = load(tmp_path, PLAN + "[grid]\nmax_length = [8, 16]\n")
    assert [condition.name for condition in plan.conditions] == [
        "dropout max_length=8",
        "dropout max_length=16",
        "pairs max_length=8",
        "pairs max_length=16",
    ]


def test_settings_change_the_plan(tmp_path: Path) -> None:
    settings = ("corpus=c.txt", "seeds=[1]", "arm.plain.temperature=0.1", "condition.pairs.batch_size=4")
    plan = load(tmp_path, PLAN, *settings, "evaluation.weights=last", "base.max_length=12")
    runs = {run.key: run.config(tmp_path) for run in plan.runs()}
    config = runs["pairs", "plain", 1]
    assert (config.corpus, config.temperature, config.batch_size, config.max_length) == ("c.txt", 0.1, 4, 12)
    assert plan.evaluation.weights == ("last",)
    assert plan.seeds == (1,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "batch_size = 8",
            "bach_size = 8",
            "base has 'bach_size', which is unknown; did you mean 'batch_size'",
        ),
        ("every = 0", "evry = 0", "arm 'plain' has 'evry', which is unknown; did you mean 'every'"),
        ("batch_size = 16", "batchsize = 1", "condition 'pairs' has 'batchsize'.*did you mean 'batch_size'"),
        ("sts =", "stss =", "evaluation has 'stss', which is unknown; did you mean 'sts'"),
        ("[base]", "[bass]", "the plan has 'bass', which is unknown; did you mean 'base'"),
        (
            'baseline = "plain"',
            'baseline = "plan"',
            "baseline is 'plan', which is no arm; did you mean 'plain'",
        ),
        (
            "every = 0",
            "every = -1",
            "dropout, plain, seed 3: every must be at least 0, not -1",
        ),
        ("seeds = [3, 5]", "seeds = [3, 3]", r"seeds must be distinct whole numbers.*got \[3, 3\]"),
        ("seeds = [3, 5]", "seeds = []", "seeds must be distinct"),
        ("seeds = [3, 5]", "", "seeds is missing"),
        ('sts = "senteval"', "", "evaluation has neither sts, .* nor pairs"),
        (
            'sts = "senteval"',
            'sts = "s"\ntasks = ["STS21"]',
            "evaluation.tasks has 'STS21'.*did you mean 'STS",
        ),
        ('sts = "senteval"', 'sts = "s"\nweights = "worst"', "evaluation.weights must list .*worst"),
        ('model = "m"', "", r"model is missing; give it in \[base\] or with --set model="),
        ('model = "m"', "model = 3", "model must be a path or a name, got 3"),
        ("radius = 7", "seed = 7", "arm 'una': seed cannot be set here: a plan has seeds"),
        ("radius = 7", 'output = "x"', "arm 'una': output cannot be set here"),
        ("every = [1, 5]", "every = 5", "arm 'una', grid: every must be a list of values, got 5"),
        ('name = "una"', 'name = ""', "arm 2 has no name"),
        ('name = "dropout"', 'name = "pairs"', "two conditions are called 'pairs'"),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PLAN
    with pytest.raises(OptionError, match=message):
        load(tmp_path, PLAN.replace(old, new, 1))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("corpus", "a setting is name=value, got 'corpus'"),
        ("corpsu=x", "base has 'corpsu', which is unknown; did you mean 'corpus'"),
        ("arm.plan.every=1", "no arm 'plan'; did you mean 'plain'"),
        ("model.name=1", "a name is an option, a part of the plan"),
        ("max_steps=none_", "max_steps must be a whole number, got 'none_'"),
    ],
)
def test_what_is_wrong_with_a_setting_is_named(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        load(tmp_path, PLAN, setting)


def test_a_file_that_is_no_toml_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not TOML: Invalid value"):
        load(tmp_path, "name = ")
    with pytest.raises(StorageError, match="no such plan; those that come with una-fast: ablation, "):
        load_plan("ablatoin")


@pytest.mark.parametrize("name", sorted(shipped_plans()))
def test_shipped_plans_can_be_run(name: str) -> None:
    """Protects every option that they name, and their descriptions, which --list shows."""
    plan = load_plan(name, settings=["corpus=c.txt", "paraphrases=p.txt"])
    assert plan.name == name
    assert plan.description
    assert len(list(plan.runs())) == len(plan.seeds) * len(plan.arms) * len(plan.conditions)


def test_the_plans_of_the_paper_are_shipped() -> None:
    wanted = {
        "paper-table",
        "ablation",
        "frequency",
        "radius",
        "probability",
        "importance",
        "language",
        "long-documents",
    }
    assert wanted <= shipped_plans().keys()
