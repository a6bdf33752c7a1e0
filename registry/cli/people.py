"""`weighbridge user` and `weighbridge org`: people and organizations, made by an operator.

An operator's names may break the sign-up form's rules, never those of the clients (hub-api 0.1).
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.accounts import selectors, services
from registry.accounts.models import Organization, OrganizationKind, Role, User
from registry.cli.inputs import Reason, value_or_stdin
from registry.cli.output import Json, show, show_rows
from registry.http import iso_z

user = typer.Typer(no_args_is_help=True, help="People.")
org = typer.Typer(no_args_is_help=True, help="Organizations.")
member = typer.Typer(no_args_is_help=True, help="Members of an organization.")
org.add_typer(member, name="member")


@user.command("create")
def user_create(
    name: Annotated[str, typer.Argument(help="Name of the user and of their namespace.")],
    full_name: Annotated[str, typer.Option(help="Name shown beside it.")] = "",
    email: Annotated[str, typer.Option(help="Where a password reset goes.")] = "",
    password: Annotated[str | None, typer.Option(help="Password; `-` reads it from standard input.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May use the admin panel.")] = False,
    as_json: Json = False,
) -> None:
    """Create a user."""
    made = services.user_create(
        username=name,
        password=value_or_stdin(password),
        email=email,
        full_name=full_name,
        is_admin=admin,
        enforce_rules=False,
    )
    show(_user_row(made), as_json=as_json, text=f"created user {made.username}")


@user.command("list")
def user_list(as_json: Json = False) -> None:
    """List all users by name."""
    show_rows([_user_row(row) for row in User.objects.order_by("username")], as_json=as_json)


@user.command("suspend")
def user_suspend(name: str, reason: Reason, as_json: Json = False) -> None:
    """Stop a user's sessions and tokens."""
    row = services.user_set_active(user=selectors.user_get(name), active=False, reason=reason)
    show(_user_row(row), as_json=as_json, text=f"suspended user {row.username}")


@user.command("resume")
def user_resume(name: str, reason: Reason, as_json: Json = False) -> None:
    """Let a suspended user in again."""
    row = services.user_set_active(user=selectors.user_get(name), active=True, reason=reason)
    show(_user_row(row), as_json=as_json, text=f"resumed user {row.username}")


@org.command("create")
def org_create(
    name: Annotated[str, typer.Argument(help="Name of the organization and of its namespace.")],
    creator: Annotated[str | None, typer.Option(help="User who becomes its admin.", metavar="USER")] = None,
    full_name: Annotated[str, typer.Option(help="Name shown beside it.")] = "",
    kind: Annotated[OrganizationKind, typer.Option(help="Kind of legal person.")] = OrganizationKind.COMPANY,
    territory: Annotated[str, typer.Option(help="Seat: two-letter code of ISO 3166-1.")] = "",
    as_json: Json = False,
) -> None:
    """Create an organization."""
    made = services.organization_create(
        name=name,
        creator=selectors.user_get(creator) if creator else None,
        full_name=full_name,
        kind=kind,
        territory=territory,
        enforce_rules=False,
    )
    show(_organization_row(made), as_json=as_json, text=f"created organization {made.name}")


@org.command("list")
def org_list(as_json: Json = False) -> None:
    """List all organizations by name."""
    rows = Organization.objects.select_related("namespace").order_by("namespace__name")
    show_rows([_organization_row(row) for row in rows], as_json=as_json)


@member.command("add")
def member_add(
    organization: Annotated[str, typer.Argument(metavar="ORG")],
    name: Annotated[str, typer.Argument(metavar="USER")],
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.READ,
    as_json: Json = False,
) -> None:
    """Add a member, or change a member's role."""
    membership = services.membership_set(
        organization=selectors.organization_get(organization), user=selectors.user_get(name), role=role
    )
    row = {"organization": organization, "user": name, "role": membership.role}
    show(row, as_json=as_json, text=f"{name} is a member of {organization} as {membership.role}")


@member.command("remove")
def member_remove(
    organization: Annotated[str, typer.Argument(metavar="ORG")],
    name: Annotated[str, typer.Argument(metavar="USER")],
    as_json: Json = False,
) -> None:
    """Remove a member and revoke their tokens for the organization."""
    services.membership_remove(organization=selectors.organization_get(organization), user=selectors.user_get(name))
    row = {"organization": organization, "user": name, "role": ""}
    show(row, as_json=as_json, text=f"{name} is no longer a member of {organization}")


@member.command("list")
def member_list(organization: Annotated[str, typer.Argument(metavar="ORG")], as_json: Json = False) -> None:
    """List an organization's members by name."""
    memberships = selectors.organization_get(organization).memberships.select_related("user").order_by("user__username")
    rows = [{"user": row.user.username, "role": row.role, "since": iso_z(row.created_at)} for row in memberships]
    show_rows(rows, as_json=as_json)


def _user_row(row: User) -> dict[str, Any]:
    return {
        "name": row.username,
        "full_name": row.full_name,
        "email": row.email,
        "admin": row.is_staff,
        "active": row.is_active,
        "created_at": iso_z(row.date_joined),
    }


def _organization_row(organization: Organization) -> dict[str, Any]:
    return {
        "name": organization.name,
        "full_name": organization.full_name,
        "kind": organization.kind,
        "territory": organization.territory,
        "created_at": iso_z(organization.created_at),
    }
