"""Cards as HTML: what authors write comes out as text, links and pictures of the repository, and nothing that acts."""

from __future__ import annotations

import pytest

from registry.web.markdown import MAX_LENGTH, Base, render

TRACES = (
    "<script", "onerror=", "onload=", "onclick=", 'href="javascript', 'href="data:', 'href="vbscript',
    "<iframe", "<form",
    "<style", "style=", "<svg", "<meta", "<base", "<object", "<embed", 'type="password',
)  # fmt: skip
BASE = Base("/acme/m/blob/main", "/acme/m/resolve/main")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        '<a href="java\nscript:alert(1)">x</a>',
        "<iframe src=https://evil.example></iframe>",
        "<form action=/settings/tokens method=post><button>go</button></form>",
        '<svg onload="alert(1)"><script>1</script></svg>',
        "<style>body{display:none}</style>",
        '<p style="position:fixed">x</p>',
        '<math><mtext><table><mglyph><style><img src=x onerror="alert(1)">',
        '<input type="password" name="password">',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<base href="https://evil.example/">',
        '<object data="x"></object><embed src="x">',
        "```<script>\n</script>\n```",
        '<code class="language-x onclick=alert(1)">x</code>',
    ],
)
def test_hostile_markup_loses_what_acts(hostile: str) -> None:
    html = render(f"before\n\n{hostile}\n\nafter", BASE).lower()
    for trace in TRACES:
        assert trace not in html.replace("&lt;", "").replace("&quot;", "'"), trace
    assert "before" in html


def test_relative_links_and_pictures_point_into_the_repository() -> None:
    html = render("[c](config.json) ![p](img/a.png) [up](../x) [d](docs/)", Base(BASE.blob, BASE.raw, "docs"))
    assert 'href="/acme/m/blob/main/docs/config.json"' in html
    assert 'src="/acme/m/resolve/main/docs/img/a.png"' in html
    assert 'href="/acme/m/blob/main/x"' in html


def test_a_link_cannot_climb_out_of_the_repository() -> None:
    assert "href" not in render("[x](../../../settings/tokens)", BASE)


def test_pictures_of_other_hosts_are_not_loaded_but_their_words_stay() -> None:
    html = render("![a chart](https://tracker.example/pixel.png) ![](//evil.example/x.png)", BASE)
    assert "tracker.example" not in html
    assert "evil.example" not in html
    assert "[image: a chart]" in html


def test_a_picture_without_words_gets_an_empty_alternative() -> None:
    assert 'alt=""' in render('<img src="x.png">', BASE)


def test_tables_code_and_headings_come_out_for_a_page_that_has_its_own_title() -> None:
    html = render("# Title\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nx = 1\n```", BASE)
    assert "<h1" not in html
    assert "<h2" in html
    assert '<td align="right">2</td>' in html
    assert 'class="language-python"' in html
    assert 'tabindex="0"' in html


def test_anchors_keep_to_the_card() -> None:
    html = render("# Limits\n\n[see](#limits)", BASE)
    assert 'id="card-limits"' in html
    assert 'href="#card-limits"' in html


def test_a_very_long_card_is_cut_and_says_so() -> None:
    assert "the rest is in the raw file" in render("word " * (MAX_LENGTH // 4), BASE)
