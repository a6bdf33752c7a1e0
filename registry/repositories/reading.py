"""The repository that a read is about, remembered under epochs: for the doors that most requests go through.

Whoever is going to write loads fresh rows by `selectors.repository_get`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models.functions import Lower

from registry.accounts.principal import Principal
from registry.epochs.caches import EpochCache
from registry.epochs.snapshots import (
    GLOBAL,
    LICENSES,
    LINEAGE,
    Snapshot,
    repository_scope,
    snapshot_take,
    user_scope,
)
from registry.repositories.errors import RepositoryDisabledError, RepositoryNotFoundError
from registry.repositories.models import Repository
from registry.repositories.names import RepoId, parse_repository_id
from registry.repositories.permissions import may
from registry.repositories.selectors import repository_find

# Download counts raise no epoch: what is shown of them may be this old.
COUNTERS_MAX_AGE_SECONDS = 60.0
_rows: EpochCache[tuple[str, str], Repository] = EpochCache(1_000, max_age=COUNTERS_MAX_AGE_SECONDS)


@dataclass(frozen=True, slots=True)
class Reading:
    """A repository as it stood when the request came, and the epochs of everything that the answer may depend on.

    Attributes:
        repository: with namespace, profile and counters; a copy of the caller's own, whose JSON values are shared.
        snapshot: epochs of the repository, the asker, lineage and licenses; None where nothing may be remembered.
    """

    repository: Repository
    snapshot: Snapshot | None


def repository_read(principal: Principal, type: str, full_name: str) -> Reading:  # noqa: A002 (the domain's word)
    """Returns a repository that the caller may read: one small query while nothing about it changed.

    Raises:
        RepositoryNotFoundError: it is missing, or the caller may not know of it.
        RepositoryDisabledError: an operator disabled it.
    """
    repository_id = parse_repository_id(type, full_name)
    reading = _read(principal, repository_id)
    if reading is None or not may(principal, reading.repository, "read"):
        raise RepositoryNotFoundError(f"there is no {type} `{repository_id.full_name}`")
    if reading.repository.disabled:
        raise RepositoryDisabledError
    return reading


def _read(principal: Principal, repository_id: RepoId) -> Reading | None:
    if connection.in_atomic_block:  # nothing is remembered then
        row = repository_find(repository_id)
        return None if row is None else Reading(row, None)
    key = repository_id.type, repository_id.full_name.lower()
    known = _rows.peek(key)
    pk = _pk_of(*key) if known is None else known.pk
    if pk is None:
        return None
    own = (repository_scope(pk), GLOBAL)
    asker = () if principal.user_id is None else (user_scope(principal.user_id),)
    snapshot = snapshot_take((*own, LICENSES, LINEAGE, *asker))
    row = _rows.get(key, snapshot)
    if row is None:
        row = repository_find(repository_id)
        if row is None or row.pk != pk:  # gone; perhaps made anew under the same name, and its epoch was not asked for
            _rows.drop(key)
            return None if row is None else Reading(row, None)
        _rows.put(key, row, snapshot, own)
    return Reading(_copy(row), snapshot)


def _pk_of(type: str, name_key: str) -> int | None:  # noqa: A002 (the domain's word)
    rows = Repository.objects.alias(name_key=Lower("full_name")).filter(type=type, name_key=name_key)
    return rows.values_list("pk", flat=True).first()


def _copy(row: Repository) -> Repository:
    """Returns a row of the caller's own: to set its columns and relations does not change what is shared."""
    copy = Repository.__new__(Repository)
    copy.__dict__ = row.__getstate__()
    return copy
