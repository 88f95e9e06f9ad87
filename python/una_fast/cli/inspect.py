"""`una-fast inspect`: look at a table, and at what it does to a sentence, before trusting it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast import shared_options as same
from una_fast.cli.options import NegativeOptions, tell_missing, tell_window
from una_fast.cli.terminal import shown
from una_fast.errors import InputError
from una_fast.options import add_options, option

if TYPE_CHECKING:
    from una_fast.augment import Augmenter, Explanation
    from una_fast.table import TermStats, TermTable


@dataclass(frozen=True, kw_only=True)
class InspectOptions(NegativeOptions):
    """The options of `una-fast inspect`."""

    table: Path = option(help="A table made by una-fast fit.", group="text", positional=True)
    term: Sequence[str] = option((), "Show its vicinity (repeatable).", group="output", repeatable=True)
    sentence: Sequence[str] = option(
        (), "Show what becomes of it (repeatable).", group="output", repeatable=True
    )
    number: int = option(10, "Terms or negatives to show.", group="output", least=1, short="n")
    json: bool = option(same.JSON)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "inspect",
        help="look at a table and at sampled negatives",
        usage="una-fast inspect TABLE [options]",
        description="Show the most and least important terms, the vicinity of a term, or what becomes of a sentence: "
        "each token's probability and some negatives, replaced words highlighted.",
    )
    add_options(parser, InspectOptions)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads and shows."""
    from una_fast.table import TermTable

    options = InspectOptions.from_arguments(args)
    table = TermTable.load(options.table, tokenizer=options.given_tokenizer())
    maker = options.augmenter(table)
    tell_missing(maker, options)
    tell_window(maker)
    if options.json:
        print(shown(json.dumps(_as_json(table, maker, options), ensure_ascii=False)))
        return 0
    style = Style(sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    phrases = f", {len(table.phrases):,} phrases" if table.phrases else ""
    print(f"{table.n_documents:,} sentences, {len(table):,} terms, tokenizer {table.tokenizer}{phrases}\n")
    if not options.term and not options.sentence:
        print(_ranking(table, options.number))
    for term in options.term:
        print(_vicinity(table, term, maker.radius, options.number), end="\n\n")
    for sentence in options.sentence:
        print(_sentence(maker, sentence, options.number, style), end="\n\n")
    return 0


class Style:
    """A style for words that stand out: in colour on a terminal, by brackets elsewhere."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def replaced(self, text: str) -> str:
        """A word that was put in."""
        return f"\x1b[1;31m{shown(text)}\x1b[0m" if self.colour else f"[{shown(text)}]"


def _ranking(table: TermTable, n: int) -> str:
    blocks = [("most important", table.top(n)), ("least important", table.top(n, least=True))]
    return "\n\n".join(f"{title}\n{_term_lines(terms)}" for title, terms in blocks)


def _vicinity(table: TermTable, term: str, radius: int, n: int) -> str:
    stats = _look_up(table, term)
    around = table.vicinity(stats.term, radius)
    total = sum(other.score for other in around)
    first = max(0, min(stats.rank - around[0].rank - n // 2, len(around) - n))
    share = stats.score / total if total else 1 / len(around)
    head = (
        f"{stats.term!r}: rank {stats.rank:,}, score {stats.score:.4f}, in {stats.df:,} sentences\n"
        f"may be replaced by ranks {around[0].rank:,} to {around[-1].rank:,} ({len(around):,} terms, "
        f"itself with probability {share:.2g}); the nearest:"
    )
    return f"{head}\n{_term_lines(around[first : first + n], mark=stats.rank)}"


def _look_up(table: TermTable, term: str) -> TermStats:
    for candidate in (term, term.lower()):
        if candidate in table:
            return table[candidate]
    raise InputError(f"the table holds no term {term!r}")


def _term_lines(terms: Sequence[TermStats], mark: int | None = None) -> str:
    names = [shown(stats.term) for stats in terms]
    width = max(map(len, [*names, "term"]))
    lines = [f"  {'rank':>9}  {'term':<{width}}  {'score':>8}  {'idf':>7}  {'df':>9}"]
    for stats, name in zip(terms, names, strict=True):
        sign = ">" if stats.rank == mark else " "
        lines.append(
            f"{sign} {stats.rank:>9,}  {name:<{width}}  "
            f"{stats.score:>8.4f}  {stats.idf:>7.4f}  {stats.df:>9,}"
        )
    return "\n".join(lines)


def _sentence(maker: Augmenter, sentence: str, n: int, style: Style) -> str:
    first = maker.explain(sentence)
    lines = [shown(sentence), "", first.token_table()]
    lines += ["", f"  {n} negatives, rows 0 to {n - 1}:"]
    lines += [f"  {_highlighted(maker.explain(sentence, row=row), maker, style)}" for row in range(n)]
    return "\n".join(lines)


def _highlighted(explanation: Explanation, maker: Augmenter, style: Style) -> str:
    if maker.surface == "reference":
        return " ".join(
            style.replaced(t.replacement) if t.replacement else shown(t.text) for t in explanation.tokens
        )
    out, copied = [], 0
    for token in explanation.tokens:
        if token.replacement:
            out += [shown(explanation.sentence[copied : token.start]), style.replaced(token.replacement)]
            copied = token.end
    return "".join(out) + shown(explanation.sentence[copied:])


def _as_json(table: TermTable, maker: Augmenter, options: InspectOptions) -> dict[str, Any]:
    out: dict[str, Any] = {
        "sentences": table.n_documents,
        "terms": len(table),
        "tokenizer": table.tokenizer,
        "phrases": len(table.phrases),
        "digest": table.digest,
        "most_important": [asdict(stats) for stats in table.top(options.number)],
        "least_important": [asdict(stats) for stats in table.top(options.number, least=True)],
    }
    if options.term:
        out["vicinity"] = {
            term: [asdict(s) for s in table.vicinity(_look_up(table, term).term, maker.radius)]
            for term in options.term
        }
    if options.sentence:
        out["sentences_explained"] = [
            {
                "sentence": sentence,
                "tokens": [asdict(token) for token in maker.explain(sentence).tokens],
                "negatives": [maker.explain(sentence, row=row).negative for row in range(options.number)],
            }
            for sentence in options.sentence
        ]
    return out
