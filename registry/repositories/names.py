"""Names of repositories: what is allowed, and how an id is written (hub-api 0.1). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from registry.accounts.names import is_client_name
from registry.errors import InvalidError
from registry.repositories.errors import RepositoryNotFoundError

MAX_NAME_LENGTH = 96
_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}
_API_SEGMENT = {"model": "models", "dataset": "datasets", "space": "spaces"}
TYPES = tuple(_PREFIX)


def valid_repository_name(name: str) -> bool:
    """True if clients and pages can address the name (the client's own rule, hub-api 0.1)."""
    return is_client_name(name)


def check_repository_name(name: str) -> str:
    """Returns the name.

    Raises:
        InvalidError: the name breaks the rule; the message states it.
    """
    if not valid_repository_name(name):
        raise InvalidError(
            f"`{name[:120]}` is not a valid repository name: use up to {MAX_NAME_LENGTH} letters, digits, `-`, `_` and "
            "`.`; no `--` or `..`, none of `-` and `.` first or last, and not ending in `.git`",
            field="name",
        )
    return name


@dataclass(frozen=True, slots=True)
class RepoId:
    """A repository's address: type, namespace and name, in the case in which they were given."""

    type: str
    namespace: str
    name: str

    @property
    def full_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def prefix(self) -> str:
        """What precedes the id in page, download and git addresses: empty, `datasets/` or `spaces/`."""
        return _PREFIX[self.type]

    @property
    def path(self) -> str:
        """Page address without the leading slash: `datasets/acme/x`."""
        return self.prefix + self.full_name

    @property
    def api_path(self) -> str:
        """API address without the leading slash: `api/datasets/acme/x`."""
        return f"api/{_API_SEGMENT[self.type]}/{self.full_name}"


def parse_repository_id(type: str, text: str) -> RepoId:  # noqa: A002 (the domain's word)
    """Parses `namespace/name`.

    Raises:
        RepositoryNotFoundError: no repository can have that id, so none does (hub-api 0.1: never a router page).
    """
    namespace, slash, name = text.partition("/")
    if type not in _PREFIX or not slash or not valid_repository_name(namespace) or not valid_repository_name(name):
        raise RepositoryNotFoundError(f"there is no {type} `{text[:200]}`")
    return RepoId(type, namespace, name)
