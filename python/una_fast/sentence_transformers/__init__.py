"""Hard negatives, losses and STS scores inside the trainer of sentence-transformers, 5.4 or later.

    from una_fast import Augmenter, fit
    from una_fast.sentence_transformers import EpochCallback, NegativesCollator

    collator = NegativesCollator.for_model(model, args, Augmenter(fit(dataset["anchor"])))
    trainer = SentenceTransformerTrainer(
        model, args, train_dataset=dataset, data_collator=collator, callbacks=[EpochCallback(collator)]
    )

Every row then has a fresh negative in every epoch, equal for any number of workers and processes and across a resume.
It needs the extra `sentence-transformers`.
"""

from una_fast.extras import require

require("una_fast.sentence_transformers", "sentence_transformers", "accelerate", "datasets")

from una_fast.sentence_transformers.callback import EpochCallback
from una_fast.sentence_transformers.collator import NegativesCollator
from una_fast.sentence_transformers.evaluator import StsEvaluator
from una_fast.sentence_transformers.losses import EveryNLoss, NTXentLoss

__all__ = ["EpochCallback", "EveryNLoss", "NTXentLoss", "NegativesCollator", "StsEvaluator"]
