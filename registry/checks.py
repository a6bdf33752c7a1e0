"""System checks for what settings cannot express: `manage.py check --deploy` refuses unsafe production settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Tokens and signed links travel in these addresses, so they must be encrypted on the way."""
    del app_configs, kwargs
    return [
        Error(
            f"{name} is `{url}`: tokens and signed links would travel unencrypted",
            hint="put TLS in front and set an https:// address",
            id=f"weighbridge.E00{number}",
        )
        for number, (name, url) in enumerate(
            (("WEIGHBRIDGE_PUBLIC_URL", settings.PUBLIC_URL), ("WEIGHBRIDGE_OBJECT_URL", settings.OBJECT_URL)), start=1
        )
        if urlsplit(url).scheme != "https"
    ]


def check_hosts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The host that people use must be allowed, and a wildcard would let a forged Host into links."""
    del app_configs, kwargs
    messages: list[CheckMessage] = []
    host = urlsplit(settings.PUBLIC_URL).hostname
    if "*" in settings.ALLOWED_HOSTS:
        messages.append(Error("WEIGHBRIDGE_ALLOWED_HOSTS contains `*`", hint="name the hosts", id="weighbridge.E003"))
    elif host not in settings.ALLOWED_HOSTS:
        messages.append(
            Error(
                f"WEIGHBRIDGE_ALLOWED_HOSTS does not contain `{host}`, the host of WEIGHBRIDGE_PUBLIC_URL",
                hint="add it",
                id="weighbridge.E004",
            )
        )
    return messages


def check_mail(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Password resets need a mail server once people other than the operator sign in."""
    del app_configs, kwargs
    if urlsplit(settings.PUBLIC_URL).hostname in _LOCAL or settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return []
    return [
        CheckWarning(
            "mail goes to files under the data folder",
            hint="set WEIGHBRIDGE_SMTP_HOST so that password resets reach people",
            id="weighbridge.W001",
        )
    ]


def register_checks() -> None:
    """Registers the checks above; called once when the applications are ready."""
    for check in (check_addresses, check_hosts, check_mail):
        register(check, Tags.security, deploy=True)
