"""The panel's look and its sidebar, for `settings.UNFOLD`. Knows no model, only addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _static(path: str) -> Callable[[HttpRequest], str]:
    """The address of a static file, asked for once the settings stand."""
    return lambda _request: static(path)


def _section(title: str, *items: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "title": title,
        "separator": True,
        "items": [
            {"title": name, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}
            for name, icon, model in items
        ],
    }


def _hue(chroma: float, hue: float) -> dict[str, str]:
    """Eleven steps of one hue, from the site's accent (oklch, light to dark)."""
    lightness = (97.5, 95, 90, 83, 74, 64, 54, 45.5, 38.5, 32, 24)
    steps = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950)
    return {str(step): f"oklch({light}% {chroma} {hue})" for step, light in zip(steps, lightness, strict=True)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Weighbridge",
    "SITE_HEADER": "Weighbridge",
    "SITE_SUBHEADER": "Operations",
    "SITE_URL": "/",
    "SITE_SYMBOL": "balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("web/img/favicon.svg")}],
    "STYLES": [_static("console/panel.css")],
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "registry.console.dashboard.attention",
    "COLORS": {"primary": _hue(0.1, 234)},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            _section(
                "Rights",
                ("Access requests", "front_hand", "licensing_accessrequest"),
                ("Entitlements", "verified_user", "licensing_entitlement"),
                ("Offers", "sell", "licensing_offer"),
                ("Acceptances", "handshake", "licensing_acceptance"),
            ),
            _section(
                "Licenses",
                ("Licenses", "gavel", "licensing_license"),
                ("Texts", "description", "licensing_licensetext"),
            ),
            _section(
                "Evidence",
                ("Decisions", "balance", "licensing_decisionrecord"),
                ("Receipts", "receipt_long", "licensing_receipt"),
                ("Audit trail", "history", "audit_auditentry"),
            ),
            _section(
                "People",
                ("Users", "person", "accounts_user"),
                ("Organizations", "groups", "accounts_organization"),
                ("Memberships", "badge", "accounts_membership"),
                ("Access tokens", "key", "accounts_accesstoken"),
            ),
            _section(
                "Work",
                ("Repositories", "inventory_2", "repositories_repository"),
                ("Jobs", "model_training", "jobs_job"),
                ("Workers", "memory", "jobs_worker"),
                ("Outbox", "outbox", "audit_outboxmessage"),
            ),
        ],
    },
}
