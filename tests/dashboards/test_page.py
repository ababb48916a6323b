"""The page without a browser: what it shows follows the race and the settings."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import param
import pytest

from dualpath_lab.dashboards.curves import MOST_ROWS, PARTS, Curves
from dualpath_lab.dashboards.keyboard import KEYS, keys_html
from dualpath_lab.dashboards.page import LivePage
from dualpath_lab.dashboards.plots import PLOTS
from dualpath_lab.dashboards.race import CURVES, Race
from dualpath_lab.dashboards.sidebar import effect
from dualpath_lab.dashboards.state import LIVE, SETTINGS, LabState

QUICK = {"source": "paper-32k", "agents": 8, "speed": 500}


@pytest.fixture
def page() -> Iterator[LivePage]:
    page = LivePage(LabState(**QUICK), [])
    yield page
    page.stop()


def text_of(page: LivePage) -> str:
    return " ".join(str(pane.object) for pane in (*page._cards, page.transport.clock, page.notice))


def test_it_opens_with_curves_and_plays(page: LivePage) -> None:
    assert page.player.playing
    assert len(page.curves.sources[2].data["t"]) > 5
    assert "A basic" in text_of(page)
    assert "B dualpath" in text_of(page)


def drag(page: LivePage, to: int) -> None:
    """Let go of the history there."""
    with param.edit_constant(page.transport.history):
        page.transport.history.param.update(value=to, value_throttled=to)


def act(page: LivePage) -> None:
    """Let frames pass until the settings have been acted upon."""
    until = time.monotonic() + 20
    while page._change_waits:
        assert time.monotonic() < until
        page.frame()


def test_a_mad_drag_is_followed_at_a_pace_and_to_its_end(page: LivePage) -> None:
    """Mutant: each of a hundred values a second is a change of its own; the last one is forgotten."""
    race = page.player.race
    assert race is not None
    for turn in range(100):
        page.state.storage_gbps = 100 + turn % 50
    assert len(race.changes) == 1
    page.state.storage_gbps = 321
    act(page)
    assert len(race.changes) == 2
    assert race.b.simulation.scenario.cluster.storage_gbps == 321


def test_every_curve_is_drawn_once_and_each_plot_has_its_unit() -> None:
    drawn = [line.curve for plot in PLOTS for line in plot.lines]
    assert sorted(drawn) == sorted(CURVES)
    figures = Curves().figures
    assert all(figure.yaxis.axis_label == plot.unit for figure, plot in zip(figures, PLOTS, strict=True))
    assert len({figure.x_range.id for figure in figures}) == 1


def test_streamed_curves_are_the_races_own(page: LivePage) -> None:
    while page.player.race is not None and not page.player.race.finished:
        page.frame()
    race = page.player.race
    assert race is not None
    shown = page.curves.sources[2].data
    stride = round(shown["t"][1] - shown["t"][0])
    assert len(shown["t"]) <= MOST_ROWS
    rows = race.rows(0, stride)
    np.testing.assert_allclose(shown["t"], rows["t"])
    np.testing.assert_allclose(shown["a_prefill_snic"], 100 * rows["a_prefill_snic"])
    tops = [figure.y_range.end for figure in page.curves.figures]
    for place, (plot, top) in enumerate(zip(PLOTS, tops, strict=True)):
        shown = page.curves.sources[place % PARTS].data
        np.testing.assert_allclose(shown["t"], rows["t"])
        for line in plot.lines:
            np.testing.assert_allclose(shown[f"b_{line.curve}"], plot.scale * rows[f"b_{line.curve}"])
        assert all(np.nanmax(shown[f"{side}_{line.curve}"]) <= top for side in "ab" for line in plot.lines)


def test_the_end_is_told_with_both_jcts_and_the_picture_stays(page: LivePage) -> None:
    while page.player.playing:
        page.frame()
    frame = page.player.race.frame() if page.player.race else None
    assert frame is not None
    assert frame.finished
    assert "Both runs have ended" in text_of(page)
    assert "whole run" in text_of(page)
    assert page.transport.play.label == "Play"
    rows = len(page.curves.sources[2].data["t"])
    page.frame()
    assert len(page.curves.sources[2].data["t"]) == rows


def test_play_after_the_end_begins_anew(page: LivePage) -> None:
    while page.player.playing:
        page.frame()
    ended = page.player.race
    page.transport.play.clicks += 1
    assert page.player.playing
    assert page.player.race is not ended


def test_pause_freezes_and_reset_restarts(page: LivePage) -> None:
    page.transport.play.clicks += 1
    before = list(page.curves.sources[2].data["t"])
    page.frame()
    assert list(page.curves.sources[2].data["t"]) == before
    first = page.player.race
    page.transport.reset.clicks += 1
    assert page.player.playing
    assert page.player.race is not first


def test_a_change_restarts_both_runs_and_says_what_changed(page: LivePage) -> None:
    first = page.player.race
    page.state.prefill_nodes = 2
    race = page.player.race
    assert race is not None
    assert race is not first
    assert race.a.simulation.scenario.cluster.prefill_nodes == 2
    assert "Prefill nodes P 1 → 2" in text_of(page)


def test_the_speed_acts_at_once(page: LivePage) -> None:
    first = page.player.race
    page.state.speed = 5
    assert page.player.race is first
    assert page.transport.speed.value == 5


def test_what_is_refused_is_said_beside_the_controls_and_the_picture_stays(page: LivePage) -> None:
    before = list(page.curves.sources[2].data["t"])
    page.state.model = "llama-70b"
    assert page.message.visible
    assert "its weights take" in page.message.object
    assert "its weights take" in text_of(page)
    assert not page.player.playing
    assert list(page.curves.sources[2].data["t"]) == before
    page.state.model = "ds-27b"
    assert not page.message.visible
    assert page.player.playing


def test_two_pages_share_nothing() -> None:
    one, other = LivePage(LabState(**QUICK), []), LivePage(LabState(**QUICK), [])
    one.state.prefill_nodes = 3
    assert other.state.prefill_nodes == 1
    race: Race | None = other.player.race
    assert race is not None
    assert race.a.simulation.scenario.cluster.prefill_nodes == 1
    one.stop()
    assert other.player.playing
    other.stop()


@pytest.mark.parametrize("code", ["import dualpath_lab", "from dualpath_lab.cli import main; main(['run', '--set', 'workload.agents=1'])"])
def test_only_the_dashboards_load_the_screen(code: str) -> None:
    check = f"import sys; {code}; sys.exit(any(name in sys.modules for name in ('panel', 'bokeh', 'holoviews', 'panel_material_ui')))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


LIVE_CHANGES = {"storage_gbps": 100.0, "compute_gbps": 100.0, "hit_rate": 0.5, "model_share": 0.5}


@pytest.mark.parametrize("name", LIVE_CHANGES)
def test_a_live_change_acts_on_both_runs_and_is_marked(page: LivePage, name: str) -> None:
    """Mutant: a live setting restarts the runs, reaches one side only, or leaves no mark."""
    race = page.player.race
    assert race is not None
    time_s = race.time_s
    setattr(page.state, name, LIVE_CHANGES[name])
    assert page.player.race is race
    for side in (race.a, race.b):
        assert side.simulation.scenario == (page.state.scenarios()[0 if side is race.a else 1])
    assert page.player.playing
    assert f"Changed at t = {time_s:,.0f} s: {page.state.param[name].label}" in text_of(page)
    assert list(page.curves.changes.data["t"]) == [time_s]
    assert f"→ {LIVE_CHANGES[name]:g}" in page.curves.changes.data["words"][0]
    for figure in page.curves.figures:
        (marks,) = [renderer for renderer in figure.renderers if renderer.name == "change"]
        assert marks.data_source is page.curves.changes
    page.transport.reset.clicks += 1
    assert list(page.curves.changes.data["t"]) == []


def test_a_rate_changes_live_but_to_begin_or_cease_it_restarts() -> None:
    """Mutant: the page asks a run for what it refuses."""
    page = LivePage(LabState(**QUICK, arrival_rate=0.5), [])
    race = page.player.race
    page.state.arrival_rate = 0.25
    assert page.player.race is race
    page.state.arrival_rate = None
    act(page)
    assert page.player.race is not race
    assert "Began anew with Arrival rate 0.25 → null" in text_of(page)
    page.stop()


def test_what_is_changed_after_a_refusal_begins_anew(page: LivePage) -> None:
    """Mutant: a live change acts on the picture of the settings before."""
    before = page.player.race
    page.state.model = "llama-70b"
    page.state.hit_rate = 0.5
    assert page.player.race is before
    assert page.message.visible
    page.state.model = "qwen-32b"
    assert page.player.race is not before


def test_every_control_says_whether_it_restarts() -> None:
    for name in SETTINGS:
        assert ("at once" in effect(name)) == (name in LIVE), name
        assert ("Restarts" in effect(name)) == (name not in LIVE), name


def test_a_step_is_a_simulated_second_and_pauses(page: LivePage) -> None:
    """Mutant: a step follows the wall clock, or goes on playing."""
    race = page.player.race
    assert race is not None
    page.transport.step.clicks += 1
    assert not page.player.playing
    before = race.time_s
    assert before == int(before)
    for seconds in (1, 2, 3):
        page._pressed("ArrowRight")
        assert race.time_s == before + seconds
    assert page.transport.play.label == "Play"
    assert len(page.curves.sources[2].data["t"]) == race.time_s


def test_keys_do_what_their_buttons_do(page: LivePage) -> None:
    """Mutant: two keys swapped, or one without an action."""
    first = page.player.race
    page._pressed(" ")
    assert not page.player.playing
    page._pressed(" ")
    assert page.player.playing
    page._pressed("ArrowLeft")
    assert page._at_s is not None
    page._pressed("End")
    assert page._at_s is None
    page._pressed("?")
    assert page.transport._keys.open
    page._pressed("?")
    assert not page.transport._keys.open
    page._pressed("r")
    assert page.player.race is not first
    for key, (name, what) in KEYS.items():
        page._pressed(key)
        assert f"<kbd>{name}</kbd></th><td>{what}" in keys_html()


def test_the_history_is_shown_while_the_runs_go_on_and_left_at_its_end(page: LivePage) -> None:
    """Mutant: new frames overwrite the past; the cursor stays behind; the slider's own growth counts as a drag."""
    race = page.player.race
    assert race is not None
    drag(page, 5)
    then = race.frame(5)
    assert page._at_s == 5
    assert "t = 5 s" in text_of(page)
    assert "history" in text_of(page)
    assert list(page.curves._cursor.data["t"]) == [5]
    assert page.transport.live.variant == "contained"
    for _ in range(12):
        page.frame()
    assert race.frame(5) == then
    assert page._at_s == page.transport.history.value == 5
    assert page.transport.history.end == race.bins
    page._pressed("ArrowRight")
    assert page._at_s == 6
    assert race.bins > 6
    page.transport.live.clicks += 1
    assert page._at_s is None
    assert page.transport.history.value == race.bins
    assert list(page.curves._cursor.data["t"]) == []
    drag(page, 3)
    page.transport.history.value = 4  # as the browser tells late of what the page had set
    assert page._at_s == 3
    drag(page, page.transport.history.end)
    assert page._at_s is None


def test_the_copied_link_is_told(page: LivePage) -> None:
    page._copied(True, "http://lab/?v=1")
    assert "copied" in text_of(page)
    page._copied(False, "http://lab/?v=1")
    assert "http://lab/?v=1" in text_of(page)
