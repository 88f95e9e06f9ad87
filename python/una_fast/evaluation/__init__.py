"""Score sentence encoders on the seven STS tasks of SentEval, and load encoders to be scored.

    from una_fast.evaluation import evaluate_sts

    report = evaluate_sts("path/to/encoder", "path/to/senteval")
    print(report)

This package needs torch, transformers and scipy: the extra `train`.
"""

try:
    import scipy  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    from una_fast.errors import MissingExtraError

    raise MissingExtraError(
        f"training and evaluation need {error.name}, which is not installed: pip install 'una-fast[train]'"
    ) from error

from una_fast.evaluation.encoder import Encoder, declared_pooling, load_encoder
from una_fast.evaluation.sts import StsReport, evaluate_sts

__all__ = ["Encoder", "StsReport", "declared_pooling", "evaluate_sts", "load_encoder"]
