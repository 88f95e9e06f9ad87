"""Files of a model, out of its folder or from the Hugging Face hub."""

import json
from pathlib import Path
from typing import Any

from una_fast.errors import ArtifactError, OptionError
from una_fast.files import read_bytes

__all__ = ["file_of", "read_json"]


def read_json(name: str, file: str) -> Any:
    """The JSON in a file of a model folder or hub repository, or None where there is no such file."""
    path = file_of(name, file)
    if path is None:
        return None
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from error


def file_of(name: str, file: str) -> Path | None:
    """A file of a model folder or hub repository, or None where there is no such file."""
    path = Path(name) / file if Path(name).is_dir() else _from_hub(name, file)
    return path if path is not None and path.is_file() else None


def _from_hub(name: str, file: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, file))
    except HFValidationError as error:
        raise OptionError(f"model {name!r} is neither a folder nor a name on the hub") from error
    except (HfHubHTTPError, LocalEntryNotFoundError):
        return None
