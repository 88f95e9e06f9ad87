"""The quickstart, from text to a trained encoder and a page of pictures: read it from top to bottom.

What it leaves in its folder:

    corpus.txt                  the sentences, where they came from this Python's own documentation
    table.safetensors           the term table
    starter/                    the encoder before training, where it was made here
    model/                      the encoder after training
    report.html                 the page
    una-fast-quickstart.json    the settings and figures; by it the folder is known as ours

None of these holds a time or a path of the machine: the same settings on the same corpus give the same bytes.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from una_fast import shared_options as same
from una_fast.augment import Augmenter, Explanation
from una_fast.errors import OptionError
from una_fast.extras import require
from una_fast.files import storage_errors
from una_fast.fit import fit
from una_fast.options import Options, option
from una_fast.page.layout import annotate, example_rows
from una_fast.quickstart.pictures import Window
from una_fast.quickstart.prose import standard_library_sentences
from una_fast.quickstart.report import (
    QuickstartReport,
    RankedTerm,
    StsRow,
    ViewProbe,
    render_report,
)
from una_fast.quickstart.starter import build_starter
from una_fast.quickstart.terminal import Terminal
from una_fast.sources import load_sentences
from una_fast.static import static_embedding
from una_fast.table import TermTable

if TYPE_CHECKING:
    from una_fast.encode import TokenizerLike
    from una_fast.evaluation import StsReport
    from una_fast.train_config import TrainingPooling
    from una_fast.training import ProbeReport, Result, TrainConfig

__all__ = ["QuickstartOptions", "run_quickstart"]

_MARKER = "una-fast-quickstart.json"
_CORPUS, _TABLE, _STARTER, _MODEL, _PAGE = (
    "corpus.txt",
    "table.safetensors",
    "starter",
    "model",
    "report.html",
)

_LARGEST_RADIUS = 4000
_MAX_LENGTH = 32
_PROBED = 512
_SHOWN_TERMS, _SHOWN_EXAMPLES, _CURVE_POINTS = 10, 6, 400
# A model drawn at random has everything to learn; one that is trained already has much to lose.
_STARTER_RATE, _PRETRAINED_RATE = 3e-4, 3e-5
# What a vocabulary is trained on is held in memory; beyond this many sentences it hardly changes.
_VOCABULARY_SENTENCES = 200_000


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions(Options):
    """The options of a quickstart.

    Raises:
        OptionError: A number is out of range.
    """

    corpus: str | None = option(
        None,
        "Sentences, one a line: a path or a quoted glob; by default this Python's own documentation.",
        group="text",
        metavar="FILES",
    )
    text_field: str | None = option(same.TEXT_FIELD)
    column: str | None = option(same.COLUMN)
    model: str | None = option(
        same.MODEL, "Encoder to start from: a folder or a hub name; by default a small BERT is made."
    )
    max_steps: int = option(200, "Training steps.", group="optimisation", least=1)
    batch_size: int = option(64, "Sentences a step.", group="optimisation", least=2)
    seed: int = option(
        same.SEED, "Of the model, the order of the corpus, the negatives and dropout.", group="optimisation"
    )
    sts: str | None = option(
        same.STS, "Folder of the STS tasks, in SentEval's layout, to score the encoder on before and after."
    )
    output: Path = option(
        same.OUTPUT,
        "Folder to write, new or an earlier quickstart's.",
        default=Path("una-fast-quickstart"),
        metavar="FOLDER",
    )
    threads: int | None = option(same.THREADS)


def run_quickstart(options: QuickstartOptions, terminal: Terminal) -> dict[str, Any]:
    """Do the whole of it, telling the story on the terminal.

    Returns:
        The settings and figures, as `una-fast-quickstart.json` holds them.

    Raises:
        MissingExtraError: The extra `train` is not installed.
        OptionError: An option is out of range, or `output` holds something that is not a quickstart's.
        InputError: The corpus cannot be used.
        StorageError: The output cannot be written.
    """
    _require_extras()
    import torch

    from una_fast.encoder.hub_files import require_model
    from una_fast.training import train

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.model is not None:
        require_model(options.model)
    folder = _claim(options.output)

    # 1. Text.
    terminal.section("1. Read the corpus")
    sentences, corpus_name = _read_corpus(options, folder)
    terminal.line(f"{len(sentences):,} sentences: {corpus_name}")

    # 2. Every term is ranked by its highest TF-IDF in any sentence.
    terminal.section("2. Rank its terms")
    table = fit(sentences, threads=options.threads)
    table.save(folder / _TABLE)
    _tell_ranking(table, terminal)

    # 3. The words that carry a sentence give way to words of similar rank.
    terminal.section("3. Make hard negatives")
    radius = _radius(table)
    augmenter = Augmenter(table, radius=radius, seed=options.seed, threads=options.threads)
    explanations = _explain_examples(augmenter, sentences)
    for explanation in explanations[:3]:
        terminal.change(explanation.sentence, explanation.negative)

    # 4. An encoder, unless there is one.
    terminal.section("4. Take an encoder")
    model = options.model
    if model is None:
        model = str(folder / _STARTER)
        build_starter(sentences[:_VOCABULARY_SENTENCES], model, seed=options.seed)
    model_name = "A small BERT, drawn at random" if options.model is None else _name_of(options.model)
    terminal.line(model_name)
    pooling = _pooling_of(options.model)
    sts_untrained = _score_untrained(table, model, options.sts)
    sts_before = _score(model, options.sts, pooling="cls" if pooling == "cls_mlp" else pooling)

    # 5. Two views of a sentence are to be close, and its negative is to be far.
    terminal.section("5. Train it")
    config = _train_config(
        options, folder, model, table, sentences, radius, pooling, show=terminal.is_interactive
    )
    result = train(config)
    terminal.line(f"{result.steps:,} steps, loss {result.losses[0][1]:.3g} to {result.losses[-1][1]:.3g}")
    sts_after = _score(str(folder / _MODEL), options.sts, pooling="auto")

    # 6. What has changed, in words, in figures and in pictures.
    terminal.section("6. See what changed")
    report = QuickstartReport(
        corpus=corpus_name,
        model=model_name,
        settings=_settings(options, config),
        documents=table.n_documents,
        terms=len(table),
        most_important=_ranked(table, least=False),
        least_important=_ranked(table, least=True),
        curve=_curve(table),
        window=_window(explanations, table, radius),
        examples=tuple(map(annotate, explanations)),
        every=config.every,
        losses=result.losses,
        before=_view_probe(result.probe_before),
        after=_view_probe(result.probe_after),
        sts=_sts_rows(sts_untrained, sts_before, sts_after),
    )
    _tell_change(report, terminal)
    figures = _figures(report, table, result)
    _write(folder / _PAGE, render_report(report))
    _write(folder / _MARKER, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")

    terminal.section("Done")
    terminal.line(f"pictures  {folder / _PAGE}")
    terminal.line(f"encoder   {folder / _MODEL}   SentenceTransformer({str(folder / _MODEL)!r}) loads it")
    terminal.line(f"table     {folder / _TABLE}")
    return figures


def _require_extras() -> None:
    """Say what is missing now, not after a minute of training."""
    require("the quickstart", "torch", "transformers", "tokenizers", "safetensors", "scipy", "matplotlib")


def _claim(folder: Path) -> Path:
    """Make the folder, or empty an earlier quickstart's of what it wrote; never touch anything else.

    Raises:
        OptionError: It is a file, or a folder with something in it that no quickstart left.
        StorageError: It cannot be made or emptied.
    """
    with storage_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise OptionError(f"output {folder} exists and is no folder")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
            raise OptionError(f"output {folder} holds something else: name another folder with --output")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text("{}\n", encoding="utf-8")
        for name in (_STARTER, _MODEL):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
        for name in (_CORPUS, _TABLE, _PAGE):
            (folder / name).unlink(missing_ok=True)
    return folder


def _read_corpus(options: QuickstartOptions, folder: Path) -> tuple[Sequence[str], str]:
    if options.corpus is not None:
        loaded = load_sentences(options.corpus, text_field=options.text_field, column=options.column)
        return loaded, _name_of(options.corpus)
    sentences = standard_library_sentences()
    _write(folder / _CORPUS, "".join(f"{sentence}\n" for sentence in sentences))
    return sentences, "the documentation of Python's standard library"


def _tell_ranking(table: TermTable, terminal: Terminal) -> None:
    terminal.line(f"{len(table):,} terms")
    for title, least in (("most important ", False), ("least important", True)):
        terms = ", ".join(stats.term for stats in table.top(_SHOWN_TERMS, least=least))
        terminal.text(f"{title}  {terms}")


def _radius(table: TermTable) -> int:
    """The published radius of 4,000 ranks, or a twentieth of a small table, of which 4,000 might be all."""
    return max(1, min(_LARGEST_RADIUS, len(table) // 20))


def _explain_examples(augmenter: Augmenter, sentences: Sequence[str]) -> list[Explanation]:
    rows = example_rows(sentences, _SHOWN_EXAMPLES)
    return [augmenter.explain(sentences[row], row=row) for row in rows]


def _train_config(
    options: QuickstartOptions,
    folder: Path,
    model: str,
    table: TermTable,
    sentences: Sequence[str],
    radius: int,
    pooling: "TrainingPooling",
    *,
    show: bool,
) -> "TrainConfig":
    from una_fast.training import TrainConfig

    batch_size = min(options.batch_size, len(sentences))
    steps_an_epoch = max(1, len(sentences) // batch_size)
    return TrainConfig(
        model=model,
        corpus=sentences,
        output=folder / _MODEL,
        table=table,
        batch_size=batch_size,
        max_length=_MAX_LENGTH,
        epochs=-(-options.max_steps // steps_an_epoch),
        max_steps=options.max_steps,
        learning_rate=_STARTER_RATE if options.model is None else _PRETRAINED_RATE,
        seed=options.seed,
        radius=radius,
        pooling=pooling,
        log_every=1,
        loggers=(),
        report=False,
        probe_rows=_PROBED,
        threads=options.threads,
        progress=show,
    )


_POOLINGS = {"cls_mlp": "[CLS], a tanh layer in training", "first_last_mean": "mean of first and last layer"}


def _pooling_of(model: str | None) -> "TrainingPooling":
    """The pooling that a model declares; else the published [CLS] state under a training head."""
    from una_fast.evaluation import declared_pooling

    return (None if model is None else declared_pooling(model)) or "cls_mlp"


def _score(model: str, data: str | None, *, pooling: Any) -> "StsReport | None":
    if data is None:
        return None
    from una_fast.evaluation import evaluate_sts, load_encoder

    return evaluate_sts(load_encoder(model, pooling=pooling), data)


def _ranked(table: TermTable, *, least: bool) -> tuple[RankedTerm, ...]:
    rows = sorted(table.top(_SHOWN_TERMS, least=least), key=lambda stats: stats.rank)
    return tuple(
        RankedTerm(term=stats.term, rank=stats.rank, df=stats.df, score=stats.score) for stats in rows
    )


def _curve(table: TermTable) -> tuple[tuple[int, float], ...]:
    last = len(table) - 1
    ranks = sorted({round(point * last / _CURVE_POINTS) for point in range(_CURVE_POINTS + 1)})
    return tuple((rank, float(table.score[rank])) for rank in ranks)


def _window(explanations: Sequence[Explanation], table: TermTable, radius: int) -> Window | None:
    """Take the surest replacement of the examples as the example of a window."""
    replaced = [
        (token.probability, -place, token.text, token.rank)
        for place, explanation in enumerate(explanations)
        for token in explanation.tokens
        if token.replaced and token.rank is not None
    ]
    if not replaced:
        return None
    _, _, term, rank = max(replaced)
    return Window(term=term, rank=rank, low=max(0, rank - radius), high=min(len(table) - 1, rank + radius))


def _view_probe(probe: "ProbeReport | None") -> ViewProbe:
    assert probe is not None, "probe_rows asks for it"
    return ViewProbe(
        sentences=probe.n,
        win_rate=probe.view_win_rate,
        positive_cosine=probe.positive_cosine,
        negative_cosine=probe.negative_cosine,
        margin_counts=probe.margin_counts,
        margin_edges=probe.margin_edges,
    )


def _score_untrained(table: TermTable, model: str, data: str | None) -> "StsReport | None":
    """The scores of a static encoder of the table, with the model's own word pieces."""
    if data is None:
        return None
    from una_fast.encoder.backbone import load_tokenizer
    from una_fast.evaluation import evaluate_sts

    try:
        encoder: Any = static_embedding(table, cast("TokenizerLike", load_tokenizer(model)))
    except OptionError:  # a tokenizer that is not compiled: the table's own words do as well
        encoder = table
    return evaluate_sts(encoder, data)


def _sts_rows(*reports: "StsReport | None") -> tuple[StsRow, ...]:
    """The scores by task: untrained, before and after."""
    found = [report.tasks for report in reports if report is not None]
    if len(found) < len(reports):
        return ()
    return tuple(
        StsRow(
            task=old.name,
            pairs=old.n_pairs,
            untrained=100 * line.spearman,
            before=100 * old.spearman,
            after=100 * new.spearman,
        )
        for line, old, new in zip(*found, strict=True)
    )


def _settings(options: QuickstartOptions, config: "TrainConfig") -> tuple[tuple[str, str], ...]:
    return (
        ("seed", str(config.seed)),
        ("steps", f"{options.max_steps:,}"),
        ("sentences a step", str(config.batch_size)),
        ("negatives", f"every {config.every} steps"),
        ("longest input", f"{config.max_length} word pieces"),
        ("learning rate", f"{config.learning_rate:g}, {config.schedule}"),
        ("pooling", _POOLINGS.get(config.pooling, config.pooling)),
        ("temperature", f"{config.temperature:g}"),
        ("tokens replaced", f"{config.replace_prob:.0%} of a sentence, on average"),
        ("replaced by", f"terms at most {config.radius:,} ranks away"),
        ("tokenizer", config.tokenizer or "treebank"),
    )


def _tell_change(report: QuickstartReport, terminal: Terminal) -> None:
    before, after = report.before, report.after
    terminal.table(
        [
            ("", "before", "after"),
            ("second view closer than negative", f"{before.win_rate:.1%}", f"{after.win_rate:.1%}"),
            ("cosine to the second view", f"{before.positive_cosine:.3f}", f"{after.positive_cosine:.3f}"),
            ("cosine to the negative", f"{before.negative_cosine:.3f}", f"{after.negative_cosine:.3f}"),
            *((row.task, f"{row.before:.2f}", f"{row.after:.2f}") for row in report.sts),
        ]
    )
    if report.sts:
        line = fmean(row.untrained for row in report.sts)
        terminal.line(
            f"the line to beat: {line:.2f} in the mean of tasks, by the table's idf with nothing trained"
        )


def _figures(report: QuickstartReport, table: TermTable, result: "Result") -> dict[str, Any]:
    """Figures worth reading by a program; nothing that differs between two equal runs."""
    return {
        "format": 1,
        "corpus": report.corpus,
        "model": report.model,
        "settings": dict(report.settings),
        "sentences": report.documents,
        "terms": report.terms,
        "table": table.digest,
        "steps": result.steps,
        "losses": [list(entry) for entry in report.losses],
        "before": asdict(report.before),
        "after": asdict(report.after),
        "sts": [asdict(row) for row in report.sts],
    }


def _name_of(source: str) -> str:
    """Name a file or model without the folders that lead to it, which are this machine's alone."""
    return Path(source).name if Path(source).exists() else source


def _write(path: Path, text: str) -> None:
    with storage_errors(path):
        path.write_text(text, encoding="utf-8", newline="\n")
