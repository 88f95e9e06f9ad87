"""NT-Xent, the loss of SimCSE and UNA: tensors in, a scalar out."""

import torch
from torch import Tensor
from torch.nn import functional

from una_fast.errors import InputError

__all__ = ["nt_xent"]


def nt_xent(embeddings: Tensor, temperature: float = 0.05) -> Tensor:
    """Normalised temperature-scaled cross-entropy over rows in pairs (2k, 2k + 1).

    Every row is an anchor once: its partner is its positive and all other rows are its negatives. With
    UNA's rows a, a+, n, n' of an example, the hard negative n is thus a negative of a, and n' is the
    positive of n.

    Args:
        embeddings: Shape (R, D) with R even, of any length; floating point.
        temperature: Divides the cosines.

    Returns:
        The mean over all R rows, a scalar of the type of `embeddings`.

    Raises:
        InputError: `embeddings` is no matrix of one pair of rows or more.

    Source: arXiv 2401.02594, section 2; Chen et al. 2020, arXiv 2002.05709, equation 1.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0 or len(embeddings) % 2:
        raise InputError(f"embeddings must have shape (R, D) with R even, got {tuple(embeddings.shape)}")
    unit = functional.normalize(embeddings, dim=1)
    logits = unit @ unit.T / temperature
    # A row must not choose itself: its cosine of 1 would win always.
    logits = logits.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), float("-inf"))
    partner = torch.arange(len(unit), device=unit.device) ^ 1
    return functional.cross_entropy(logits, partner)
