"""Errors of repositories, with the codes that hub clients branch on (hub-api 0.4)."""

from __future__ import annotations

from registry import errors


class RepositoryNotFoundError(errors.NotFoundError):
    """The repository is missing, or the caller may not know that it exists: the two look alike."""

    code = "repository_not_found"


class RevisionNotFoundError(errors.NotFoundError):
    """The repository has no such branch, tag or commit."""

    code = "revision_not_found"


class EntryNotFoundError(errors.NotFoundError):
    """The revision has no such file or folder; `details["commit"]` is the revision that was looked at."""

    code = "entry_not_found"


class RepositoryDisabledError(errors.DeniedError):
    """An operator has disabled the repository; clients match the message (hub-api 0.4)."""

    code = "repository_disabled"

    def __init__(self) -> None:
        super().__init__("Access to this resource is disabled.")


class RepositoryExistsError(errors.ConflictError):
    """A repository of that type and name exists; `details` carry its `url`, which clients parse (hub-api 2.1)."""

    code = "repository_exists"


class RepositoryInUseError(errors.ConflictError):
    """The repository cannot go: somebody's right hangs on it (an entitlement to one of its offers)."""

    code = "repository_in_use"


class ReferenceExistsError(errors.ConflictError):
    """The branch or tag exists already (hub-api 5.1, 5.2)."""

    code = "reference_exists"


class StaleParentError(errors.PreconditionError):
    """The branch moved since the caller read it; clients match the sentence (hub-api 2.7)."""

    code = "stale_parent"

    def __init__(self, *, head: str) -> None:
        super().__init__(
            "The branch was updated since you opened this page. Please refresh and try again.",
            head=head,
        )


class CommitConflictError(errors.BadRequestError):
    """The operations of one commit contradict one another or the tree (hub-api 2.7)."""

    code = "commit_conflict"


class ObjectMissingError(errors.BadRequestError):
    """A commit names a large object that was never uploaded, or that the caller has no right to."""

    code = "large_object_missing"
