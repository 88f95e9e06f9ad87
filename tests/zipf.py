"""Text whose words fall off as 1 / rank far into a long tail, so that its vocabulary grows with every line.

python tests/zipf.py FILE [--tokens N] [--seed S]

Of ten million tokens, some four million are distinct words.
"""

import argparse
from pathlib import Path

import numpy as np

RANKS = 10**9
"""Words there are; the k-th is drawn about as often as 1 / k."""

WORDS_A_LINE = 20
TOKENS_A_BLOCK = 10**6


def write(path: Path, tokens: int, seed: int = 0) -> None:
    """Writes so many tokens, 20 a line, each the hexadecimal number of its rank."""
    draw = np.random.Generator(np.random.Philox(seed))
    with path.open("w", encoding="ascii") as out:
        for start in range(0, tokens, TOKENS_A_BLOCK):
            ranks = (RANKS ** draw.random(min(TOKENS_A_BLOCK, tokens - start))).astype(np.int64)
            words = [f"{rank:x}" for rank in ranks.tolist()]
            for line in range(0, len(words), WORDS_A_LINE):
                out.write(" ".join(words[line : line + WORDS_A_LINE]) + "\n")


def main() -> None:
    """Writes a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokens", type=int, default=10**7)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.file, args.tokens, args.seed)


if __name__ == "__main__":
    main()
