"""Writes of accounts: people and organizations, memberships, access tokens. Each function owns its transaction."""

from registry.accounts.services.members import membership_remove, membership_set
from registry.accounts.services.people import (
    organization_create,
    organization_update,
    user_create,
    user_register,
    user_second_factor_remove,
    user_set_active,
    user_update,
)
from registry.accounts.services.tokens import token_create, token_extend, token_revoke, token_set_scopes, token_touch

__all__ = [
    "membership_remove",
    "membership_set",
    "organization_create",
    "organization_update",
    "token_create",
    "token_extend",
    "token_revoke",
    "token_set_scopes",
    "token_touch",
    "user_create",
    "user_register",
    "user_second_factor_remove",
    "user_set_active",
    "user_update",
]
