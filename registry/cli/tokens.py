"""`weighbridge token`: access tokens, made, imported and revoked by an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from django.utils import timezone

from registry.accounts import selectors, services
from registry.accounts.errors import TokenNotFoundError
from registry.accounts.models import AccessToken, Environment, Purpose, TokenRole
from registry.cli.inputs import UserName, value_or_stdin
from registry.cli.output import Json, show, show_rows
from registry.http import iso_z

token = typer.Typer(no_args_is_help=True, help="Access tokens.")


@token.command("create")
def token_create(
    user: UserName,
    role: Annotated[TokenRole, typer.Option(help="What it may do.")] = TokenRole.READ,
    name: Annotated[str, typer.Option(help="By which its owner recognises it.")] = "command line",
    purpose: Annotated[Purpose | None, typer.Option(help="What models are wanted for.")] = None,
    environment: Annotated[Environment | None, typer.Option(help="Where they will run.")] = None,
    org: Annotated[str | None, typer.Option(help="Organization on whose behalf it acts.", metavar="ORG")] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Days until it stops; never if left out.")] = None,
    value: Annotated[
        str | None, typer.Option(help="Import an existing token; `-` reads it from standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a token and print its secret, which cannot be shown again."""
    row, secret = services.token_create(
        user=selectors.user_get(user),
        name=name,
        role=role,
        organization=selectors.organization_get(org) if org else None,
        purpose=purpose or "",
        environment=environment or "",
        expires_at=timezone.now() + timedelta(days=expires_in_days) if expires_in_days else None,
        value=value_or_stdin(value),
    )
    show({**_row(row), "token": secret}, as_json=as_json, text=secret)
    if not as_json:
        typer.echo("keep it: it is not shown again", err=True)


@token.command("list")
def token_list(
    user: Annotated[str | None, typer.Option(help="Only this user's.", metavar="NAME")] = None, as_json: Json = False
) -> None:
    """List tokens, oldest first; secrets are not stored and so not shown."""
    tokens = AccessToken.objects.select_related("user", "organization__namespace").order_by("pk")
    if user:
        tokens = tokens.filter(user=selectors.user_get(user))
    show_rows([_row(row) for row in tokens], as_json=as_json)


@token.command("revoke")
def token_revoke(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number from `token list`.")], as_json: Json = False
) -> None:
    """Revoke a token; it fails at the next request."""
    row = AccessToken.objects.select_related("user", "organization__namespace").filter(pk=number).first()
    if row is None:
        raise TokenNotFoundError(f"there is no token {number}: see `weighbridge token list`")
    services.token_revoke(token=row)
    show(_row(row), as_json=as_json, text=f"revoked token {number} ({row.name})")


def _row(row: AccessToken) -> dict[str, Any]:
    moments = {
        key: iso_z(moment) if (moment := getattr(row, key)) else None
        for key in ("created_at", "expires_at", "last_used_at", "revoked_at")
    }
    return {
        "id": row.pk,
        "user": row.user.username,
        "name": row.name,
        "hint": row.hint,
        "role": row.role,
        "organization": row.organization.name if row.organization else "",
        "purpose": row.purpose,
        "environment": row.environment,
        **moments,
    }
