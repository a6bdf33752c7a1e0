"""Every change takes effect on the very next request, however warm the process is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from registry.accounts import selectors as accounts
from registry.accounts.models import AccessToken, Organization, User
from registry.accounts.principal import ANONYMOUS
from registry.accounts.services import (
    membership_remove,
    membership_set,
    token_revoke,
    token_set_scopes,
    user_set_active,
)
from registry.catalogue.models import RepositoryProfile
from registry.catalogue.publishing import commit_publish
from registry.licensing import services as licensing
from registry.licensing.models import Acceptance, Offer
from registry.licensing.services.agreements import current_text
from registry.repositories.disabling import repository_set_disabled
from registry.repositories.models import Repository
from registry.repositories.operations import AddFile
from registry.repositories.reading import repository_read
from registry.repositories.services import repository_delete, repository_update

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Repository]
Headers = Callable[..., dict[str, str]]
Ask = Callable[..., Any]
FILES = {"config.json": "{}"}


@pytest.fixture
def model(alice: User, make_repository: Make) -> Repository:
    return make_repository(alice, files=FILES)


# --- what it costs ------------------------------------------------------------------------------------------------
def test_a_warm_head_costs_two_small_queries_with_a_token_and_one_without(
    model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask, django_assert_num_queries: Any
) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    with django_assert_num_queries(2):
        head(headers=headers)
    warm()
    with django_assert_num_queries(1):
        head()


# --- who asks -----------------------------------------------------------------------------------------------------
def test_a_revoked_token_is_refused(model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    token_revoke(token=AccessToken.objects.get(user=bob))
    assert head(headers=headers).status_code == 401


def test_a_deleted_token_is_refused(model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    AccessToken.objects.filter(user=bob).delete()
    assert head(headers=headers).status_code == 401


def test_a_token_ends_by_the_clock_without_any_write(
    model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = timezone.now() + timedelta(days=2)
    headers = bearer(bob, expires_at=timezone.now() + timedelta(days=1))
    warm(headers=headers)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert head(headers=headers).status_code == 401


def test_a_suspended_user_is_refused(model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    user_set_active(user=bob, active=False, reason="asked to")
    assert head(headers=headers).status_code == 401


def test_narrowed_scopes_count(alice: User, make_repository: Make, bearer: Headers, warm: Ask, head: Ask) -> None:
    make_repository(alice, files=FILES, private=True)
    scope = {"type": "model", "name": "alice/m", "permissions": ["read"]}
    headers = bearer(alice, "fineGrained", scopes={"repositories": [scope]})
    warm(headers=headers)
    token_set_scopes(token=AccessToken.objects.get(), scopes={"repositories": [scope | {"name": "alice/other"}]})
    assert head(headers=headers).status_code == 404


def test_a_removed_member_no_longer_sees_private_repositories_and_a_new_one_does(
    carol: User, rita: User, bob: User, acme: Organization, make_repository: Make, bearer: Headers, warm: Ask, head: Ask
) -> None:
    make_repository(carol, files=FILES, private=True, namespace="acme")
    reader, stranger = bearer(rita), bearer(bob)
    warm("acme/m", reader)
    assert [head("acme/m", stranger).status_code for _ in range(2)] == [404, 404]
    membership_remove(organization=acme, user=rita)
    membership_set(organization=acme, user=bob, role="read")
    assert head("acme/m", reader).status_code == 404
    assert head("acme/m", stranger).status_code == 200


# --- what the repository is ---------------------------------------------------------------------------------------
def test_a_repository_made_private_is_gone_for_strangers(model: Repository, alice: User, warm: Ask, head: Ask) -> None:
    warm()
    repository_update(principal=accounts.principal_for_user(alice), repository=model, visibility="private")
    assert head().status_code == 401


@pytest.mark.parametrize("gated", ["auto", "manual"])
def test_gating_counts(model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask, gated: str) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    Repository.objects.filter(pk=model.pk).update(gated=gated)
    assert head(headers=headers).status_code == 403


def test_a_disabled_repository_is_refused(model: Repository, warm: Ask, head: Ask) -> None:
    warm()
    repository_set_disabled(principal=None, repository=model, disabled=True, reason="asked to")
    assert head().status_code == 403


def test_a_commit_moves_main(model: Repository, alice: User, warm: Ask, head: Ask) -> None:
    before = warm()["X-Repo-Commit"]
    done = commit_publish(
        principal=accounts.principal_for_user(alice),
        repository=model,
        branch="main",
        operations=[AddFile("config.json", b'{"a": 1}')],
        title="Change",
    )
    answer = head()
    assert answer["X-Repo-Commit"] == done.oid != before
    assert answer["Content-Length"] == "8"


def test_a_deleted_repository_is_gone_and_its_name_can_be_another_ones(
    model: Repository, alice: User, make_repository: Make, warm: Ask, head: Ask, django_assert_num_queries: Any
) -> None:
    before = warm()["X-Repo-Commit"]
    repository_delete(principal=accounts.principal_for_user(alice), repository=model)
    assert head().status_code == 401
    again = make_repository(alice, files={"config.json": '{"again": true}'})
    assert again.pk != model.pk
    assert warm()["X-Repo-Commit"] != before
    with django_assert_num_queries(1):  # the new one is remembered in the place of the old one
        head()


# --- what was agreed ----------------------------------------------------------------------------------------------
def accept(user: User, repository: Repository, license_id: str) -> Acceptance:
    text = current_text(license_id)
    return licensing.license_accept(
        principal=accounts.principal_for_user(user),
        repository=repository,
        license_id=license_id,
        text_sha256=text.sha256 if text else "",
    )


def test_an_acceptance_counts_until_it_is_withdrawn(
    under: Make, alice: User, bob: User, bearer: Headers, warm: Ask, head: Ask
) -> None:
    repository, headers = under(alice, "apache-2.0", gated="auto"), bearer(bob)
    assert [head(headers=headers).status_code for _ in range(2)] == [403, 403]
    row = accept(bob, repository, "apache-2.0")
    warm(headers=headers)
    licensing.acceptance_withdraw(principal=accounts.principal_for_user(bob), acceptance_id=row.pk)
    assert head(headers=headers).status_code == 403


def test_a_material_change_of_the_text_asks_anew(
    under: Make, alice: User, bob: User, bearer: Headers, warm: Ask, head: Ask
) -> None:
    repository, headers = under(alice, "apache-2.0", gated="auto"), bearer(bob)
    accept(bob, repository, "apache-2.0")
    warm(headers=headers)
    licensing.license_text_add(principal=None, license_id="apache-2.0", text="Now with other terms.")
    assert head(headers=headers).status_code == 403


def test_a_request_counts_until_it_is_rejected(
    under: Make, alice: User, bob: User, bearer: Headers, warm: Ask, head: Ask
) -> None:
    repository, headers = under(alice, "apache-2.0", gated="manual"), bearer(bob)
    request = licensing.access_request_grant(principal=None, repository=repository, user=bob)
    warm(headers=headers)
    licensing.access_request_decide(
        principal=None, request=request, repository=repository, status="rejected", reason="no longer"
    )
    assert head(headers=headers).status_code == 403


@pytest.mark.parametrize("holder", ["user", "organization"])
def test_an_entitlement_counts_until_it_is_revoked(
    under: Make, alice: User, rita: User, acme: Organization, bearer: Headers, warm: Ask, head: Ask, holder: str
) -> None:
    repository, headers = under(alice, "apache-2.0", gated="manual"), bearer(rita)
    offer = licensing.offer_create(
        principal=None, repository=repository, license_id="apache-2.0", acquisition="invitation", title="Invited"
    )
    assert head(headers=headers).status_code == 403
    row = licensing.entitlement_grant(
        principal=None,
        offer=offer,
        repository=repository,
        reason="a friend",
        **{holder: rita if holder == "user" else acme},  # type: ignore[arg-type]
    )
    warm(headers=headers)
    licensing.entitlement_revoke(principal=None, entitlement=row, repository=repository, reason="no longer")
    assert head(headers=headers).status_code == 403


def test_an_offer_counts_until_it_is_withdrawn(
    under: Make, alice: User, bob: User, bearer: Headers, warm: Ask, head: Ask
) -> None:
    repository, headers = under(alice, "apache-2.0", gated="manual"), bearer(bob)
    assert head(headers=headers).status_code == 403
    offer = licensing.offer_create(
        principal=None, repository=repository, license_id="apache-2.0", acquisition="open", title="Open"
    )
    warm(headers=headers)
    licensing.offer_withdraw(principal=None, offer=offer, repository=repository)
    assert Offer.objects.get().status == "withdrawn"
    assert head(headers=headers).status_code == 403


def test_the_license_of_an_ancestor_counts_at_once(
    under: Make, alice: User, bob: User, bearer: Headers, warm: Ask, head: Ask
) -> None:
    base = under(alice, "apache-2.0", name="base")
    under(alice, "apache-2.0", base_model="alice/base")
    headers = bearer(bob, purpose="commercial-product")
    warm(headers=headers)
    RepositoryProfile.objects.filter(pk=base.pk).update(license_id="cc-by-nc-4.0")
    assert head(headers=headers).status_code == 403


# --- transactions, threads, processes -----------------------------------------------------------------------------
def described(repository: Repository) -> str:
    row = repository_read(ANONYMOUS, repository.type, repository.full_name).repository
    return str(row.profile.description)


def describe(repository: Repository, text: str) -> None:
    RepositoryProfile.objects.filter(pk=repository.pk).update(description=text)


def test_an_epoch_that_was_rolled_back_proves_nothing(model: Repository) -> None:
    describe(model, "first")
    assert described(model) == "first"
    with transaction.atomic():
        describe(model, "rolled back")
        assert described(model) == "rolled back"  # a transaction sees its own writes
        transaction.set_rollback(True)
    assert described(model) == "first"
    describe(model, "second")  # raises the epoch to the value that was rolled back
    assert described(model) == "second"


def test_a_reader_may_change_its_own_copy(model: Repository) -> None:
    row = repository_read(ANONYMOUS, "model", model.full_name).repository
    row.visibility = "private"
    row.profile = RepositoryProfile(description="mine")
    again = repository_read(ANONYMOUS, "model", model.full_name).repository
    assert (again.visibility, again.profile.pk) == ("public", model.pk)


def test_readers_never_see_less_than_was_committed_before_they_asked(model: Repository) -> None:
    committed, stop, wrong = [0], threading.Event(), []
    describe(model, "0")

    def read() -> None:
        try:
            while not stop.is_set():
                floor = committed[0]
                if int(described(model)) < floor:
                    wrong.append(floor)
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            wrong.append(error)
        finally:
            connection.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 101):
        describe(model, str(number))
        committed[0] = number
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert described(model) == "100"


def test_another_process_revokes_a_token(model: Repository, bob: User, bearer: Headers, warm: Ask, head: Ask) -> None:
    headers = bearer(bob)
    warm(headers=headers)
    name = connection.settings_dict["NAME"]
    base = os.environ.get("WEIGHBRIDGE_DATABASE_URL", "")
    url = f"sqlite:///{name}" if connection.vendor == "sqlite" else f"{base.rpartition('/')[0]}/{name}"
    script = (
        "import django; django.setup()\n"
        "from registry.accounts.models import AccessToken\n"
        "from registry.accounts.services import token_revoke\n"
        "token_revoke(token=AccessToken.objects.get(user__username='bob'))\n"
    )
    environment = {
        **os.environ,
        "WEIGHBRIDGE_DATABASE_URL": url,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "registry.settings",
    }
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, check=True)
    assert head(headers=headers).status_code == 401
