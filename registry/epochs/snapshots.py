"""Reads the epochs of some scopes, all in one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

# What each scope covers is written in `registry.epochs.triggers`.
GLOBAL, LICENSES, LINEAGE = "global", "licenses", "lineage"
Snapshot = Mapping[str, int]


def user_scope(user_id: int) -> str:
    """Returns the scope of what one user is and holds."""
    return f"user:{user_id}"


def repository_scope(repository_id: int) -> str:
    """Returns the scope of what one repository is and offers."""
    return f"repository:{repository_id}"


def snapshot_take(scopes: Sequence[str]) -> Snapshot | None:
    """Returns the committed epochs of scopes, `GLOBAL` among them; None where nothing may be remembered.

    That is inside a transaction, whose own epochs prove nothing because a rollback gives them out a second time, and
    on a database whose triggers were never put in place: the row that says so is missing then.
    """
    if connection.in_atomic_block or not connection.get_autocommit():
        return None
    marks = ",".join(["%s"] * len(scopes))
    statement = f"SELECT scope, CAST(SUM(value) AS bigint) FROM epochs_epoch WHERE scope IN ({marks}) GROUP BY scope"  # noqa: S608 (only placeholders are put in)
    with connection.cursor() as cursor:
        cursor.execute(statement, scopes)
        found = dict(cursor.fetchall())
    if GLOBAL not in found:
        return None
    return {scope: found.get(scope, 0) for scope in scopes}
