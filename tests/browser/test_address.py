"""The address follows the settings, and the settings follow it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Watched

pytestmark = pytest.mark.browser


def test_opening_a_page_is_one_step_and_going_back_to_it_brings_its_defaults_back(lab: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{lab}healthz")
    before = page.evaluate("history.length")
    watched.open(f"{lab}?cluster.decode_nodes=3")
    page.wait_for_function("() => location.search.startsWith('?v=1&')")
    assert page.evaluate("history.length") == before + 1
    watched.slide("Decode nodes D", "ArrowRight")
    page.wait_for_function("() => location.search.includes('cluster.decode_nodes=4')")
    assert page.evaluate("history.length") == before + 2
    page.evaluate("history.pushState({}, '', '/?cluster.decode_nodes=5&model=nothing')")
    page.evaluate("history.pushState({}, '', '/?last')")
    page.go_back()
    expect(page.get_by_role("status")).to_contain_text("model = 'nothing' in the link is not allowed")
    expect(page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "5")
    page.go_back()
    expect(page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "4")
    page.go_forward()
    expect(page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "5")


def test_the_theme_is_in_the_link_once_it_is_chosen(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_function("() => location.search.includes('theme=dark')")
    page.reload()
    page.wait_for_function("() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every(part => part < 90)")
    page.wait_for_function("() => location.search.includes('theme=dark')")
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_function("() => !location.search.includes('theme')")


def test_a_chosen_cell_is_there_again_after_a_reload(lab: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{lab}explore?workload.agents=8&x.to=2&x.values=2&y.to=2&y.values=2")
    page.get_by_role("button", name="D = 2 nodes, P = 1 node").click()
    page.wait_for_function("() => location.search.includes('cell.x=2')")
    page.reload()
    expect(page.locator(".card.cell")).to_contain_text("D = 2 nodes, P = 1 node")
    expect(page.get_by_role("button", name="D = 2 nodes, P = 1 node")).to_have_attribute("aria-pressed", "true")
