"""Sentence encoders: a pretrained transformer, its tokenizer and a pooling. Training and evaluation stand on it.

This package needs torch and transformers: the extra `train`.
"""

from una_fast.extras import require

require("a sentence encoder", "torch", "transformers")
