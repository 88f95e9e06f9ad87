"""Train a sentence encoder with generated hard negatives.

    from una_fast.training import TrainConfig, train

    result = train(TrainConfig(model="bert-base-uncased", corpus="corpus.txt.gz", output="encoder"))

The folder `result.output` loads with `SentenceTransformer(...)` and with `AutoModel.from_pretrained(...)`.
This package needs torch and transformers: the extra `train`.
"""

from una_fast.extras import require

require("training", "torch", "transformers", "scipy")

from una_fast.train_config import TrainConfig
from una_fast.training.history import Callback, DivergedError, OutOfMemoryError, Result, TrainingInterrupted
from una_fast.training.loop import train
from una_fast.training.loss import info_nce, margin_nce, nt_xent
from una_fast.training.probe import ProbeReport, probe

__all__ = [
    "Callback",
    "DivergedError",
    "OutOfMemoryError",
    "ProbeReport",
    "Result",
    "TrainConfig",
    "TrainingInterrupted",
    "info_nce",
    "margin_nce",
    "nt_xent",
    "probe",
    "train",
]
