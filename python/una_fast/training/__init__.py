"""Train a sentence encoder with generated hard negatives.

    from una_fast.training import TrainConfig, train

    result = train(TrainConfig(model="bert-base-uncased", corpus="corpus.txt.gz", output="encoder"))

The folder `result.output` loads with `SentenceTransformer(...)` and with `AutoModel.from_pretrained(...)`.
This package needs torch and transformers: the extra `train`.
"""

# The evaluation package comes first: it says which extra is missing where torch is not installed.
from una_fast.evaluation import load_encoder as _load_encoder  # noqa: F401
from una_fast.training.config import TrainConfig
from una_fast.training.history import DivergedError
from una_fast.training.loop import train
from una_fast.training.loss import info_nce, margin_nce, nt_xent
from una_fast.training.probe import ProbeReport, probe
from una_fast.training.result import OutOfMemoryError, Result

__all__ = [
    "DivergedError",
    "OutOfMemoryError",
    "ProbeReport",
    "Result",
    "TrainConfig",
    "info_nce",
    "margin_nce",
    "nt_xent",
    "probe",
    "train",
]
