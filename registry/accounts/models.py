"""Users, organizations, the names they share, memberships and access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone


class Purpose(models.TextChoices):
    """What somebody wants a model for (license vocabulary 1.3)."""

    RESEARCH = "research", "Research"
    EVALUATION = "evaluation", "Evaluation"
    INTERNAL = "internal", "Internal use"
    COMMERCIAL_PRODUCT = "commercial-product", "Commercial product"
    HOSTED_SERVICE = "hosted-service", "Hosted service"


class Environment(models.TextChoices):
    """Where the model will run."""

    DEVELOPMENT = "development", "Development"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class OrganizationKind(models.TextChoices):
    """Kinds of legal person that license texts tell apart (license vocabulary 1.3)."""

    INDIVIDUAL = "individual", "Individual"
    ACADEMIC = "academic", "Academic"
    NON_PROFIT = "non-profit", "Non-profit"
    COMPANY = "company", "Company"
    GOVERNMENT = "government", "Government"


class User(AbstractUser):
    """A person. `username` equals the name of their namespace."""

    full_name = models.CharField(max_length=200, blank=True)
    default_purpose = models.CharField(max_length=32, choices=Purpose.choices, blank=True)

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [models.UniqueConstraint(Lower("username"), name="user_username_ci_unique")]

    def __str__(self) -> str:
        return self.username


class Organization(models.Model):
    """A group of people that owns repositories and signs agreements."""

    full_name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    kind = models.CharField(max_length=16, choices=OrganizationKind.choices, default=OrganizationKind.COMPANY)
    territory = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2 code of the seat")
    default_private = models.BooleanField(default=False, help_text="New repositories start private")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name of the organization's namespace (one query unless `namespace` is selected)."""
        return self.namespace.name


class Namespace(models.Model):
    """The name before the slash in `owner/name`: one user's or one organization's, unique without regard to case."""

    name = models.CharField(max_length=96)
    user = models.OneToOneField(User, models.CASCADE, null=True, blank=True, related_name="namespace")
    organization = models.OneToOneField(Organization, models.CASCADE, null=True, blank=True, related_name="namespace")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="namespace_name_ci_unique"),
            models.CheckConstraint(
                name="namespace_has_one_owner",
                condition=Q(user__isnull=True, organization__isnull=False)
                | Q(user__isnull=False, organization__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do with an organization's repositories, weakest first."""

    READ = "read", "Read"
    CONTRIBUTOR = "contributor", "Contributor (own repositories)"
    WRITE = "write", "Write"
    ADMIN = "admin", "Admin"


class Membership(models.Model):
    """A user's role in an organization."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.READ)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("user", "organization", name="membership_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id} as {self.role}"


class TokenRole(models.TextChoices):
    """What a token may do; names as `whoami-v2` reports them (hub-api 1.7)."""

    READ = "read", "Read"
    WRITE = "write", "Write"
    FINE_GRAINED = "fineGrained", "Fine-grained"


class AccessToken(models.Model):
    """A secret that stands for a user, optionally for an organization, a purpose and an environment.

    Only the SHA-256 of the secret is stored: secrets are 200-bit random, so a slow hash adds nothing.
    `scopes` (fine-grained only): `{"repositories": [{"type": "model", "name": "acme/x", "permissions": ["read"]}],
    "global": ["jobs.read"], "job": "job_…"}`.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="access_tokens")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="access_tokens")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=16, choices=TokenRole.choices, default=TokenRole.READ)
    scopes = models.JSONField(default=dict, blank=True)
    purpose = models.CharField(max_length=32, choices=Purpose.choices, blank=True)
    environment = models.CharField(max_length=16, choices=Environment.choices, blank=True)
    secret_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False, help_text="First characters of the secret, for recognition")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-created_at"], name="token_by_user")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    def is_expired(self, now: datetime) -> bool:
        """True from the moment of expiry on."""
        return self.expires_at is not None and self.expires_at <= now
