"""What repositories say about themselves: profile (card and derived facts), tags, counters, lineage."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from registry.licensing.models import License
from registry.repositories.models import Repository, RepositoryType
from registry.storage.models import LargeObject


class LicenseStatus(models.TextChoices):
    """How far the declared license could be understood (design: licensing)."""

    STATED = "stated", "Stated"
    UNSTATED = "unstated", "Not stated"
    UNKNOWN = "unknown", "Not in the catalogue"
    AMBIGUOUS = "ambiguous", "Names several texts"


class RepositoryProfile(models.Model):
    """Card front matter and facts derived from the files at the head of `main`, written in the commit's transaction."""

    repository = models.OneToOneField(Repository, models.CASCADE, primary_key=True, related_name="profile")
    head_oid = models.CharField(max_length=40, blank=True)
    card_data = models.JSONField(null=True, help_text="Parsed front matter; null if there is none or it is broken")
    card_error = models.CharField(max_length=500, blank=True)
    card_oid = models.CharField(max_length=40, blank=True, help_text="Blob id of README.md")
    description = models.CharField(max_length=400, blank=True, help_text="First sentence of the card's body")
    license_declared = models.CharField(max_length=200, blank=True)
    license_name = models.CharField(max_length=200, blank=True)
    license_link = models.CharField(max_length=500, blank=True)
    license = models.ForeignKey(License, models.SET_NULL, null=True, related_name="+", db_index=False)
    license_status = models.CharField(max_length=16, choices=LicenseStatus.choices, default=LicenseStatus.UNSTATED)
    pipeline_tag = models.CharField(max_length=64, blank=True)
    library_name = models.CharField(max_length=64, blank=True)
    config = models.JSONField(null=True, help_text="architectures, model_type, … of config.json")
    safetensors = models.JSONField(null=True, help_text='{"parameters": {dtype: count}, "total": count}')
    parameters = models.BigIntegerField(null=True, help_text="Total parameter count")
    formats = models.JSONField(default=list)
    languages = models.JSONField(default=list)
    used_storage = models.BigIntegerField(default=0, help_text="Bytes of the files at head")
    file_count = models.IntegerField(default=0)
    tags = models.JSONField(default=list, help_text="All tags as the API lists them; RepositoryTag is for search")
    search_text = models.TextField(
        blank=True, help_text="Name and description in lower case; 0002 indexes its trigrams"
    )
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-parameters", "-repository"], name="profile_by_parameters"),
            models.Index(fields=["license"], name="profile_by_license"),
        ]

    def __str__(self) -> str:
        return f"profile of {self.repository_id}"


class ObjectFacts(models.Model):
    """What was read from a large object's own header: once for each object, for its bytes never change."""

    large_object = models.OneToOneField(LargeObject, models.CASCADE, primary_key=True, related_name="facts")
    parameters = models.JSONField(
        null=True, help_text="safetensors: {dtype: count}; null if the header is not to be believed"
    )

    class Meta:
        verbose_name_plural = "object facts"

    def __str__(self) -> str:
        return f"facts of {self.large_object_id}"


class RepositoryTag(models.Model):
    """One searchable tag of a repository (`license:mit`, `text-classification`, `language:en`, …)."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="tag_rows")
    tag = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("tag", "repository", name="repository_tag_unique")]

    def __str__(self) -> str:
        return self.tag


class RepositoryCounters(models.Model):
    """Counts that change often, apart from the rows that search reads.

    The repository's type is repeated here, so that a list by a count is read along one index.
    """

    repository = models.OneToOneField(Repository, models.CASCADE, primary_key=True, related_name="counters")
    type = models.CharField(max_length=8, choices=RepositoryType.choices, default=RepositoryType.MODEL, editable=False)
    downloads = models.BigIntegerField(default=0, help_text="In the last 30 days")
    downloads_all_time = models.BigIntegerField(default=0)
    likes = models.BigIntegerField(default=0)
    trending = models.FloatField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["type", "-downloads", "-repository"], name="counters_by_downloads"),
            models.Index(fields=["type", "-likes", "-repository"], name="counters_by_likes"),
            models.Index(fields=["type", "-trending", "-repository"], name="counters_by_trending"),
        ]

    def __str__(self) -> str:
        return f"counters of {self.repository_id}"


class DownloadMark(models.Model):
    """That one client downloaded one repository within one window, so that it counts once."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="download_marks")
    client = models.CharField(max_length=64, help_text="Opaque hash of user or address and agent")
    window = models.DateField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("repository", "client", "window", name="download_mark_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["window"], name="download_mark_by_window")]

    def __str__(self) -> str:
        return f"{self.repository_id} on {self.window}"


class LineageEdge(models.Model):
    """That a repository derives from another model or was trained on a dataset."""

    class Relation(models.TextChoices):
        FINETUNE = "finetune", "Fine-tuned from"
        ADAPTER = "adapter", "Adapter for"
        MERGE = "merge", "Merged from"
        QUANTIZED = "quantized", "Quantized from"
        DISTILLED = "distilled", "Distilled from"
        DATASET = "dataset", "Trained on"

    class Source(models.TextChoices):
        DECLARED = "declared", "Declared in the card"
        CONFIRMED = "confirmed", "Recorded by a job"

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="ancestors")
    base = models.ForeignKey(Repository, models.SET_NULL, null=True, blank=True, related_name="descendants")
    base_name = models.CharField(max_length=220, help_text="owner/name as declared, also when it is not on this hub")
    base_type = models.CharField(max_length=8, default="model")
    base_commit = models.CharField(max_length=40, blank=True)
    relation = models.CharField(max_length=16, choices=Relation.choices)
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.DECLARED)

    class Meta:
        indexes: ClassVar = [
            models.Index(Lower("base_name"), condition=models.Q(base__isnull=True), name="lineage_edge_unresolved")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint("repository", "base_type", "base_name", "relation", name="lineage_edge_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id} {self.relation} {self.base_name}"
