"""Notebooks that are apps: Panel serves them, offline, and their controls move their figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import free_port, running

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
APPS = ("02_the_storage_wall", "04_virtual_lanes")


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    port = free_port()
    url = f"http://localhost:{port}"
    apps = (str(NOTEBOOKS / f"{app}.ipynb") for app in APPS)
    with running("-m", "panel", "serve", *apps, "--port", str(port), url=url, ready=f"{url}/static/js/bokeh.min.js") as address:
        yield address


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page that may ask nobody else for anything, and has nothing to complain about."""
    page = browser.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert [url for url in asked if not url.startswith(("http://localhost:", "data:", "blob:"))] == []
    assert errors == []


def test_the_storage_wall_is_recomputed_for_another_model(page: Page, served: str) -> None:
    page.goto(f"{served}/{APPS[0]}")
    titles = "Bokeh.documents.flatMap(each => [...each._all_models.values()]).filter(each => each.type == 'Title').map(each => each.text)"
    page.get_by_label("Model").select_option("ds-27b")
    page.wait_for_function(f"() => {titles}.includes('ds-27b, 400 Gb/s')")
    expect(page.locator("canvas").first).to_be_visible()


def test_virtual_lanes_show_another_port(page: Page, served: str) -> None:
    page.goto(f"{served}/{APPS[1]}")
    expect(page.get_by_text("B equal: on the wire")).to_be_visible()
    page.get_by_label("Port B").select_option("fifo")
    expect(page.get_by_text("B fifo: on the wire")).to_be_visible()
