"""Repositories and git in the database: objects, refs, and which commits and large objects a repository has."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from registry.accounts.models import Namespace, User
from registry.storage.models import LargeObject


class RepositoryType(models.TextChoices):
    """Kinds of repository that Hugging Face clients know (hub-api 0.1)."""

    MODEL = "model", "Model"
    DATASET = "dataset", "Dataset"
    SPACE = "space", "Space"


class Visibility(models.TextChoices):
    """Who may know that the repository exists."""

    PUBLIC = "public", "Public"
    PRIVATE = "private", "Private"


class Gating(models.TextChoices):
    """Hugging Face's words for how the main offer is acquired (design: licensing)."""

    NONE = "", "Open"
    AUTO = "auto", "Accept the terms"
    MANUAL = "manual", "Ask for access"


class Repository(models.Model):
    """A model, dataset or space: a name, a visibility and refs.

    `full_name` is `namespace/name` in the case it was created with; ids match without regard to case.
    """

    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="repositories")
    type = models.CharField(max_length=8, choices=RepositoryType.choices, default=RepositoryType.MODEL)
    name = models.CharField(max_length=96)
    full_name = models.CharField(max_length=200, editable=False)
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC)
    gated = models.CharField(max_length=8, choices=Gating.choices, default=Gating.NONE, blank=True)
    disabled = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False, help_text="Time of the last commit")

    class Meta:
        verbose_name_plural = "repositories"
        constraints: ClassVar = [
            models.UniqueConstraint("type", Lower("full_name"), name="repository_full_name_ci_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["type", "-updated_at", "-id"], name="repository_by_update"),
            models.Index(fields=["type", "-created_at", "-id"], name="repository_by_creation"),
            # Gated repositories are few: lists of them must not read all the others.
            models.Index(fields=["type", "gated"], condition=~Q(gated=""), name="repository_gated"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def is_private(self) -> bool:
        """True if only members may see it."""
        return self.visibility == Visibility.PRIVATE


class GitObject(models.Model):
    """One git object, shared by all repositories that hold it; never served by oid alone.

    `data` is the object's content without git's header. Blobs over 256 KiB keep their bytes in the object store and
    name them by `large_object`. `lfs_sha256`/`lfs_size` are set for blobs that are LFS pointers.
    """

    class Kind(models.TextChoices):
        COMMIT = "commit"
        TREE = "tree"
        BLOB = "blob"
        TAG = "tag"

    oid = models.CharField(max_length=40, primary_key=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    size = models.PositiveBigIntegerField()
    data = models.BinaryField(null=True)
    large_object = models.ForeignKey(LargeObject, models.PROTECT, null=True, related_name="+")
    lfs_sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001 (null means: not a pointer)
    lfs_size = models.PositiveBigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False, help_text="The sweep spares young objects")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="git_object_oid_hex", condition=Q(oid__regex=r"^[0-9a-f]{40}$")),
            models.CheckConstraint(
                name="git_object_has_bytes",
                condition=Q(data__isnull=False, large_object__isnull=True)
                | Q(data__isnull=True, large_object__isnull=False),
            ),
            models.CheckConstraint(
                name="git_object_lfs_both",
                condition=Q(lfs_sha256__isnull=True, lfs_size__isnull=True)
                | Q(lfs_sha256__isnull=False, lfs_size__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.oid}"


class RepositoryGitObject(models.Model):
    """That a repository holds a git object: written by one of its commits. The sweep removes objects nobody holds."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="git_objects_held")
    git_object = models.ForeignKey(GitObject, models.PROTECT, related_name="holders")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("repository", "git_object", name="repository_git_object_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.git_object_id}"


class Ref(models.Model):
    """A named pointer of a repository: `refs/heads/main` -> commit id.

    An annotated tag points at its tag object, and `commit_oid` says which commit that leads to.
    """

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="refs")
    name = models.CharField(max_length=255)
    oid = models.CharField(max_length=40)
    commit_oid = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("repository", "name", name="ref_unique")]

    def __str__(self) -> str:
        return f"{self.name} -> {self.oid}"


class RepositoryCommit(models.Model):
    """That a commit belongs to a repository, with what lists need of it.

    `depth` is git's generation number: one more than the deepest parent's, so every ancestor has a smaller one and a
    page of history is one query.
    """

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="commits")
    oid = models.CharField(max_length=40)
    tree_oid = models.CharField(max_length=40)
    parents = models.JSONField(default=list)
    depth = models.PositiveBigIntegerField(default=1)
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    author_name = models.CharField(max_length=200)
    title = models.CharField(max_length=500)
    message = models.TextField(blank=True, help_text="Everything after the title")
    committed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("repository", "oid", name="repository_commit_unique")]
        indexes: ClassVar = [models.Index(fields=["repository", "depth"], name="repository_commit_by_depth")]

    def __str__(self) -> str:
        return f"{self.oid[:7]} {self.title}"


class RepositoryObject(models.Model):
    """That a repository may hand out a large object: uploaded to it, and named by a commit once `referenced_at`."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="objects_held")
    large_object = models.ForeignKey(LargeObject, models.PROTECT, related_name="holders")
    uploaded_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    referenced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("repository", "large_object", name="repository_object_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.large_object_id}"
