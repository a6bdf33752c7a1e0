"""What commands print, and which exit status an error becomes.

For people: one line a thing, values separated by tabs, nothing cut off. For programs: `--json`, one document on
standard output; errors as one JSON object on standard error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from registry import errors
from registry.licensing.errors import ReceiptInvalidError

OK, REFUSED, USAGE, NOT_FOUND, CONFLICT, UNAVAILABLE = range(6)

EXIT_CODES = """Exit status: 0 done or allowed; 1 refused; 2 a wrong option or an unacceptable value; 3 not found;
4 it exists already or contradicts the present state; 5 something this needs is unavailable."""

_STATUS: tuple[tuple[type[errors.DomainError], int], ...] = (
    (ReceiptInvalidError, REFUSED),
    (errors.NotFoundError, NOT_FOUND),
    (errors.DeniedError, REFUSED),
    (errors.AuthenticationError, REFUSED),
    (errors.ConflictError, CONFLICT),
    (errors.PreconditionError, CONFLICT),
    (errors.InvalidError, USAGE),
    (errors.BadRequestError, USAGE),
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def exit_status(error: errors.DomainError) -> int:
    """Returns the exit status of a domain error's family."""
    return next((status for family, status in _STATUS if isinstance(error, family)), UNAVAILABLE)


def show(row: Mapping[str, Any], *, as_json: bool, text: str) -> None:
    """Prints one thing: as JSON, or as a sentence."""
    typer.echo(_document(row) if as_json else text)


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Prints several things: a JSON array, or a heading and one line of tab-separated values for each."""
    if as_json:
        typer.echo(_document(rows))
        return
    if rows:
        typer.echo("\t".join(rows[0]))
    for row in rows:
        typer.echo("\t".join(_cell(value) for value in row.values()))


def show_error(error: errors.DomainError, *, as_json: bool) -> None:
    """Prints an error on standard error: one line, or one JSON object."""
    if as_json:
        details = {key: value for key, value in error.details.items() if key != "headers"}
        typer.echo(_document({"code": error.code, "message": error.message, **details}), err=True)
    else:
        typer.echo(f"weighbridge: {error.message}", err=True)


def _document(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
