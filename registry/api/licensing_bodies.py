"""Shapes of the licensing API: what callers send (unknown keys are refused by name) and what they get."""

from __future__ import annotations

from typing import Any, cast

from rest_framework import serializers
from rest_framework.request import Request

from registry.accounts.principal import Principal
from registry.api.worker_bodies import StrictSerializer
from registry.http import PrincipalRequest, iso_z
from registry.licensing.models import (
    Acceptance,
    AccessRequest,
    Acquisition,
    DecisionRecord,
    Entitlement,
    License,
    LicenseText,
    Offer,
    Receipt,
)
from registry.licensing.question import ACTIONS, PURPOSES
from registry.licensing.services import receipt_verify
from registry.licensing.terms import load_vocabulary

_TYPES = ("model", "dataset", "space")


def principal_of(request: Request) -> Principal:
    """Returns who asks, as the middleware settled it."""
    return cast("PrincipalRequest", request._request).principal  # noqa: SLF001 (REST framework has no public name)


def checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """Returns the validated values."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


# --- in ---------------------------------------------------------------------------------------------------------
class LicenseQuery(StrictSerializer):
    """Query of the license list."""

    category = serializers.ChoiceField(choices=sorted(load_vocabulary().groups["category"]), required=False)
    search = serializers.CharField(max_length=100, required=False)


class PurposeQuery(StrictSerializer):
    """Query of a repository's license."""

    purpose = serializers.ChoiceField(choices=PURPOSES, default="")
    action = serializers.ChoiceField(choices=ACTIONS, default="download")


class QuestionBody(StrictSerializer):
    """What would be decided?"""

    repository = serializers.CharField(max_length=220)
    type = serializers.ChoiceField(choices=_TYPES, default="model")
    action = serializers.ChoiceField(choices=ACTIONS, default="download")
    purpose = serializers.ChoiceField(choices=PURPOSES, default="")
    environment = serializers.ChoiceField(choices=["development", "staging", "production"], default="")


class PageQuery(StrictSerializer):
    """Query of the caller's decisions."""

    cursor = serializers.RegexField(r"^dec_[0-9a-z]{26}$", default="")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    denied = serializers.BooleanField(default=False)


class OfferBody(StrictSerializer):
    """One more way to get a repository."""

    license = serializers.CharField(max_length=100)
    acquisition = serializers.ChoiceField(choices=Acquisition.values)
    title = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    purposes = serializers.ListField(child=serializers.ChoiceField(choices=PURPOSES), default=list, max_length=5)
    territory = serializers.ListField(child=serializers.CharField(max_length=2), default=list, max_length=250)
    price = serializers.CharField(max_length=120, default="", allow_blank=True)
    contact_url = serializers.CharField(max_length=200, default="", allow_blank=True)
    starts_at = serializers.DateTimeField(default=None, allow_null=True)
    ends_at = serializers.DateTimeField(default=None, allow_null=True)


class AcceptBody(StrictSerializer):
    """Assent to a text: its hash, empty where the hub holds no text and its link was read."""

    text_sha256 = serializers.RegexField(r"^([0-9a-f]{64})?$", allow_blank=True)


class LicenseAcceptBody(AcceptBody):
    """Assent to a license that needs no offer: the repository's own, or an ancestor's."""

    license = serializers.CharField(max_length=100)


class AskBody(StrictSerializer):
    """The answers to the owner's form."""

    fields_ = serializers.DictField(child=serializers.JSONField(), default=dict)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Names the field `fields`, which the class itself uses for something else."""
        return {"fields": super().get_fields()["fields_"]}


class DecideBody(StrictSerializer):
    """The answer to an access request."""

    status = serializers.ChoiceField(choices=["pending", "accepted", "rejected"])
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)
    expires_at = serializers.DateTimeField(default=None, allow_null=True)


class GrantBody(StrictSerializer):
    """Access given without being asked."""

    user = serializers.CharField(max_length=150)
    expires_at = serializers.DateTimeField(default=None, allow_null=True)


class RequestsQuery(StrictSerializer):
    """Query of a repository's access requests."""

    status = serializers.ChoiceField(choices=["pending", "accepted", "rejected"], default="")


class EntitlementBody(StrictSerializer):
    """A right to an offer: for a user or for an organization."""

    user = serializers.CharField(max_length=150, default="")
    organization = serializers.CharField(max_length=150, default="")
    purposes = serializers.ListField(child=serializers.ChoiceField(choices=PURPOSES), default=list, max_length=5)
    starts_at = serializers.DateTimeField(default=None, allow_null=True)
    ends_at = serializers.DateTimeField(default=None, allow_null=True)
    reason = serializers.CharField(max_length=500)


class ReasonBody(StrictSerializer):
    """Why an entitlement changes."""

    reason = serializers.CharField(max_length=500)


# --- out --------------------------------------------------------------------------------------------------------
def license_summary(row: License) -> dict[str, Any]:
    """Returns a license's line in the list."""
    return {
        "id": row.pk,
        "name": row.name,
        "category": row.category,
        "spdx": row.spdx,
        "hf_id": row.hf_id,
        "hf_license_name": row.hf_license_name,
        "version": row.version,
        "steward": row.steward,
        "url": row.url,
        "summary": row.summary,
        "confidence": row.confidence,
        "names_several_texts": row.is_family,
        "custom": row.is_custom,
    }


def text_plain(row: LicenseText) -> dict[str, Any]:
    """Returns one version of a license's text."""
    return {
        "sha256": row.sha256,
        "version": row.version,
        "current": row.is_current,
        "material": row.material,
        "source": row.source,
        "text": row.text,
    }


def offer_plain(row: Offer) -> dict[str, Any]:
    """Returns an offer."""
    return {
        "id": row.pk,
        "title": row.title,
        "description": row.description,
        "license": row.license_id,
        "acquisition": row.acquisition,
        "purposes": row.purposes,
        "territory": row.territory,
        "price": row.price,
        "contact_url": row.contact_url,
        "status": row.status,
        "starts_at": iso_z(row.starts_at),
        "ends_at": iso_z(row.ends_at) if row.ends_at else None,
    }


def acceptance_plain(row: Acceptance) -> dict[str, Any]:
    """Returns an acceptance to whoever gave it."""
    return {
        "id": row.pk,
        "repository": row.repository_id,
        "license": row.license_id,
        "license_version": row.license_version,
        "text_sha256": row.text_sha256,
        "offer": row.offer_id,
        "accepted_at": iso_z(row.accepted_at),
    }


def request_plain(row: AccessRequest) -> dict[str, Any]:
    """Returns an access request to its requester or to those who decide it."""
    return {
        "id": row.pk,
        "user": row.user.username,
        "status": row.status,
        "fields": row.fields,
        "granted": row.granted,
        "reason": row.reason,
        "created_at": iso_z(row.created_at),
        "decided_at": iso_z(row.decided_at) if row.decided_at else None,
        "expires_at": iso_z(row.expires_at) if row.expires_at else None,
    }


def entitlement_plain(row: Entitlement) -> dict[str, Any]:
    """Returns an entitlement with its history to those who administer it."""
    return {
        "id": row.pk,
        "offer": row.offer_id,
        "user": row.user.username if row.user else None,
        "organization": row.organization.name if row.organization else None,
        "status": row.status,
        "purposes": row.purposes,
        "starts_at": iso_z(row.starts_at),
        "ends_at": iso_z(row.ends_at) if row.ends_at else None,
        "events": [
            {"at": iso_z(event.at), "action": event.action, "reason": event.reason, "actor": event.actor_id}
            for event in row.events.order_by("pk")
        ],
    }


def decision_plain(row: DecisionRecord) -> dict[str, Any]:
    """Returns a stored decision."""
    return {
        **row.decision,
        "repository": row.repository_name,
        "commit": row.commit,
        "action": row.action,
        "environment": row.environment,
        "count": row.count,
        "first_at": iso_z(row.first_at),
        "last_at": iso_z(row.last_at),
    }


def receipt_plain(row: Receipt) -> dict[str, Any]:
    """Returns a receipt: the signed form, and what it says."""
    return {"id": row.pk, "jws": row.jws, "claims": receipt_verify(row.jws), "created_at": iso_z(row.created_at)}
