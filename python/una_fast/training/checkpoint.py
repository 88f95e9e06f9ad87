"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is a folder `step-<number>`: weights and the optimiser's moments as safetensors, the random states,
and a JSON file with the course of the run, what the run is of, and the checksum of each file and of itself. Nothing
in it is executed on reading.
"""

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from una_fast.errors import ArtifactError, OptionError
from una_fast.files import remove_folder, replacing_folder, storage_errors, write_text

__all__ = ["Checkpoint", "Checkpoints", "check_same_run", "is_of", "restore_optimizer", "run_state"]

_STATE = "state.json"
_TENSORS = ("weights", "optimizer", "random")
_FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run after a step.

    Attributes:
        step: Steps done.
        weights: Of the model with its training head.
        optimizer: Its moments, by number of the parameter and name.
        random: The random states of all ranks.
        history: The course of the run, see `History.state`.
        identity: What the run is of: settings, digests of corpus, table and start weights.
    """

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]
    history: dict[str, Any]
    identity: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a run in a folder of their own, of which the newest `keep` are kept."""

    folder: Path
    keep: int = 2

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, whole or not at all, and remove those that are too many.

        Raises:
            StorageError: The operating system refused; the older ones stay.
        """
        with storage_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing_folder(self.folder / f"step-{checkpoint.step:09d}") as folder:
                for name in _TENSORS:
                    save_file(getattr(checkpoint, name), folder / f"{name}.safetensors")
                state: dict[str, Any] = {
                    "format": _FORMAT,
                    "step": checkpoint.step,
                    "history": checkpoint.history,
                    "identity": checkpoint.identity,
                    "sha256": {name: _digest(folder / f"{name}.safetensors") for name in _TENSORS},
                }
                state["sha256"]["state"] = _digest_of_state(state)
                write_text(folder / _STATE, json.dumps(state, indent=1, sort_keys=True, allow_nan=False))
            for old in self.steps()[: -self.keep]:
                remove_folder(old)

    def steps(self) -> list[Path]:
        """The folders of the checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if re.fullmatch(r"step-\d{9,}", path.name))

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None where there is none.

        A damaged one is passed over with a warning, since the one before it leads to the same end.
        """
        for folder in reversed(self.steps()):
            try:
                return _read(folder)
            except ArtifactError as error:
                warnings.warn(f"{error}; going back to the checkpoint before it", stacklevel=2)
        return None

    def remove(self) -> None:
        """Remove all of them: the run has ended well."""
        with storage_errors():
            remove_folder(self.folder)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_state(state: dict[str, Any]) -> str:
    """The checksum of a state as JSON has it, without this checksum: a damaged name or number is often still JSON."""
    sums = {name: state["sha256"][name] for name in _TENSORS}
    text = json.dumps({**state, "sha256": sums}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(folder: Path) -> Checkpoint:
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if state["format"] != _FORMAT:
            raise ArtifactError(f"checkpoint {folder} has format {state['format']}, not {_FORMAT}")
        if _digest_of_state(state) != state["sha256"]["state"]:
            raise ArtifactError(f"checkpoint {folder}: {_STATE} is damaged: its checksum differs")
        for name in _TENSORS:
            if _digest(folder / f"{name}.safetensors") != state["sha256"][name]:
                raise ArtifactError(
                    f"checkpoint {folder}: {name}.safetensors is damaged: its checksum differs"
                )
        tensors = {name: load_file(folder / f"{name}.safetensors") for name in _TENSORS}
        return Checkpoint(step=state["step"], history=state["history"], identity=state["identity"], **tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"checkpoint {folder} cannot be read: {error!r}") from error


def check_same_run(checkpoint: Checkpoint, identity: dict[str, Any], folder: Path) -> None:
    """Refuse to go on from a checkpoint of another run.

    Raises:
        OptionError: It names what differs, there and here.
    """
    there, here = _flat(checkpoint.identity), _flat(identity)
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise OptionError(
                f"{folder} holds checkpoints of another run: {name} is {there.get(name)!r} there and "
                f"{here.get(name)!r} here; name another output, or remove that folder"
            )


def is_of(manifest: dict[str, Any], identity: dict[str, Any]) -> bool:
    """Returns true where the manifest of an output is of a run with this identity."""
    return all(manifest.get(name) == value for name, value in json.loads(json.dumps(identity)).items())


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = json.loads(json.dumps(identity))
    settings = flat.pop("settings", {})
    return {**flat, **settings}


def run_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Copies, in main memory, of the weights and of what the optimiser remembers of each."""
    moments = {
        f"{number}.{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    return {
        "weights": {name: _copied(value) for name, value in model.state_dict().items()},
        "optimizer": {name: _copied(value) for name, value in moments.items()},
    }


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser of the same model the moments of a checkpoint."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
