"""Optional dependencies: imported when they are needed, or named with the extra that brings them."""

from importlib import import_module
from typing import Any

from una_fast.errors import MissingExtraError

__all__ = ["require"]

_EXTRAS = {
    "pyarrow": "arrow",
    **dict.fromkeys(
        ("filelock", "matplotlib", "safetensors", "tokenizers", "torch", "transformers"), "train"
    ),
    "datasets": "datasets",
    "sklearn": "sklearn",
    "huggingface_hub": "hub",
    "ray": "ray",
    "datatrove": "datatrove",
    "shtab": "completion",
    **dict.fromkeys(("accelerate", "sentence_transformers"), "sentence-transformers"),
}
"""The extra of una-fast that brings a module; any other module is a package of its own."""

_PACKAGES = {"sentence_transformers": "sentence-transformers", "sklearn": "scikit-learn"}
"""Packages that are called otherwise than their module."""


def require(what: str, *modules: str) -> Any:
    """Imports modules, and returns the first of them.

    Args:
        what: The feature that needs them, as the message begins.
        modules: Names such as "pyarrow.parquet".

    Raises:
        MissingExtraError: One of them is not installed, or cannot be imported; the message says what to install.
    """
    imported = []
    for module in modules:
        try:
            imported.append(import_module(module))
        except ImportError as error:
            root = module.split(".")[0]
            package = _PACKAGES.get(root, root)
            bringing = f"'una-fast[{_EXTRAS[root]}]'" if root in _EXTRAS else package
            is_absent = isinstance(error, ModuleNotFoundError) and error.name == root
            reason = "which is not installed" if is_absent else f"which cannot be imported ({error})"
            raise MissingExtraError(f"{what} needs {package}, {reason}: pip install {bringing}") from error
    return imported[0]
