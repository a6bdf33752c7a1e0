"""How file content is labelled so that a browser never runs it on our origin. Pure."""

from __future__ import annotations

import mimetypes

# What a browser may show as it is; text of any kind becomes plain text, the rest a download (no HTML, SVG or PDF).
_SHOWN = frozenset({"application/json", "image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXT_SUFFIXES = (
    ".md",
    ".yaml",
    ".yml",
    ".toml",
    ".py",
    ".jsonl",
    ".ipynb",
    ".cfg",
    ".ini",
    ".gitattributes",
    ".gitignore",
)
_TEXT = "text/plain; charset=utf-8"


def content_type_of(path: str) -> str:
    """Returns the type to serve a file under, by its name."""
    if path.lower().endswith(_TEXT_SUFFIXES):
        return _TEXT
    guess, encoding = mimetypes.guess_type(path)
    if guess is None or encoding is not None:
        return "application/octet-stream" if "." in path.rpartition("/")[2] else _TEXT
    if guess in _SHOWN:
        return guess
    return _TEXT if guess.startswith("text/") else "application/octet-stream"
