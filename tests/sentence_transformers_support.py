"""A run of sentence-transformers' trainer with our negatives, and what its loss was given, to be told apart by files.

As a command, under torchrun too, it writes what each process saw: `python sentence_transformers_support.py FOLDER`.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
from torch import nn

from training_support import make_sentences
from una_fast import Augmenter, fit
from una_fast.sentence_transformers import EpochCallback, NegativesCollator, NTXentLoss

SENTENCES = make_sentences(48)


def augmenter(**options: Any) -> Augmenter:
    """Negatives of the sentences."""
    return Augmenter(fit(SENTENCES, min_df=1), radius=20, seed=3, **options)


def arguments(folder: Path, **options: Any) -> SentenceTransformerTrainingArguments:
    """A short run on the CPU that keeps its word about order."""
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        **{
            "num_train_epochs": 3,
            "per_device_train_batch_size": 8,
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
            "save_strategy": "no",
            "seed": 5,
        }
        | options,
    )


class Recorder(nn.Module):
    """A loss that notes the token ids that it is given, step by step."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = model.tokenizer  # the model is wrapped where several processes train it
        self.loss = MultipleNegativesRankingLoss(model)
        self.seen: list[list[list[str]]] = []

    def forward(self, columns: Any, labels: Any) -> Any:
        """Note the texts of a batch by column, and hand on."""
        columns = list(columns)
        texts = [self.tokenizer.batch_decode(c["input_ids"], skip_special_tokens=True) for c in columns]
        self.seen.append(texts)
        return self.loss(columns, labels)


def rows(n: int = 48, *, numbered: bool = True) -> Dataset:
    """Pairs of neighbouring sentences."""
    data: dict[str, Any] = {"anchor": SENTENCES[:n], "positive": [*SENTENCES[1:n], SENTENCES[0]]}
    return Dataset.from_dict({"row": list(range(n)), **data} if numbered else data)


def trainer_of(
    folder: Path,
    make_loss: Callable[[SentenceTransformer], nn.Module],
    *,
    dataset: Any = None,
    maker: Augmenter | None = None,
    views: int = 1,
    **options: Any,
) -> SentenceTransformerTrainer:
    """A trainer of the model in the folder, with negatives and the callback that tells their epoch."""
    model = SentenceTransformer(str(folder / "model"), device="cpu")
    args = arguments(folder / "out", **options)
    collator = NegativesCollator.for_model(model, args, maker or augmenter(), views=views)
    return SentenceTransformerTrainer(
        model=model,
        args=args,
        train_dataset=rows() if dataset is None else dataset,
        loss=make_loss(model),
        data_collator=collator,
        callbacks=[EpochCallback(collator)],
    )


def run(folder: Path, *, resume: bool = False, **options: Any) -> list[Any]:
    """Train, and return the texts of each step by column."""
    trainer = trainer_of(folder, Recorder, views=2, **options)
    trainer.train(resume_from_checkpoint=resume)
    return list(trainer.loss.seen)


def gradient(folder: Path, *, rank: int = 0, world: int = 1) -> list[float]:
    """The published loss of 8 rows, shared out over processes, and the gradient of the first weights."""
    model = SentenceTransformer(str(folder / "model"), device="cpu").eval()
    collator = NegativesCollator.for_model(model, arguments(folder / "out"), augmenter())
    collator.set_epoch(0)
    batch = collator([rows()[i] for i in range(8)][rank * 8 // world : (rank + 1) * 8 // world])
    columns, _ = SentenceTransformerTrainer.collect_features(None, batch)
    value = NTXentLoss(model, gather_across_devices=world > 1)(columns, None)
    value.backward()
    weights = next(p.grad for p in model.parameters() if p.grad is not None)
    if world > 1:
        dist.all_reduce(weights)
    return [value.item(), *(weights / world).flatten()[:2000].tolist()]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    seen = run(place, per_device_train_batch_size=8 // int(os.environ["WORLD_SIZE"]))
    (place / f"seen-{os.environ['RANK']}.json").write_text(json.dumps(seen))
    found = gradient(place, rank=int(os.environ["RANK"]), world=2)
    (place / f"gradient-{os.environ['RANK']}.json").write_text(json.dumps(found))
