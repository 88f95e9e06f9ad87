"""Make a paraphrase of every sentence of a corpus, line by line: positives for training.

    from una_fast.paraphrase import ParaphraseConfig, paraphrase

    result = paraphrase(
        ParaphraseConfig(corpus="sentences.txt", output="paraphrases.txt", model="tuner007/pegasus_paraphrase")
    )

Any sequence-to-sequence model will do (Pegasus, T5, BART). The corpus is read block by block and need not fit into
memory; each finished block is a file in a working folder beside the output, so that a run that was stopped goes on
where it stopped. This package needs torch and transformers: the extra `train`.
"""

from una_fast.extras import require

require("paraphrasing", "torch", "transformers")

from una_fast.paraphrase.run import Result, paraphrase
from una_fast.paraphrase_config import ParaphraseConfig

__all__ = ["ParaphraseConfig", "Result", "paraphrase"]
