"""Typed readers of environment variables: a bad value stops the start and names the variable."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


class EnvironmentValueError(ValueError):
    """A variable is set to something that cannot be understood."""


def env_text(name: str, default: str = "") -> str:
    """Reads text; the content of the file `NAME_FILE` wins where that is set (container secrets)."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            message = f"{name}_FILE: cannot read `{path}`: {error.strerror}"
            raise EnvironmentValueError(message) from error
    return os.environ.get(name, default)


def env_bool(name: str, *, default: bool = False) -> bool:
    """Reads 1/0, true/false, yes/no, on/off."""
    text = os.environ.get(name)
    if text is None:
        return default
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    message = f"{name}: `{text}` is neither true nor false"
    raise EnvironmentValueError(message)


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    """Reads a whole number of at least `minimum`."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError as error:
        message = f"{name}: `{text}` is not a whole number"
        raise EnvironmentValueError(message) from error
    if value < minimum:
        message = f"{name}: {value} is below {minimum}"
        raise EnvironmentValueError(message)
    return value


def env_list(name: str, default: str = "") -> list[str]:
    """Reads a comma-separated list, without blanks."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def env_url(name: str, default: str) -> str:
    """Reads an http(s) URL and drops a trailing slash."""
    value = env_text(name, default).rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.netloc):
        message = f"{name}: `{value}` is not an http(s) URL"
        raise EnvironmentValueError(message)
    return value


def secret_from_file(path: Path) -> str:
    """Reads a secret from `path`; creates it with 384 random bits, readable by the owner alone, on first use."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole under a name of its own and then linked, so that nobody of the same start reads half a secret.
        descriptor, own = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):  # another process of the same start was quicker
                os.link(own, path)
        finally:
            Path(own).unlink()
        return path.read_text(encoding="ascii").strip()


def database_from_url(url: str) -> dict[str, Any]:
    """Returns Django's settings for `sqlite:///path` or `postgresql://user:password@host:port/name?option=…`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # IMMEDIATE takes the write lock at BEGIN, so two writers queue instead of failing half-way.
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": (
                    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;"
                    "PRAGMA cache_size=-16000;PRAGMA mmap_size=134217728;PRAGMA temp_store=MEMORY;"
                ),
            },
        }
    if parts.scheme in {"postgresql", "postgres"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    message = f"WEIGHBRIDGE_DATABASE_URL: scheme `{parts.scheme}` is neither sqlite nor postgresql"
    raise EnvironmentValueError(message)
