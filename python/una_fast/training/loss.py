"""The losses: tensors in, a scalar out.

All of them compare directions only, by cosine. Rows that several GPUs encoded are to be gathered first.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from una_fast.errors import InputError, OptionError

__all__ = ["info_nce", "margin_nce", "nt_xent"]


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


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.05,
    hard_negative_weight: float = 1.0,
) -> Tensor:
    """Cross-entropy of each anchor towards its positive, among all positives and all hard negatives.

    Args:
        anchors: Shape (B, D), floating point.
        positives: Shape (B, D); those of other anchors are negatives.
        negatives: Shape (B, D), the hard negative of each anchor, or None. Those of other anchors count too.
        temperature: Divides the cosines.
        hard_negative_weight: Multiplies the term of an anchor's own hard negative in the denominator: 1 treats
            it like the others, 0 leaves it out.

    Returns:
        The mean over the B anchors, a scalar of the type of `anchors`.

    Raises:
        InputError: The shapes differ or are none of (B, D).
        OptionError: `hard_negative_weight` is below 0.

    Source: Gao et al. 2021, arXiv 2104.08821, equation 5 and, for the weight, appendix B.
    """
    _check_columns(anchors, positives, negatives)
    if not hard_negative_weight >= 0:
        raise OptionError(f"hard_negative_weight must be at least 0, got {hard_negative_weight}")
    anchor = functional.normalize(anchors, dim=1)
    logits = anchor @ functional.normalize(positives, dim=1).T / temperature
    if negatives is not None:
        hard = anchor @ functional.normalize(negatives, dim=1).T / temperature
        weight = math.log(hard_negative_weight) if hard_negative_weight else float("-inf")
        own = torch.zeros_like(hard).fill_diagonal_(weight)
        logits = torch.cat([logits, hard + own], dim=1)
    return functional.cross_entropy(logits, torch.arange(len(anchors), device=anchors.device))


def margin_nce(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.05,
    margin: float = 0.1,
    weight: float = 1.0,
) -> Tensor:
    """InfoNCE among the positives, and a hinge by which the negative is to be farther than the positive.

    This loss is ours and in no paper. A near-miss sentence shares most of its words with the anchor, and
    often much of its meaning: here it is a soft negative, which is not driven as far away as a sentence
    drawn at random, only behind the positive by `margin`.

    Args:
        anchors: Shape (B, D), floating point.
        positives: Shape (B, D).
        negatives: Shape (B, D), or None, which leaves the hinge out.
        temperature: Divides the cosines of InfoNCE.
        margin: By how much the positive's cosine is to exceed the negative's.
        weight: Multiplies the mean hinge.

    Returns:
        The mean over the B anchors, a scalar of the type of `anchors`.

    Raises:
        InputError: The shapes differ or are none of (B, D).
    """
    _check_columns(anchors, positives, negatives)
    contrast = info_nce(anchors, positives, temperature=temperature)
    if negatives is None:
        return contrast
    near = functional.cosine_similarity(anchors, positives, dim=1)
    far = functional.cosine_similarity(anchors, negatives, dim=1)
    return contrast + weight * functional.relu(margin + far - near).mean()


def _check_columns(anchors: Tensor, positives: Tensor, negatives: Tensor | None) -> None:
    shapes = [tuple(column.shape) for column in (anchors, positives, negatives) if column is not None]
    if anchors.ndim != 2 or len(anchors) == 0 or len(set(shapes)) > 1:
        raise InputError(f"anchors, positives and negatives must have one shape (B, D), got {shapes}")
