"""Pages in a real browser against a real hub: no accessibility finding, no sideways scroll, nothing from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub

CHROMIUM = shutil.which("chromium")
AXE = (Path(axe_playwright_python.__path__[0]) / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "correct horse battery staple"
SEED = '''
import os
from huggingface_hub import HfApi
api = HfApi()
def make(name, card, kind="model", **more):
    api.create_repo(name, repo_type=kind, exist_ok=True, **more)
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=name, repo_type=kind)
make("alice/pages-open", """---
license: apache-2.0
pipeline_tag: text-classification
library_name: transformers
language: en
---
# Open

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```
""")
make("alice/pages-research", "---\\nlicense: cc-by-nc-4.0\\nbase_model: alice/pages-open\\n---\\n# Research\\n")
make("alice/pages-gated", "---\\nlicense: mit\\nextra_gated_fields:\\n  Company: text\\n---\\n# Gated\\n")
api.update_repo_settings("alice/pages-gated", gated="manual")
make("alice/pages-rows", "---\\nlicense: cc0-1.0\\n---\\n# Rows\\n", kind="dataset")
'''
OPEN_PAGES = [
    "/", "/models", "/models?purpose=commercial-product", "/models?search=nothing-like-it", "/datasets", "/licenses",
    "/licenses/llama3.1", "/alice/pages-open", "/alice/pages-research?purpose=commercial-product",
    "/alice/pages-open/tree/main", "/alice/pages-open/blob/main/README.md",
    "/alice/pages-open/blob/main/README.md?plain=1",
    "/alice/pages-open/commits/main", "/alice/pages-open/commit/main", "/alice/pages-gated/license", "/alice",
    "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/nobody/nothing",
    "/docs/errors", "/docs/decision-codes",
]  # fmt: skip
OWN_PAGES = [
    "/", "/jobs", "/jobs/new?model=alice/pages-open", "/jobs/new?kind=evaluate", "/decisions", "/requests", "/new",
    "/settings/tokens", "/settings/profile", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/",
    "/alice/pages-open/settings", "/alice/pages-open",
]  # fmt: skip

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def seeded(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """The hub with some repositories, published by the real client."""
    hub.python(SEED, home=tmp_path_factory.mktemp("pages"), token=hub.token("alice"))
    return hub


@pytest.fixture(scope="module")
def alice_state(seeded: Hub, browser: Browser) -> Any:
    """Cookies of alice, who signed in on the page."""
    context = browser.new_context(base_url=seeded.url)
    page = context.new_page()
    page.goto("/accounts/login/?next=/settings/tokens")
    page.get_by_label("Login").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


def _context(browser: Browser, hub: Hub, theme: str, width: int, state: Any = None) -> BrowserContext:
    return browser.new_context(
        base_url=hub.url, viewport={"width": width, "height": 900}, color_scheme=theme, storage_state=state
    )


def _check(page: Page, hub: Hub, address: str) -> list[str]:
    """Opens a page and returns what is wrong with it."""
    problems: list[str] = []
    own = (hub.url, hub.data_url, "data:")
    page.on("request", lambda request: None if request.url.startswith(own) else problems.append(f"asks {request.url}"))
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(address)
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > page.viewport_size["width"]:
        problems.append(f"scrolls sideways to {width}")
    page.evaluate(AXE)
    found = page.evaluate(f"axe.run(document, {{runOnly: {RULES!r}}})")
    problems += [f"{item['id']}: {item['nodes'][0]['html'][:160]}" for item in found["violations"]]
    return [f"{address}: {problem}" for problem in problems]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_open_pages_have_no_finding(seeded: Hub, browser: Browser, theme: str, width: int) -> None:
    problems = []
    with _context(browser, seeded, theme, width) as context:
        for address in OPEN_PAGES:
            page = context.new_page()
            problems += _check(page, seeded, address)
            page.close()
    assert problems == []


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ones_own_pages_have_no_finding(
    seeded: Hub, browser: Browser, alice_state: Any, theme: str, width: int
) -> None:
    problems = []
    with _context(browser, seeded, theme, width, alice_state) as context:
        for address in OWN_PAGES:
            page = context.new_page()
            problems += _check(page, seeded, address)
            page.close()
    assert problems == []


def test_search_finds_as_one_types_and_keeps_the_address(seeded: Hub, browser: Browser) -> None:
    with _context(browser, seeded, "light", 1440) as context:
        page = context.new_page()
        page.goto("/models")
        page.keyboard.press("/")
        page.get_by_role("searchbox", name="Search models").last.fill("pages-research")
        expect(page.get_by_role("heading", name="1 model", exact=True)).to_be_visible()
        expect(page.locator(".result")).to_have_count(1)
        assert "search=pages-research" in page.url
        page.get_by_text("Commercial product", exact=True).last.click()
        expect(page.locator(".result .verdict")).to_have_text("Not allowed")
        page.go_back()
        page.reload()


def test_pages_work_without_script(seeded: Hub, browser: Browser) -> None:
    context = browser.new_context(base_url=seeded.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/models")
    page.get_by_role("searchbox", name="Search models").last.fill("pages-open")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="alice/pages-open").click()
    page.get_by_text("Use this model").click()
    expect(page.get_by_text("AutoModelForSequenceClassification").first).to_be_visible()
    page.get_by_text("Use this model").click()  # close it: without script it covers what lies below
    page.get_by_label("Weigh for").select_option("internal")
    page.get_by_role("button", name="Weigh").click()
    expect(page.get_by_text("for internal").first).to_be_visible()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    context.close()


def test_the_keyboard_reaches_content_and_menus(seeded: Hub, browser: Browser) -> None:
    with _context(browser, seeded, "light", 1440) as context:
        page = context.new_page()
        page.goto("/alice/pages-open")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.locator("#use > summary").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#use")).to_have_attribute("open", "")
        page.keyboard.press("Escape")
        expect(page.locator("#use > summary")).to_be_focused()
        assert page.locator("#use").get_attribute("open") is None
