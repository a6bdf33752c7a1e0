"""The one commit that publishes a job's output, with `huggingface_hub` and the job's own token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from workers.claim import Claim, Output
from workers.failures import FailureCode, JobFailedError

_STALE = frozenset({409, 412})
_DENIED = frozenset({401, 403})


def publish_folder(claim: Claim, output: Output, folder: Path, *, title: str, replace: bool) -> str:
    """Commits all files of `folder` on top of the commit the job was told to follow; returns the new commit.

    Args:
        claim: the job; its id goes into the commit's description.
        output: where to.
        folder: what.
        title: the commit's title.
        replace: delete files of the parent commit that the folder does not have (a whole model replaces a whole model).

    Raises:
        JobFailedError: `publish_conflict` when the branch has moved on, `license_revoked` when writing
            is forbidden now.
    """
    api = HfApi()
    operations: list[Any] = [
        CommitOperationAdd(path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    if replace:
        operations += _deletions(api, output, {operation.path_in_repo for operation in operations})
    try:
        return _commit(api, claim, output, operations, title=title, parent=output.parent_commit)
    except HfHubHTTPError as error:
        if _status(error) not in _STALE:
            raise _failure(error, output) from error
    head = _head_of_own_attempt(api, claim, output)
    try:
        return _commit(api, claim, output, operations, title=title, parent=head)
    except HfHubHTTPError as error:
        raise _failure(error, output) from error


def _commit(  # noqa: PLR0913 (a commit's parts)
    api: HfApi, claim: Claim, output: Output, operations: list[Any], *, title: str, parent: str
) -> str:
    commit = api.create_commit(
        output.repo,
        operations,
        commit_message=title,
        commit_description=f"Made by job {claim.job_id}, attempt {claim.attempt}.",
        revision=output.branch,
        parent_commit=parent,
    )
    return str(commit.oid)


def _head_of_own_attempt(api: HfApi, claim: Claim, output: Output) -> str:
    """Returns the branch's head when an earlier attempt of this very job wrote it and died before it could say so.

    Raises:
        JobFailedError: `publish_conflict` when somebody else did.
    """
    commits = api.list_repo_commits(output.repo, revision=output.branch)
    own = [f"job {claim.job_id}," in commit.message for commit in commits[:2]]
    if len(commits) < 2 or not own[0] or commits[1].commit_id != output.parent_commit:  # noqa: PLR2004 (head and parent)
        raise _conflict(output)
    return str(commits[0].commit_id)


def _deletions(api: HfApi, output: Output, kept: set[str]) -> list[CommitOperationDelete]:
    present = api.list_repo_files(output.repo, revision=output.parent_commit)
    return [CommitOperationDelete(path) for path in present if path not in kept and path != ".gitattributes"]


def _status(error: HfHubHTTPError) -> int:
    return error.response.status_code if error.response is not None else 0


def _conflict(output: Output) -> JobFailedError:
    return JobFailedError(
        FailureCode.PUBLISH_CONFLICT, f"`{output.repo}` got another commit on `{output.branch}` while the job ran"
    )


def _failure(error: HfHubHTTPError, output: Output) -> JobFailedError:
    if _status(error) in _STALE:
        return _conflict(output)
    if _status(error) in _DENIED:
        return JobFailedError(FailureCode.LICENSE_REVOKED, f"`{output.repo}` may no longer be written by this job")
    sentence = (error.server_message or str(error).splitlines()[0]).strip()[:500]
    return JobFailedError(FailureCode.INTERNAL, f"the hub did not take the commit: {sentence}")
