"""The Explore page as a visitor has it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Watched

pytestmark = pytest.mark.browser

SMALL = "workload.agents=8&x.to=2&x.values=2&y.to=2&y.values=2"
HEAVY = "workload.agents=2048&workload.source=paper-64k"
PATIENCE_MS = 180_000


def open_explore(watched: Watched, url: str) -> None:
    watched.page.goto(url)
    expect(cells(watched).first).to_be_visible(timeout=PATIENCE_MS)


def cells(watched: Watched) -> Locator:
    return watched.page.get_by_role("table").get_by_role("button")


def test_it_opens_running_and_fills_in_cell_by_cell(lab: str, watched: Watched) -> None:
    open_explore(watched, f"{lab}explore")
    expect(cells(watched)).to_have_count(16)
    expect(watched.page.locator(".region")).to_contain_text("Outlined are the 15 of 16 cells")
    done = cells(watched).filter(has_text="×")
    expect(done.first).to_be_visible(timeout=PATIENCE_MS)
    assert done.count() < 16, "the others come later"
    expect(watched.page.locator(".progress")).to_contain_text("s left", timeout=PATIENCE_MS)
    watched.page.get_by_role("button", name="Cancel").click()


def test_a_pressed_cell_shows_its_numbers_and_its_link_opens_it_live(lab: str, watched: Watched) -> None:
    page = watched.page
    open_explore(watched, f"{lab}explore?{SMALL}")
    expect(page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)
    cell = page.get_by_role("button", name="D = 2 nodes, P = 1 node")
    expect(cell).to_have_text(re.compile(r"^\d\.\d\d×$"))
    cell.click()
    readout = page.locator(".card.cell")
    expect(readout).to_contain_text("D = 2 nodes, P = 1 node")
    expect(readout).to_contain_text("B dualpath")
    expect(readout).to_contain_text(cell.inner_text())
    page.get_by_role("link", name="Open this cell live").click()
    page.locator(".side-b", has_text="dualpath").wait_for()
    expect(page.locator(".ratio")).to_contain_text("P:D 1:2")
    assert page.evaluate("location.pathname") == "/"
    search = page.evaluate("location.search")
    assert all(part in search for part in ("workload.agents=8&", "workload.source=paper-32k", "cluster.decode_nodes=2"))


def test_a_choice_is_in_the_link_and_what_is_known_comes_back_at_once(lab: str, watched: Watched) -> None:
    page = watched.page
    open_explore(watched, f"{lab}explore?{SMALL}")
    expect(page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)
    page.get_by_role("combobox", name=re.compile("^Measure")).click()
    page.get_by_role("menuitem", name="JCT of B", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Measure speed-up of B over A → JCT of B")
    expect(page.locator(".progress")).to_contain_text("4 of 4 cells")
    page.wait_for_function("() => location.search.includes('measure=JCT+of+B')")
    page.reload()
    expect(page.get_by_role("table")).to_have_attribute("aria-label", "JCT of B (s) by Decode nodes D and Prefill nodes P")
    expect(page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=5_000)


def test_cancel_leaves_the_processes_to_others(lab: str, watched: Watched) -> None:
    page = watched.page
    open_explore(watched, f"{lab}explore?{HEAVY}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Run the rest")).to_be_visible()
    open_explore(watched, f"{lab}explore?{SMALL}&seed_of_nothing=1")
    expect(page.get_by_role("status")).to_contain_text("'seed_of_nothing' is unknown")
    expect(page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)


def test_a_heavy_page_leaves_a_process_to_others(lab: str, watched: Watched) -> None:
    other = watched.page.context.new_page()
    other.goto(f"{lab}explore?{HEAVY}")
    expect(other.locator(".progress")).to_contain_text("0 of 16 cells")
    open_explore(watched, f"{lab}explore?{SMALL}&workload.hit_rate=0.5")
    expect(watched.page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)
    assert "16 of 16" not in other.locator(".progress").inner_text()
    other.close()


def test_a_typed_range_that_is_not_allowed_is_answered_beside_the_controls(lab: str, watched: Watched) -> None:
    page = watched.page
    open_explore(watched, f"{lab}explore?{SMALL}")
    field = page.get_by_label("X to")
    field.fill("99")
    field.press("Enter")
    field.blur()
    expect(page.locator(".sidebar .notice.error")).to_contain_text("x.to = 99 is not allowed for decode nodes")
    expect(cells(watched)).to_have_count(4)
    field.fill("3")
    field.blur()
    expect(page.locator(".sidebar .notice.error")).to_be_hidden()


def test_at_phone_width_nothing_sticks_out(lab: str, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 420, "height": 900})
    open_explore(watched, f"{lab}explore?{SMALL}")
    expect(page.locator(".sidebar")).to_be_hidden()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420
    boxes = [cell.bounding_box() for cell in cells(watched).all()]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 420 for box in boxes)
