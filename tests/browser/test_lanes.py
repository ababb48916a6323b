"""The page of the virtual lanes as a visitor has it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import Watched

pytestmark = pytest.mark.browser

PICTURE = """() => {
  const found = []
  for (const document of Bokeh.documents)
    for (const model of document._all_models.values())
      if (model.type == "ColumnDataSource" && model.data.size_kb !== undefined)
        found.push({spans: model.data.left.length, packets: Array.from(model.data.packets).reduce((sum, each) => sum + each, 0),
                    names: [...new Set(model.data.name)].sort().join(), first: model.data.left[0]})
  return found.length == 2 && found.every(each => each.spans) ? found : null
}"""


def open_lanes(watched: Watched, url: str) -> None:
    watched.page.goto(url)
    watched.page.locator(".side-b").wait_for()
    watched.page.wait_for_function(PICTURE)
    watched.settled()


def picture(watched: Watched) -> list[dict[str, Any]]:
    return list(watched.page.evaluate(PICTURE))


def choose(watched: Watched, label: str, value: str) -> None:
    watched.page.get_by_role("combobox", name=label).click()
    watched.page.get_by_role("menuitem", name=value, exact=True).click()


def test_it_opens_with_both_ports_on_the_wire(lab: str, watched: Watched) -> None:
    open_lanes(watched, f"{lab}lanes")
    assert [side["names"] for side in picture(watched)] == ["KV,model"] * 2
    assert all(side["spans"] <= 2000 and side["packets"] > 10_000 for side in picture(watched))
    expect(watched.page.locator(".side-a")).to_contain_text("1.00×")
    figures = watched.page.locator(".bk-Figure")
    assert figures.count() == 3
    watched.painted(figures.first)


def test_a_fifo_slows_the_bursts_down(lab: str, watched: Watched) -> None:
    open_lanes(watched, f"{lab}lanes")
    choose(watched, "Port A", "fifo")
    expect(watched.page.get_by_role("status")).to_contain_text("Port A paper → fifo")
    expect(watched.page.locator(".side-a .value").first).to_have_text("7.98×")
    watched.page.wait_for_function("() => location.search.includes('port.preset=fifo')")
    watched.page.reload()
    expect(watched.page.locator(".side-a")).to_contain_text("A fifo")


@pytest.mark.parametrize("rest_ms", [0, 500])
def test_a_drag_in_a_plot_zooms_to_single_packets(lab: str, watched: Watched, rest_ms: int) -> None:
    """However long the pointer rests between the press and the first move."""
    open_lanes(watched, f"{lab}lanes?width_us=200")
    before = picture(watched)
    plot, mouse = watched.page.locator(".bk-Figure").first, watched.page.mouse
    plot.hover(position={"x": 470, "y": 50})
    mouse.down()
    watched.page.wait_for_timeout(rest_ms)
    plot.hover(position={"x": 490, "y": 60})
    mouse.up()
    watched.page.wait_for_function(f"() => ({PICTURE})()?.every(side => side.spans == side.packets)")
    assert picture(watched)[0]["packets"] < before[0]["packets"] / 10
    watched.page.wait_for_function("() => !location.search.includes('width_us=200&')")


def test_a_heavy_setting_is_answered_in_a_sentence_and_the_picture_stays(lab: str, watched: Watched) -> None:
    open_lanes(watched, f"{lab}lanes")
    before = picture(watched)
    choose(watched, "MTU (bytes)", "256")
    expect(watched.page.locator(".sidebar .notice.error")).to_contain_text("is not allowed with port.mtu_bytes = 256")
    assert picture(watched) == before


def test_the_header_leads_to_the_live_page_and_back(lab: str, watched: Watched) -> None:
    open_lanes(watched, f"{lab}lanes")
    watched.page.get_by_role("link", name="Live").click()
    watched.page.locator(".side-b", has_text="dualpath").wait_for()
    watched.page.get_by_role("link", name="Virtual lanes").click()
    watched.page.locator(".side-b", has_text="fifo").wait_for()
    assert watched.page.evaluate("location.pathname") == "/lanes"


def test_at_phone_width_nothing_sticks_out(lab: str, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 420, "height": 900})
    open_lanes(watched, f"{lab}lanes")
    expect(page.locator(".sidebar")).to_be_hidden()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420
    toggle, link = (
        page.get_by_role(role, name=name).bounding_box() for role, name in (("button", "Toggle theme"), ("link", "Virtual lanes"))
    )
    assert toggle is not None
    assert link is not None
    assert max(link["x"] + link["width"], toggle["x"] + toggle["width"]) <= 420
    assert link["y"] >= toggle["y"] + toggle["height"], "the links stand below the header, which has no room for them"


def test_plain_panel_serve_has_the_page_too(plain: str, watched: Watched) -> None:
    watched.open(plain)
    watched.page.get_by_role("link", name="Virtual lanes").click()
    watched.page.locator(".side-b", has_text="fifo").wait_for()
    watched.page.reload()
    watched.page.locator(".side-b", has_text="fifo").wait_for()
    watched.page.get_by_role("link", name="Live").click()
    watched.page.locator(".side-b", has_text="dualpath").wait_for()
