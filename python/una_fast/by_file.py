"""Augmenters that are pickled by the file of their table, for worker processes and for fingerprints."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from una_fast.augment import Augmenter
from una_fast.errors import ArtifactError
from una_fast.table import TermTable
from una_fast.tokenizers import is_custom

if TYPE_CHECKING:
    from una_fast.tokenizers import CustomTokenizer

__all__ = ["ByFile"]

_OPEN: WeakValueDictionary[str, TermTable] = WeakValueDictionary()
"""Tables of this process by their digest. A process that is forked off has them too, and reads no file.

Those with a tokenizer of Python's are not among them: the digest knows its name alone.
"""


class ByFile:
    """An augmenter that is pickled as the name of a file, a digest and its options.

    That is small, and the same on every machine that finds the table under the same name; threads, which change no
    text, are left out. A table that came from no file, or whose file is not there any more, is pickled itself.
    """

    def __init__(self, augmenter: Augmenter) -> None:
        self.augmenter = augmenter
        # Held, so that an equal table is open for as long as this is: the one named may be another, and end sooner.
        self._open = (
            None
            if is_custom(augmenter.table.tokenizer)
            else _OPEN.setdefault(augmenter.table.digest, augmenter.table)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        table = self.augmenter.table
        options = self.augmenter.settings
        if table._path is None or not os.path.isfile(table._path):
            return _of_table, (table, options)
        return _of_file, (table._path, table.digest, table._custom, options)


def _of_table(table: TermTable, options: dict[str, Any]) -> ByFile:
    return ByFile(Augmenter(_OPEN.get(table.digest, table), **options))


def _of_file(path: str, digest: str, custom: CustomTokenizer | None, options: dict[str, Any]) -> ByFile:
    table = _OPEN.get(digest)
    if table is None:
        table = TermTable.load(path)
        table._custom = custom
    if table.digest != digest:
        raise ArtifactError(
            f"{path} holds another table (sha256 {table.digest}) than the one that was named (sha256 {digest})"
        )
    return ByFile(Augmenter(table, **options))
