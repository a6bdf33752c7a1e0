"""`weighbridge license`, `check`, `verify` and `entitlement`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.access.services import authorize
from registry.accounts.models import Organization, User
from registry.accounts.selectors import principal_for_user
from registry.audit.models import AuditEntry
from registry.licensing import services, signing
from registry.licensing.models import DecisionRecord, LicenseText, Offer, Receipt
from registry.repositories.models import Repository

CARD = "---\nlicense: {license}\n---\n# M\n"


@pytest.fixture
def model(weighbridge: Any, make_repository: Callable[..., Repository], alice: User) -> Repository:
    """A model of alice's under MIT."""
    weighbridge("license", "load")
    return make_repository(alice, "m", files={"README.md": CARD.format(license="mit")})


@pytest.fixture
def research_model(weighbridge: Any, make_repository: Callable[..., Repository], alice: User) -> Repository:
    """A model of alice's for non-commercial use only."""
    weighbridge("license", "load")
    return make_repository(alice, "nc", files={"README.md": CARD.format(license="cc-by-nc-4.0")})


@pytest.fixture
def offer(model: Repository) -> Offer:
    """An offer to buy the model."""
    return services.offer_create(
        principal=None, repository=model, license_id="mit", acquisition="purchase", title="Support"
    )


def test_the_catalogue_is_loaded_once(weighbridge: Any) -> None:
    first = weighbridge("license", "load", "--json").data
    assert first["created"] > 100
    assert first["texts"] > 0
    again = weighbridge("license", "load", "--json").data
    assert (again["created"], again["updated"], again["texts"]) == (0, 0, 0)
    assert again["unchanged"] == first["created"]
    assert "0 licenses added" in weighbridge("license", "load").out
    listed = weighbridge("license", "list", "--json").data
    assert len(listed) == first["created"]


def test_a_text_is_stored_from_a_file(weighbridge: Any, tmp_path: Path) -> None:
    weighbridge("license", "load")
    file = tmp_path / "LICENSE"
    file.write_text("You may look at it.")
    outcome = weighbridge("license", "add-text", "mit", str(file), "--version", "2", "--json")
    assert LicenseText.objects.get(license_id="mit", is_current=True).sha256 == outcome.data["sha256"]
    assert weighbridge("license", "add-text", "mit", str(file)).status == 4
    assert weighbridge("license", "add-text", "no-such", str(file)).status == 3
    assert weighbridge("license", "add-text", "mit", str(tmp_path / "missing")).status == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert weighbridge("license", "add-text", "mit", str(file)).status == 2


def test_what_is_allowed_is_status_0(weighbridge: Any, model: Repository) -> None:
    outcome = weighbridge("check", "alice/m")
    assert outcome.status == 0
    assert outcome.out.startswith("allow\t")
    assert weighbridge("check", "ALICE/M", "--json").data["verdict"] == "allow"


def test_what_is_refused_is_status_1_with_reasons_and_remedies(weighbridge: Any, research_model: Repository) -> None:
    stranger = weighbridge("check", "alice/nc", "--purpose", "commercial-product")
    assert stranger.status == 1
    assert not stranger.out.startswith("allow")
    assert "\nreason\t" in stranger.out
    assert weighbridge("check", "alice/nc", "--purpose", "research").status == 0


def test_asking_leaves_no_record(weighbridge: Any, research_model: Repository, bob: User) -> None:
    weighbridge("check", "alice/nc", "--purpose", "commercial-product", "--user", "bob")
    assert not DecisionRecord.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["alice/none"], 3),
        (["nonsense"], 3),
        (["alice/m", "--type", "dataset"], 3),
        (["alice/m", "--user", "nobody"], 3),
        (["alice/m", "--action", "fly"], 2),
        (["alice/m", "--purpose", "fun"], 2),
        ([], 2),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    weighbridge: Any, model: Repository, arguments: list[str], status: int
) -> None:
    assert weighbridge("check", *arguments).status == status


def test_a_private_repository_is_refused_to_a_stranger(
    weighbridge: Any, make_repository: Callable[..., Repository], alice: User, bob: User
) -> None:
    make_repository(alice, "secret", private=True)
    assert weighbridge("check", "alice/secret", "--user", "bob").status == 1


@pytest.fixture
def receipt(model: Repository, bob: User) -> Receipt:
    """Bob's receipt for the model."""
    authorize(principal=principal_for_user(bob), action="download", repository=model, commit="0" * 40)
    return Receipt.objects.get(user=bob)


def test_a_receipt_is_verified_by_id_by_file_and_by_pipe(weighbridge: Any, receipt: Receipt, tmp_path: Path) -> None:
    file = tmp_path / "receipt.jws"
    file.write_text(receipt.jws + "\n")
    for source, stdin in ((receipt.pk, ""), (str(file), ""), ("-", receipt.jws)):
        outcome = weighbridge("verify", source, stdin=stdin)
        assert outcome.status == 0
        assert outcome.out.startswith("good\n")
    assert weighbridge("verify", receipt.pk, "--json").data["sub"] == "bob"


def test_a_receipt_is_verified_with_another_hubs_keys(weighbridge: Any, receipt: Receipt, tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(signing.public_keys()))
    assert weighbridge("verify", receipt.pk, "--keys", str(keys)).status == 0
    keys.write_text('{"keys": []}')
    assert weighbridge("verify", receipt.pk, "--keys", str(keys)).status == 1
    for broken in ("[]", "not json"):
        keys.write_text(broken)
        assert weighbridge("verify", receipt.pk, "--keys", str(keys)).status == 1


def test_a_forged_receipt_is_refused(weighbridge: Any, receipt: Receipt) -> None:
    head, body, signature = receipt.jws.split(".")
    forged = ".".join((head, body[:-4] + ("AAAA" if body[-4:] != "AAAA" else "BBBB"), signature))
    for text in (forged, "nonsense", ""):
        outcome = weighbridge("verify", "-", stdin=text)
        assert (outcome.status, outcome.out) == (1, "")
    assert weighbridge("verify", "rcp_missing").status == 3


def test_an_entitlement_lives_and_ends(weighbridge: Any, offer: Offer, bob: User, acme: Organization) -> None:
    made = weighbridge(
        "entitlement", "grant", "--offer", str(offer.pk), "--user", "bob", "--reason", "order 1",
        "--purpose", "internal", "--purpose", "research", "--expires-in-days", "30", "--json",
    ).data  # fmt: skip
    assert (made["holder"], made["status"], made["purposes"]) == ("bob", "active", "internal,research")
    for command, status in (("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")):
        outcome = weighbridge("entitlement", command, str(made["id"]), "--reason", "because")
        assert outcome.out == f"entitlement {made['id']} is {status}\n"
    assert weighbridge("entitlement", "resume", str(made["id"]), "--reason", "x").status == 4
    assert weighbridge("entitlement", "grant", "--offer", str(offer.pk), "--org", "acme", "--reason", "x").status == 0
    assert [row["holder"] for row in weighbridge("entitlement", "list", "--json").data] == ["bob", "acme"]
    assert AuditEntry.objects.filter(action="entitlement.revoke", details__reason="because").exists()


def test_an_entitlement_needs_one_holder_an_offer_and_a_reason(weighbridge: Any, offer: Offer, bob: User) -> None:
    grant = ("entitlement", "grant", "--offer", str(offer.pk))
    assert weighbridge(*grant, "--reason", "x").status == 2
    assert weighbridge(*grant, "--user", "bob", "--org", "acme", "--reason", "x").status == 2
    assert weighbridge(*grant, "--user", "bob").status == 2
    assert weighbridge(*grant, "--user", "bob", "--reason", " ").status == 2
    assert weighbridge("entitlement", "grant", "--offer", "999999", "--user", "bob", "--reason", "x").status == 3
    assert weighbridge("entitlement", "revoke", "999999", "--reason", "x").status == 3
