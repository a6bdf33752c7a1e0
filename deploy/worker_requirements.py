"""Prints the requirements of the `worker` extra, so that the worker image holds no web stack."""

import tomllib
from pathlib import Path

with (Path(__file__).resolve().parent.parent / "pyproject.toml").open("rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
print("\n".join([*extras["worker"], "redis>=6,<9"]))  # noqa: T201 (its output is its purpose)
