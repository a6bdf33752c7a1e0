"""What can go wrong with objects, uploads and signed links."""

from __future__ import annotations

from registry.errors import BadRequestError, ConflictError, DeniedError, InvalidError, NotFoundError, UnavailableError


class DigestInvalidError(InvalidError):
    """The text is no SHA-256 digest."""

    code = "digest_invalid"


class DigestMismatchError(InvalidError):
    """The received bytes have another SHA-256 than announced; details carry `expected` and `received`."""

    code = "digest_mismatch"


class SizeMismatchError(InvalidError):
    """The body is shorter or longer than announced; details carry `expected` and `received` in bytes."""

    code = "size_mismatch"


class ObjectMissingError(NotFoundError):
    """The store has no object of that name."""

    code = "object_missing"


class ObjectVanishedError(UnavailableError):
    """The collector removed the bytes between storing and naming them; sending them again helps."""

    code = "object_vanished"


class StorageFullError(UnavailableError):
    """There is no room for the bytes."""

    code = "storage_full"


class LinkInvalidError(DeniedError):
    """A signed link was changed, is incomplete or was made for something else."""

    code = "link_invalid"


class LinkExpiredError(DeniedError):
    """A signed link was good once."""

    code = "link_expired"


class PartInvalidError(BadRequestError):
    """A part's number or size does not fit the upload, or the list of parts does not fit what was received."""

    code = "part_invalid"


class UploadChangedError(ConflictError):
    """Another request completed or replaced this upload meanwhile."""

    code = "upload_changed"
