"""Paths of files inside a repository: the one parser through which every path from outside passes. Pure."""

from __future__ import annotations

from dulwich.index import validate_path_element_hfs, validate_path_element_ntfs

from registry.errors import InvalidError

MAX_PATH_BYTES = 4096
MAX_SEGMENT_BYTES = 255


def _invalid(text: str, reason: str) -> InvalidError:
    return InvalidError(f"`{ascii(text[:200])[1:-1]}` is not a valid path: {reason}", keep_status=True, field="path")


def _segment_problem(segment: str) -> str:
    if segment == "":
        return "it has an empty part"
    if segment in {".", ".."}:
        return "it has a `.` or `..` part"
    raw = segment.encode()
    if len(raw) > MAX_SEGMENT_BYTES:
        return f"a part is longer than {MAX_SEGMENT_BYTES} bytes"
    # `.git` in every spelling that a checkout on some file system would take for it (git fsck: hasDotgit).
    if not validate_path_element_ntfs(raw) or not validate_path_element_hfs(raw):
        return "a part is `.git` or the like on some file system"
    return ""


def parse_path(text: str) -> str:
    """Returns the path, `/`-separated and relative to the root of the repository.

    Raises:
        InvalidError: a part is empty, `.`, `..` or `.git`; a leading `/`; a backslash; a control character; or too
            long (hub-api 2.6; answered with 422 also on hub routes).
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise _invalid(text, "it is not valid Unicode") from error
    if len(raw) > MAX_PATH_BYTES:
        raise _invalid(text, f"it is longer than {MAX_PATH_BYTES} bytes")
    if "\\" in text:
        raise _invalid(text, "it has a backslash; separate folders by `/`")
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text):  # noqa: PLR2004 (C0, C1)
        raise _invalid(text, "it has a control character")
    for segment in text.split("/"):
        problem = _segment_problem(segment)
        if problem:
            raise _invalid(text, problem)
    return text


def parse_folder(text: str) -> str:
    """Returns a folder's path; one trailing `/` is allowed (hub-api 2.7, `deletedFolder`)."""
    return parse_path(text.removesuffix("/"))
