"""The two pattern files of git that decide about uploads: `.gitattributes` and `.gitignore`. Pure.

Patterns come from strangers, so matching must not be made slow on purpose: each part of a path is matched by
`fnmatch`'s regular expressions, which never backtrack (atomic groups), and `**` by dynamic programming over parts.
Semantics: gitignore(5) and gitattributes(5); held against `git check-attr` and `git check-ignore` by tests.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

# Bounds on what one file may ask of us; git has none, real files stay far below.
MAX_FILE_SIZE = 256 * 1024
MAX_PATTERNS = 5000
_BLANK = re.compile(r"[ \t]+")

_Segment = Callable[[str], object] | None


def _translate(segment: str) -> str:
    """Rewrites one part from git's dialect to fnmatch's: a backslash before x is a literal x and `[^…]` negates."""
    out: list[str] = []
    index, inside = 0, False
    while index < len(segment):
        character = segment[index]
        if character == "\\" and index + 1 < len(segment) and not inside:
            index += 1
            out.append(f"[{segment[index]}]" if segment[index] in "*?[" else segment[index])
        elif character == "[" and not inside:
            inside = "]" in segment[index + 2 :]
            out.append(character)
            if inside and segment[index + 1] in "^!":
                out.append("!")
                index += 1
        else:
            inside = inside and character != "]"
            out.append(character)
        index += 1
    return "".join(out)


def _compile_segment(segment: str) -> _Segment:
    if segment == "**":
        return None
    expanded = segment.replace("[[:space:]]", "[ \t\n\r\f\v]")
    return re.compile(fnmatch.translate(_translate(expanded))).match


@dataclass(frozen=True, slots=True)
class Glob:
    """One compiled pattern.

    Attributes:
        segments: matcher of each part; None stands for `**`.
        directory_only: the pattern ended in `/`.
    """

    segments: tuple[_Segment, ...]
    directory_only: bool

    def matches(self, parts: Sequence[str]) -> bool:
        """True if the pattern covers exactly this path."""
        reachable = [True] + [False] * len(parts)
        last = len(self.segments) - 1
        for position, segment in enumerate(self.segments):
            if segment is None:
                # A trailing `**` needs at least one part below; elsewhere it may stand for none.
                first = reachable.index(True) + (position == last) if True in reachable else len(reachable)
                reachable = [index >= first for index in range(len(reachable))]
            else:
                reachable = [False] + [
                    reachable[index] and segment(part) is not None for index, part in enumerate(parts)
                ]
        return reachable[-1]


@lru_cache(maxsize=2048)
def compile_glob(pattern: str) -> Glob | None:
    """Compiles a pattern of `.gitignore` or `.gitattributes`; None if it can match nothing."""
    directory_only = pattern.endswith("/")
    body = pattern.rstrip("/") if directory_only else pattern
    anchored = "/" in body
    parts = body.removeprefix("/").split("/")
    if not anchored:
        parts = ["**", *parts]
    if not all(parts):
        return None
    try:
        return Glob(tuple(_compile_segment(part) for part in parts), directory_only)
    except re.error:
        return None


def _lines(text: bytes) -> list[str]:
    return text[:MAX_FILE_SIZE].decode("utf-8", "surrogateescape").split("\n")[:MAX_PATTERNS]


class Attributes:
    """A `.gitattributes` file, as far as `filter` goes."""

    def __init__(self, text: bytes) -> None:
        self._rules: list[tuple[Glob, bool]] = []
        for line in _lines(text):
            rule = _attribute_rule(line)
            if rule is not None:
                self._rules.append(rule)

    def is_lfs(self, path: str) -> bool:
        """True if the last rule that covers the path and speaks of `filter` says `filter=lfs`."""
        parts = path.split("/")
        return next((lfs for glob, lfs in reversed(self._rules) if glob.matches(parts)), False)


def _attribute_rule(line: str) -> tuple[Glob, bool] | None:
    pattern, attributes = _split_attribute_line(line.strip(" \t\r"))
    verdict = None
    for attribute in attributes:
        if attribute.lstrip("-!").partition("=")[0] == "filter":
            verdict = attribute == "filter=lfs"
    # gitattributes(5): negative patterns are forbidden, and a trailing slash never matches a file.
    if verdict is None or pattern.startswith(("#", "!")) or pattern.endswith("/"):
        return None
    glob = compile_glob(pattern)
    return None if glob is None else (glob, verdict)


def _split_attribute_line(line: str) -> tuple[str, list[str]]:
    """Splits into pattern and attributes; a pattern in double quotes may hold blanks (gitattributes(5))."""
    if line.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*)"[ \t]*(.*)', line)
        if match is not None:
            return re.sub(r'\\(["\\])', r"\1", match[1]), _BLANK.split(match[2])
    pattern, *attributes = _BLANK.split(line)
    return pattern, attributes


def lfs_line(path: str) -> str:
    """Returns a `.gitattributes` line that puts exactly this path under LFS (as `git lfs track --filename` does)."""
    escaped = re.sub(r"([*?\[\]!#])", r"\\\1", path).replace(" ", "[[:space:]]")
    return f"/{escaped} filter=lfs diff=lfs merge=lfs -text\n"


class Ignores:
    """A `.gitignore` file at the root."""

    def __init__(self, text: bytes) -> None:
        self._rules: list[tuple[Glob, bool]] = []
        for line in _lines(text):
            rule = _ignore_rule(line)
            if rule is not None:
                self._rules.append(rule)

    def is_ignored(self, path: str) -> bool:
        """True if git would ignore the file: nothing below an ignored folder can be taken back (gitignore(5))."""
        parts = path.split("/")
        return any(self._verdict(parts[:depth], is_folder=depth < len(parts)) for depth in range(1, len(parts) + 1))

    def _verdict(self, parts: Sequence[str], *, is_folder: bool) -> bool:
        for glob, ignored in reversed(self._rules):
            if (is_folder or not glob.directory_only) and glob.matches(parts):
                return ignored
        return False


def _ignore_rule(line: str) -> tuple[Glob, bool] | None:
    text = line.removesuffix("\r")
    while text.endswith(" ") and not text.endswith("\\ "):  # a trailing blank counts only if it is quoted
        text = text[:-1]
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    glob = compile_glob(text.removeprefix("!"))
    return None if glob is None else (glob, not negated)
