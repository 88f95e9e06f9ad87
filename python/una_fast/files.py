"""Files and folders that are whole or not there: written under another name, made durable, renamed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from una_fast import _core
from una_fast.errors import OptionError, StorageError

__all__ = [
    "LOCK",
    "alone",
    "alone_in",
    "check_apart",
    "clean",
    "read_bytes",
    "remove_folder",
    "replacing",
    "replacing_folder",
    "storage_errors",
    "sync",
    "write_text",
]


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A name beside `output` to write to: it becomes `output` at the end, and vanishes where that fails.

    A symbolic link stays one; the mode is that of the file replaced. The name cannot be guessed, and is locked for as
    long as it is there: see `clean`.

    Raises:
        StorageError: where the system refuses, or something stands there that is no regular file; what was there then
            stays as it was.
    """
    file = _core.Replacement(output)
    try:
        yield file.path
        file.commit()
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, error.strerror, str(output)) from error
    finally:
        file.discard()


def clean(folder: Path, *, remove: bool = True) -> list[Path]:
    """Removes the temporary files and folders in a folder that were left by processes which were killed.

    Each is locked by the process that writes it, so that what nobody holds is known to be of no use. It takes no
    command to have it removed: the next process that writes into the folder does so.

    Args:
        folder: where to look; not below it.
        remove: whether to remove what is found, or only to name it.

    Returns:
        What was found.

    Raises:
        StorageError: where the folder cannot be read.
    """
    return _core.litter(folder, remove=remove)


def check_apart(inputs: Iterable[Path], outputs: Mapping[str, Path | None]) -> None:
    """Refuses an output that is an input, and two outputs that are one file, by whatever names; nothing is read.

    Raises:
        OptionError: for two that are one; both are named as they were given.
    """
    seen = [("the input", path) for path in inputs]
    for name, path in outputs.items():
        if path is None:
            continue
        for other, there in seen:
            if _is_same(path, there):
                raise OptionError(f"{name} {path} is {other} {there}: name another file")
        seen.append((name, path))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there, or both
        return os.path.realpath(one) == os.path.realpath(other)


@contextmanager
def storage_errors(path: Path | None = None) -> Iterator[None]:
    """Turns what the system refuses within the block into a `StorageError`, of `path` where it names no file."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        filename = error.filename or (path and str(path))
        raise StorageError(error.errno, error.strerror or str(error), filename) from error


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        StorageError: where the system refuses.
    """
    with storage_errors(path):
        return path.read_bytes()


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[None]:
    """Holds a lock file, which a process that ends in whatever way lets go of; needs filelock.

    Raises:
        OptionError: another process is `doing` that.
        StorageError: where the system refuses the file.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=0)
    with storage_errors(lock):
        try:
            held.acquire()
        except Timeout as error:
            raise OptionError(f"another process is {doing}") from error
    try:
        yield
    finally:
        held.release()


LOCK = ".lock"
"""The file in a folder that the process at work there holds."""


@contextmanager
def alone_in(folder: Path, doing: str) -> Iterator[None]:
    """Holds a folder, made where there is none, for this process. It goes at the end, if nothing is left in it.

    Raises:
        OptionError: another process is `doing` that.
        StorageError: where the system refuses the folder.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = False
    try:
        with alone(folder / LOCK, doing):
            held = True
            yield
    finally:
        if held and all(child.name == LOCK for child in folder.iterdir()):
            with storage_errors(folder):
                remove_folder(folder)


@contextmanager
def replacing_folder(output: Path) -> Iterator[Path]:
    """A new folder that takes the place of `output` when the block ends well, and vanishes else.

    An older folder and the new one change names in one step. Where the system cannot do that it is two renames: a
    machine that stops between them leaves both whole, the older as `.<name>.old`, which comes back with the next
    writing. A symbolic link stays one.

    Raises:
        StorageError: where the system refuses, or something stands there that is no folder; what was there then stays
            as it was.
    """
    target = Path(os.path.realpath(output))
    old = target.with_name(f".{target.name}.old")
    with storage_errors(output):
        if old.is_dir() and not target.exists():
            old.rename(target)
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it exists and is no folder", str(output))
        temporary = _core.TemporaryFolder(target.parent)
        try:
            fresh = temporary.path
            yield fresh
            _settle(fresh)
            if not target.exists():
                fresh.rename(target)
            elif not _core.exchange(fresh, target):
                remove_folder(old)
                target.rename(old)
                fresh.rename(target)
            sync(target.parent)
            remove_folder(old)
        finally:
            temporary.discard()


def remove_folder(folder: Path) -> None:
    """Removes a folder with all it holds; one that is not there is none to remove."""
    if folder.exists():
        shutil.rmtree(folder)


def _settle(folder: Path) -> None:
    """Gives every file the mode that a new file gets here, and waits until all is on the disk."""
    probe = folder / ".mode"
    probe.touch()
    usual = probe.stat().st_mode
    probe.unlink()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(usual)  # safetensors writes its files for the owner alone
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Returns when the file or folder is on the disk."""
    if os.name == "nt":
        return  # Windows opens no folder, and syncs no file that is open for reading only
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 with line feeds, and returns when it is on the disk."""
    with storage_errors(path), path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
