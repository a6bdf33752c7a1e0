"""Cards as HTML: CommonMark with tables by markdown-it-py, then cleaned by nh3, whatever the card holds.

Everything that reaches a browser passes the allow-list below; there are no styles, classes from authors, forms, frames
or scripts. Relative links and images point into the repository at the commit that is shown.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import nh3
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.anchors.index import slugify
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

MAX_LENGTH: Final = 400_000  # characters; beyond that a page shows the rest as a raw file only

# With more, HTML shows as text: cleaning deeply nested elements takes time in the square of their number.
_MAX_ELEMENTS: Final = 10_000

_TAGS: Final = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details",
        "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
        "h6", "hr", "i", "img", "input", "ins", "kbd", "li", "mark",
        "ol", "p", "picture", "pre", "s", "samp", "section", "small", "source",
        "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
        "th", "thead", "tr", "u", "ul", "var",
    }
)  # fmt: skip
_ATTRIBUTES: Final = {
    "*": {"id", "title", "lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "ol": {"start"},
    "details": {"open"},
    "code": {"class"},
    "input": {"type", "checked", "disabled"},
}
_SCHEMES: Final = {"http", "https", "mailto"}
_IMAGE_SCHEMES: Final = {"http", "https"}
_LANGUAGE: Final = re.compile(r"^language-[A-Za-z0-9_+.#-]{1,40}$")
_ALIGN: Final = re.compile(r'style="text-align:(left|center|right)"')
_HEADING: Final = re.compile(r"<(/?)h([1-6])\b")
_PRE: Final = re.compile(r"<pre>")
_IMG: Final = re.compile(r"<img\b[^>]*>")
_ALT: Final = re.compile(r'\balt="([^"]*)"')
_TABLE: Final = re.compile(r"<table>(.*?)</table>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Base:
    """Where relative addresses of a document point.

    Attributes:
        blob: address under which files are shown, without a trailing slash.
        raw: address under which files are served.
        folder: folder of the document inside the repository, empty at the top.
        id_prefix: stands before the document's anchors, so that an author's heading never takes an id of the page.
    """

    blob: str
    raw: str
    folder: str = ""
    id_prefix: str = "card-"


def _parser(*, html: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": html, "linkify": False}).enable(["table", "strikethrough"])
    parser.use(anchors_plugin, max_level=4, slug_func=_numbered(Counter()))
    return parser.use(footnote_plugin).use(tasklists_plugin)


def _numbered(seen: Counter[str]) -> Callable[[str], str]:
    """Returns the plugin's own slugs; it would try every number up to a free one for each of many equal headings."""

    def slug(title: str) -> str:
        plain = slugify(title)
        seen[plain] += 1
        return plain if seen[plain] == 1 else f"{plain}-{seen[plain] - 1}"

    return slug


@lru_cache(maxsize=256)
def render(text: str, base: Base, *, heading_shift: int = 1) -> str:
    """Returns safe HTML of a markdown document.

    Args:
        text: the document; what exceeds `MAX_LENGTH` is cut and the cut is stated.
        base: resolves relative links and images.
        heading_shift: levels by which headings sink, so that the page keeps its one `h1`.
    """
    cut = len(text) > MAX_LENGTH
    text = text[:MAX_LENGTH].replace("\x00", "")
    parser = _parser(html=text.count("<") <= _MAX_ELEMENTS)
    html = _ALIGN.sub(r'align="\1"', parser.render(text))
    html = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=lambda tag, name, value: _attribute(tag, name, value, base),
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener",
        id_prefix=base.id_prefix,
        strip_comments=True,
    )
    html = _HEADING.sub(lambda match: f"<{match[1]}h{min(6, int(match[2]) + heading_shift)}", html)
    html = _IMG.sub(_described, html)
    html = _PRE.sub('<pre tabindex="0">', html)
    html = _TABLE.sub(
        r'<div class="scroll-x" tabindex="0" role="region" aria-label="Table"><table>\1</table></div>', html
    )
    return html + ("<p><em>The document is longer; the rest is in the raw file.</em></p>" if cut else "")


def _described(match: re.Match[str]) -> str:
    """Gives an image the alternative text it lacks; one that may not be loaded leaves its words."""
    tag = match[0]
    alt = _ALT.search(tag)
    if "src=" not in tag:
        return f'<span class="no-image">[image{f": {alt[1]}" if alt is not None and alt[1] else ""}]</span>'
    return tag if alt is not None else tag.replace("<img", '<img alt=""', 1)


def _attribute(tag: str, name: str, value: str, base: Base) -> str | None:
    """Filters one attribute: None drops it."""
    if name == "href":
        return _resolve(value, base, base.blob, _SCHEMES)
    if name == "src":
        return _image(value, base)
    if tag == "code" and name == "class":
        return value if _LANGUAGE.match(value) else None
    if tag == "input" and name == "type":
        return "checkbox" if value == "checkbox" else None
    if name in {"width", "height"}:
        return value if value.isdecimal() and len(value) <= 4 else None  # noqa: PLR2004 (pixels)
    return value


def _image(value: str, base: Base) -> str | None:
    """Resolves an image inside the repository; one from elsewhere is dropped, for a page asks no third party."""
    target = _resolve(value, base, base.raw, _IMAGE_SCHEMES)
    return target if target is not None and target.startswith(base.raw) else None


def _resolve(value: str, base: Base, root: str, schemes: set[str]) -> str | None:
    """Returns an absolute address, one under `root` for a relative one, or None if it is not fit for a link."""
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        return value if parts.scheme in schemes else None
    if not parts.path:
        return f"#{base.id_prefix}{parts.fragment}" if parts.fragment else None
    if parts.path.startswith("/"):
        return urlunsplit(("", "", quote(unquote(parts.path)), parts.query, parts.fragment))
    path = posixpath.normpath(posixpath.join(base.folder, unquote(parts.path)))
    if path.startswith("..") or path == ".":
        return None
    return urlunsplit(("", "", f"{root}/{quote(path)}", parts.query, parts.fragment))
