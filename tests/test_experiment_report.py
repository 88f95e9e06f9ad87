"""The page of an experiment: self-contained, escaped, true to its figures."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="experiments need the train extra")

from page_support import inspect
from una_fast import Augmenter, fit
from una_fast.experiment import Plan, Summary
from una_fast.experiment.plan import Evaluation, Variant
from una_fast.experiment.report import render_report
from una_fast.experiment.samples import Sample, sample_negatives
from una_fast.experiment.statistics import Interval, compare
from una_fast.experiment.summary import TF_IDF, ArmSummary, Comparison, Spread, Start

HOSTILE = "<script>alert('$x$ & \"y\"')</script>"
TASKS = ("STS12", "STS-B")


def make_plan(word: str = "una", seeds: tuple[int, ...] = (0, 1, 2), corpus: str = "/home/me/c.txt") -> Plan:
    return Plan(
        name=word,
        description=word,
        seeds=seeds,
        baseline="plain",
        base={"model": "/home/me/bert", "corpus": corpus},
        arms=(Variant(name="plain", options={"every": 0}), Variant(name=word, options={"radius": 7})),
        conditions=(Variant(name="", options={}),),
        evaluation=Evaluation(sts="/home/me/senteval"),
    )


def make_arm(arm: str, by_seed: tuple[float, ...], baseline: tuple[float, ...] | None) -> ArmSummary:
    spread = Spread(mean=sum(by_seed) / len(by_seed), deviation=0.015)
    difference = None
    if baseline is not None:
        difference = compare(by_seed, baseline, over_pairs=Interval(low=-0.0123, high=0.0456))
    return ArmSummary(
        arm=arm,
        seeds=tuple(range(len(by_seed))),
        by_seed=by_seed,
        mean=spread,
        tasks=dict.fromkeys(TASKS, spread),
        steps=(10,) * len(by_seed),
        difference=difference,
    )


def make_summary(word: str = "una") -> Summary:
    plain = (0.50, 0.52, 0.54)
    comparison = Comparison(
        condition="",
        weights="best",
        arms=(make_arm("plain", plain, None), make_arm(word, (0.51, 0.55, 0.56), plain)),
        starts=(
            Start(model="/home/me/bert", pooling="cls", scores={"STS12": 0.3, "STS-B": None}, mean=None),
            Start(model=TF_IDF, pooling=None, scores={"STS12": 0.5, "STS-B": 0.7}, mean=0.6),
        ),
    )
    return Summary(
        name=word,
        description=word,
        baseline="plain",
        tasks=TASKS,
        comparisons=(comparison, replace(comparison, weights="last")),
        finished=6,
        planned=6,
    )


def make_samples(word: str = "una") -> tuple[Sample, ...]:
    corpus = [f"a {word} by the {word} river", "one two three", "the other river", "a third one"]
    augmenter = Augmenter(fit(corpus))
    return (Sample(arms=(word,), explanations=tuple(augmenter.explain(each) for each in corpus)),)


def render(word: str = "una") -> str:
    return render_report(make_plan(word), make_summary(word), make_samples(word))


def test_the_page_is_well_formed_and_asks_for_nothing() -> None:
    page = render()
    seen = inspect(page)
    assert seen.fetched == ["data:,"]
    assert "script" not in seen.tags
    assert "@import" not in page
    assert "url(http" not in page
    assert seen.tags.count("svg") == 4
    assert len(set(seen.ids)) == len(seen.ids)


def test_text_of_plan_and_corpus_stays_text() -> None:
    plain, hostile = inspect(render()), inspect(render(HOSTILE))
    assert "script" not in hostile.tags
    assert set(hostile.tags) == set(plain.tags)
    assert HOSTILE in "".join(hostile.text)


def test_the_figures_are_those_of_the_summary() -> None:
    page = render()
    for figure in (
        "54.00",
        "+2.00",
        "+1.00 .. +3.00",
        "-1.23 .. +4.56",
        "0.25",
        "52.00 ± 1.50",
        "75%",
        "with nothing trained, scores 60.00",
    ):
        assert figure in page


def test_no_folder_of_the_machine_is_on_the_page() -> None:
    assert "/home/me" not in render()


def test_equal_experiments_have_equal_pages() -> None:
    assert render() == render()


def test_one_seed_and_an_unfinished_experiment_have_a_page() -> None:
    arm = make_arm("plain", (0.5,), None)
    first = make_summary().comparisons[0]
    summary = replace(
        make_summary(), comparisons=(replace(first, arms=(arm,)), replace(first, arms=())), finished=1
    )
    page = render_report(make_plan(seeds=(0,)), summary, ())
    assert inspect(page).tags.count("svg") == 1
    assert "1 of 6" in page
    assert "With a single seed there is none." in page


def test_strategies_that_give_equal_negatives_are_shown_once(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "".join(f"the {n} cats of street {n} sat on mat {n % 7}\n" for n in range(50)), encoding="utf-8"
    )
    plan = make_plan(corpus=str(corpus))
    arms = (*plan.arms, Variant(name="same", options={"radius": 7, "temperature": 0.1}))
    samples = sample_negatives(
        replace(plan, arms=(*arms, Variant(name="random", options={"replace": "uniform"})))
    )
    assert [sample.arms for sample in samples] == [("una", "same"), ("random",)]
    assert all(len(sample.explanations) == 3 for sample in samples)
    assert samples[0].explanations[0].sentence == samples[1].explanations[0].sentence
