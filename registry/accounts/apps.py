"""Django application `registry.accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, organizations, memberships, access tokens and the principal they yield."""

    name = "registry.accounts"
    label = "accounts"
