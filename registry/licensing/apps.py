"""Django application `registry.licensing`."""

from django.apps import AppConfig


class LicensingConfig(AppConfig):
    """Licenses, offers, agreements, entitlements and the gate that weighs them."""

    name = "registry.licensing"
    label = "licensing"
