"""Which commit an address means, also where the slashes of a revision were not encoded (hub-api 0.1, 9.1)."""

from __future__ import annotations

from registry.epochs.caches import EpochCache
from registry.epochs.snapshots import GLOBAL, repository_scope
from registry.repositories import selectors
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.models import Ref, Repository
from registry.repositories.reading import Reading

# What addresses meant, by repository and the first segment.
_known: EpochCache[tuple[int, tuple[str, ...]], str] = EpochCache(20_000)


def commit_and_rest_read(reading: Reading, segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Returns what `commit_and_rest` does; without a query while the repository's refs stand.

    Raises:
        RevisionNotFoundError: no such revision.
    """
    repository, snapshot = reading.repository, reading.snapshot
    key = repository.pk, segments[:1]
    # Only a revision in one segment is remembered: where several form a ref, what they mean depends on all of them.
    commit = _known.get(key, snapshot)
    if commit is not None:
        return commit, segments[1:]
    commit, rest = commit_and_rest(repository, segments)
    if rest == segments[1:]:
        _known.put(key, commit, snapshot, (repository_scope(repository.pk), GLOBAL))
    return commit, rest


def commit_and_rest(repository: Repository, segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Returns the commit that the address names, and the segments after the revision.

    The clients encode a revision into one segment, so that is tried first. People type `feat/x` or `refs/pr/1` as it
    is, and some servers hand over decoded paths only: then the longest existing ref wins.

    Raises:
        RevisionNotFoundError: no such revision.
    """
    if not segments:
        return selectors.revision_resolve(repository, "main"), ()
    try:
        return selectors.revision_resolve(repository, segments[0]), segments[1:]
    except RevisionNotFoundError:
        length = _longest_ref(repository, segments)
        if not length:
            raise
        return selectors.revision_resolve(repository, "/".join(segments[:length])), segments[length:]


def _longest_ref(repository: Repository, segments: tuple[str, ...]) -> int:
    """Returns how many leading segments form an existing ref; 0 if none do."""
    spellings = {
        spelling: length
        for length in range(2, min(len(segments), 16) + 1)
        for name in ["/".join(segments[:length])]
        for spelling in (name, f"refs/heads/{name}", f"refs/tags/{name}")
    }
    found = Ref.objects.filter(repository=repository, name__in=spellings).values_list("name", flat=True)
    return max((spellings[name] for name in found), default=0)
