"""Collection of what nobody holds any more: git objects, uploads without a commit, large objects.

Rules: only objects older than the grace period (an upload or commit may be on its way), only without a holder, rows in
the order of their ids, and never waiting for a row that a commit has locked (the next sweep finds it).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from registry.repositories.models import GitObject, RepositoryGitObject, RepositoryObject
from registry.storage.models import LargeObject
from registry.storage.services import object_delete

_BATCH = 500


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How many rows went."""

    uploads: int
    git_objects: int
    large_objects: int


def unreferenced_delete(*, older_than: datetime) -> SweepResult:
    """Deletes what nobody holds and what was made before `older_than`.

    A large object's row goes first and its bytes after the commit (`storage.services.object_delete`).
    """
    uploads, _ = RepositoryObject.objects.filter(referenced_at__isnull=True, created_at__lt=older_than).delete()
    return SweepResult(uploads, _git_objects_delete(older_than), _large_objects_delete(older_than))


def _git_objects_delete(older_than: datetime) -> int:
    held = RepositoryGitObject.objects.filter(git_object_id=OuterRef("pk"))
    count, last = 0, ""
    while True:
        with transaction.atomic():
            rows: QuerySet[GitObject] = GitObject.objects.filter(~Exists(held), created_at__lt=older_than, oid__gt=last)
            if connection.features.has_select_for_update_skip_locked:
                rows = rows.select_for_update(skip_locked=True)
            oids = list(rows.order_by("oid").values_list("oid", flat=True)[:_BATCH])
            if not oids:
                return count
            # Between the read and the lock a commit may have taken hold of some: ask once more under the lock.
            GitObject.objects.filter(~Exists(held), oid__in=oids).delete()
            count += len(oids)
            last = oids[-1]


def _large_objects_delete(older_than: datetime) -> int:
    by_repository = RepositoryObject.objects.filter(large_object_id=OuterRef("pk"))
    by_blob = GitObject.objects.filter(large_object_id=OuterRef("pk"))
    rows = LargeObject.objects.filter(~Exists(by_repository), ~Exists(by_blob), created_at__lt=older_than)
    return sum(object_delete(sha256=sha256) for sha256 in rows.order_by("sha256").values_list("sha256", flat=True))
