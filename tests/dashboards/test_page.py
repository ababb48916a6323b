"""The page without a browser: what it shows follows the race and the settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from dualpath_lab.dashboards.curves import MOST_ROWS, PLOTS, Curves
from dualpath_lab.dashboards.page import LivePage
from dualpath_lab.dashboards.race import CURVES, Race
from dualpath_lab.dashboards.state import LabState

QUICK = {"source": "paper-32k", "agents": 8, "speed": 500}


@pytest.fixture
def page() -> Iterator[LivePage]:
    page = LivePage(LabState(**QUICK), [])
    yield page
    page.stop()


def text_of(page: LivePage) -> str:
    return " ".join(str(pane.object) for pane in (*page._cards, page._clock, page._notice))


def test_it_opens_with_curves_and_plays(page: LivePage) -> None:
    assert page.player.playing
    assert len(page.curves.source.data["t"]) > 5
    assert "A basic" in text_of(page)
    assert "B dualpath" in text_of(page)


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
    shown = page.curves.source.data
    stride = round(shown["t"][1] - shown["t"][0])
    assert len(shown["t"]) <= MOST_ROWS
    rows = race.rows(0, stride)
    np.testing.assert_allclose(shown["t"], rows["t"])
    np.testing.assert_allclose(shown["a_prefill_snic"], 100 * rows["a_prefill_snic"])
    np.testing.assert_allclose(shown["b_tpot"], 1000 * rows["b_tpot"])
    tops = [figure.y_range.end for figure in page.curves.figures]
    for plot, top in zip(PLOTS, tops, strict=True):
        assert all(np.nanmax(shown[f"{side}_{line.curve}"]) <= top for side in "ab" for line in plot.lines)


def test_the_end_is_told_with_both_jcts_and_the_picture_stays(page: LivePage) -> None:
    while page.player.playing:
        page.frame()
    frame = page.player.race.frame() if page.player.race else None
    assert frame is not None
    assert frame.finished
    assert "Both runs have ended" in text_of(page)
    assert "whole run" in text_of(page)
    assert page._play.label == "Play"
    rows = len(page.curves.source.data["t"])
    page.frame()
    assert len(page.curves.source.data["t"]) == rows


def test_play_after_the_end_begins_anew(page: LivePage) -> None:
    while page.player.playing:
        page.frame()
    ended = page.player.race
    page._play.clicks += 1
    assert page.player.playing
    assert page.player.race is not ended


def test_pause_freezes_and_reset_restarts(page: LivePage) -> None:
    page._play.clicks += 1
    before = list(page.curves.source.data["t"])
    page.frame()
    assert list(page.curves.source.data["t"]) == before
    first = page.player.race
    page._reset.clicks += 1
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
    assert page._speed.value == 5


def test_what_is_refused_is_said_beside_the_controls_and_the_picture_stays(page: LivePage) -> None:
    before = list(page.curves.source.data["t"])
    page.state.model = "llama-70b"
    assert page.sidebar.message.visible
    assert "cluster.hbm_gbytes" in page.sidebar.message.object
    assert "cluster.hbm_gbytes" in text_of(page)
    assert not page.player.playing
    assert list(page.curves.source.data["t"]) == before
    page.state.model = "ds-27b"
    assert not page.sidebar.message.visible
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
