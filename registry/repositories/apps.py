"""Django application `registry.repositories`."""

from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    """Repositories and the git objects, refs and commits they are made of."""

    name = "registry.repositories"
    label = "repositories"
