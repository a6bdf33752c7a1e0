"""Django application `registry.catalogue`."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """What repositories say about themselves: cards, derived facts, tags, search, lineage, counters."""

    name = "registry.catalogue"
    label = "catalogue"
