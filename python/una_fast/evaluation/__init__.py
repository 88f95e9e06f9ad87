"""Score sentence encoders: STS, SentEval's transfer tasks, alignment and uniformity; and load encoders to be scored.

    from una_fast.evaluation import evaluate_geometry, evaluate_sts, evaluate_transfer

    report = evaluate_sts("path/to/encoder", "path/to/senteval")
    print(report)
    print(report.details())

This package needs torch, transformers and scipy: the extra `train`. The hub needs datasets and the transfer tasks
scikit-learn: the extra `evaluate`.
"""

from una_fast.extras import require

require("evaluation", "torch", "transformers", "scipy")

from una_fast.encoder.encoder import Encoder, declared_pooling, load_encoder
from una_fast.evaluation.geometry import GeometryReport, evaluate_geometry
from una_fast.evaluation.hub import HubDatasets
from una_fast.evaluation.pairs import FirstOf, SentEvalFolder
from una_fast.evaluation.sts import StsReport, evaluate_pairs, evaluate_sts
from una_fast.evaluation.transfer import TransferReport, evaluate_transfer

__all__ = [
    "Encoder",
    "FirstOf",
    "GeometryReport",
    "HubDatasets",
    "SentEvalFolder",
    "StsReport",
    "TransferReport",
    "declared_pooling",
    "evaluate_geometry",
    "evaluate_pairs",
    "evaluate_sts",
    "evaluate_transfer",
    "load_encoder",
]
