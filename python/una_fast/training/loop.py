"""The training loop, to be read from top to bottom."""

import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from una_fast._interrupt import uninterrupted
from una_fast.encoder.backbone import (
    check_cls,
    check_vocabulary,
    choose_precision,
    input_names,
    load_backbone,
    load_tokenizer,
    position_limit,
    weights_digest,
)
from una_fast.encoder.hub_files import require_model
from una_fast.encoder.token_weights import weights_for
from una_fast.errors import OptionError, StorageError
from una_fast.log import log_figures, logger
from una_fast.page.layout import AnnotatedSentence, annotate
from una_fast.sources import load_sentences
from una_fast.train_config import TrainConfig
from una_fast.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    check_same_run,
    is_of,
    restore_optimizer,
    run_state,
)
from una_fast.training.corpus import (
    Corpus,
    Explains,
    NegativeSource,
    open_corpus,
    open_negatives,
    open_table,
    protected_terms,
    take,
)
from una_fast.training.data import Batch, BatchBuilder, Prefetcher
from una_fast.training.distributed import Processes, processes_of_run
from una_fast.training.dropout import FastDropout
from una_fast.training.history import (
    Callback,
    Clock,
    DivergedError,
    History,
    Log,
    OutOfMemoryError,
    Result,
    TrainingInterrupted,
    open_loggers,
)
from una_fast.training.loss import info_nce, margin_nce, nt_xent
from una_fast.training.model import SentenceEncoder
from una_fast.training.optimisation import (
    all_finite,
    backward,
    backward_in_chunks,
    learning_rate_at,
    make_optimizer,
    numerics,
)
from una_fast.training.output import (
    LAST,
    alone_at,
    check_drawing,
    holds_start,
    input_files,
    prepare_output,
    read_manifest,
    render_report,
    rewrite_records,
    save_encoder,
)
from una_fast.training.probe import ProbeReport, probe, seeded
from una_fast.training.scorer import Scorer, Tasks
from una_fast.training.shuffle import permute
from una_fast.training.start import check_declared, check_start, lacks_weights, trained_pooling

if TYPE_CHECKING:
    from una_fast.table import TermTable

__all__ = ["train"]

CHECKPOINT_SECONDS = 600.0
"""Time between two checkpoints where no number of steps is asked for."""


def train(
    config: TrainConfig, *, augmenter: NegativeSource | None = None, callbacks: Sequence[Callback] = ()
) -> Result:
    """Train a sentence encoder and save it.

    With the same configuration, corpus, number of threads and versions, a run on the CPU gives the same
    bytes, whether it was interrupted and resumed or not. Under torchrun, every process calls this alike.

    Args:
        config: The options.
        augmenter: Another maker of negatives than TF-IDF's; the options of the table then have no effect.
        callbacks: Called at log entries and scorings; `on_score` may end the run.

    Returns:
        The course of the run. The random state of torch is left as it was.

    Raises:
        OptionError: An option that does not fit the model, the corpus, the machine or the checkpoints.
        InputError: Text that cannot be used, or paraphrases that are not aligned to it.
        TrainingInterrupted: Ctrl-C: a `KeyboardInterrupt` that says where the run goes on, with resume=True.
        DivergedError: The loss or the weights became NaN or infinite; checkpoints and output stay.
        OutOfMemoryError: The GPU has too little memory for a batch.
        StorageError: The output cannot be written.
        MissingExtraError: The report is asked for, and matplotlib is not installed.
    """
    if config.report:
        check_drawing()
    tasks = Tasks.read(config)
    require_model(str(config.model))
    check_declared(config)
    pooling = trained_pooling(config)
    config = replace(config, pooling=pooling)
    output = prepare_output(config)
    with (
        alone_at(output),
        processes_of_run(config.device) as (processes, device),
        numerics(config),
        seeded(config.seed, device),
    ):
        tokenizer = load_tokenizer(config.model)
        check_cls(tokenizer, str(config.model), config.pooling)
        backbone = load_backbone(config.model, dropout=config.dropout)
        check_vocabulary(backbone, tokenizer)
        model = SentenceEncoder(backbone, pooling).to(device)
        _check_length(config.max_length, model, tokenizer)
        with processes.in_turn():
            corpus = open_corpus(config)
        check_start(config, model, tokenizer, paired=corpus.paraphrases is not None)
        table: TermTable | None = None
        makes_negatives = augmenter is None and bool(config.every or config.probe_rows)
        if makes_negatives or lacks_weights(config):
            table = open_table(config, corpus, processes)
        if makes_negatives and table is not None:
            augmenter = open_negatives(config, table)
        if pooling == "idf_mean":
            of_table = table if lacks_weights(config) else None
            model.weigh(weights_for(str(config.model), backbone, tokenizer, of_table))
        scorer = Scorer(config, model, tokenizer, tasks, device)
        run = _Run(
            config, output, model, tokenizer, corpus, augmenter, table, scorer, device, processes, callbacks
        )
        with _memory_advice(run):
            return run.train()


class _Run:
    """One training run: what it works on, and what it has recorded so far."""

    def __init__(
        self,
        config: TrainConfig,
        output: Path,
        model: SentenceEncoder,
        tokenizer: PreTrainedTokenizerBase,
        corpus: Corpus,
        negatives: NegativeSource | None,
        table: "TermTable | None",
        scorer: Scorer,
        device: torch.device,
        processes: Processes,
        callbacks: Sequence[Callback],
    ) -> None:
        self.config = config
        self.output = output
        self.folder = output.with_name(f"{output.name}.run")
        self.model = model
        self.tokenizer = tokenizer
        self.corpus = corpus
        self.negatives = negatives
        self.table = table
        self.scorer = scorer
        self.device = device
        self.processes = processes
        self.callbacks = callbacks if processes.first else ()
        self.precision = choose_precision(config.precision, device)
        self.history = History()
        self.corpus_digest = corpus.digest()
        self.protect_digest = load_sentences(protected_terms(config)).digest() if config.protect else None
        self.checkpoints = Checkpoints(self.folder / "checkpoints", config.keep_checkpoints)
        self.start_digest = weights_digest(model)
        self.stop_asked = False
        self.random: dict[str, Tensor] = {}
        self.checkpointed_at = time.monotonic()

    def train(self) -> Result:
        config, model = self.config, self.model

        # Optimisation: float32 weights; on a GPU the products inside are taken in bfloat16.
        optimizer = make_optimizer(model, config, self.device)
        probe_before = self.probe()
        if self.processes.rank:  # each rank draws dropout masks of its own; rank 0 those of a run alone
            torch.manual_seed((config.seed + (self.processes.rank << 40)) % 2**63)

        # Where to begin: at step 0, or where the newest checkpoint ended.
        done = self.resume(optimizer)
        self.random = _random_state(self.device)
        with self.kept_at_interrupt(optimizer):
            return self.finish(**self.steps(optimizer, done), probe_before=probe_before)

    def steps(self, optimizer: torch.optim.Optimizer, done: int) -> dict[str, Any]:
        """Take the steps from `done` on; figures of their speed."""
        config, model = self.config, self.model

        # Data: batch after batch out of one thread, which has a tokenizer of its own (they are
        # not thread-safe).
        builder = self.batch_builder()
        total = config.epochs * builder.steps_per_epoch
        total = total if config.max_steps is None else min(total, config.max_steps)
        numbers = range(done * config.accumulate, total * config.accumulate)

        shared = _compiled(self.processes.share(model, self.device), config)
        model.train()
        clock, rows = Clock(), 0
        with ExitStack() as stack:
            batches = stack.enter_context(Prefetcher(builder.build, numbers, ahead=config.prefetch))
            bar = stack.enter_context(self.bar(total, done))
            logs = stack.enter_context(self.loggers(done))
            if self.history.unrecorded:  # Ctrl-C came between that step and its records
                self.record(total, 0.0, bar, logs)
            for step, parts in enumerate(_by(config.accumulate, batches), done):
                if self.is_over():
                    break
                self.random = _random_state(self.device)  # of a step that is interrupted, to be taken again
                rate = learning_rate_at(step, total, config)
                for group in optimizer.param_groups:
                    group["lr"] = rate

                loss = torch.zeros((), device=self.device)
                for place, batch in enumerate(parts, 1):
                    loss += self.backward(shared, batch, last=place == len(parts))
                    rows += batch.rows
                with uninterrupted():  # a step is taken whole, or not at all
                    if config.max_grad_norm is not None:
                        nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                    # The loss stays a tensor: reading it would make the loop wait for the GPU at every step.
                    self.history.add(loss)
                    self.random = _random_state(self.device)

                speed = rows / clock()
                with clock.paused():
                    self.record(total, speed, bar, logs)
                    if self.is_checkpoint_due(total):
                        self.checkpoint(optimizer)
            seconds, waited = clock(), batches.seconds_waited
        return {"rows_per_second": rows / seconds, "wait_share": waited / seconds, "resumed_at": done}

    def record(self, total: int, speed: float, bar: "tqdm[Any]", logs: list[Log]) -> None:
        """Enter the last step into logs and history where it is its turn, and score the model where it is."""
        config, step = self.config, self.history.steps
        scoring = step == total or (self.scorer.has_dev and step % config.eval_every == 0)
        if scoring or step % config.log_every == 0:
            with self.history.recording():
                self.log(learning_rate_at(step - 1, total, config), speed, bar, logs)
                if scoring:
                    self.keep_if_best(logs)
        self.history.unrecorded = False
        bar.update()

    def is_over(self) -> bool:
        """Returns true where the run is to end before its last step."""
        stale = self.history.is_stale(self.config.patience, self.config.min_delta)
        return stale or self.stop_asked

    def is_checkpoint_due(self, total: int) -> bool:
        every, step = self.config.checkpoint_every, self.history.steps
        if step == total or not self.makes_checkpoints:
            return False
        if every is not None:
            return step % every == 0
        if step % self.config.log_every:
            return False
        # By time, and only where the loop waits for the GPU anyway.
        due = time.monotonic() - self.checkpointed_at > CHECKPOINT_SECONDS
        return self.processes.from_first(due)

    @property
    def makes_checkpoints(self) -> bool:
        every = self.config.checkpoint_every
        return bool(every) if every is not None else not holds_start(self.config)

    @contextmanager
    def kept_at_interrupt(self, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """Have Ctrl-C leave a checkpoint of the last whole step, and say how to go on."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            if self.processes.world == 1 and self.makes_checkpoints and self.history.steps:
                try:
                    self.checkpoint(optimizer)
                except (DivergedError, StorageError) as error:
                    raise TrainingInterrupted(
                        f"after step {self.history.steps}; no checkpoint: {error}"
                    ) from interrupt
            raise TrainingInterrupted(self.way_on()) from interrupt

    def way_on(self) -> str:
        step, found = self.history.steps, self.checkpoints.steps()
        if not found:
            return f"after step {step}, without a checkpoint: the same command starts again"
        kept = int(found[-1].name.removeprefix("step-"))
        return f"after step {step}; the same command with --resume (resume=True) goes on after step {kept}"

    def backward(self, shared: nn.Module, batch: Batch, *, last: bool) -> Tensor:
        """Add a batch's part of the step's gradient to the weights; its part of the loss."""
        config = self.config
        inputs = {name: value.to(self.device, non_blocking=True) for name, value in batch.inputs.items()}
        autocast = partial(
            torch.autocast, self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        )

        def loss(embeddings: Tensor) -> Tensor:
            gathered = self.processes.gather(embeddings)
            return batch_loss(gathered, batch.views, config) / config.accumulate

        compiled = config.compile != "off"
        fast = FastDropout() if self.device.type == "cpu" and not compiled else nullcontext()
        # Processes exchange gradients once a step, in the last of its backward passes.
        quiet = cast("type[AbstractContextManager[None]]", getattr(shared, "no_sync", nullcontext))
        with fast, nullcontext() if last else quiet():
            if config.chunk_size is None:
                return backward(shared, inputs, loss, autocast)
            return backward_in_chunks(
                shared, inputs, loss, autocast, chunk_size=config.chunk_size, quiet=quiet
            )

    def batch_builder(self) -> BatchBuilder:
        config = self.config
        return BatchBuilder(
            corpus=self.corpus,
            negatives=self.negatives,
            tokenizer=load_tokenizer(config.model),
            names=input_names(self.model.backbone),
            batch_size=config.batch_size,
            accumulate=config.accumulate,
            max_length=config.max_length,
            every=config.every,
            seed=config.seed,
            negative_views=2 if config.loss == "nt_xent" else 1,
            distinct=config.distinct,
            rank=self.processes.rank,
            world=self.processes.world,
            pin_memory=self.device.type == "cuda",
        )

    def bar(self, total: int, done: int) -> "tqdm[Any]":
        shown = self.config.progress and self.processes.first
        return tqdm(total=total, initial=done, unit="step", disable=not shown)

    @contextmanager
    def loggers(self, done: int) -> Iterator[list[Log]]:
        if not self.processes.first:
            yield []
            return
        with open_loggers(self.config, self.folder, done=done - self.history.unrecorded) as logs:
            yield logs

    def log(self, rate: float, speed: float, bar: "tqdm[Any]", logs: list[Log]) -> None:
        """Read the losses since the last entry and show them."""
        loss = self.history.log(rate)
        bar.set_postfix({"loss": f"{loss:.4f}", "lr": f"{rate:.2e}", "rows/s": f"{speed:.0f}"})
        figures = {"loss": loss, "learning_rate": rate, "rows_per_second": speed}
        log_figures(self.history.steps, figures)
        for log in logs:
            log.write(self.history.steps, figures)
        for callback in self.callbacks:
            callback.on_step(self.history.steps, figures)

    def keep_if_best(self, logs: list[Log]) -> None:
        """Score the model where there is a development set, and save it if it is the best so far."""
        self.check_weights()
        found = self.scorer.score_dev() if self.processes.first else None
        if found is not None:
            log_figures(self.history.steps, found.figures())
            for log in logs:
                log.write(self.history.steps, found.figures())
            asked = [callback.on_score(self.history.steps, found.figures()) for callback in self.callbacks]
            self.stop_asked = any(answer is True for answer in asked)
            if found.geometry is not None:
                self.history.geometry.append((self.history.steps, *found.geometry))
        told = (None if found is None else found.spearman, self.stop_asked)
        score, self.stop_asked = self.processes.from_first(told)
        if self.history.best(score) and self.processes.first:
            self.save(self.output, self.history.best_step)
        self.processes.wait()

    def check_weights(self) -> None:
        if not all_finite(self.model.parameters()):
            raise DivergedError(f"weights are NaN or infinite after step {self.history.steps}")

    def save(self, folder: Path, step: int) -> None:
        table = self.table if self.config.table is None and folder == self.output else None
        save_encoder(
            folder,
            self.model,
            self.tokenizer,
            self.manifest(step),
            table=table,
            kept=input_files(self.config),
        )

    def checkpoint(self, optimizer: torch.optim.Optimizer) -> None:
        """Write down all that the steps to come depend on."""
        self.check_weights()
        random = self.processes.collect(self.random)
        if self.processes.first:
            self.checkpoints.save(
                Checkpoint(
                    step=self.history.steps,
                    **run_state(self.model, optimizer),
                    random={
                        f"{rank}.{name}": state
                        for rank, each in enumerate(random)
                        for name, state in each.items()
                    },
                    history=self.history.state(),
                    identity=self.identity(),
                )
            )
            logger.info("checkpoint after step %d in %s", self.history.steps, self.checkpoints.folder)
        self.processes.wait()
        self.checkpointed_at = time.monotonic()

    def resume(self, optimizer: torch.optim.Optimizer) -> int:
        """Put back the newest checkpoint, if the run is to be resumed and there is one; the steps done."""
        if not self.config.resume:
            if self.checkpoints.steps():
                raise OptionError(
                    f"{self.checkpoints.folder} holds checkpoints of a run that has not ended: "
                    "resume it (resume=True, --resume), name another output, or remove that folder"
                )
            return 0
        checkpoint = self.checkpoints.newest()
        if checkpoint is None:
            return 0
        check_same_run(checkpoint, self.identity(), self.checkpoints.folder)
        self.model.load_state_dict(checkpoint.weights)
        restore_optimizer(optimizer, checkpoint.optimizer)
        _set_random_state(checkpoint.random, self.processes.rank, self.device)
        self.history = History.from_state(checkpoint.history)
        self.adopt_later_best()
        logger.info("resumed after step %d", checkpoint.step)
        return checkpoint.step

    def adopt_later_best(self) -> None:
        """Know of the best weights that this run saved between its last checkpoint and its end."""
        manifest = read_manifest(self.output)
        if manifest is None or not is_of(manifest, self.identity()):
            return
        step = manifest["best_step"]
        scores = dict(map(tuple, manifest["dev_scores"]))
        if step > self.history.steps and scores.get(step) is not None:
            self.history.adopt_best(step, scores[step])

    def finish(self, **figures: Any) -> Result:
        """Save the last weights beside the best, bring the records up to date, and tear down."""
        history, last, scores = self.history, self.output, None
        if history.best_step != history.steps:
            last = self.output / LAST
        if self.processes.first:
            if last != self.output:
                self.save(last, history.steps)
            scores = self.scorer.test(self.output)
            manifest = {**self.manifest(history.best_step), "sts": scores and scores.to_dict()}
            report = render_report(manifest, self.examples()) if self.config.report else None
            rewrite_records(self.output, manifest, report=report)
            self.checkpoints.remove()
        self.processes.wait()
        return Result(
            output=self.output,
            last=last,
            steps=history.steps,
            losses=tuple(history.losses),
            learning_rates=tuple(history.learning_rates),
            best_step=history.best_step,
            dev_set=self.scorer.dev_name,
            dev_scores=tuple(history.dev_scores),
            sts=scores,
            probe_after=self.probe(),
            **figures,
        )

    def examples(self, count: int = 8) -> list[AnnotatedSentence]:
        """The first sentences of the first batch, with their negatives token by token where these can be explained."""
        if not isinstance(self.negatives, Explains) or not self.config.every:
            return []
        n = len(self.corpus.sentences)
        rows = permute(np.arange(min(count, n)), n=n, seed=self.config.seed, epoch=0)
        sentences = take(self.corpus.sentences, rows)
        return [
            annotate(self.negatives.explain(sentence, row=row, epoch=0))
            for sentence, row in zip(sentences, rows.tolist(), strict=True)
        ]

    def probe(self) -> ProbeReport | None:
        config = self.config
        if not config.probe_rows or self.negatives is None:
            return None
        # Epochs are counted from 0, so this one's order and negatives are none that training sees.
        n, epoch = len(self.corpus.sentences), config.epochs
        rows = permute(np.arange(min(config.probe_rows, n)), n=n, seed=config.seed, epoch=epoch)
        anchors = take(self.corpus.sentences, rows)
        return probe(
            self.model,
            self.tokenizer,
            anchors,
            self.negatives.augment(anchors, rows=rows, epoch=epoch, view=0),
            positives=None if self.corpus.paraphrases is None else take(self.corpus.paraphrases, rows),
            max_length=config.max_length,
            batch_size=config.batch_size,
            seed=config.seed,
        )

    def identity(self) -> dict[str, Any]:
        """The identity of the run: two runs that agree in it take the same steps."""
        model = self.config.model
        return {
            "model": Path(model).resolve().name if Path(model).is_dir() else str(model),
            "corpus": {"sentences": len(self.corpus.sentences), "sha256": self.corpus_digest},
            "paraphrases": self.corpus.paraphrases is not None,
            "table": None if self.table is None else self.table.digest,
            "protect": self.protect_digest,
            "dev": self.scorer.dev_digest,
            "settings": self.config.settings(),
            "start": self.start_digest,
            "device": self.device.type,
            "precision": self.precision,
            "processes": self.processes.world,
        }

    def manifest(self, step: int) -> dict[str, Any]:
        """All that the run depended on and came to, and nothing that differs between two equal runs."""
        history = self.history
        return {
            "format": 1,
            **self.identity(),
            "pooling": self.model.pooling,
            "card": {
                "base_model": None if Path(self.config.model).is_dir() else str(self.config.model),
                "language": list(self.config.language),
                "license": self.config.license,
                "datasets": list(self.config.dataset_names),
            },
            "step": step,
            "steps": history.steps,
            "best_step": history.best_step,
            "losses": history.losses,
            "learning_rates": history.learning_rates,
            "dev_set": self.scorer.dev_name,
            "dev_scores": history.dev_scores,
            "geometry": history.geometry,
            "versions": _versions(),
            **_gpu(self.device),
        }


def batch_loss(embeddings: Tensor, views: int, config: TrainConfig) -> Tensor:
    """The loss of a batch, by the name that the configuration gives it.

    Args:
        embeddings: Shape (R, D), the `views` rows of an example next to each other.
        views: 2 without negatives; else 4 for "nt_xent", 3 for the others.
        config: Its `loss` and the options of it.
    """
    if config.loss == "nt_xent":
        return nt_xent(embeddings, config.temperature)
    columns = embeddings.view(-1, views, embeddings.shape[1]).unbind(1)
    if config.loss == "info_nce":
        return info_nce(
            *columns, temperature=config.temperature, hard_negative_weight=config.hard_negative_weight
        )
    return margin_nce(
        *columns,
        temperature=config.temperature,
        margin=config.margin,
        weight=config.hard_negative_weight,
    )


T = TypeVar("T")


def _by(count: int, items: Iterable[T]) -> Iterator[list[T]]:
    """The items, `count` at a time."""
    rest = iter(items)
    while group := list(islice(rest, count)):
        yield group


def _compiled(model: nn.Module, config: TrainConfig) -> nn.Module:
    if config.compile == "off":
        return model
    mode = "reduce-overhead" if config.compile == "cuda_graphs" else None
    return cast("nn.Module", torch.compile(model, mode=mode, dynamic=False))


@contextmanager
def _memory_advice(run: _Run) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        config = run.config
        raise OutOfMemoryError(
            f"the GPU ran out of memory after step {run.history.steps}, with batch_size {config.batch_size} and "
            f"max_length {config.max_length}: lower one of them, or encode fewer rows at a time by gradient "
            f"caching (chunk_size, now {config.chunk_size or 'off'}); the batch stays as it is then"
        ) from error


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(states: dict[str, Tensor], rank: int, device: torch.device) -> None:
    torch.set_rng_state(states[f"{rank}.cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[f"{rank}.cuda"], device)


def _check_length(max_length: int, model: SentenceEncoder, tokenizer: PreTrainedTokenizerBase) -> None:
    limit, special = position_limit(model.backbone, tokenizer), tokenizer.num_special_tokens_to_add()
    if not special < max_length <= limit:
        raise OptionError(
            f"max_length must be {special + 1} .. {limit} for this model (it adds {special} special tokens), "
            f"got {max_length}"
        )


def _gpu(device: torch.device) -> dict[str, str]:
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("una-fast", "torch", "transformers", "tokenizers"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
