"""All commands of `weighbridge`, put together."""

from __future__ import annotations

import typer

from registry.cli.gate import check
from registry.cli.licensing import entitlement, license_app, verify
from registry.cli.output import EXIT_CODES
from registry.cli.people import org, user
from registry.cli.tokens import token

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Operate a Weighbridge hub. Every command takes --json.",
    epilog=EXIT_CODES,
)
app.add_typer(user, name="user")
app.add_typer(org, name="org")
app.add_typer(token, name="token")
app.add_typer(license_app, name="license")
app.add_typer(entitlement, name="entitlement")
app.command("check")(check)
app.command("verify")(verify)
