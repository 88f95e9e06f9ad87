"""A small BERT that nobody has tuned for similarity: random weights, or a little masked language modelling.

    python examples/small_bert.py wiki_en.txt.gz --output small-random --steps 0
    python examples/small_bert.py wiki_en.txt.gz --output small-mlm --steps 3000 --max-length 40 --bfloat16

The vocabulary is trained on the same text. Equal text, options and number of threads give equal bytes on the
CPU. The encoder of `--output` loads with AutoModel; the layer that predicts words is not kept.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer, BertForMaskedLM, PreTrainedTokenizerBase
from transformers.utils import logging

from una_fast.quickstart.starter import build_starter
from una_fast.sources import load_sentences

MASKED = 0.15
"""The share of tokens to be predicted; of these 80 % are masked, 10 % replaced, 10 % left (Devlin et al. 2019)."""

POOL = 64
"""So many batches are sorted by length together, which leaves little to pad."""

VOCABULARY_SENTENCES = 100_000


def main() -> None:
    """Read the text, build the model, train it, save it."""
    args = _arguments()
    logging.set_verbosity_error()  # The layer that predicts words is new, which is no news.
    sentences = list(load_sentences(args.corpus))
    build_starter(sentences[:VOCABULARY_SENTENCES], args.output, vocab_size=args.vocab_size, seed=args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.output)
    torch.manual_seed(args.seed)
    model = BertForMaskedLM.from_pretrained(args.output)
    print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters", flush=True)
    _train(model, tokenizer, sentences, args)
    model.bert.save_pretrained(args.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="one sentence a line: a path or a quoted glob")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="compute in it: faster where the CPU can")
    return parser.parse_args()


def _train(
    model: BertForMaskedLM,
    tokenizer: PreTrainedTokenizerBase,
    sentences: list[str],
    args: argparse.Namespace,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    draw = np.random.default_rng(args.seed)
    began, losses = time.perf_counter(), []
    model.train()
    for step, texts in zip(range(args.steps), _batches(sentences, args.batch_size, draw), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * _schedule(step, args.steps)
        ids = tokenizer(texts, truncation=True, max_length=args.max_length, padding=True, return_tensors="np")
        inputs, chosen, targets = _mask(ids["input_ids"], tokenizer, draw)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
            hidden = model.bert(
                inputs, attention_mask=torch.from_numpy(ids["attention_mask"])
            ).last_hidden_state
            logits = model.cls(hidden[chosen])
        loss = nn.functional.cross_entropy(logits.float(), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if (step + 1) % 100 == 0:
            mean = float(torch.stack(losses).mean())
            losses.clear()
            print(f"step {step + 1}  loss {mean:.3f}  {time.perf_counter() - began:.0f} s", flush=True)


def _schedule(step: int, steps: int) -> float:
    """A rise over a twentieth of the steps, then the falling half of a cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _batches(sentences: list[str], size: int, draw: np.random.Generator) -> Iterator[list[str]]:
    """Batches without end, each of sentences of like length, in another order every epoch."""
    while True:
        order = draw.permutation(len(sentences))
        for start in range(0, len(order), size * POOL):
            pool = sorted(order[start : start + size * POOL].tolist(), key=lambda row: len(sentences[row]))
            batches = [pool[first : first + size] for first in range(0, len(pool), size)]
            for place in draw.permutation(len(batches)).tolist():
                yield [sentences[row] for row in batches[place]]


def _mask(
    ids: NDArray[np.int64], tokenizer: PreTrainedTokenizerBase, draw: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of shape (B, T) with words hidden, which of them are to be predicted, and what they were."""
    ordinary = ~np.isin(ids, tokenizer.all_special_ids)
    chosen = ordinary & (draw.random(ids.shape) < MASKED)
    if not chosen.any():
        chosen.flat[np.flatnonzero(ordinary)[0]] = True
    fate = draw.random(ids.shape)
    inputs = np.where(chosen & (fate < 0.8), tokenizer.mask_token_id, ids)
    inputs = np.where(chosen & (fate >= 0.9), draw.integers(5, len(tokenizer), ids.shape), inputs)
    return torch.from_numpy(inputs), torch.from_numpy(chosen), torch.from_numpy(ids[chosen])


if __name__ == "__main__":
    main()
