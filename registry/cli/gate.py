"""`weighbridge check`: what the gate would answer, without recording the question."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.access.services import authorize_preview
from registry.accounts.models import Purpose
from registry.accounts.principal import ANONYMOUS
from registry.accounts.selectors import principal_for_user, user_get
from registry.cli.output import REFUSED, Json, show
from registry.licensing.decision import Decision
from registry.repositories.errors import RepositoryNotFoundError
from registry.repositories.models import RepositoryType
from registry.repositories.names import parse_repository_id
from registry.repositories.selectors import repository_find


def check(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME")],
    kind: Annotated[RepositoryType, typer.Option("--type", help="Kind of repository.")] = RepositoryType.MODEL,
    action: Annotated[str, typer.Option(help="What is to be done: download, use, modify, …")] = "download",
    purpose: Annotated[Purpose | None, typer.Option(help="What it is for.")] = None,
    user: Annotated[str | None, typer.Option(help="For whom; nobody if left out.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Ask the license gate: prints verdict, reasons, duties and remedies. Status 0 if allowed, 1 if not."""
    row = repository_find(parse_repository_id(kind, repository))
    if row is None:
        raise RepositoryNotFoundError(f"there is no {kind} `{repository}`")
    principal = principal_for_user(user_get(user)) if user else ANONYMOUS
    decision = authorize_preview(principal=principal, action=action, repository=row, purpose=purpose or "")
    plain = decision.as_dict()
    show(plain, as_json=as_json, text="\n".join(_lines(decision, plain)))
    if not decision.allowed:
        raise typer.Exit(REFUSED)


def _lines(decision: Decision, plain: dict[str, Any]) -> list[str]:
    lines = [f"{plain['verdict']}\t{plain['code']}\t{decision.sentence}"]
    for kind in ("reasons", "duties", "warnings"):
        singular = {"reasons": "reason", "duties": "duty", "warnings": "warning"}[kind]
        lines += [f"{singular}\t{item['code']}\t{item['sentence']}" for item in plain[kind]]
    lines += [f"remedy\t{remedy.label}\t{remedy.method} {remedy.url}" for remedy in decision.remedies]
    return lines
