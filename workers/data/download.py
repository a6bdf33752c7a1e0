"""Fetches inputs from the hub with `huggingface_hub`, through the gate, at the commits the job was granted."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import DatasetCard, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from workers.context import Context
from workers.data import files
from workers.data.labelled_text import Rows, clean_rows
from workers.failures import FailureCode, JobFailedError
from workers.spec import DataSpec

# Configuration, tokenizer and safetensors; pickled weights (*.bin, *.pt) stay where they are.
MODEL_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_DENIED = frozenset({401, 403, 451})


def fetch_snapshot(context: Context, repo: str, revision: str, repo_type: str, patterns: list[str]) -> Path:
    """Downloads a repository at a commit into the job's scratch folder; returns the folder.

    Raises:
        JobFailedError: `license_blocked` when the gate refuses (its sentence is kept), `input_missing` when the
            repository or commit is gone.
    """
    target = context.folder("inputs") / repo_type / repo
    try:
        snapshot_download(repo, repo_type=repo_type, revision=revision, local_dir=target, allow_patterns=patterns)
    except GatedRepoError as error:
        raise JobFailedError(FailureCode.LICENSE_BLOCKED, _sentence(error)) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        message = f"`{repo}` at {revision[:12]} is not there (any more)"
        raise JobFailedError(FailureCode.INPUT_MISSING, message) from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in _DENIED:
            raise JobFailedError(FailureCode.LICENSE_BLOCKED, _sentence(error)) from error
        raise
    return target


def fetch_model(context: Context, repo: str, revision: str) -> Path:
    """Downloads a model's configuration, tokenizer and safetensors weights.

    Raises:
        JobFailedError: `input_missing` when there is no configuration or no safetensors file.
    """
    folder = fetch_snapshot(context, repo, revision, "model", MODEL_FILES)
    if not (folder / "config.json").is_file():
        raise JobFailedError(FailureCode.INPUT_MISSING, f"`{repo}` has no `config.json`: it is no transformers model")
    if not any(folder.glob("*.safetensors")):
        raise JobFailedError(
            FailureCode.INPUT_MISSING, f"`{repo}` has no safetensors weights; pickled weights are not loaded by jobs"
        )
    return folder


class DatasetSource:
    """A data set repository on this worker's disk."""

    def __init__(self, context: Context, data: DataSpec) -> None:
        self._context, self._data = context, data
        self._folder = fetch_snapshot(context, data.repo, data.revision, "dataset", files.PATTERNS)
        readme = self._folder / "README.md"
        self._card = DatasetCard.load(readme, ignore_metadata_errors=True).data.to_dict() if readme.is_file() else {}

    def rows(self, split: str) -> Rows:
        """Reads one split.

        Raises:
            JobFailedError: `input_missing` for a split that is not there, `data_invalid` for unusable columns.
        """
        names = [path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file()]
        chosen = files.split_files(names, self._card, split, self._data.config)
        columns = (self._data.columns["text"], self._data.columns["label"])
        rows = files.read_files(self._folder, chosen, columns)
        return clean_rows(rows, split, self._data.columns, self._context.warn)


def _sentence(error: HfHubHTTPError) -> str:
    return (error.server_message or str(error).splitlines()[0]).strip()[:500]
