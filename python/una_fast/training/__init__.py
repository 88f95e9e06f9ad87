"""Train a sentence encoder with generated hard negatives.

    from una_fast.training import TrainConfig, train

    result = train(TrainConfig(model="bert-base-uncased", corpus="corpus.txt.gz", output="encoder"))

The folder `result.output` loads with `SentenceTransformer(...)` and with `AutoModel.from_pretrained(...)`.
This package needs torch and transformers: the extra `train`.
"""

# The evaluation package comes first: it says which extra is missing where torch is not installed.
from una_fast.evaluation import load_encoder as _load_encoder  # noqa: F401
from una_fast.training.config import TrainConfig
from una_fast.training.loop import DivergedError, Result, train
from una_fast.training.loss import nt_xent
from una_fast.training.probe import ProbeReport, probe

__all__ = ["DivergedError", "ProbeReport", "Result", "TrainConfig", "nt_xent", "probe", "train"]
