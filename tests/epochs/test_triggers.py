"""Which change raises which epoch, whoever writes; and that the triggers are there after every migration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from registry.accounts.models import AccessToken, Membership, Namespace, Organization, User
from registry.accounts.services import token_touch
from registry.catalogue.models import LineageEdge, RepositoryProfile
from registry.epochs.caches import EpochCache
from registry.epochs.models import Epoch
from registry.epochs.snapshots import snapshot_take
from registry.epochs.triggers import WATCHES, triggers_install
from registry.licensing.models import Acceptance, AccessRequest, Entitlement, License, LicenseText, Offer
from registry.repositories.models import Ref, Repository

Make = Callable[..., Repository]


def epochs() -> dict[str, int]:
    return dict(Epoch.objects.order_by().values_list("scope").annotate(Sum("value")))


@pytest.fixture
def raised() -> Callable[..., set[str]]:
    """Returns `raised(change)`: the scopes that a change raised."""

    def run(change: Callable[[], Any]) -> set[str]:
        before = epochs()
        change()
        return {scope for scope, value in epochs().items() if value != before.get(scope, 0)}

    return run


@pytest.fixture
def terms(db: None) -> License:
    return License.objects.create(id="x", name="X", category="other", confidence="high", terms={}, terms_sha256="0")


@pytest.fixture
def model(alice: User, make_repository: Make) -> Repository:
    return make_repository(alice)


@pytest.fixture
def offer(model: Repository, terms: License) -> Offer:
    return Offer.objects.create(repository=model, title="t", license=terms, acquisition="open")


def names(repository: Repository) -> set[str]:
    return {f"repository:{repository.pk}"}


def each(raised: Any, rows: Any, change: dict[str, Any], create: Callable[[], Any]) -> Iterable[set[str]]:
    """Yields what creating, changing and deleting a row raise."""
    yield raised(create)
    yield raised(lambda: rows.update(**change))
    yield raised(rows.delete)


def test_a_token(raised: Any, bob: User) -> None:
    user, rows = {f"user:{bob.pk}"}, AccessToken.objects.filter(user=bob)

    def create() -> None:
        AccessToken.objects.create(user=bob, name="t", secret_sha256="0" * 64, hint="")

    assert list(each(raised, rows, {"revoked_at": timezone.now()}, create)) == [set(), user, user]
    create()
    token = rows.get()
    assert raised(lambda: token_touch(token_id=token.pk)) == set()
    assert AccessToken.objects.get().last_used_at is not None
    assert raised(lambda: rows.update(expires_at=timezone.now() + timedelta(days=1))) == user
    assert raised(token.save) == user


def test_a_user(raised: Any, bob: User) -> None:
    user = {f"user:{bob.pk}"}
    rows = User.objects.filter(pk=bob.pk)
    assert raised(lambda: rows.update(last_login=timezone.now())) == set()
    assert raised(lambda: rows.update(is_active=False)) == user
    assert raised(lambda: rows.update(default_purpose="research")) == user
    assert raised(lambda: Namespace.objects.filter(user=bob).update(name="bobby")) == {*user, "global"}


def test_signing_up_leaves_what_is_known_of_others(raised: Any, django_user_model: Any) -> None:
    def create() -> None:
        user = django_user_model.objects.create(username="new")
        Namespace.objects.create(name="new", user=user)

    assert "global" not in raised(create)


def test_a_membership_and_an_organization(raised: Any, bob: User, acme: Organization) -> None:
    user, rows = {f"user:{bob.pk}"}, Membership.objects.filter(user=bob)
    changes = each(
        raised, rows, {"role": "write"}, lambda: Membership.objects.create(user=bob, organization=acme, role="read")
    )
    assert list(changes) == [user, user, user]
    assert raised(lambda: Organization.objects.filter(pk=acme.pk).update(territory="DE")) == {"global"}


def test_an_insert_that_ignores_conflicts_raises_the_same_scope_again(
    raised: Any, bob: User, acme: Organization
) -> None:
    for _ in range(2):
        row = Membership(user=bob, organization=acme)
        assert raised(lambda row=row: Membership.objects.bulk_create([row], ignore_conflicts=True)) == {
            f"user:{bob.pk}"
        }
        Membership.objects.filter(user=bob).delete()


def test_an_acceptance_and_a_request(raised: Any, bob: User, model: Repository, terms: License) -> None:
    user = {f"user:{bob.pk}"}
    changes = each(
        raised,
        Acceptance.objects.filter(user=bob),
        {"withdrawn_at": timezone.now()},
        lambda: Acceptance.objects.create(user=bob, repository=model, license=terms),
    )
    assert list(changes) == [user, user, user]
    changes = each(
        raised,
        AccessRequest.objects.filter(user=bob),
        {"status": "accepted"},
        lambda: AccessRequest.objects.create(user=bob, repository=model),
    )
    assert list(changes) == [user, user, user]


def test_a_row_that_changes_hands_raises_both(raised: Any, bob: User, rita: User, acme: Organization) -> None:
    Membership.objects.create(user=bob, organization=acme)
    Membership.objects.filter(user=rita).delete()
    assert raised(lambda: Membership.objects.filter(user=bob).update(user=rita)) == {
        f"user:{bob.pk}",
        f"user:{rita.pk}",
    }


def test_an_offer_and_entitlements_on_it(raised: Any, model: Repository, offer: Offer, acme: Organization) -> None:
    name = names(model)
    changes = each(
        raised,
        Entitlement.objects.filter(offer=offer),
        {"status": "revoked"},
        lambda: Entitlement.objects.create(offer=offer, organization=acme),
    )
    assert list(changes) == [name, name, name]
    changes = each(
        raised,
        Offer.objects.filter(title="other"),
        {"status": "withdrawn"},
        lambda: Offer.objects.create(repository=model, title="other", license=offer.license, acquisition="open"),
    )
    assert list(changes) == [name, name, name]


def test_a_license_and_its_text(raised: Any, terms: License) -> None:
    changes = each(
        raised,
        LicenseText.objects.filter(license=terms),
        {"is_current": False},
        lambda: LicenseText.objects.create(license=terms, sha256="0", text="t"),
    )
    assert list(changes) == [{"licenses"}] * 3
    assert raised(lambda: License.objects.filter(pk=terms.pk).update(terms_sha256="1")) == {"licenses"}
    assert raised(License.objects.filter(pk=terms.pk).delete) == {"licenses"}


@pytest.mark.parametrize("change", [{"visibility": "private"}, {"gated": "auto"}, {"disabled": True}])
def test_a_repository(raised: Any, model: Repository, change: dict[str, Any]) -> None:
    assert raised(lambda: Repository.objects.filter(pk=model.pk).update(**change)) == names(model)


def test_a_new_name_reaches_descendants(raised: Any, model: Repository) -> None:
    rows = Repository.objects.filter(pk=model.pk)
    assert raised(lambda: rows.update(full_name="alice/n")) == {*names(model), "lineage"}


def test_refs(raised: Any, model: Repository) -> None:
    changes = each(
        raised,
        Ref.objects.filter(name="refs/heads/x"),
        {"commit_oid": "1" * 40},
        lambda: Ref.objects.create(repository=model, name="refs/heads/x", commit_oid="0" * 40),
    )
    assert list(changes) == [names(model)] * 3


def test_a_profile_reaches_descendants_by_its_license_alone(raised: Any, model: Repository, terms: License) -> None:
    rows = RepositoryProfile.objects.filter(pk=model.pk)
    assert raised(lambda: rows.update(description="d")) == names(model)
    assert raised(lambda: rows.update(license=terms)) == {*names(model), "lineage"}
    assert raised(lambda: rows.update(license=terms)) == names(model)
    assert raised(rows.delete) == {*names(model), "lineage"}


def test_lineage(raised: Any, model: Repository, alice: User, make_repository: Make) -> None:
    base = make_repository(alice, "base")
    rows = LineageEdge.objects.filter(repository=model)
    changes = each(
        raised,
        rows,
        {"relation": "merge"},
        lambda: LineageEdge.objects.create(repository=model, base=base, base_name="alice/base", relation="finetune"),
    )
    assert list(changes) == [{*names(model), "lineage"}] * 3


# --- the triggers themselves --------------------------------------------------------------------------------------
def test_a_lost_trigger_is_put_back_and_all_that_is_remembered_becomes_stale(raised: Any, bob: User) -> None:
    assert triggers_install(connection) is False
    table = WATCHES[0].table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'epoch_%%' LIMIT 1")
            cursor.execute(f'DROP TRIGGER "{cursor.fetchone()[0]}"')
        else:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'epoch_%%' AND tgrelid = %s::regclass", [table]
            )
            cursor.execute(f'DROP TRIGGER "{cursor.fetchone()[0]}" ON {table}')
    assert raised(lambda: triggers_install(connection)) == {"global"}
    assert triggers_install(connection) is False


def test_nothing_is_remembered_inside_a_transaction(db: None) -> None:
    assert snapshot_take(["global"]) is None


@pytest.mark.django_db(transaction=True)
def test_nothing_is_remembered_without_triggers() -> None:
    assert snapshot_take(["global"]) is not None
    Epoch.objects.all().delete()
    assert snapshot_take(["global"]) is None
    triggers_install(connection)
    assert snapshot_take(["global"]) is not None


@pytest.mark.django_db(transaction=True)
def test_writers_do_not_wait_for_one_another(alice: User, bob: User, acme: Organization) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("not for SQLite: it has one writer at a time")
    both, failed = threading.Barrier(2, timeout=30), []
    # Both raise the same two scopes in opposite order while the other's transaction is open.
    first = [
        lambda: LicenseText.objects.create(license_id="x", sha256="1", text="t", is_current=False),
        lambda: Organization.objects.create(full_name="n").delete(),
    ]
    second = [
        lambda: Organization.objects.create(full_name="m").delete(),
        lambda: LicenseText.objects.create(license_id="x", sha256="2", text="t", is_current=False),
    ]
    License.objects.create(id="x", name="X", category="other", confidence="high", terms={}, terms_sha256="0")

    def write(steps: list[Callable[[], Any]]) -> None:
        try:
            with transaction.atomic():
                for step in steps:
                    step()
                    both.wait()
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            failed.append(error)
        finally:
            connection.close()

    before = epochs()
    writers = [threading.Thread(target=write, args=[steps]) for steps in (first, second)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert epochs()["licenses"] == before["licenses"] + 2


# --- the cache ----------------------------------------------------------------------------------------------------
def test_the_cache_is_bounded_and_forgets_by_age() -> None:
    now = [0.0]
    cache: EpochCache[str, str] = EpochCache(2, max_age=60, clock=lambda: now[0])
    for key in ("a", "b", "c"):
        cache.put(key, key, {"s": 1}, ["s"])
    assert [cache.get(key, {"s": 1}) for key in ("a", "b", "c")] == [None, "b", "c"]
    assert cache.get("b", {"s": 2}) is None
    assert cache.get("b", {}) is None
    assert cache.get("b", None) is None
    now[0] = 60.5
    assert cache.get("b", {"s": 1}) is None
