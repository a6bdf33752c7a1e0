"""`weighbridge license`, `weighbridge entitlement` and `weighbridge verify`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from django.db.models import QuerySet
from django.utils import timezone

from registry.accounts import selectors
from registry.accounts.models import Purpose
from registry.cli.inputs import Reason
from registry.cli.output import Json, show, show_rows
from registry.http import iso_z
from registry.licensing import services
from registry.licensing.errors import (
    EntitlementInvalidError,
    EntitlementNotFoundError,
    OfferNotFoundError,
    ReceiptInvalidError,
    ReceiptNotFoundError,
)
from registry.licensing.models import Entitlement, License, Offer, Receipt

license_app = typer.Typer(no_args_is_help=True, help="The catalogue of licenses.")
entitlement = typer.Typer(no_args_is_help=True, help="Who has a right to which offer.")

Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the entitlement.")]


@license_app.command("load")
def license_load(as_json: Json = False) -> None:
    """Load the shipped licenses and texts; what is stored already stays as it is."""
    result = services.licenses_load()
    show(
        dataclasses.asdict(result),
        as_json=as_json,
        text=f"{result.created} licenses added, {result.updated} updated, {result.unchanged} unchanged, "
        f"{result.texts} texts added",
    )


@license_app.command("list")
def license_list(as_json: Json = False) -> None:
    """List the catalogue by id."""
    columns = ("id", "name", "category", "spdx", "version", "confidence")
    show_rows(list(License.objects.order_by("id").values(*columns)), as_json=as_json)


@license_app.command("add-text")
def license_add_text(
    license_id: Annotated[str, typer.Argument(metavar="LICENSE")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    version: Annotated[str, typer.Option(help="The steward's name of this version.")] = "",
    source: Annotated[str, typer.Option(help="Where it was taken from.")] = "",
    material: Annotated[bool, typer.Option(help="Ask everybody to accept it anew.")] = True,
    as_json: Json = False,
) -> None:
    """Store a license's text and make it the current one."""
    row = services.license_text_add(
        principal=None,
        license_id=license_id,
        text=_read_text(file),
        version=version,
        source=source or file.name,
        material=material,
    )
    show({"license": license_id, "sha256": row.sha256}, as_json=as_json, text=f"stored {row.sha256}")


@entitlement.command("grant")
def entitlement_grant(
    offer: Annotated[int, typer.Option(help="Number of the offer.", metavar="ID")],
    reason: Reason,
    user: Annotated[str | None, typer.Option(help="The holder is a user.", metavar="NAME")] = None,
    org: Annotated[str | None, typer.Option(help="The holder is an organization.", metavar="ORG")] = None,
    purpose: Annotated[list[Purpose] | None, typer.Option(help="Purpose it covers; repeat; all if left out.")] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Days until it ends; never if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Give a user or an organization the right to an offer."""
    if bool(user) == bool(org):
        raise EntitlementInvalidError("name one holder: --user or --org")
    row = Offer.objects.select_related("repository").filter(pk=offer).first()
    if row is None:
        raise OfferNotFoundError(f"there is no offer {offer}")
    made = services.entitlement_grant(
        principal=None,
        offer=row,
        repository=row.repository,
        reason=reason,
        user=selectors.user_get(user) if user else None,
        organization=selectors.organization_get(org) if org else None,
        purposes=[item.value for item in purpose or ()],
        ends_at=timezone.now() + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    show(_row(_find(made.pk)), as_json=as_json, text=f"granted entitlement {made.pk}")


@entitlement.command("list")
def entitlement_list(as_json: Json = False) -> None:
    """List all entitlements, oldest first."""
    show_rows([_row(row) for row in _rows().order_by("pk")], as_json=as_json)


@entitlement.command("suspend")
def entitlement_suspend(number: Number, reason: Reason, as_json: Json = False) -> None:
    """Refuse the holder until it is resumed."""
    _change(services.entitlement_suspend, number, reason, as_json=as_json)


@entitlement.command("resume")
def entitlement_resume(number: Number, reason: Reason, as_json: Json = False) -> None:
    """Let a suspended entitlement work again."""
    _change(services.entitlement_resume, number, reason, as_json=as_json)


@entitlement.command("revoke")
def entitlement_revoke(number: Number, reason: Reason, as_json: Json = False) -> None:
    """End an entitlement for good."""
    _change(services.entitlement_revoke, number, reason, as_json=as_json)


def verify(
    receipt: Annotated[str, typer.Argument(metavar="FILE|ID", help="A receipt's file, `-`, or its id on this hub.")],
    keys: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JWK Set of the hub that signed it; this hub's if left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a receipt's signature and print its claims. Status 1 if the receipt is not good."""
    claims = services.receipt_verify(_token(receipt), _key_set(keys) if keys else None)
    lines = "\n".join(f"{name}\t{json.dumps(claims[name], ensure_ascii=False)}" for name in sorted(claims))
    show(claims, as_json=as_json, text=f"good\n{lines}")


def _token(receipt: str) -> str:
    if receipt == "-":
        return sys.stdin.read().strip()
    if Path(receipt).is_file():
        return _read_text(Path(receipt)).strip()
    row = Receipt.objects.filter(pk=receipt).first()
    if row is None:
        raise ReceiptNotFoundError(f"`{receipt}` is neither a file nor a receipt of this hub")
    return row.jws


def _key_set(path: Path) -> dict[str, Any]:
    try:
        keys = json.loads(_read_text(path))
    except ValueError as error:
        raise ReceiptInvalidError(f"`{path}` is no JWK Set: {error}") from None
    if not isinstance(keys, dict) or "keys" not in keys:
        raise ReceiptInvalidError(f"`{path}` is no JWK Set: it has no `keys`")
    return keys


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"`{path}` is not UTF-8 text") from None


def _rows() -> QuerySet[Entitlement]:
    return Entitlement.objects.select_related("offer__repository", "user", "organization__namespace")


def _find(number: int) -> Entitlement:
    row = _rows().filter(pk=number).first()
    if row is None:
        raise EntitlementNotFoundError(f"there is no entitlement {number}: see `weighbridge entitlement list`")
    return row


def _change(service: Callable[..., Entitlement], number: int, reason: str, *, as_json: bool) -> None:
    row = _find(number)
    service(principal=None, entitlement=row, repository=row.offer.repository, reason=reason)
    changed = _find(number)
    show(_row(changed), as_json=as_json, text=f"entitlement {number} is {changed.status}")


def _row(row: Entitlement) -> dict[str, Any]:
    return {
        "id": row.pk,
        "holder": str(row.user or row.organization),
        "repository": row.offer.repository.full_name,
        "offer": row.offer_id,
        "status": row.status,
        "purposes": ",".join(row.purposes),
        "starts_at": iso_z(row.starts_at),
        "ends_at": iso_z(row.ends_at) if row.ends_at else None,
    }
