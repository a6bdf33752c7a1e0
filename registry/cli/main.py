"""The program `weighbridge`: the operator's command line over the same services as the pages and the API."""

from __future__ import annotations

import os
import sys

import django

from registry.errors import DomainError


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and ends the process with its status (`weighbridge --help` lists them)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
    django.setup()
    from registry.cli.commands import app  # noqa: PLC0415 (models need Django set up)
    from registry.cli.output import exit_status, show_error  # noqa: PLC0415

    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(given, prog_name="weighbridge")
    except DomainError as error:
        show_error(error, as_json="--json" in given)
        sys.exit(exit_status(error))


if __name__ == "__main__":
    main()
