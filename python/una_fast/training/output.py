"""The folder of a trained encoder: AutoModel and SentenceTransformer load it; written whole or not at all.

Equal runs write equal bytes: nothing in the folder tells of the time, the host or a path.
"""

import copy
import json
import os
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.backbone import position_limit
from una_fast.encoder.encoder import LAYERS
from una_fast.encoder.static import StaticBackbone, save_static
from una_fast.encoder.token_weights import TENSOR, WEIGHTS
from una_fast.errors import OptionError
from una_fast.evaluation.pairs import STS_B_DEV
from una_fast.extras import require
from una_fast.files import alone_in, replacing, replacing_folder, storage_errors, write_text
from una_fast.hub import bibtex, front_matter
from una_fast.progress import quiet_transformers
from una_fast.sources import find_files
from una_fast.static import SETTINGS
from una_fast.table import TABLE_FILE as TABLE
from una_fast.train_config import TrainConfig
from una_fast.training.model import SentenceEncoder

if TYPE_CHECKING:
    from una_fast.table import TermTable
from collections.abc import Sequence

from una_fast.page.drawing import COOL, WARM, draw_svg, whole_numbers
from una_fast.page.layout import (
    LEGEND,
    AnnotatedSentence,
    escape,
    examples,
    figure,
    page,
    section,
    settings_list,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "LAST",
    "MANIFEST",
    "alone_at",
    "check_drawing",
    "holds_start",
    "input_files",
    "prepare_output",
    "read_manifest",
    "render_report",
    "rewrite_records",
    "save_encoder",
    "sts_rows",
]

MANIFEST = "training.json"
CARD = "README.md"
REPORT = "report.html"
LAST = "last"
"""The folder, within the output, of the last step's weights, where they are not the best."""


def prepare_output(config: TrainConfig) -> Path:
    """Make the parent of the output folder, and refuse to replace what is not the output of a training run.

    Files in it that no run of ours wrote, and those that this run reads, are kept, see `save_encoder`.

    Raises:
        OptionError: `output` is a file, or a folder that holds something else; or one that holds the working folder,
            the start of a run with checkpoints, or a file of the user's under a name that the run writes.
        StorageError: The parent cannot be made.
    """
    path = Path(config.output)
    if path.exists() and not path.is_dir():
        raise OptionError(f"output {path} exists and is no folder")
    if Path.cwd().is_relative_to(path.resolve()):
        raise OptionError(f"output {path} is the working folder, or holds it: name a folder in it")
    if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise OptionError(f"output {path} holds something other than a trained encoder: name another folder")
    if config.checkpoint_every and holds_start(config):
        raise OptionError(
            f"output {path} holds the model to start from: a run that saves over it could not be resumed; name another"
        )
    _refuse_users_files(path, {file.resolve() for file in input_files(config)})
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def holds_start(config: TrainConfig) -> bool:
    """True where the output is to replace the model that the run starts from."""
    return Path(config.model).resolve().is_relative_to(Path(config.output).resolve())


_WRITTEN = (MANIFEST, CARD, REPORT, TABLE, LAST, "config.json", "model.safetensors", "modules.json")
"""Names that every run writes, or may write."""


def input_files(config: TrainConfig) -> list[Path]:
    """The files that a run reads its text and its table from."""
    protect = config.protect if isinstance(config.protect, str | os.PathLike) else None
    sources = (config.corpus, config.paraphrases, config.pairs, config.table, protect, config.dev)
    named = [source for source in sources if isinstance(source, str | os.PathLike | list | tuple)]
    return [path for source in named for path in find_files(source) or []]


def _refuse_users_files(output: Path, inputs: AbstractSet[Path]) -> None:
    ours = _files_of_runs(output)
    for name in sorted({*_WRITTEN, *ours} - {TABLE}):
        if (output / name).resolve() in inputs:
            raise OptionError(
                f"output {output} holds {name}, which this run reads and would write: move it away"
            )
    for name in _WRITTEN:
        path = output / name
        if path.exists() and path.resolve() not in inputs and not any(f.split("/")[0] == name for f in ours):
            raise OptionError(
                f"output {output} holds {name}, which no training run wrote and this one would: move it away"
            )


def _files_of_runs(output: Path) -> set[str]:
    """The files in an output folder, by their path in it, that runs wrote there: the last one says so itself."""
    manifest = read_manifest(output)
    if manifest is None:
        return set()
    files = manifest.get("files")
    written = {file for file in files if isinstance(file, str)} if isinstance(files, list) else set()
    return {*written, MANIFEST, CARD}


@contextmanager
def alone_at(output: Path) -> Iterator[None]:
    """Hold an output for this run; of several processes of one run, the first does.

    Raises:
        OptionError: Another run is at it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    with alone_in(output.with_name(f"{output.name}.run"), f"training into {output}"):
        yield


def save_encoder(
    output: Path,
    model: SentenceEncoder,
    tokenizer: PreTrainedTokenizerBase,
    manifest: dict[str, Any],
    *,
    table: "TermTable | None" = None,
    kept: Sequence[Path] = (),
) -> None:
    """Write the encoder without its head beside the output, and put it in place when it is complete.

    A run that is interrupted leaves the output as it was. Files in it that no run wrote stay there, and so do those
    of `kept`, which the run itself reads.

    Raises:
        StorageError: The operating system refused; what was written so far is removed.
    """
    with replacing_folder(output) as folder:
        backbone = model.backbone
        # Older releases of transformers save the path that the model came from.
        backbone.config._name_or_path = ""
        if isinstance(backbone, StaticBackbone):
            save_static(folder, backbone)
        else:
            with _layers_shown(model), quiet_transformers():
                backbone.save_pretrained(folder, safe_serialization=True)
            _plain_tokenizer(tokenizer).save_pretrained(folder)
            _write_modules(folder, model, tokenizer, max_length=position_limit(backbone, tokenizer))
        if table is not None:
            table.save(folder / TABLE)
        _write_records(folder, manifest)
        files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        files += _keep_users_files(output, folder, kept)
        _write_records(folder, {**manifest, "files": sorted(files)})


def _keep_users_files(output: Path, fresh: Path, kept: Sequence[Path]) -> list[str]:
    """Has a new output folder hold the files of the old one that are the user's: the same files, not copies.

    Returns:
        Those among them that an earlier run wrote, and this one reads.
    """
    ours, inputs = _files_of_runs(output), {path.resolve() for path in kept}
    read: list[str] = []
    if not output.is_dir():
        return read
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        target = fresh / name
        if name in ours and path.resolve() not in inputs:
            continue
        if path.is_dir() and not path.is_symlink():
            if not _is_ours(name, ours):
                target.mkdir(parents=True, exist_ok=True)
            continue
        if os.path.lexists(target):
            continue  # checked at the start: it came while the run went on, under a name that the run writes
        if name in ours:
            read.append(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copy2(path, target, follow_symlinks=False)
    return read


def _is_ours(folder: str, ours: set[str]) -> bool:
    return any(file.startswith(f"{folder}/") for file in ours)


def read_manifest(output: Path) -> dict[str, Any] | None:
    """The manifest of a trained encoder; None where there is none that can be read."""
    try:
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def rewrite_records(output: Path, manifest: dict[str, Any], *, report: str | None = None) -> None:
    """Bring manifest and card of a saved encoder up to the end of the run, and add its report; the weights stay.

    Raises:
        StorageError: The operating system refused.
    """
    files = _files_of_runs(output) | {f"{LAST}/{file}" for file in _files_of_runs(output / LAST)}
    files |= set() if report is None else {REPORT}
    texts = _records({**manifest, "files": sorted(files)})
    texts |= {} if report is None else {REPORT: report}
    for name, text in texts.items():
        with replacing(output / name) as fresh:
            write_text(fresh, text)


def _plain_tokenizer(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A copy without the truncation and padding of the last batch, which would be saved with it."""
    plain = copy.deepcopy(tokenizer)
    backend = getattr(plain, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    return plain


def _write_modules(
    folder: Path, model: SentenceEncoder, tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> None:
    """The files by which sentence-transformers knows an encoder, in the form that all its releases read."""
    kinds = ["Transformer", "Pooling"]
    if model.pooling == "first_last_mean":
        kinds.insert(1, LAYERS)
        _write_layers(folder / f"1_{LAYERS}", model)
    if model.token_weights is not None:
        kinds.insert(1, WEIGHTS)
        _write_weights(folder / f"1_{WEIGHTS}", model.token_weights.cpu(), tokenizer)
    places = [f"{index}_{kind}" if index else "" for index, kind in enumerate(kinds)]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(zip(kinds, places, strict=True))
    ]
    pooling = {
        "word_embedding_dimension": model.backbone.config.hidden_size,
        "pooling_mode_cls_token": model.pooling == "cls",
        "pooling_mode_mean_tokens": model.pooling != "cls",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (folder / places[-1]).mkdir()
    write_text(folder / places[-1] / "config.json", _json(pooling))
    write_text(folder / "modules.json", _json(modules))
    write_text(
        folder / "sentence_bert_config.json", _json({"max_seq_length": max_length, "do_lower_case": False})
    )
    write_text(folder / "config_sentence_transformers.json", _json(SETTINGS))


def _write_layers(folder: Path, model: SentenceEncoder) -> None:
    """The module that takes the mean of the first and the last layer."""
    config = model.backbone.config
    count = int(config.num_hidden_layers)
    settings = {
        "word_embedding_dimension": config.hidden_size,
        "layer_start": 1,
        "num_hidden_layers": count,
    }
    weights = torch.zeros(count)
    weights[[0, -1]] = 1.0
    folder.mkdir()
    write_text(folder / "config.json", _json(settings))
    save_file({"layer_weights": weights}, folder / "model.safetensors")


def _write_weights(folder: Path, weights: torch.Tensor, tokenizer: PreTrainedTokenizerBase) -> None:
    """The module that weights tokens; its configuration tells all of it once more, by token."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(len(weights), len(tokenizer)))))
    vocab = [*tokens, *(f"[id {number}]" for number in range(len(tokens), len(weights)))]
    settings = {
        "vocab": vocab,
        "word_weights": dict(zip(vocab, weights.tolist(), strict=True)),
        "unknown_word_weight": 0.0,
    }
    folder.mkdir()
    write_text(folder / "config.json", _json(settings))
    save_file({TENSOR: weights.unsqueeze(1).contiguous()}, folder / "model.safetensors")


@contextmanager
def _layers_shown(model: SentenceEncoder) -> Iterator[None]:
    """Have the saved configuration ask for the states of all layers, if the pooling needs more than the last."""
    config = model.backbone.config
    before = config.output_hidden_states
    config.output_hidden_states = model.pooling == "first_last_mean"
    try:
        yield
    finally:
        config.output_hidden_states = before


def _write_records(folder: Path, manifest: dict[str, Any]) -> None:
    for name, text in _records(manifest).items():
        write_text(folder / name, text)


def _records(manifest: dict[str, Any]) -> dict[str, str]:
    return {MANIFEST: _json(manifest), CARD: _card(manifest)}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _front(manifest: dict[str, Any]) -> str:
    tasks = (manifest.get("sts") or {}).get("tasks", {})
    return front_matter(
        {name: task["spearman"] for name, task in tasks.items()},
        model_name="Sentence encoder",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "feature-extraction", "sentence-similarity", "una-fast"],
        **manifest["card"],
    )


def _card(manifest: dict[str, Any]) -> str:
    """The model card: what it is, how to use it, every setting, and scores where there are any."""
    method = (
        "SimCSE with generated hard negatives (UNA)"
        if manifest["settings"]["every"]
        else "unsupervised SimCSE"
    )
    usage = (
        "from sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("<this folder>")\n'
        'embeddings = model.encode(["A sentence.", "Another one."])'
    )
    sections = [
        f"{_front(manifest)}\n# Sentence encoder\n",
        f"Trained from `{manifest['model']}` by {method} with una-fast, on {manifest['corpus']['sentences']} "
        f"sentences for {manifest['steps']} steps. Pooling: {manifest['pooling']}. "
        "Compare embeddings by cosine.\n",
        f"```python\n{usage}\n```\n",
        "## Settings\n\n" + _table(("setting", "value"), list(manifest["settings"].items())),
    ]
    if manifest["dev_scores"]:
        rows = [
            (step, "-" if score is None else f"{100 * score:.2f}") for step, score in manifest["dev_scores"]
        ]
        kept = f"The weights are those of step {manifest['step']}; the best is step {manifest['best_step']}, "
        kept += f"the last is step {manifest['steps']}.\n\n"
        sections.append(f"## {_dev_title(manifest)}\n\n{kept}" + _table(("step", "Spearman x100"), rows))
    if manifest.get("sts"):
        sections.append("## STS test sets\n\n" + _table(("task", "Spearman x100"), sts_rows(manifest["sts"])))
    sections.append("## Versions\n\n" + _table(("package", "version"), list(manifest["versions"].items())))
    sections.append(bibtex())
    return "\n".join(sections)


def _dev_title(manifest: dict[str, Any]) -> str:
    name = manifest["dev_set"]
    return "STS-B development split" if name == STS_B_DEV else f"Development set {name}"


def sts_rows(scores: dict[str, Any]) -> list[tuple[str, str]]:
    """Task and score, and their mean, of the scores in a manifest; a mean of fewer than seven says so."""
    tasks, seven = scores["tasks"], scores["mean"] is not None
    means = [("mean" if seven else f"mean of {len(tasks)}", scores["mean" if seven else "mean_of_present"])]
    rows = [*((name, task["spearman"]) for name, task in tasks.items()), *means]
    return [(name, "-" if score is None else f"{100 * score:.2f}") for name, score in rows]


def _table(head: tuple[str, str], rows: list[tuple[Any, Any]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)]
    return "\n".join(lines) + "\n"


Curve = Sequence[tuple[int, float]]


def check_drawing() -> None:
    """Say that pictures cannot be drawn before a run and not at its end.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("the report of a run (report=False, --no-report leaves it out)", "matplotlib")


def render_report(manifest: dict[str, Any], negatives: Sequence[AnnotatedSentence]) -> str:
    """The page of a run.

    Args:
        manifest: See `training.json` in the output.
        negatives: Sentences with what became of their tokens; none leaves that part out.
    """
    method = (
        "SimCSE with generated hard negatives" if manifest["settings"]["every"] else "unsupervised SimCSE"
    )
    lead = (
        f"{escape(manifest['model'])}, trained by {method} on {manifest['corpus']['sentences']:,} sentences for "
        f"{manifest['steps']:,} steps."
    )
    parts = [
        "<p class='brand'>una-fast</p><h1>A training run</h1>"
        f"<p class='lead'>{lead}</p><ul class='figures'>{''.join(_figures(manifest))}</ul>",
        section("Course of the run", _curves(manifest)),
    ]
    if manifest["sts"]:
        parts.append(section("STS test sets", _scores(manifest["sts"])))
    if negatives:
        parts.append(section("Negatives of sentences of the first batch", LEGEND + examples(negatives)))
    parts.append(section("Settings", settings_list(_settings(manifest))))
    return page("una-fast: a training run", parts)


def _figures(manifest: dict[str, Any]) -> list[str]:
    scores = {step: score for step, score in manifest["dev_scores"] if score is not None}
    shown = [(f"{manifest['losses'][-1][1]:.4f}", "last loss")]
    for step, name in ((manifest["best_step"], "best"), (manifest["steps"], "last")):
        if step in scores:
            shown.append((f"{100 * scores[step]:.2f}", f"{_dev_label(manifest)}, {name} step ({step:,})"))
    return [f"<li><b>{value}</b><span>{name}</span></li>" for value, name in shown]


def _dev_label(manifest: dict[str, Any]) -> str:
    return "STS-B dev" if manifest["dev_set"] == STS_B_DEV else escape(manifest["dev_set"])


def _scores(scores: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td class='number'>{score}</td></tr>"
        for name, score in sts_rows(scores)
    )
    return (
        "<p>Spearman correlation (x 100) of the weights that are kept.</p><div class='scroll'><table>"
        "<thead><tr><th scope='col'>task</th><th scope='col' class='number'>score</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _curves(manifest: dict[str, Any]) -> str:
    best = manifest["best_step"]
    scores = [(step, 100 * score) for step, score in manifest["dev_scores"] if score is not None]
    aligned = [(step, value) for step, value, _ in manifest["geometry"]]
    spread = [(step, value) for step, _, value in manifest["geometry"]]
    drawn = [
        (manifest["losses"], "loss", "loss", "Mean loss of the steps since the point before.", None),
        (
            scores,
            "dev",
            "Spearman x 100",
            f"{escape(_dev_title(manifest))}; the line marks the step that is kept." if scores else "",
            best,
        ),
        (
            aligned,
            "alignment",
            "alignment",
            "Squared distance of sentences of like meaning: lower is better.",
            best,
        ),
        (spread, "uniformity", "uniformity", "How evenly sentences fill the sphere: lower is better.", best),
    ]
    return "".join(
        figure(_curve(name, label, curve, mark), caption)
        for curve, name, label, caption, mark in drawn
        if curve
    )


def _curve(name: str, label: str, curve: Curve, mark: int | None) -> str:
    """A curve over steps, a point a value; at `mark` a vertical line."""

    def draw(axes: "Axes") -> None:
        steps, values = zip(*curve, strict=True)
        axes.plot(steps, values, color=COOL, linewidth=2, marker="o" if len(curve) < 40 else "", markersize=4)
        if mark is not None:
            axes.axvline(mark, color=WARM, linewidth=1.4)
        axes.set_xlim(left=0)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        whole_numbers(axes)

    return draw_svg(name, f"{label} by step", (8.0, 2.8), draw)


def _settings(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    facts = {
        **manifest["settings"],
        "corpus, sha256": manifest["corpus"]["sha256"][:16],
        "table, digest": (manifest["table"] or "-")[:16],
        "device": manifest.get("gpu", manifest["device"]),
        "precision": manifest["precision"],
        "processes": manifest["processes"],
        **manifest["versions"],
    }
    return [(name, "-" if value is None else str(value)) for name, value in facts.items()]
