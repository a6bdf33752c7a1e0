"""Which commit an address means, also where the slashes of a revision were not encoded (hub-api 0.1, 9.1)."""

from __future__ import annotations

from registry.repositories import selectors
from registry.repositories.errors import RevisionNotFoundError
from registry.repositories.models import Ref, Repository


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
