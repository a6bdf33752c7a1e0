"""Values that several commands take."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

UserName = Annotated[str, typer.Option("--user", help="Name of the user.", metavar="NAME")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def value_or_stdin(value: str | None) -> str | None:
    """Returns the value; for `-` the first line of standard input, so that no process list shows a secret."""
    return sys.stdin.readline().rstrip("\n") if value == "-" else value
