"""Files that are whole or not there: written under another name, made durable, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from una_fast.errors import StorageError

__all__ = ["replacing"]


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A name beside `output` to write to: it becomes `output` at the end, and vanishes where that fails.

    Raises:
        StorageError: where the system refuses; an old file then stays as it was.
    """
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, output)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, error.strerror, str(output)) from error
    finally:
        partial.unlink(missing_ok=True)
