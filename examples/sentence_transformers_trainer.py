"""Train by SentenceTransformerTrainer with our negatives and score: trainer.py CORPUS MODEL SENTEVAL OUTPUT [STEPS]."""

import sys

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments

import una_fast
import una_fast.sentence_transformers as una
from una_fast.sources import load_sentences

if __name__ == "__main__":
    corpus, start, senteval, output, *steps = sys.argv[1:]
    sentences = list(load_sentences(corpus))
    model = SentenceTransformer(start)
    model.max_seq_length = 32
    arguments = SentenceTransformerTrainingArguments(
        output_dir=output,
        max_steps=int(steps[0]) if steps else 300,
        per_device_train_batch_size=64,
        save_strategy="no",
        report_to=[],
    )
    augmenter = una_fast.Augmenter(una_fast.fit(sentences), surface="preserve", seed=arguments.seed)
    collator = una.NegativesCollator.for_model(model, arguments, augmenter)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"row": range(len(sentences)), "anchor": sentences}),
        loss=una.EveryNLoss(una.NTXentLoss(model), every=5),
        data_collator=collator,
        callbacks=[una.EpochCallback(collator)],
    )
    evaluator = una.StsEvaluator(senteval, tasks=["STS-B-dev", "STS-B", "SICK-R"])
    print("before", evaluator(model))
    trainer.train()
    model.save_pretrained(output)
    print("after", evaluator(model))
