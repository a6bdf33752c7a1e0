"""What can go wrong with people, their names and their tokens."""

from __future__ import annotations

from registry.errors import AuthenticationError, ConflictError, DeniedError, InvalidError, NotFoundError

# huggingface_hub compares this text (hub-api 0.2), so it must not change.
INVALID_CREDENTIALS = "Invalid credentials in Authorization header"


class InvalidCredentialsError(AuthenticationError):
    """The token is unknown, expired or revoked, or its owner is suspended; details carry `problem`."""

    code = "invalid_credentials"

    def __init__(self, problem: str = "unknown") -> None:
        super().__init__(INVALID_CREDENTIALS, problem=problem)


class NamespaceNotFoundError(NotFoundError):
    """No user and no organization has this name."""

    code = "namespace_not_found"


class MembershipNotFoundError(NotFoundError):
    """The user is not a member of the organization."""

    code = "membership_not_found"


class TokenNotFoundError(NotFoundError):
    """No token of this user has this number."""

    code = "token_not_found"


class NameTakenError(ConflictError):
    """Another user or organization has this name, in whatever case."""

    code = "name_taken"


class TokenExistsError(ConflictError):
    """A token with this value is already stored."""

    code = "token_exists"


class LastAdminError(ConflictError):
    """The change would leave an organization without anybody who can manage it."""

    code = "last_admin"


class NameInvalidError(InvalidError):
    """A user or organization cannot be called this."""

    code = "name_invalid"


class TokenInvalidError(InvalidError):
    """A token cannot be made with these values."""

    code = "token_invalid"


class NotOrganizationAdminError(DeniedError):
    """Only an admin of the organization may do this."""

    code = "not_organization_admin"


class NotTokenOwnerError(DeniedError):
    """Only the token's owner and the operators may do this."""

    code = "not_token_owner"
