"""REST framework authentication: the principal that the middleware found."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication


class PrincipalAuthentication(BaseAuthentication):
    """Hands `request.principal` to REST framework."""
