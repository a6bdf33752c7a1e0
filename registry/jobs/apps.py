"""Django application `registry.jobs`."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Job requests, their state machine, leases, events and dispatch."""

    name = "registry.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Tells the outbox who delivers this application's messages."""
        from registry.audit.outbox import register  # noqa: PLC0415 (models are loaded only now)
        from registry.jobs.dispatch import ring_deliver  # noqa: PLC0415
        from registry.jobs.lifecycle import RING_TOPIC  # noqa: PLC0415

        register(RING_TOPIC, ring_deliver)
