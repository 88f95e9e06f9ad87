"""Vectors for evaluation: whatever encodes, each distinct sentence once, longest first, checked."""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from una_fast.errors import InputError, OptionError

__all__ = [
    "EncodeFunction",
    "Encodes",
    "HasEncode",
    "Vector",
    "embed_distinct",
    "encode_distinct",
    "encode_function",
]

EncodeFunction = Callable[[list[str]], Any]
"""From n sentences to an array of shape (n, D)."""


@runtime_checkable
class HasEncode(Protocol):
    """An encoder as a SentenceTransformer is one."""

    def encode(self, sentences: list[str], **options: Any) -> Any:
        """Encode sentences into an array of shape (n, D)."""


Vector: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""One vector, or one a row."""

Encodes: TypeAlias = EncodeFunction | HasEncode | str | os.PathLike[str]
"""A function from n sentences to an array of shape (n, D); an object with `encode`, such as a SentenceTransformer; or
a folder or hub name for `load_encoder`."""


def encode_function(encode: Encodes, batch_size: int) -> EncodeFunction:
    """Any of the things that encode, as a function.

    Raises:
        OptionError: `batch_size` is below 1, or a model cannot be loaded.
    """
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(encode, str | os.PathLike):
        from una_fast.encoder.encoder import load_encoder

        return load_encoder(encode)
    if isinstance(encode, HasEncode):
        return partial(encode.encode, **_taken(encode.encode, batch_size))
    return encode


def _taken(encode: Callable[..., Any], batch_size: int) -> dict[str, Any]:
    """The options of a SentenceTransformer's `encode`, as far as this one takes them."""
    options = {"batch_size": batch_size, "convert_to_numpy": True, "show_progress_bar": False}
    try:
        parameters = inspect.signature(encode).parameters.values()
    except (TypeError, ValueError):  # of a compiled function, which does not tell
        return options
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return options
    names = {each.name for each in parameters if each.kind is not each.POSITIONAL_ONLY}
    return {name: value for name, value in options.items() if name in names}


def embed_distinct(
    encode: EncodeFunction, texts: Sequence[str], *, batch_size: int, progress: bool = False
) -> dict[str, Vector]:
    """Encode each distinct text once, longest first: texts of like length need little padding.

    Returns:
        The vector of each text as it was encoded, shape (D,): float32, or float64 where it was finer.

    Raises:
        InputError: `encode` returned something other than one finite vector a text.
    """
    distinct = sorted(set(texts), key=lambda text: (-len(text), text))
    vectors: dict[str, Vector] = {}
    width: int | None = None
    for batch in tqdm(list(_batches(distinct, batch_size)), desc="encoding", disable=not progress):
        made = _checked(encode(batch), len(batch))
        if width not in (None, made.shape[1]):
            raise InputError(f"encode returned vectors of {width} numbers, and then of {made.shape[1]}")
        width = made.shape[1]
        vectors.update(zip(batch, made, strict=True))
    return vectors


def encode_distinct(
    encode: EncodeFunction, texts: Sequence[str], *, batch_size: int, progress: bool = False
) -> dict[str, Vector]:
    """As `embed_distinct`, with vectors scaled to length 1 (a zero vector stays zero)."""
    vectors = embed_distinct(encode, texts, batch_size=batch_size, progress=progress)
    return {text: _unit(vector) for text, vector in vectors.items()}


def _batches(texts: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _checked(vectors: Any, count: int) -> Vector:
    # A tensor may be on a GPU, have a gradient, or be of a type that numpy has not.
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu()
        vectors = vectors.double() if vectors.element_size() == 8 else vectors.float()
    try:
        array: NDArray[Any] = np.asarray(vectors)
        # What is finer than float32 stays so: whole numbers, and what others compute in float64.
        exact = array.dtype.kind in "iub" or (array.dtype.kind == "f" and array.dtype.itemsize > 4)
        array = array.astype(np.float64 if exact else np.float32)
    except (TypeError, ValueError) as error:
        kind = type(vectors).__name__
        raise InputError(
            f"encode must return an array of shape ({count}, D), got a {kind}: {error}"
        ) from error
    if array.ndim != 2 or len(array) != count:
        raise InputError(f"encode must return an array of shape ({count}, D), got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("encode returned vectors with NaN or infinite values")
    return array


def _unit(vector: Vector) -> Vector:
    largest = np.abs(vector).max(initial=0)
    if largest == 0:
        return vector
    scaled = vector / largest  # so that no square is out of range
    unit: Vector = scaled / np.linalg.norm(scaled)
    return unit
