"""Licenses and their texts, offers, agreements, entitlements, and the record of what was decided."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from registry.accounts.models import Organization, User
from registry.identifiers import new_id


def new_decision_id() -> str:
    """Returns a fresh `dec_…` id."""
    return new_id("dec")


def new_receipt_id() -> str:
    """Returns a fresh `rcp_…` id."""
    return new_id("rcp")


class License(models.Model):
    """Public or custom terms. `terms` is the whole entry in the vocabulary's schema (`data/licenses.yaml`)."""

    id = models.CharField(max_length=100, primary_key=True)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=32)
    spdx = models.CharField(max_length=64, blank=True)
    hf_id = models.CharField(max_length=100, blank=True, help_text="Identifier in a card's `license:`")
    hf_license_name = models.CharField(max_length=100, blank=True, help_text="Identifier in a card's `license_name:`")
    version = models.CharField(max_length=64, default="undated")
    steward = models.CharField(max_length=200, blank=True)
    url = models.URLField(max_length=500, blank=True)
    summary = models.TextField(blank=True)
    confidence = models.CharField(max_length=32)
    is_family = models.BooleanField(default=False, help_text="Names several texts; the file decides")
    is_custom = models.BooleanField(default=False, help_text="Added here rather than shipped")
    terms = models.JSONField()
    terms_sha256 = models.CharField(max_length=64, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.id


class LicenseText(models.Model):
    """One immutable version of a license's text, named by the SHA-256 of the normalised text."""

    license = models.ForeignKey(License, models.CASCADE, related_name="texts")
    sha256 = models.CharField(max_length=64)
    version = models.CharField(max_length=64, blank=True)
    text = models.TextField()
    source = models.CharField(max_length=300, blank=True)
    material = models.BooleanField(default=True, help_text="A change that asks for acceptance anew")
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("license", "sha256", name="license_text_unique"),
            models.UniqueConstraint("license", condition=Q(is_current=True), name="license_text_one_current"),
        ]

    def __str__(self) -> str:
        return f"{self.license_id} {self.sha256[:16]}"


class Acquisition(models.TextChoices):
    """How an offer is obtained (design: licensing, Words)."""

    OPEN = "open", "Open"
    CLICK_THROUGH = "click-through", "Accept the terms"
    REQUEST = "request", "Ask for access"
    PURCHASE = "purchase", "Buy"
    INVITATION = "invitation", "By invitation"


class Offer(models.Model):
    """One way to get one repository: a license and how it is acquired."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        WITHDRAWN = "withdrawn", "Withdrawn"

    repository = models.ForeignKey("repositories.Repository", models.CASCADE, related_name="offers")
    title = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True)
    license = models.ForeignKey(License, models.PROTECT, related_name="offers")
    acquisition = models.CharField(max_length=16, choices=Acquisition.choices)
    purposes = models.JSONField(default=list, blank=True, help_text="Purposes it covers; empty: as the license says")
    territory = models.JSONField(default=list, blank=True, help_text="ISO 3166-1 codes; empty: everywhere")
    price = models.CharField(max_length=120, blank=True, help_text="In words, for purchase offers")
    contact_url = models.URLField(blank=True, help_text="Where to buy or ask")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PUBLISHED)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["repository", "status"], name="offer_by_repository")]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="offer_ends_after_start", condition=Q(ends_at__isnull=True) | Q(ends_at__gt=models.F("starts_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.acquisition})"


class Acceptance(models.Model):
    """A person's assent to one license text for one repository, quoting the hash of what they read.

    `text_sha256` is empty only where the hub holds no text of that license: then the link shown is what was accepted.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="acceptances")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="acceptances")
    repository = models.ForeignKey("repositories.Repository", models.CASCADE, related_name="acceptances")
    offer = models.ForeignKey(Offer, models.SET_NULL, null=True, blank=True, related_name="acceptances")
    license = models.ForeignKey(License, models.PROTECT, related_name="acceptances")
    license_version = models.CharField(max_length=64)
    text_sha256 = models.CharField(max_length=64, blank=True)
    accepted_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "user",
                "repository",
                "license",
                "text_sha256",
                condition=Q(withdrawn_at__isnull=True),
                name="acceptance_live_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} accepts {self.license_id}"


class AccessRequest(models.Model):
    """A user asks the owner of a gated repository; one live row for each pair."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        REVOKED = "revoked", "Taken back"

    repository = models.ForeignKey("repositories.Repository", models.CASCADE, related_name="access_requests")
    user = models.ForeignKey(User, models.CASCADE, related_name="access_requests")
    organization = models.ForeignKey(Organization, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    fields = models.JSONField(default=dict, blank=True, help_text="The form's answers")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When an accepted request's grant ends")
    granted = models.BooleanField(default=False, help_text="Given by the owner without being asked")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("repository", "user", name="access_request_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} asks for {self.repository_id}: {self.status}"

    @property
    def seen_status(self) -> str:
        """The status in Hugging Face's three words: access taken back looks rejected (hub-api 5.6)."""
        return self.Status.REJECTED.value if self.status == self.Status.REVOKED else self.status


class Entitlement(models.Model):
    """A customer's right to an offer: granted by an operator (orders come later). One level: a repository's offer.

    The stored status is what somebody decided; whether it is in force also depends on the dates, computed at read time.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        REVOKED = "revoked", "Revoked"

    offer = models.ForeignKey(Offer, models.PROTECT, related_name="entitlements")
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="entitlements")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="entitlements")
    purposes = models.JSONField(default=list, blank=True, help_text="Purposes it covers; empty: every purpose")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="entitlement_has_one_holder",
                condition=Q(user__isnull=True, organization__isnull=False)
                | Q(user__isnull=False, organization__isnull=True),
            ),
            models.CheckConstraint(
                name="entitlement_ends_after_start",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=models.F("starts_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"entitlement {self.pk} on {self.offer_id}"


class EntitlementEvent(models.Model):
    """One change of an entitlement, with who and why."""

    entitlement = models.ForeignKey(Entitlement, models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=16, help_text="grant, suspend, resume, revoke, extend")
    reason = models.CharField(max_length=500)

    def __str__(self) -> str:
        return f"{self.action} {self.entitlement_id}"


class DecisionRecord(models.Model):
    """What the gate answered, with its reasons: every denial, and the first allow per principal, commit and offer.

    Repeats of one decision (same digest) raise `count` and `last_at` instead of adding rows.
    """

    id = models.CharField(max_length=32, primary_key=True, default=new_decision_id)
    fingerprint = models.CharField(max_length=64, unique=True, help_text="Digest of who, what and the answer")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="decisions")
    token_id = models.BigIntegerField(null=True)
    organization = models.ForeignKey(Organization, models.SET_NULL, null=True, related_name="decisions")
    repository = models.ForeignKey("repositories.Repository", models.SET_NULL, null=True, related_name="decisions")
    repository_name = models.CharField(max_length=220, help_text="type:owner/name, kept when the repository goes")
    commit = models.CharField(max_length=40, blank=True)
    action = models.CharField(max_length=32)
    purpose = models.CharField(max_length=32, blank=True)
    environment = models.CharField(max_length=16, blank=True)
    verdict = models.CharField(max_length=32)
    code = models.CharField(max_length=48)
    decision = models.JSONField(help_text="The whole Decision: checks, reasons, duties, warnings, remedies, digests")
    engine_version = models.CharField(max_length=16)
    count = models.PositiveBigIntegerField(default=1)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "-last_at"], name="decision_by_user"),
            models.Index(fields=["repository", "-last_at"], name="decision_by_repository"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.code}"


class Receipt(models.Model):
    """Signed proof of what somebody obtained (JWS, Ed25519), one per holder, commit and offer."""

    id = models.CharField(max_length=32, primary_key=True, default=new_receipt_id)
    decision = models.ForeignKey(DecisionRecord, models.PROTECT, related_name="receipts")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="receipts")
    repository = models.ForeignKey("repositories.Repository", models.SET_NULL, null=True, related_name="receipts")
    commit = models.CharField(max_length=40)
    jws = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.id
