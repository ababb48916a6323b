"""The live page as a visitor has it."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, expect

from dualpath_lab.dashboards.plots import PLOTS

from .conftest import Watched

pytestmark = pytest.mark.browser


def test_it_opens_running_and_the_wall_shows(lab: str, watched: Watched) -> None:
    watched.open(lab)
    assert watched.curves()["rows"] > 0
    watched.grown_beyond(60)
    curves = watched.curves()
    assert curves["even"], "no row was lost on the way"
    assert curves["a_prefill_snic"] > 70, "basic's prefill storage NICs are the wall"
    assert curves["a_decode_snic"] < 1, "while its decode ones idle"
    assert curves["b_decode_snic"] > 30, "which dualpath makes use of"
    expect(watched.page.locator(".side-a")).to_contain_text("prefill SNIC")
    expect(watched.page.locator(".side-b")).to_contain_text("× vs A")
    assert watched.page.locator(".bk-Figure").count() == len(PLOTS)


def test_node_sliders_restart_both_runs(lab: str, watched: Watched) -> None:
    watched.open(lab).grown_beyond(40)
    watched.slide("Prefill nodes P", "ArrowRight")
    watched.begun_anew(40)
    expect(watched.page.get_by_role("status")).to_contain_text("Prefill nodes P 1 → 2")
    watched.page.wait_for_function("() => location.search.includes('cluster.prefill_nodes=2')")
    expect(watched.page.locator(".ratio")).to_contain_text("P:D 1:1")


MARKS = """() => {
  for (const document of Bokeh.documents)
    for (const model of document._all_models.values())
      if (model.type == "ColumnDataSource" && model.data.words !== undefined)
        return Array.from(model.data.t).map((t, row) => [t, model.data.words[row]])
}"""


def test_a_bandwidth_changes_runs_under_way_and_is_marked(lab: str, watched: Watched) -> None:
    watched.open(lab).grown_beyond(40)
    before = watched.curves()
    assert watched.page.evaluate(MARKS) == []
    watched.slide("Storage bandwidth", "End")
    expect(watched.page.get_by_role("status")).to_contain_text("Storage bandwidth 400 → 1600. The runs go on.")
    expect(watched.page.locator(".ratio")).to_contain_text("will choke")
    ((time_s, words),) = watched.page.evaluate(MARKS)
    assert time_s >= before["end"] - 1
    assert words == "Storage 400 → 1600 Gb/s"
    watched.grown_beyond(3 * time_s)
    after = watched.curves()
    assert after["rows"] > before["rows"], "the clock went on"
    assert after["b_decode_snic"] < 0.85 * before["b_decode_snic"], "with four times the bandwidth less of it is needed"


def test_keys_play_step_scrub_and_help(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    watched.grown_beyond(20)
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play").wait_for()
    end = watched.rested()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        watched.grown_beyond(end)
        end += 1
        assert watched.curves()["end"] == end
    clock = page.locator(".clock")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(clock).to_contain_text("history")
    expect(clock).to_contain_text(f"t = {end + 0.5 - 2:.0f} s")
    page.get_by_role("button", name="Live").click()
    expect(clock).not_to_contain_text("history")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Play or pause")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.get_by_role("status")).to_contain_text("began anew")


def test_keys_rest_in_fields(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    page.get_by_role("slider", name="Decode nodes D").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ratio")).to_contain_text("P:D 1:3")
    page.get_by_role("combobox").filter(has_text="paper-64k").focus()
    page.keyboard.press("r")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("Decode nodes D 2 → 3")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_the_history_is_dragged_back_and_left(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    watched.grown_beyond(30)
    watched.slide("History", "Home")
    expect(page.locator(".clock")).to_contain_text("t = 0 s history")
    expect(page.locator(".side-a")).to_contain_text("Turns done0")
    watched.grown_beyond((watched.curves()["end"] or 0) + 5)
    expect(page.locator(".clock")).to_contain_text("t = 0 s history")
    page.get_by_role("button", name="Live").click()
    expect(page.locator(".clock")).not_to_contain_text("history")


def test_a_preset_sets_everything_and_the_link_carries_it(lab: str, watched: Watched, browser: BrowserContext) -> None:
    page = watched.open(lab).page
    page.get_by_role("combobox").filter(has_text="The storage wall").click()
    page.get_by_role("option", name="Too little hit rate").or_(page.get_by_role("menuitem", name="Too little hit rate")).click()
    page.wait_for_function("() => location.search.includes('workload.hit_rate=0.2')")
    expect(page.locator(".sidebar")).to_contain_text("Storage has only a fifth of each context")
    browser.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_pause_play_and_reset(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    watched.grown_beyond(30)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    still = watched.rested()
    page.wait_for_timeout(700)
    assert watched.curves()["end"] == still
    page.get_by_role("button", name="Play").click()
    watched.grown_beyond(still + 20)
    page.get_by_role("button", name="Reset").click()
    watched.begun_anew(still + 20)
    expect(page.get_by_role("status")).to_contain_text("began anew")


def test_both_ends_are_told_and_the_picture_stays(lab: str, watched: Watched) -> None:
    watched.open(f"{lab}?workload.source=paper-32k&workload.agents=8&speed=500")
    status = watched.page.get_by_role("status")
    expect(status).to_contain_text("Both runs have ended. JCT: A basic", timeout=30_000)
    expect(status).to_contain_text("as fast as basic")
    expect(watched.page.locator(".side-a")).to_contain_text("whole run")
    assert watched.curves()["rows"] > 50


def test_a_refused_setting_is_answered_in_a_sentence_and_the_picture_stays(lab: str, watched: Watched) -> None:
    page = watched.open(lab).page
    watched.grown_beyond(30)
    page.get_by_role("combobox").filter(has_text="qwen-32b").click()
    page.get_by_role("menuitem", name="llama-70b").click()
    expect(page.locator(".sidebar .notice.error")).to_contain_text("is not allowed with cluster.hardware = 'h200': its weights take 141 GB")
    assert watched.curves()["end"] > 29


def test_what_a_link_gets_wrong_is_said(lab: str, watched: Watched) -> None:
    watched.open(f"{lab}?cluster.prefill_nodes=99&cluster.decode_nodes=3")
    status = watched.page.get_by_role("status")
    expect(status).to_contain_text(
        "cluster.prefill_nodes = '99' in the link is not allowed: it should be a whole number from 1 to 12 nodes."
    )
    expect(watched.page.locator(".ratio")).to_contain_text("P:D 1:3")
    watched.grown_beyond(20)


def open_in_a_row(browser: BrowserContext, url: str, pages: int) -> None:
    for _ in range(pages):
        page = browser.new_page()
        watched = Watched(page).open(url)
        watched.grown_beyond((watched.curves()["end"] or 0) + 3)  # there may be no row yet
        assert watched.curves()["even"]
        page.close()
        assert watched.errors == []


def test_five_pages_in_a_row_come_alive(lab: str, browser: BrowserContext) -> None:
    open_in_a_row(browser, lab, 5)


def test_plain_panel_serve_serves_the_same(plain: str, browser: BrowserContext) -> None:
    open_in_a_row(browser, plain, 3)


def test_two_visitors_do_not_share_settings(lab: str, watched: Watched, browser: BrowserContext) -> None:
    watched.open(lab)
    other = Watched(browser.new_page()).open(lab)
    watched.slide("Decode nodes D", "ArrowRight")
    expect(watched.page.locator(".ratio")).to_contain_text("P:D 1:3")
    expect(other.page.locator(".ratio")).to_contain_text("P:D 1:2")
    other.page.close()


def test_at_phone_width_the_controls_fold_and_the_plots_stack(lab: str, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 420, "height": 900})
    watched.open(lab)
    drawer = page.locator(".sidebar")
    expect(drawer).to_be_hidden()
    lefts = {round(figure.bounding_box()["x"]) for figure in page.locator(".bk-Figure").all()}
    assert len(lefts) == 1, "one above the other"
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420
    page.get_by_role("button", name="Open drawer").click()
    expect(drawer).to_be_visible()
    watched.slide("Prefill nodes P", "ArrowRight")
    expect(drawer).to_be_hidden()
    watched.grown_beyond(20)


def test_a_visitor_who_leaves_in_the_middle_leaves_no_trace(lab: str, browser: BrowserContext) -> None:
    """The server's log is looked at when it ends."""
    for _ in range(2):
        page = browser.new_page()
        watched = Watched(page).open(lab)
        watched.slide("Agents", "ArrowRight")
        page.close()


def test_the_tour_leads_from_step_to_step_and_leaves_the_reader_free(lab: str, watched: Watched) -> None:
    watched.open(lab)
    watched.page.get_by_role("link", name="Tour").click()
    strip = watched.page.get_by_role("region", name="Tour, step 1 of 6")
    strip.wait_for()
    strip.get_by_role("link", name="Next").click()
    watched.page.get_by_role("region", name="Tour, step 2 of 6").wait_for()
    watched.page.locator(".side-a", has_text="layerwise").wait_for()
    watched.slide("Decode nodes D", "ArrowRight")
    watched.page.wait_for_function("() => location.search.includes('cluster.decode_nodes=3') && location.search.includes('tour=2')")
    for _ in range(2):  # the second time to the same address
        watched.page.go_back()
        expect(watched.page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "2")
        watched.page.go_forward()
        expect(watched.page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "3")
    watched.page.go_back()
    expect(watched.page.get_by_role("slider", name="Decode nodes D")).to_have_attribute("aria-valuenow", "2")
    watched.page.go_back()
    watched.page.get_by_role("region", name="Tour, step 1 of 6").wait_for()
