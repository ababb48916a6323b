"""The anatomy page as a visitor has it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import Watched

pytestmark = pytest.mark.browser

SMALL = "workload.source=paper-32k&workload.agents=8"
PICTURE = """() => {
  const sources = Bokeh.documents.flatMap(document => [...document._all_models.values()]).filter(model => model.type == "ColumnDataSource")
  const having = name => sources.find(source => source.data[name]?.length)?.data
  const [points, bars, links, forwards] = ["agent", "offset", "least", "attention_ms"].map(having)
  if (!points || !bars || !links || !forwards) return null
  return {turns: points.ttft.length, labels: Array.from(bars.label), ends: Math.max(...bars.right), links: Array.from(links.link)}
}"""
POINTS = """() => {
  for (const view of Object.values(Bokeh.index).flatMap(root => [root, ...root.owner?.all_views?.() ?? []]))
    if (view.model?.type == "Figure" && view.model.renderers.some(each => each.data_source?.data.agent)) return view.el
}"""
PLACE = """([figure, turn]) => {
  for (const view of Object.values(Bokeh.index).flatMap(root => [root, ...root.owner?.all_views?.() ?? []])) {
    if (view.el != figure) continue
    const {frame, model} = view, {submitted, ttft} = model.renderers.find(each => each.data_source?.data.agent).data_source.data
    return {x: frame.x_scale.compute(submitted[turn]), y: frame.y_scale.compute(ttft[turn])}
  }
}"""


def open_anatomy(watched: Watched, url: str) -> dict[str, Any]:
    watched.page.goto(url)
    watched.page.locator(".card.turn").wait_for()
    watched.page.wait_for_function(PICTURE)
    watched.settled()
    return dict(watched.page.evaluate(PICTURE))


def choose(watched: Watched, label: str, value: str) -> None:
    watched.page.get_by_role("combobox", name=label).click()
    watched.page.get_by_role("menuitem", name=value, exact=True).click()


def test_it_opens_with_a_turn_taken_apart(lab: str, watched: Watched) -> None:
    picture = open_anatomy(watched, f"{lab}anatomy")
    assert picture["turns"] > 4000
    assert len(picture["labels"]) == 8
    expect(watched.page.locator("table.seen")).to_contain_text("Read queue of p0")
    figures = watched.page.locator(".bk-Figure")
    assert figures.count() == 4
    for figure in figures.all():
        watched.painted(figure)


def test_another_choice_shows_another_turn_and_is_in_the_link(lab: str, watched: Watched) -> None:
    median = open_anatomy(watched, f"{lab}anatomy?{SMALL}")
    card = watched.page.locator(".card.turn b")
    before = card.inner_text()
    choose(watched, "Which turn", "slowest")
    expect(card).not_to_have_text(before)
    watched.page.wait_for_function(f"end => ({PICTURE})().ends != end", arg=median["ends"])
    watched.page.wait_for_function("() => location.search.includes('pick=slowest')")
    shown = card.inner_text()
    watched.page.reload()
    expect(card).to_have_text(shown)


def test_a_click_on_a_point_takes_that_turn(lab: str, watched: Watched) -> None:
    picture = open_anatomy(watched, f"{lab}anatomy?{SMALL}")
    last = picture["turns"] - 1
    figure = watched.page.evaluate_handle(POINTS).as_element()
    assert figure
    figure.click(position=watched.page.evaluate(PLACE, [figure, last]))
    watched.page.wait_for_function("() => location.search.includes('pick=number')")
    watched.page.wait_for_function(f"() => location.search.includes('turn={last}&')")
    expect(watched.page.locator(".card.turn")).to_contain_text(f"Turn {last:,}")


def test_the_trace_is_a_file_to_keep(lab: str, watched: Watched, tmp_path: Path) -> None:
    picture = open_anatomy(watched, f"{lab}anatomy?{SMALL}")
    with watched.page.expect_download() as started:
        watched.page.get_by_role("button", name="Trace for Perfetto").click()
    assert started.value.suggested_filename == "dualpath-trace.json"
    path = tmp_path / "trace.json"
    started.value.save_as(path)
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    assert len({event["args"]["turn"] for event in events if "turn" in event.get("args", {})}) == picture["turns"]


def test_a_heavy_setting_is_answered_in_a_sentence_and_the_picture_stays(lab: str, watched: Watched) -> None:
    before = open_anatomy(watched, f"{lab}anatomy?{SMALL}")
    watched.slide("Agents", "End")
    expect(watched.page.locator(".sidebar .notice.error")).to_contain_text("workload.agents = 512 is not allowed")
    assert watched.page.evaluate(PICTURE) == before


def test_at_phone_width_nothing_sticks_out(lab: str, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 420, "height": 900})
    open_anatomy(watched, f"{lab}anatomy?{SMALL}")
    expect(page.locator(".sidebar")).to_be_hidden()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420
    boxes = [figure.bounding_box() for figure in page.locator(".bk-Figure").all()]
    assert len(boxes) == 4
    for above, below in pairwise(boxes):
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"], "one below the other"
    toggle, link = (page.get_by_role(role, name=name).bounding_box() for role, name in (("button", "Toggle theme"), ("link", "Anatomy")))
    assert toggle is not None
    assert link is not None
    assert link["x"] + link["width"] <= toggle["x"], "the header has room for its links"


def test_plain_panel_serve_has_the_page_too(plain: str, watched: Watched) -> None:
    watched.open(plain)
    watched.page.get_by_role("link", name="Anatomy").click()
    watched.page.locator(".card.turn").wait_for()
