"""Writes of licensing, split by noun: the catalogue, agreements, access requests, entitlements, receipts."""

from registry.licensing.services.agreements import (
    acceptance_withdraw,
    current_text,
    license_accept,
    offer_accept,
    offer_create,
    offer_withdraw,
)
from registry.licensing.services.catalogue import LoadResult, licenses_load
from registry.licensing.services.entitlements import (
    entitlement_grant,
    entitlement_resume,
    entitlement_revoke,
    entitlement_suspend,
)
from registry.licensing.services.receipts import receipt_issue, receipt_verify
from registry.licensing.services.requests import (
    access_request_create,
    access_request_decide,
    access_request_grant,
    is_requestable,
)
from registry.licensing.services.texts import license_text_add

__all__ = [
    "LoadResult",
    "acceptance_withdraw",
    "access_request_create",
    "access_request_decide",
    "access_request_grant",
    "current_text",
    "entitlement_grant",
    "entitlement_resume",
    "entitlement_revoke",
    "entitlement_suspend",
    "is_requestable",
    "license_accept",
    "license_text_add",
    "licenses_load",
    "offer_accept",
    "offer_create",
    "offer_withdraw",
    "receipt_issue",
    "receipt_verify",
]
