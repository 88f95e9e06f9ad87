"""The Hugging Face hub: one file of a repository, a folder into one, and the front matter of cards."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from una_fast.citations import SIMCSE, UNA
from una_fast.errors import OptionError, StorageError
from una_fast.extras import require

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

__all__ = ["Uploads", "bibtex", "fetch", "front_matter", "looks_like_path"]


def looks_like_path(name: str) -> bool:
    """True for what cannot be a name on the hub, which is one word, or two with a slash between."""
    return Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1


def fetch(
    name: str | os.PathLike[str],
    file: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Path:
    """A file of a folder, or of a repository of the hub, which is downloaded unless it is in the cache.

    Raises:
        OptionError: the name is neither a folder nor one of the hub.
        StorageError: there is no such file, or the hub does not give it.
        MissingExtraError: without huggingface_hub, for what is no folder.
    """
    path = Path(name)
    if path.exists() or looks_like_path(os.fspath(name)):
        if not (path / file).is_file():
            raise StorageError(f"{path} has no {file}" if path.is_dir() else f"there is no folder {path}")
        return path / file
    hub = require("the hub", "huggingface_hub")
    with _hub_errors(f"{os.fspath(name)!r}"):
        return Path(
            hub.hf_hub_download(
                os.fspath(name),
                file,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        )


class Uploads(ABC):
    """What can be uploaded to the hub."""

    @abstractmethod
    def _to_upload(self) -> AbstractContextManager[tuple[Path, list[str] | None, str]]:
        """A folder, those of its files that go (None is all), and what the commit says by default."""

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
    ) -> str:
        """Uploads it, with its card, to a repository of the Hugging Face hub, which is made where there is none.

        Args:
            repo_id: its name, "user/name".
            private: whether a repository that is made is private; by default as your account says.
            token: yours; by default the one that `hf auth login` left.
            commit_message: what the commit says.
            revision: the branch to commit to.
            create_pr: whether to open a pull request in place of a commit.

        Returns:
            The address of the commit, or of the pull request.

        Raises:
            OptionError: for what is no name on the hub.
            StorageError: where the hub refuses, or cannot be reached.
            MissingExtraError: without huggingface_hub.
        """
        api = require("push_to_hub", "huggingface_hub").HfApi(token=token)
        with self._to_upload() as (folder, files, message), _hub_errors(f"{repo_id!r}"):
            repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            if revision is not None and not revision.startswith("refs/"):
                api.create_branch(repo_id, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                commit_message=commit_message or message,
                revision=revision,
                create_pr=create_pr,
                allow_patterns=files,
            )
        return str(commit.pr_url if create_pr else commit.commit_url)


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turns what huggingface_hub raises into this package's errors, with the name of the repository."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except HFValidationError as error:
        raise OptionError(f"{name} is neither a folder nor a name on the hub: {error}") from error
    except LocalEntryNotFoundError as error:
        raise StorageError(
            f"{name} is not in the cache, and the hub was not asked or cannot be reached"
        ) from error
    except RepositoryNotFoundError as error:
        raise StorageError(f"the hub has no repository {name}, or none that you may use") from error
    except RevisionNotFoundError as error:
        raise StorageError(f"repository {name} has no such revision: {_first_line(error)}") from error
    except EntryNotFoundError as error:
        raise StorageError(f"repository {name} has no such file: {_first_line(error)}") from error
    except Exception as error:  # of what carries its requests, which is another library in each release
        raise StorageError(f"the hub, {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def front_matter(scores: Mapping[str, float | None], **facts: Any) -> str:
    """The YAML at the head of a card, between its lines of dashes.

    Args:
        scores: Spearman by STS task, from -1 to 1; None where it is undefined.
        facts: what `huggingface_hub.ModelCardData` takes: base_model, datasets, language, license, tags and so on.
    """
    data: ModelCardData = require("a card", "huggingface_hub").ModelCardData(
        **{name: value for name, value in facts.items() if value},
        **({"eval_results": _results(scores)} if scores else {}),
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _results(scores: Mapping[str, float | None]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="semantic-similarity",
            task_name="Semantic Similarity",
            dataset_type=task,
            dataset_name=task,
            metric_type="spearman_cosine",
            metric_name="Spearman Cosine",
            metric_value=score,
        )
        for task, score in scores.items()
        if score is not None
    ]


def bibtex() -> str:
    """What to cite, as a section of a card."""
    return f"## Citation\n\n```bibtex\n{UNA}\n\n{SIMCSE}\n```\n"
