"""Errors of licenses, offers, agreements, requests, entitlements and receipts."""

from __future__ import annotations

from registry import errors


class LicenseNotFoundError(errors.NotFoundError):
    """The catalogue has no license of that name."""

    code = "license_not_found"


class OfferNotFoundError(errors.NotFoundError):
    """There is no such offer that the caller may see."""

    code = "offer_not_found"


class OfferClosedError(errors.ConflictError):
    """The offer is withdrawn, not yet on, or over."""

    code = "offer_closed"


class OfferInvalidError(errors.InvalidError):
    """An offer cannot be made like this; `details["field"]` names the value."""

    code = "offer_invalid"


class TextChangedError(errors.ConflictError):
    """The hash quoted is not that of the current text; `details["current"]` is."""

    code = "text_changed"


class TextExistsError(errors.ConflictError):
    """The license has this very text already; `details["sha256"]` is its digest."""

    code = "text_exists"


class TextInvalidError(errors.InvalidError):
    """A license's text cannot be taken like this; `details["field"]` names the value."""

    code = "text_invalid"


class AcceptanceNotFoundError(errors.NotFoundError):
    """There is no live acceptance of the caller's by that id."""

    code = "acceptance_not_found"


class RequestNotFoundError(errors.NotFoundError):
    """There is no such access request that the caller may see."""

    code = "access_request_not_found"


class RequestInvalidError(errors.InvalidError):
    """The answers do not fit the owner's form; `details["errors"]` names the fields."""

    code = "access_request_invalid"


class RequestConflictError(errors.ConflictError):
    """The access request already is what it should become, or may not become it."""

    code = "access_request_conflict"


class NotGatedError(errors.BadRequestError):
    """Nothing on this repository is granted on request."""

    code = "not_gated"


class EntitlementNotFoundError(errors.NotFoundError):
    """There is no such entitlement that the caller may see."""

    code = "entitlement_not_found"


class EntitlementInvalidError(errors.InvalidError):
    """An entitlement cannot be granted like this; `details["field"]` names the value."""

    code = "entitlement_invalid"


class EntitlementTransitionError(errors.ConflictError):
    """The entitlement's state does not allow this change."""

    code = "entitlement_transition"


class LicensingDeniedError(errors.DeniedError):
    """Only the repository's owner (or the registry's staff) may do this."""

    code = "licensing_denied"


class DecisionNotFoundError(errors.NotFoundError):
    """There is no such decision that the caller may see."""

    code = "decision_not_found"


class ReceiptNotFoundError(errors.NotFoundError):
    """There is no such receipt that the caller may see."""

    code = "receipt_not_found"


class ReceiptInvalidError(errors.InvalidError):
    """The receipt's signature, key or form is not good."""

    code = "receipt_invalid"
