"""What is installed, for a report of a fault."""

from __future__ import annotations

import os
import sys

from una_fast._core import __version__

__all__ = ["show_versions"]

_PACKAGES = (
    "numpy",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
    "sentence-transformers",
    "datasets",
    "huggingface-hub",
    "ray",
    "datatrove",
    "polars",
    "duckdb",
)


def show_versions() -> None:
    """Prints the versions of this package, of Python and of what it works with; nothing of it is imported.

    >>> import una_fast
    >>> una_fast.show_versions()  # doctest: +ELLIPSIS
    una_fast ...
    """
    import platform  # both take their time, which an import of the package is spared
    from importlib import metadata

    rows = {
        "una_fast": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
        "executable": sys.executable,
    }
    for package in _PACKAGES:
        try:
            rows[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            rows[package] = "-"
    width = max(map(len, rows))
    print("\n".join(f"{name:<{width}}  {version}" for name, version in rows.items()))
