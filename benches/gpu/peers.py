"""What the loop is measured against: a loop as the published code has it, and sentence-transformers' own trainer.

Both take the recipe that they are given: model, sentences, batch size, length, learning rate. Each returns rows a
second, a row being a text encoded with gradients, from the time of the steps after `warm_up`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModel, AutoTokenizer

import una_fast

__all__ = ["Recipe", "plain_loop", "sentence_transformers_trainer"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What every contestant trains."""

    model: Path
    sentences: Sequence[str]
    table: una_fast.TermTable
    batch_size: int
    max_length: int
    steps: int
    warm_up: int
    every: int
    learning_rate: float = 3e-5


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """A sample at a time: its negative made, its texts tokenised and padded to the full length."""

    def __init__(self, recipe: Recipe, negative_of) -> None:  # type: ignore[no-untyped-def]
        self.recipe, self.negative_of = recipe, negative_of
        self.tokenizer = AutoTokenizer.from_pretrained(recipe.model)

    def __len__(self) -> int:
        return self.recipe.batch_size * self.recipe.steps

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sentence = self.recipe.sentences[index % len(self.recipe.sentences)]
        texts = [sentence, sentence] + [self.negative_of(sentence)] * (2 if self.recipe.every else 0)
        return dict(
            self.tokenizer(
                texts,
                padding="max_length",
                truncation=True,
                max_length=self.recipe.max_length,
                return_tensors="pt",
            )
        )


def plain_loop(recipe: Recipe, device: torch.device, *, workers: int) -> float:
    """A straightforward loop in the manner of the published code.

    Negatives of every sample, though a step in five uses them; a sample tokenised at a time, in `workers` processes;
    padded to the full length; float32; the loss read at every step.
    """
    from reference_method import ReferenceMethod  # the folder above
    from una_fast.training import nt_xent

    torch.manual_seed(0)
    augmenter = ReferenceMethod(recipe.table)
    loader = DataLoader(_Rows(recipe, augmenter.augment), batch_size=recipe.batch_size, num_workers=workers)
    model = AutoModel.from_pretrained(recipe.model).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
    rows, began = 0, 0.0
    for step, batch in enumerate(loader):
        if step == recipe.warm_up:
            _finish(device)
            rows, began = 0, time.perf_counter()
        width = 4 if recipe.every and step % recipe.every == 0 else 2
        inputs = {name: value[:, :width].flatten(0, 1).to(device) for name, value in batch.items()}
        embeddings = model(**inputs).last_hidden_state[:, 0]
        loss = nt_xent(embeddings)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        rows += len(embeddings)
    _finish(device)
    return rows / (time.perf_counter() - began)


def sentence_transformers_trainer(recipe: Recipe, folder: Path) -> float:
    """sentence-transformers' trainer with its own InfoNCE, on (a, a) or, with negatives, on (a, a, n) at every step.

    It has no schedule by which a step in five is larger. With negatives, they are made beforehand by ours, so that its
    time is that of training alone.
    """
    from datasets import Dataset as Table
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    count = recipe.batch_size * recipe.steps
    sentences = [recipe.sentences[i % len(recipe.sentences)] for i in range(count)]
    columns = {"anchor": sentences, "positive": sentences}
    if recipe.every:
        columns["negative"] = una_fast.Augmenter(recipe.table).augment(sentences)
    model = SentenceTransformer(str(recipe.model))
    model.max_seq_length = recipe.max_length
    clock = _Clock(recipe.warm_up)

    class Timing(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_args, **_options) -> None:  # type: ignore[no-untyped-def]
            clock.step()

    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(False)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.batch_size,
        max_steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        bf16=bfloat16,
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_num_workers=2,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Table.from_dict(columns),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[Timing()],
    )
    trainer.train()
    return len(columns) * recipe.batch_size * (recipe.steps - recipe.warm_up) / clock.seconds()


class _Clock:
    """Seconds from the end of a step to the end of the last one, the GPU's work included."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up, self.steps, self.began, self.ended = warm_up, 0, 0.0, 0.0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.warm_up:
            _finish(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
            self.began = time.perf_counter()

    def seconds(self) -> float:
        _finish(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return time.perf_counter() - self.began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
