"""The audit trail: written with the change, and never changed afterwards."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from registry.accounts.models import User
from registry.accounts.selectors import principal_for_user
from registry.audit.models import AuditEntry
from registry.audit.selectors import entries_about
from registry.audit.services import audit_record

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_what(alice: User) -> None:
    entry = audit_record(
        action="repository.create",
        target="model:alice/m",
        principal=principal_for_user(alice),
        details={"private": True},
    )
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_id, entry.action) == ("alice", alice.pk, "repository.create")
    assert entry.details == {"private": True}


def test_the_system_has_no_name() -> None:
    entry = audit_record(action="license.load", target="license:all")
    assert (entry.actor, entry.actor_id, entry.details) == ("", None, {})


def test_an_overlong_target_is_cut() -> None:
    assert len(audit_record(action="a.b", target="x" * 400).target) == 300


def test_entries_are_listed_newest_first() -> None:
    first, second = (audit_record(action="a.b", target="model:x") for _ in range(2))
    audit_record(action="a.b", target="model:y")
    assert list(entries_about("model:x")) == [second, first]


def test_an_entry_falls_with_its_transaction() -> None:
    with transaction.atomic():
        audit_record(action="a.b", target="model:x")
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_the_database_refuses_to_change_an_entry() -> None:
    entry = audit_record(action="a.b", target="model:x")
    with pytest.raises((IntegrityError, DatabaseError), match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(actor="mallory")
    entry.refresh_from_db()
    assert entry.actor == ""


def test_the_database_refuses_to_delete_an_entry() -> None:
    entry = audit_record(action="a.b", target="model:x")
    with pytest.raises((IntegrityError, DatabaseError), match="append-only"), transaction.atomic():
        entry.delete()
    assert AuditEntry.objects.filter(target="model:x").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_the_refusal_outlives_the_emptying_of_a_test_database(turn: int) -> None:
    entry = audit_record(action="a.b", target="model:x")
    with pytest.raises(DatabaseError, match="append-only"):
        entry.delete()
