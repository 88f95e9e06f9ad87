"""Which of a thousand texts is the other half of this one? For longer documents, and languages without scored pairs.

    python examples/halves.py make FOLDER_OR_FILE... --output paragraphs [--words 50]
    una-fast experiment examples/long-halves.toml --keep-encoders --output long
    python examples/halves.py score examples/long-halves.toml long paragraphs/halves.tsv

`make` takes the paragraphs of the HTML in folders, and of other files each line as a text. It writes texts.txt, to
train on; halves.tsv, a thousand texts that are not among these, cut in two where a sentence ends nearest to the
middle, or else a word; and scored.tsv, each left half with its own right half and with another, as pairs to score.
`score` looks up each left half among all right halves, by cosine, with every encoder that an experiment kept.
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from una_fast.evaluation import Encoder, load_encoder
from una_fast.experiment import load_plan
from una_fast.experiment.statistics import compare, holm
from una_fast.experiment.store import open_store
from una_fast.sources import load_sentences

HELD_OUT = 1000

SENTENCE_ENDS = re.compile(r"[.!?]\s+(?=\S)|[\u3002\uff01\uff1f](?=.)")
WORDS_END = re.compile(r"\s+")


def main() -> None:
    """Make texts and halves, or score encoders on halves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("make", help="texts and halves out of HTML or lines")
    make.add_argument("sources", nargs="+", type=Path)
    make.add_argument("--output", type=Path, required=True, help="folder to write")
    make.add_argument("--words", type=int, default=50, help="a text has so many words at least")
    make.set_defaults(run=lambda args: _make(args.sources, args.output, args.words))
    score = commands.add_parser("score", help="encoders that an experiment kept")
    score.add_argument("plan")
    score.add_argument("results", type=Path)
    score.add_argument("halves", type=Path)
    score.add_argument("--set", action="append", default=[], help="as it was given to the experiment")
    score.set_defaults(run=lambda args: _score(args.plan, args.set, args.results, args.halves))
    args = parser.parse_args()
    args.run(args)


def _make(sources: Iterable[Path], output: Path, words: int) -> None:
    texts = {text: None for source in sources for text in _texts_of(source) if len(text.split()) >= words}
    order = [[*texts][row] for row in np.random.default_rng(0).permutation(len(texts))]
    output.mkdir(parents=True, exist_ok=True)
    halves = [_halves(text) for text in order[:HELD_OUT]]
    others = [right for _, right in halves[1:] + halves[:1]]
    files = {
        "texts.txt": order[HELD_OUT:],
        "halves.tsv": [f"{left}\t{right}" for left, right in halves],
        "scored.tsv": [f"{left}\t{right}\t1" for left, right in halves]
        + [f"{left}\t{other}\t0" for (left, _), other in zip(halves, others, strict=True)],
    }
    for name, lines in files.items():
        (output / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(order) - HELD_OUT:,} texts to train on, {len(halves):,} cut in halves, in {output}")


def _texts_of(source: Path) -> Iterator[str]:
    """The paragraphs below a folder of HTML, or the lines of a file."""
    if not source.is_dir():
        yield from load_sentences(str(source))
        return
    for path in sorted(source.rglob("*.html")):
        reader = Paragraphs()
        reader.feed(path.read_text(encoding="utf-8", errors="replace"))
        yield from reader.found


class Paragraphs(HTMLParser):
    """Gathers the text of paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._parts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # html.parser gives it
        """Begins one."""
        if tag == "p":
            self._parts = []

    def handle_endtag(self, tag: str) -> None:
        """Ends one."""
        if tag == "p" and self._parts is not None:
            self.found.append(" ".join("".join(self._parts).split()))
            self._parts = None

    def handle_data(self, data: str) -> None:
        """Goes on with one."""
        if self._parts is not None:
            self._parts.append(data)


def _halves(text: str) -> tuple[str, str]:
    """A text cut where a sentence ends nearest to its middle; else a word; else in the middle."""
    middle = len(text) // 2
    for ends in (SENTENCE_ENDS, WORDS_END):
        places = [found.end() for found in ends.finditer(text)]
        if places:
            middle = min(places, key=lambda place: abs(place - len(text) // 2))
            break
    return text[:middle].strip(), text[middle:].strip()


def _score(plan_file: str, settings: list[str], results: Path, halves: Path) -> None:
    plan = load_plan(plan_file, settings=settings)
    pairs = [line.split("\t") for line in halves.read_text(encoding="utf-8").splitlines()]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    for model, pooling in sorted({run.start() for run in plan.runs()}):
        if pooling != "idf_mean":
            ranks = _ranks(load_encoder(model, pooling=pooling), left, right)
            print(f"before training, {model}: {_told(*ranks)}", flush=True)
    found: dict[str, dict[str, dict[int, float]]] = {}
    with open_store(plan, results) as store:
        for run in plan.runs():
            if not store.encoder(run).is_dir():
                print(f"{run.title}: not kept, or not finished", flush=True)
                continue
            top, reciprocal = _ranks(load_encoder(store.encoder(run)), left, right)
            found.setdefault(run.condition, {}).setdefault(run.arm, {})[run.seed] = 100 * top
            print(f"{run.title}: {_told(top, reciprocal)}", flush=True)
    for condition, arms in found.items():
        base = arms.get(plan.baseline, {})
        print(f"\n{condition or plan.name}: found first, of {len(pairs):,}, in per cent")
        differences = {
            arm: compare([scores[seed] for seed in both], [base[seed] for seed in both])
            for arm, scores in arms.items()
            if arm != plan.baseline and (both := [seed for seed in scores if seed in base])
        }
        corrected = dict(zip(differences, holm([each.p for each in differences.values()]), strict=True))
        for arm, scores in arms.items():
            line = f"{arm}: {np.mean([*scores.values()]):.2f} over {len(scores)} seeds"
            if arm in differences and differences[arm].over_seeds is not None:
                each, over = differences[arm], differences[arm].over_seeds
                line += f", {each.mean:+.2f} ({over.low:+.2f} .. {over.high:+.2f} over seeds), p {each.p:.3g}"
                line += f", Holm {corrected[arm]:.3g}"
            print(line)


def _ranks(encode: Encoder, left: list[str], right: list[str]) -> tuple[float, float]:
    """The share of left halves whose own right half is nearest, and the mean reciprocal rank of it."""
    cosines = _unit(np.asarray(encode(left))) @ _unit(np.asarray(encode(right))).T
    rank = 1 + (cosines > np.diag(cosines)[:, None]).sum(axis=1)
    return float((rank == 1).mean()), float((1 / rank).mean())


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    longer = vectors.astype(np.float64)
    unit: NDArray[np.float64] = longer / np.maximum(np.linalg.norm(longer, axis=1, keepdims=True), 1e-12)
    return unit


def _told(top: float, reciprocal: float) -> str:
    return f"found first {100 * top:.1f} %, mean reciprocal rank {reciprocal:.3f}"


if __name__ == "__main__":
    main()
