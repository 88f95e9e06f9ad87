"""One self-contained HTML page that shows what an experiment came to.

It is a function of plan, summary and samples alone, and holds no time, so that equal experiments leave equal bytes.
"""

from collections.abc import Sequence

from una_fast.experiment.pictures import differences, scores
from una_fast.experiment.plan import Plan
from una_fast.experiment.samples import Sample
from una_fast.experiment.statistics import largest_coverage
from una_fast.experiment.summary import HEAD, Comparison, Spread, Start, Summary, cells, points, title_of
from una_fast.page.layout import LEGEND, annotate, escape, examples, figure, page, section, settings_list

__all__ = ["render_report"]


def render_report(plan: Plan, summary: Summary, samples: Sequence[Sample]) -> str:
    """Return the page; write it as UTF-8."""
    comparisons = [comparison for comparison in summary.comparisons if comparison.arms]
    parts = [_header(plan, summary)]
    parts += [_comparison(plan, summary, each, f"c{number}") for number, each in enumerate(comparisons)]
    parts += [section("How to read the intervals", _reading(plan))]
    if samples:
        parts.append(section("What the negatives look like", _negatives(samples)))
    parts.append(section("What was run", _what_was_run(plan)))
    return page(f"{plan.name}: una-fast experiment", parts)


def _header(plan: Plan, summary: Summary) -> str:
    figures = (
        (str(len(plan.arms)), "arms"),
        (str(len(plan.conditions)), "conditions"),
        (str(len(plan.seeds)), "seeds"),
        (f"{summary.finished} of {summary.planned}", "runs finished"),
    )
    cards = "".join(
        f"<li><b>{count}</b><span>{label}</span></li>"
        for count, label in figures
        if (count, label) != ("1", "conditions")
    )
    return (
        f"<header><p class='brand'>una-fast experiment</p><h1>{escape(plan.name)}</h1>"
        f"<p class='lead'>{escape(plan.description)}</p><ul class='figures'>{cards}</ul></header>"
    )


def _comparison(plan: Plan, summary: Summary, comparison: Comparison, name: str) -> str:
    starts = "".join(
        f"<p>{_title(start)} scores {'nothing defined' if start.mean is None else f'{100 * start.mean:.2f}'}.</p>"
        for start in comparison.starts
    )
    body = [
        f"<p>Mean Spearman correlation (x 100) over {', '.join(summary.tasks)}. "
        f"Differences are from <b>{escape(plan.baseline)}</b>, seed by seed.</p>{starts}",
        _means(comparison),
        figure(scores(comparison, f"{name}-scores"), _SCORES),
    ]
    if any(arm.difference is not None for arm in comparison.arms):
        body.append(figure(differences(comparison, f"{name}-differences"), _DIFFERENCES))
    body.append(_tasks(summary, comparison))
    return section(escape(title_of(comparison)), "".join(body))


def _title(start: Start) -> str:
    if start.pooling is None:
        return f"{escape(start.model)}, compared by cosine with nothing trained,"
    return f"Before training, {escape(_last_part(start.model))} ({start.pooling} pooling)"


_SCORES = (
    "A dot is a run, the upright line the mean of an arm, broken lines the model before training and the TF-IDF of the "
    "table."
)
_DIFFERENCES = (
    "A dot is the difference of two runs with the same seed, the upright line their mean. Upper bar: interval over "
    "seeds. Lower bar: interval over test pairs."
)


def _means(comparison: Comparison) -> str:
    return _table(HEAD, [cells(arm) for arm in comparison.arms])


def _tasks(summary: Summary, comparison: Comparison) -> str:
    head = ("arm", *summary.tasks)
    rows = [(arm.arm, *(_spread(arm.tasks[task]) for task in summary.tasks)) for arm in comparison.arms]
    starts = [
        (
            start.model if start.pooling is None else f"before: {_last_part(start.model)}",
            *(points(start.scores[task]) for task in summary.tasks),
        )
        for start in comparison.starts
    ]
    return _table(head, [*starts, *rows], "Each task, mean and standard deviation over seeds")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table whose first column names the row; any text."""
    titles = "".join(
        f"<th scope='col'{' class=number' if place else ''}>{escape(title)}</th>"
        for place, title in enumerate(head)
    )
    body = "".join(
        f"<tr><th scope='row'>{escape(first)}</th>"
        + "".join(f"<td class='number'>{escape(cell)}</td>" for cell in others)
        + "</tr>"
        for first, *others in rows
    )
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class='scroll'><table>{named}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def _reading(plan: Plan) -> str:
    n = len(plan.seeds)
    return (
        "<p><b>Over seeds</b> says how the mean difference would vary had other seeds been drawn: a percentile "
        "interval of the bootstrap over the differences, at 95 % in name. "
        f"{_coverage(n)} <b>p</b> is that of the exact sign-flip test, which with {n} "
        f"{'seed' if n == 1 else 'seeds'} cannot fall below {2.0 ** (1 - n):.3g}.</p>"
        "<p><b>Over pairs</b> takes the trained encoders as they are and says how their mean difference would vary "
        "with other test pairs of the same kind. It knows nothing of other seeds. A difference worth "
        "believing keeps away from 0 in both, and has more than a handful of seeds behind it.</p>"
        "<p>Arms are compared one by one; where there are many, some intervals miss 0 by luck.</p>"
    )


def _coverage(n: int) -> str:
    if n < 2:
        return "With a single seed there is none."
    cover = largest_coverage(n)
    if cover >= 0.95:
        return f"With {n} seeds it is still somewhat too narrow."
    return (
        f"It lies within the range of the {n} differences, and such a range holds the true middle in "
        f"{cover:.0%} of all cases at most: read it as that."
    )


def _negatives(samples: Sequence[Sample]) -> str:
    parts = [
        f"<h3>{escape(', '.join(sample.arms))}</h3>{examples(map(annotate, sample.explanations))}"
        for sample in samples
    ]
    return f"<p>The same sentences under every strategy, with the first seed.</p>{LEGEND}{''.join(parts)}"


def _what_was_run(plan: Plan) -> str:
    common = [("seeds", ", ".join(map(str, plan.seeds))), *_named(plan.base)]
    common += [
        (
            "scored on",
            ", ".join(map(_last_part, filter(None, (plan.evaluation.sts, *plan.evaluation.pairs)))),
        ),
        ("weights", ", ".join(plan.evaluation.weights)),
    ]
    variants = [
        (
            f"{kind} {variant.name}",
            ", ".join(f"{name} = {value}" for name, value in _named(variant.options)) or "as above",
        )
        for kind, group in (("arm", plan.arms), ("condition", plan.conditions))
        for variant in group
        if variant.name
    ]
    return (
        f"{settings_list(common)}<h3>Arms and conditions</h3>{settings_list(variants)}"
        "<p>Options not named are the defaults of the release that ran it. rows.jsonl, beside this page, holds every "
        "run with its versions.</p>"
    )


def _named(options: dict[str, object]) -> list[tuple[str, str]]:
    """Options for the eye: of a path, which is one machine's alone, the last part."""
    return [(name, _last_part(value)) for name, value in options.items()]


def _last_part(value: object) -> str:
    return value.rstrip("/").rsplit("/", 1)[-1] if isinstance(value, str) else str(value)


def _spread(spread: Spread) -> str:
    deviation = "" if spread.deviation is None else f" ± {100 * spread.deviation:.2f}"
    return f"{100 * spread.mean:.2f}{deviation}"
