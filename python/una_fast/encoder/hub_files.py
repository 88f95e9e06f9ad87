"""Files of a model, out of its folder or from the Hugging Face hub."""

import json
from pathlib import Path
from typing import Any

from una_fast.errors import ArtifactError, OptionError
from una_fast.files import read_bytes
from una_fast.hub import looks_like_path

__all__ = [
    "default_prompt",
    "file_of",
    "modules_of",
    "place_of",
    "read_json",
    "require_model",
    "text_settings",
]


_SETTINGS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
"""Files of settings are called sentence_<this>_config.json; newer releases write the first alone, and read all."""


def require_model(name: str) -> None:
    """Looks whether a model is there before anything else is done; nothing of it is loaded.

    Raises:
        OptionError: it is no folder of a model, and the Hugging Face hub does not give it.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / "adapter_config.json").is_file():
            raise OptionError(
                f"model {name!r} is an adapter of peft, not a whole model: merge it into its model first, "
                "peft.AutoPeftModel.from_pretrained(...).merge_and_unload().save_pretrained(...)"
            )
        if not any((folder / file).is_file() for file in ("config.json", "modules.json")):
            raise OptionError(f"model {name!r} is a folder without config.json: it holds no model")
        return
    if folder.exists() or looks_like_path(name):
        raise OptionError(f"model {name!r}: there is no such folder")
    fault = _fault_of_hub(name)
    if fault is not None:
        raise OptionError(f"model {name!r} is no folder here, and {fault}")


def _fault_of_hub(name: str) -> str | None:
    """The reason why the hub does not give a model; None where it does, or a copy is here."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        if any(
            isinstance(try_to_load_from_cache(name, file), str) for file in ("config.json", "modules.json")
        ):
            return None
        if constants.HF_HUB_OFFLINE:
            return "the hub is not asked while HF_HUB_OFFLINE is set"
        HfApi().model_info(name, timeout=10)
    except HFValidationError:
        return "no name on the hub is like that"
    except RepositoryNotFoundError:
        return "the hub has no model of that name, or none that you may read"
    except Exception as error:
        return (
            f"the hub cannot be reached: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        )
    return None


def modules_of(name: str) -> dict[str, str]:
    """The folders of the modules that sentence-transformers makes a model of, by their kind."""
    modules = read_json(name, "modules.json") or []
    return {str(module.get("type", "")).rsplit(".", 1)[-1]: module.get("path", "") for module in modules}


def place_of(name: str) -> str:
    """The folder, within that of a model, in which its transformer lies: "0_Transformer" by older releases."""
    return modules_of(name).get("Transformer", "").strip("/")


def text_settings(name: str) -> dict[str, Any]:
    """What sentence-transformers was told of how a model takes texts, under whatever name its releases gave it."""
    place = place_of(name)
    for kind in _SETTINGS:
        for folder in dict.fromkeys((place, "")):
            found = read_json(name, f"{folder}/sentence_{kind}_config.json".lstrip("/"))
            if isinstance(found, dict):
                return found
    return {}


def default_prompt(name: str) -> str:
    """The text that a model puts before every other; mostly none.

    Raises:
        OptionError: it names one that it has not.
    """
    settings = read_json(name, "config_sentence_transformers.json") or {}
    chosen, prompts = settings.get("default_prompt_name"), settings.get("prompts") or {}
    if chosen is None:
        return ""
    if not isinstance(prompts.get(chosen), str):
        raise OptionError(f"model {name!r} has a default prompt {chosen!r}, but no text for it")
    return str(prompts[chosen])


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
