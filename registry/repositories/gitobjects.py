"""Git objects as bytes: ids, trees, commits, tags (formats by dulwich). Pure.

An object is named by the SHA-1 of `kind SP size NUL content` (`git hash-object`). That SHA-1 is git's
address format; wherever bytes must be trusted across repositories, SHA-256 of large objects decides instead.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from dulwich.objects import Commit, ObjectID, Tag, parse_tree, serialize_tree, sorted_tree_items

from registry.repositories.pointers import LfsPointer, parse_pointer

MODE_FILE = 0o100644
MODE_EXECUTABLE = 0o100755
MODE_SYMLINK = 0o120000
MODE_TREE = 0o040000
MODE_SUBMODULE = 0o160000

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_OID = re.compile(r"[0-9a-f]{40}")


def is_oid(text: str) -> bool:
    """True for 40 lower-case hex digits."""
    return _OID.fullmatch(text) is not None


def object_oid(kind: str, data: bytes) -> str:
    """Returns the id that git gives to this content."""
    digest = hashlib.sha1(b"%b %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One line of a tree object."""

    name: str
    mode: int
    oid: str

    @property
    def is_tree(self) -> bool:
        """True for a folder."""
        return self.mode == MODE_TREE


@dataclass(frozen=True, slots=True)
class NewObject:
    """A git object that is about to be stored; `data` is None where the bytes already lie in the object store."""

    oid: str
    kind: str
    size: int
    data: bytes | None
    large_sha256: str | None = None
    lfs: LfsPointer | None = None


def make_object(kind: str, data: bytes) -> NewObject:
    """Names content as an object; recognises LFS pointers among blobs."""
    pointer = parse_pointer(data) if kind == "blob" else None
    return NewObject(object_oid(kind, data), kind, len(data), data, lfs=pointer)


def make_tree(entries: Iterable[TreeEntry]) -> NewObject:
    """Serialises a tree: entries sorted as git sorts them, folders as if their name ended in `/`."""
    rows = {
        entry.name.encode("utf-8", "surrogateescape"): (entry.mode, ObjectID(entry.oid.encode())) for entry in entries
    }
    return make_object("tree", b"".join(serialize_tree(sorted_tree_items(rows, name_order=False))))


def read_tree(data: bytes) -> tuple[TreeEntry, ...]:
    """Parses a tree object. Names that are no UTF-8 keep their bytes as surrogate escapes."""
    return tuple(
        TreeEntry(name.decode("utf-8", "surrogateescape"), mode, oid.decode())
        for name, mode, oid in parse_tree(data, sha_len=20)
    )


@dataclass(frozen=True, slots=True)
class CommitText:
    """What a commit object says."""

    tree: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    at: datetime
    message: str

    @property
    def title(self) -> str:
        """First line of the message."""
        return self.message.partition("\n")[0]

    @property
    def body(self) -> str:
        """Everything after the title and its blank line."""
        return self.message.partition("\n")[2].strip("\n")


_IDENTITY_BREAKERS = str.maketrans("", "", "<>\n\0")


def make_commit(text: CommitText) -> NewObject:
    """Serialises a commit; author and committer are the same, times are UTC."""
    commit = Commit()
    identity = f"{text.author_name.translate(_IDENTITY_BREAKERS)} <{text.author_email.translate(_IDENTITY_BREAKERS)}>"
    commit.tree = ObjectID(text.tree.encode())
    commit.parents = [ObjectID(parent.encode()) for parent in text.parents]
    commit.author = commit.committer = identity.encode()
    commit.author_time = commit.commit_time = int(text.at.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = (text.message.replace("\0", "").rstrip("\n") + "\n").encode("utf-8", "replace")
    return make_object("commit", commit.as_raw_string())


def read_commit(data: bytes) -> CommitText:
    """Parses a commit object; undecodable text is replaced, never refused."""
    commit = Commit.from_string(data)
    assert isinstance(commit, Commit)  # noqa: S101 (from_string of the class itself; narrows the type)
    name, _, rest = commit.author.decode("utf-8", "replace").partition(" <")
    return CommitText(
        tree=commit.tree.decode(),
        parents=tuple(parent.decode() for parent in commit.parents),
        author_name=name,
        author_email=rest.rstrip(">"),
        at=datetime.fromtimestamp(commit.commit_time, UTC),
        message=commit.message.decode("utf-8", "replace"),
    )


def make_tag(*, name: str, target: str, tagger: str, email: str, at: datetime, message: str) -> NewObject:  # noqa: PLR0913 (git's own fields)
    """Serialises an annotated tag that points at a commit."""
    tag = Tag()
    tag.name = name.encode()
    tag.object = (Commit, ObjectID(target.encode()))
    tag.tagger = f"{tagger.translate(_IDENTITY_BREAKERS)} <{email.translate(_IDENTITY_BREAKERS)}>".encode()
    tag.tag_time = int(at.timestamp())
    tag.tag_timezone = 0
    tag.message = (message.rstrip("\n") + "\n").encode("utf-8", "replace")
    return make_object("tag", tag.as_raw_string())


def tag_target(data: bytes) -> tuple[str, str]:
    """Returns kind and id of what an annotated tag points at."""
    tag = Tag.from_string(data)
    assert isinstance(tag, Tag)  # noqa: S101 (from_string of the class itself; narrows the type)
    kind, oid = tag.object
    return kind.type_name.decode(), oid.decode()
