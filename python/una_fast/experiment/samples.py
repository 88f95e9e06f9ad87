"""Sampled negatives of each strategy: a few sentences of the corpus, and what each arm makes of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.augment import Explanation
from una_fast.experiment.plan import FILES, Plan, Run
from una_fast.page.layout import example_rows
from una_fast.training.corpus import Corpus, open_corpus, open_negatives, open_table
from una_fast.training.distributed import Processes

if TYPE_CHECKING:
    from una_fast.table import TermTable

__all__ = ["Sample", "Sources", "sample_negatives"]

SENTENCES = 3


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The negatives of one strategy: the arms that use it, and the same sentences for every strategy."""

    arms: tuple[str, ...]
    explanations: tuple[Explanation, ...]


def sample_negatives(plan: Plan) -> tuple[Sample, ...]:
    """Explain the negatives of every arm under the first condition with the first seed; equal ones once.

    Raises:
        InputError: Text that cannot be used.
    """
    condition, seed = plan.conditions[0].name, plan.seeds[0]
    found: dict[tuple[Explanation, ...], list[str]] = {}
    sources = Sources()
    for run in plan.runs():
        if (run.condition, run.seed) == (condition, seed) and run.config(Path("unused")).every:
            found.setdefault(sources.explain(run), []).append(run.arm)
    return tuple(Sample(arms=tuple(arms), explanations=texts) for texts, arms in found.items())


class Sources:
    """Corpora and tables that runs share, each read and fitted once."""

    def __init__(self) -> None:
        self._corpora: dict[str, Corpus] = {}
        self._tables: dict[str, TermTable] = {}

    def corpus(self, run: Run) -> Corpus:
        """The text of a run."""
        files = repr([run.options.get(name) for name in FILES])
        if files not in self._corpora:
            self._corpora[files] = open_corpus(run.config(Path("unused")))
        return self._corpora[files]

    def table(self, run: Run) -> "TermTable":
        """The term table of a run, fitted on its text where none is given."""
        if run.table() not in self._tables:
            self._tables[run.table()] = open_table(run.config(Path("unused")), self.corpus(run), Processes())
        return self._tables[run.table()]

    def explain(self, run: Run) -> tuple[Explanation, ...]:
        """The first negatives of a run."""
        corpus = self.corpus(run)
        source = open_negatives(run.config(Path("unused")), self.table(run))
        return tuple(_explain(source, corpus, example_rows(corpus.sentences, SENTENCES)))


def _explain(source: Any, corpus: Corpus, rows: Iterable[int]) -> Iterable[Explanation]:
    """The negatives that training meets in its first epoch."""
    for row in rows:
        yield source.explain(corpus.sentences[row], row=row)
