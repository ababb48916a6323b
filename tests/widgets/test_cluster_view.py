"""The picture as a notebook's widget: it shows what the run says, goes back to what it showed, and looking changes nothing (law 8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dualpath_lab import Placement, Policy, Scenario, ScenarioError, simulate
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.dashboards.cluster_view import ClusterView as PageView
from dualpath_lab.picture.frame import cluster_frame
from dualpath_lab.result import result_of
from dualpath_lab.widgets import ClusterView

Finished = Callable[[Coroutine[Any, Any, Any]], Any]

KEYS = {
    "model": "qwen-32b",
    "cluster.prefill_nodes": 1,
    "cluster.decode_nodes": 2,
    "cluster.storage_gbps": 100,
    "workload.source": "paper-32k",
    "workload.agents": 12,
}


def stepped(*seconds: float) -> ClusterView:
    view = ClusterView(KEYS, label="A")
    for each in seconds:
        view.step(each)
    return view


def test_it_shows_what_the_web_page_shows() -> None:
    simulation = Simulation(Scenario().with_values(KEYS))
    page = PageView(label="A")
    view = ClusterView(KEYS, label="A")
    for second in range(1, 13):
        simulation.advance(1.0)
        view.step(1.0)
        page.draw(cluster_frame(simulation))
        assert view.frame == json.loads(page.frame)
        assert view.time_s == view.frame["time_s"] == second
    assert view.frame["path_two"] > 0


def test_the_size_of_the_steps_changes_nothing() -> None:
    many, one = stepped(*[0.7] * 20), stepped(14.0)
    assert many.time_s == pytest.approx(14.0)
    one.run()
    many.run()
    alone = simulate(Scenario().with_values(KEYS)).values
    for view in (many, one):
        assert result_of(view.simulation, alone["wall_s"]).values == alone


def test_seeking_shows_again_what_was_shown_and_no_more_than_was_simulated() -> None:
    view = ClusterView(KEYS)
    shown = {}
    for second in range(1, 9):
        view.step(1.0)
        shown[second] = view.frame
    for second in (3, 8, 1, 5):
        view.seek(second)
        assert view.frame == shown[second]
    assert shown[3] != shown[8]
    view.seek(1e9)
    assert view.time_s == view.simulation.now == 8.0
    view.seek(-1.0)
    assert view.time_s == 0.0


def test_what_is_seen_again_does_not_depend_on_how_the_steps_were_cut() -> None:
    cut, whole = stepped(0.4, 7.3, 1.0), stepped(8.7)
    for time_s in (1.0, 7.0, 8.0):
        cut.seek(time_s)
        whole.seek(time_s)
        assert cut.frame == whole.frame
        assert cut.frame["time_s"] == time_s


def test_a_recording_begins_at_its_first_frame_and_holds_the_whole_run() -> None:
    view = ClusterView(KEYS).run()
    assert view.simulation.finished
    assert view.time_s == 0.0
    assert not view.frame["ended"]
    view.step(1e9)
    assert view.frame["ended"]


def test_playing_goes_on_until_it_is_paused(finished: Finished) -> None:
    async def watch() -> tuple[float, float, float]:
        view = ClusterView(KEYS, speed=100.0)
        view.play()
        view.play()
        assert view.playing
        while view.time_s < 3.0:
            await asyncio.sleep(0.05)
        view.pause()
        await asyncio.sleep(0.3)
        stood = view.time_s
        await asyncio.sleep(0.3)
        view.close()
        return stood, view.time_s, view.frame["time_s"]

    stood, later, shown = finished(watch())
    assert stood == later == shown >= 3.0


def test_paused_and_played_at_once_it_plays_once(finished: Finished) -> None:
    async def watch() -> int:
        others = len(asyncio.all_tasks())
        view = ClusterView(KEYS, speed=1.0)
        for _ in range(5):
            view.play()
            view.pause()
        view.play()
        await asyncio.sleep(0.3)
        playing = len(asyncio.all_tasks()) - others
        view.close()
        return playing

    assert finished(watch()) == 1


class Breaks(Policy):
    """Raises when it is asked."""

    def place(self, turn: TurnView) -> Placement | None:
        raise ZeroDivisionError


def test_a_policy_that_raises_stops_it_and_is_told(finished: Finished) -> None:
    async def watch() -> tuple[bool, list[str]]:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        view = ClusterView(KEYS | {"system": Breaks})
        view.play()
        while view.playing:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
        return view.playing, told

    playing, (message,) = finished(watch())
    assert not playing
    assert "Breaks" in message


def test_a_run_that_ends_stops_playing(finished: Finished) -> None:
    async def watch() -> ClusterView:
        view = ClusterView(KEYS | {"workload.agents": 2, "horizon_s": 5.0}, speed=100.0).run()
        view.play()
        while view.playing:
            await asyncio.sleep(0.05)
        return view

    view = finished(watch())
    assert view.time_s == view.simulation.now == 5.0


def test_its_controls_play_pause_and_set_the_speed(finished: Finished) -> None:
    async def press() -> None:
        view = ClusterView(KEYS)
        button, speed, past = view.controls().children[0].children
        button.click()
        assert (view.playing, button.description) == (True, "Pause")
        button.click()
        assert (view.playing, button.description) == (False, "Play")
        speed.value = 55
        assert view.speed == 55
        view.step(9.0)
        assert (past.value, past.max) == (9.0, 9.0)
        past.value = 4.0
        assert view.time_s == view.frame["time_s"] == 4.0

    finished(press())


def test_what_is_not_allowed_is_said_in_a_sentence() -> None:
    with pytest.raises(ScenarioError, match=r"speed = 0 is not allowed"):
        ClusterView(KEYS, speed=0)
    with pytest.raises(ScenarioError, match=r"seconds = -1 is not allowed"):
        ClusterView(KEYS).step(-1)
    with pytest.raises(ScenarioError, match=r"cluster\.prefil_nodes"):
        ClusterView({"cluster.prefil_nodes": 1})
    # In this thread the browser tests' driver keeps an event loop running.
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="event loop of a notebook"):
        pool.submit(ClusterView(KEYS).play).result()
