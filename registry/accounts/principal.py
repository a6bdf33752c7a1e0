"""The one typed identity that the rest of the code sees: who asks, for whom, and what for.

Authentication (session, bearer token, Basic) yields a `Principal`; services and the gate take it as an argument and
never look at a header or a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WRITING_ROLES = frozenset({"write", "admin"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        user_id: primary key of the user; None for an anonymous caller.
        username: name of the user's namespace; empty when anonymous.
        namespace_id: primary key of the user's own namespace.
        is_staff: may use the admin panel.
        memberships: namespace id of each organization -> role (`read`, `contributor`, `write`, `admin`).
        token_id: access token used; None for a session.
        token_role: `read`, `write`, `fineGrained`; empty for a session (which may do what the user may).
        token_problem: `expired`, `revoked` or empty. Such a principal is anonymous but the gate can say why.
        organization_id: organization the token is bound to.
        purpose, environment: what the token is bound to; empty if unbound.
        default_purpose: the user's profile default.
        scopes: fine-grained scopes as in `AccessToken.scopes`.
        client: opaque hash of address and user agent, for counting anonymous downloads once.
    """

    user_id: int | None = None
    username: str = ""
    namespace_id: int | None = None
    is_staff: bool = False
    memberships: Mapping[int, str] = field(default_factory=dict)
    token_id: int | None = None
    token_role: str = ""
    token_problem: str = ""
    organization_id: int | None = None
    purpose: str = ""
    environment: str = ""
    default_purpose: str = ""
    scopes: Mapping[str, Any] = field(default_factory=dict)
    client: str = ""

    @property
    def is_authenticated(self) -> bool:
        """True if a user stands behind the request."""
        return self.user_id is not None

    def role_in(self, namespace_id: int) -> str:
        """Role in a namespace: `owner` in one's own, a membership role, or empty."""
        if namespace_id == self.namespace_id:
            return "owner"
        return self.memberships.get(namespace_id, "")

    def may_write_in(self, namespace_id: int) -> bool:
        """True if the *person* may write there; the token's own limits are checked apart."""
        role = self.role_in(namespace_id)
        return role == "owner" or role in _WRITING_ROLES


ANONYMOUS = Principal()
