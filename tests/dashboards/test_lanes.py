"""The virtual lanes' page without a browser: what it draws is what the port sent, and it follows its controls."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import numpy as np
import pytest
from bokeh.events import RangesUpdate
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.lane_ports import KV, MODEL
from dualpath_lab.dashboards.lane_cards import STARVED, lane_card
from dualpath_lab.dashboards.lane_spans import MOST_SPANS, carried_bytes, spans, under_way
from dualpath_lab.dashboards.lane_state import MOST_PACKETS, RUNNING, LaneState
from dualpath_lab.dashboards.lane_views import POINTS, ROW_HEIGHT, LaneViews, span_columns
from dualpath_lab.dashboards.lanes import LaneLab
from dualpath_lab.dashboards.shell import PAGES, href, page_asked_for
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.picture.style import DASHES
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.lanes import LaneResult, lanes

PORTS: dict[str, dict[str, Any]] = {
    **{preset: {"preset": preset} for preset in ("paper", "fifo", "equal", "roce")},
    "one packet": {"high_limit": 0},
}
DURATION_S = 1.5e-3
WINDOWS = st.tuples(st.floats(0, 0.9 * DURATION_S), st.floats(1e-7, DURATION_S)).map(lambda x: (x[0], min(sum(x), DURATION_S)))


@cache
def run(name: str) -> LaneResult:
    return lanes(LaneScenario(port=PORTS[name], duration_ms=1e3 * DURATION_S))


@pytest.fixture(scope="module", params=PORTS)
def result(request: pytest.FixtureRequest) -> LaneResult:
    return run(request.param)


def packets_in(result: LaneResult, start_s: float, end_s: float) -> np.ndarray:
    record = result.record
    ends = record.sent_s + record.size_bytes / result.port.rate_bytes_per_s
    return (record.sent_s < end_s) & (ends > start_s)


@settings(max_examples=25)
@given(window=WINDOWS)
def test_rectangles_hold_the_bytes_of_their_window_and_are_few(result: LaneResult, window: tuple[float, float]) -> None:
    """Mutants: a packet at an edge left out; one counted twice; merged across sources."""
    shown = spans(result, *window)
    inside = packets_in(result, *window)
    assert len(shown.begin_s) <= MOST_SPANS
    assert shown.packets.sum() == inside.sum()
    for source in (MODEL, KV):
        expected = result.record.size_bytes[inside & (result.record.source == source)].sum()
        assert shown.size_bytes[shown.source == source].sum() == expected


def test_the_area_of_the_rectangles_is_the_time_on_the_wire(result: LaneResult) -> None:
    """Mutant: merged packets drawn as if they had the link to themselves."""
    shown = spans(result, 0.0, DURATION_S)
    area_s = ((shown.end_s - shown.begin_s) * shown.share).sum()
    assert area_s == pytest.approx(result.record.size_bytes.sum() / result.port.rate_bytes_per_s, rel=1e-9)
    assert shown.share.max() <= 1 + 1e-6


def test_a_short_window_shows_every_packet_by_itself(result: LaneResult) -> None:
    start_s, end_s = 3e-4, 3.2e-4
    shown = spans(result, start_s, end_s)
    inside = packets_in(result, start_s, end_s)
    assert set(shown.packets.tolist()) == {1}
    np.testing.assert_array_equal(shown.begin_s, result.record.sent_s[inside])
    np.testing.assert_array_equal(shown.source, result.record.source[inside])


def test_a_window_in_which_nothing_is_sent_is_empty() -> None:
    idle = lanes(LaneScenario(model={"pattern": "idle"}, kv={"pattern": "idle"}, duration_ms=0.1))
    assert len(spans(idle, 0.0, 1e-4).begin_s) == 0
    assert carried_bytes(idle, KV, np.array([0.0, 1e-4])).tolist() == [0, 0]
    assert len(under_way(idle)[0]) == 0


def test_curves_never_fall_and_end_at_the_records_totals(result: LaneResult) -> None:
    record = result.record
    times = np.linspace(0, record.ended_s, 301)
    curves = {source: carried_bytes(result, source, times) for source in (MODEL, KV)}
    for source, curve in curves.items():
        assert (np.diff(curve) >= 0).all()
        assert curve[0] == 0
        assert curve[-1] == pytest.approx(record.size_bytes[record.source == source].sum())
    slope = np.diff(sum(curves.values())) / np.diff(times)
    assert slope.max() <= result.port.rate_bytes_per_s * (1 + 1e-6), "no more than the link carries"


def test_bursts_are_under_way_from_their_coming_to_their_last_byte(result: LaneResult) -> None:
    """Mutant: bursts that have not ended when the run does are forgotten."""
    begins, ends = under_way(result)
    assert (begins[1:] > ends[:-1]).all(), "apart from each other"
    record = result.record
    packets = record.source == MODEL
    sent = record.sent_s[packets]
    at = np.searchsorted(begins, sent, "right") - 1
    assert (at >= 0).all()
    assert (sent < ends[at]).all(), "the model sends only then"
    last = 1.25e-3  # the last burst of six
    assert begins[-1] <= last <= ends[-1]


def test_the_papers_port_and_a_fifo_differ_at_a_glance() -> None:
    busy = {preset: np.subtract(*under_way(run(preset))[::-1]).sum() / DURATION_S for preset in ("paper", "fifo")}
    assert busy["paper"] == pytest.approx(0.3, abs=0.01), "bursts take what they fill of the link"
    assert busy["fifo"] > 0.8, "nearly always one waits"


def test_rectangles_stay_in_their_rows() -> None:
    columns = span_columns(run("equal"), 0.0, DURATION_S)
    heights = columns["top"] - columns["bottom"]
    assert heights.min() > 0
    assert heights.max() <= ROW_HEIGHT * (1 + 1e-6)
    assert len({len(values) for values in columns.values()}) == 1


def test_both_ports_and_their_bytes_are_on_one_time_axis() -> None:
    views = LaneViews()
    views.show({"a": run("paper"), "b": run("fifo")}, 0.0, 1500.0)
    assert len({figure.x_range.id for figure in views.figures}) == 1
    assert all("µs" in figure.xaxis.axis_label for figure in views.figures)
    assert "MB" in views.figures[-1].yaxis.axis_label
    rows = views._bytes.data
    assert {len(values) for values in rows.values()} == {POINTS}
    for side, preset in zip(DASHES, ("paper", "fifo"), strict=True):
        shares = run(preset).to_dict()["share"]
        for name in ("model", "KV"):
            assert rows[f"{side}_{name}"][-1] == pytest.approx(shares[name.lower()] * 50e9 * DURATION_S / 1e6, rel=1e-3)


def test_a_card_says_starved_only_where_no_packet_comes_through() -> None:
    full = {"pattern": "backlog"}
    assert STARVED in lane_card("A", lanes(LaneScenario(port={"high_limit": 255}, model=full, duration_ms=0.5)))
    card = lane_card("A", lanes(LaneScenario(model=full, duration_ms=0.5)))
    assert STARVED not in card
    assert "model 99." in card


@pytest.fixture
def lab() -> LaneLab:
    return LaneLab(LaneState(duration_ms=1.5), [])


def drawn(lab: LaneLab) -> list[Any]:
    return [list(lab.views._spans[side].data["left"]) for side in "ab"]


def test_it_opens_with_a_picture_of_both_ports(lab: LaneLab) -> None:
    assert all(drawn(lab))
    assert "A paper" in lab._cards["a"].object
    assert "B fifo" in lab._cards["b"].object
    assert "1.00×" in lab._cards["a"].object


def test_a_change_runs_again_and_says_what_changed(lab: LaneLab) -> None:
    before, card = drawn(lab), lab._cards["a"].object
    lab.state.preset = "equal"
    assert drawn(lab)[0] != before[0]
    assert drawn(lab)[1] == before[1]
    assert lab._cards["a"].object != card
    assert "2.00×" in lab._cards["a"].object
    assert "Port A paper → equal" in lab.notice.object


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("versus", "strict"),
        ("mtu_bytes", 2048),
        ("high_limit", 0),
        ("load", 0.0),
        ("period_us", 100.0),
        ("outstanding", 3),
        ("duration_ms", 1.0),
    ],
)
def test_every_control_acts(lab: LaneLab, name: str, value: Any) -> None:
    before = {side: result.scenario for side, result in lab.results.items()}
    setattr(lab.state, name, value)
    assert {side: result.scenario for side, result in lab.results.items()} != before
    assert name in RUNNING


def test_moving_the_window_runs_nothing_and_shows_another_part(lab: LaneLab) -> None:
    results, before = lab.results, drawn(lab)
    lab.state.param.update(start_us=500.0, width_us=20.0)
    assert lab.results is results
    assert drawn(lab) != before
    shown = lab.views.figures[0].x_range
    assert (shown.start, shown.end) == (500, 520)


def test_a_zoom_in_a_plot_is_the_window(lab: LaneLab) -> None:
    lab._zoomed(RangesUpdate(lab.views.figures[0], x0=-3.0, x1=97.0, y0=0, y1=1))
    assert (lab.state.start_us, lab.state.width_us) == (0, 100)
    lab._zoomed(RangesUpdate(lab.views.figures[0], x0=1450.0, x1=1550.0, y0=0, y1=1))
    assert (lab.state.start_us, lab.state.width_us) == (1400, 100), "within the run"


def test_a_shorter_run_takes_the_window_along(lab: LaneLab) -> None:
    lab.state.param.update(start_us=1200.0, width_us=300.0)
    lab.state.duration_ms = 0.5
    assert (lab.state.start_us, lab.state.width_us) == (200, 300)
    assert all(drawn(lab))


def test_a_heavy_setting_is_refused_in_a_sentence_and_the_picture_stays(lab: LaneLab) -> None:
    before, cards = drawn(lab), [card.object for card in lab._cards.values()]
    lab.state.mtu_bytes = 256
    assert lab.message.visible
    assert "duration_ms = 1.5 is not allowed with port.mtu_bytes = 256: it should be at most 0.768" in lab.message.object
    assert "the settings before" in lab.notice.object
    assert (drawn(lab), [card.object for card in lab._cards.values()]) == (before, cards)
    lab.state.duration_ms = 0.5
    assert not lab.message.visible
    assert drawn(lab) != before


def test_what_is_accepted_keeps_to_the_packets_that_a_page_can_wait_for() -> None:
    longest = LaneState(mtu_bytes=1024, duration_ms=3.0).scenarios()["a"]
    assert len(lanes(longest).record.sent_s) <= 1.01 * MOST_PACKETS
    with pytest.raises(ScenarioError, match="mtu_bytes"):
        LaneState(mtu_bytes=1024, duration_ms=3.5).scenarios()


def test_a_link_that_is_refused_still_opens_with_a_picture() -> None:
    lab = LaneLab(LaneState(mtu_bytes=256), [])
    assert all(drawn(lab))
    assert "the default settings" in lab.notice.object


def test_a_link_carries_every_setting_and_the_pages_name() -> None:
    sent = LaneState(preset="roce", high_limit=7, load=0.55, mtu_bytes=1024, start_us=12.5)
    received = LaneState()
    assert sent.to_query().startswith("?page=lanes&v=1&")
    assert received.take_query(sent.to_query()) == []
    assert all(getattr(received, name) == getattr(sent, name) for name in LaneState.KEYS)
    (problem,) = received.take_query("?model.load=2")
    assert "a number from 0 to 1 of the link" in problem


@pytest.mark.parametrize("pathname", ["/", "/lanes", "/explore", "/lab/", "/lab/lanes", "/paper/ws", "/app"])
@pytest.mark.parametrize("page", PAGES)
def test_the_headers_links_lead_to_their_pages(pathname: str, page: str) -> None:
    target = urlsplit(urljoin(f"http://host{pathname}", href(page, pathname)))
    arguments = {name: [value.encode() for value in values] for name, values in parse_qs(target.query).items()}
    assert page_asked_for(target.path, arguments) == page
