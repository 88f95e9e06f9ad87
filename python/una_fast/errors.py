"""The exceptions of this package: one tree under `UnaError`, each member also a built-in kind.

Catch `UnaError` for everything, or the built-in (`ValueError`, `OSError`, ...) where code must not know this
package. Every message names the thing and the place: the option and its value, the file with line and byte
offset, the row.
"""

__all__ = [
    "ArtifactError",
    "InputError",
    "InternalError",
    "MissingExtraError",
    "OptionError",
    "StorageError",
    "UnaError",
]


class UnaError(Exception):
    """The root of every error this package raises on purpose."""


class InputError(UnaError, ValueError):
    """Text or data that cannot be used: bad UTF-8, a NUL byte, an over-long line, an empty or ragged file."""


class OptionError(UnaError, ValueError):
    """An option, or a combination of options, that has no meaning."""


class ArtifactError(UnaError, ValueError):
    """A saved file that is damaged, hostile, or not ours."""


class StorageError(UnaError, OSError):
    """The operating system refused to read, to write or to start a thread that nothing can do without.

    `errno` and `filename` are set where they are known.
    """


class InternalError(UnaError, RuntimeError):
    """A fault of this package itself. Please report it with the message."""


class MissingExtraError(UnaError, ImportError):
    """A feature whose optional dependency is not installed; the message says which extra brings it."""
