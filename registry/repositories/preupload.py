"""The answer to "how shall I send these files?" (hub-api 2.6). Pure: facts in, answers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.repositories.globs import Attributes, Ignores
from registry.repositories.paths import parse_path

_NEVER_IGNORED = frozenset({".gitignore", ".gitattributes"})


@dataclass(frozen=True, slots=True)
class UploadQuestion:
    """A file that a client means to send: path, bytes, and its first bytes."""

    path: str
    size: int
    sample: bytes = b""


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """How to send it; `oid` is the id of the file there now, in the hash family of its storage."""

    path: str
    upload_mode: str
    should_ignore: bool
    oid: str | None

    def as_dict(self) -> dict[str, object]:
        """Returns the wire form; the client fails on a missing key."""
        return {
            "path": self.path,
            "uploadMode": self.upload_mode,
            "shouldIgnore": self.should_ignore,
            "oid": self.oid,
        }


def is_binary(sample: bytes) -> bool:
    """True if the first bytes hold a NUL, by which git itself tells binary from text."""
    return b"\0" in sample


def plan(  # noqa: PLR0913 (facts are named, not positional)
    files: Iterable[UploadQuestion],
    *,
    gitattributes: bytes,
    gitignore: bytes,
    present: Mapping[str, str],
    max_regular_size: int,
    max_binary_size: int = 1024 * 1024,
) -> list[UploadAnswer]:
    """Answers for each file, in order.

    Args:
        files: what the client means to send.
        gitattributes: `.gitattributes` of the revision.
        gitignore: `.gitignore` of the request, else of the revision.
        present: path -> id of the file now there: git blob sha1 if regular, sha256 if LFS.
        max_regular_size: bytes above which a file always goes to LFS.
        max_binary_size: bytes above which a file whose sample is binary goes to LFS.

    Raises:
        InvalidError: a path is not acceptable.
    """
    attributes, ignores = Attributes(gitattributes), Ignores(gitignore)
    answers = []
    for file in files:
        path = parse_path(file.path)
        large = file.size > (max_binary_size if is_binary(file.sample) else max_regular_size)
        answers.append(
            UploadAnswer(
                path=path,
                upload_mode="lfs" if large or attributes.is_lfs(path) else "regular",
                should_ignore=path not in _NEVER_IGNORED and ignores.is_ignored(path),
                oid=present.get(path),
            )
        )
    return answers
