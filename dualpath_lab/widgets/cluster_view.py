"""The animated picture of a cluster as a Jupyter widget that plays a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from time import perf_counter
from typing import Any
from weakref import WeakSet

import anywidget
import ipywidgets
import traitlets

from dualpath_lab.core.network import warm_up
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.picture.drawing import PART_STYLE, SCRIPT
from dualpath_lab.picture.frame import cluster_frame
from dualpath_lab.picture.seen import Seen
from dualpath_lab.picture.words import with_words
from dualpath_lab.scenario import Scenario, ScenarioError

FRAME_S = 0.1
"""Wall time between two frames."""
BUDGET_S = 0.05
"""Wall time of a frame that simulating may take, all that play together, so that the kernel stays free for other cells."""

_playing: WeakSet[ClusterView] = WeakSet()


class ClusterView(anywidget.AnyWidget):
    """A cluster at work: storage, prefill and decode nodes, the links between them and both paths.

    What was simulated is kept, so that one can go back to it; a run that was simulated to its end with :meth:`run` is a recording.

    Parameters
    ----------
    scenario : Scenario or mapping
        Or its keys, such as ``{"system": "dualpath", "cluster.prefill_nodes": 2}``; what they leave out has its default.
    label : str
        What it is called, before the name of the system.
    speed : float
        Simulated s a s while it plays.

    Attributes
    ----------
    frame : dict
        What it shows: a :class:`picture.frame.ClusterFrame`, and its words.
    playing : bool
        Whether time goes on.
    time_s : float
        Simulated time that is shown.
    speed : float
    simulation : Simulation

    Raises
    ------
    ScenarioError
        If the scenario is not allowed.
    """

    _esm = SCRIPT
    _css = PART_STYLE
    label = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Float(20.0)
    time_s = traitlets.Float(0.0)
    _task: asyncio.Task[None] | None = None

    def __init__(self, scenario: Scenario | Mapping[str, Any], label: str = "", speed: float = 20.0) -> None:
        if not speed > 0:
            raise ScenarioError(f"speed = {speed} is not allowed: it should be above 0 simulated s a s.")
        whole = scenario if isinstance(scenario, Scenario) else Scenario().with_values(dict(scenario))
        self.simulation = Simulation(whole)
        super().__init__(label=label, speed=speed)
        warm_up()
        self._seen = Seen()
        self._note()
        self._show(0.0)

    def play(self) -> None:
        """Let time go on, through what was simulated already and beyond; needs the event loop of a notebook.

        Raises
        ------
        RuntimeError
            Where no event loop runs.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("play() needs the event loop of a notebook; step(seconds) goes on without one.") from None
        if not self.playing:
            self.playing = True
            _playing.add(self)
            self._task = loop.create_task(self._play())
            self._task.add_done_callback(_report)

    def pause(self) -> None:
        """Let time stand still."""
        self.playing = False
        _playing.discard(self)
        if self._task:
            self._task.cancel()
            self._task = None

    def step(self, seconds: float) -> None:
        """Show the moment ``seconds`` later, simulated if it was not yet.

        Raises
        ------
        ScenarioError
            If it is negative.
        """
        if not seconds >= 0:
            raise ScenarioError(f"seconds = {seconds} is not allowed: it should be 0 or more.")
        self._go_to(self.time_s + seconds)

    def seek(self, time_s: float) -> None:
        """Show what was simulated at a time; of a later one than was simulated, the last."""
        self._show(min(max(time_s, 0.0), self.simulation.now))

    def run(self) -> ClusterView:
        """Simulate to the end, keep a frame of every bin, and show the first."""
        while not self.simulation.finished:
            self._go_to(self.simulation.now + self.simulation.bin_s)
        self.seek(0.0)
        return self

    def controls(self) -> ipywidgets.VBox:
        """The picture under a button that plays and pauses, and sliders for the speed and for going back in time."""
        button = ipywidgets.Button(description="Play", icon="play", tooltip="Play or pause")
        speed = ipywidgets.FloatSlider(value=self.speed, min=1, max=100, step=1, description="Speed (×)", readout_format=".0f")
        past = ipywidgets.FloatSlider(value=self.time_s, min=0, max=self._reached_s(), description="Time (s)", readout_format=".0f")
        button.on_click(lambda _: self.pause() if self.playing else self.play())

        def show_playing(change: Any) -> None:
            button.description, button.icon = ("Pause", "pause") if change["new"] else ("Play", "play")

        def show_time(change: Any) -> None:
            past.max = self._reached_s()
            past.value = change["new"]

        def go_back(change: Any) -> None:
            if change["new"] != self.time_s:
                self.seek(change["new"])

        self.observe(show_playing, "playing")
        self.observe(show_time, "time_s")
        past.observe(go_back, "value")
        ipywidgets.link((speed, "value"), (self, "speed"))
        return ipywidgets.VBox([ipywidgets.HBox([button, speed, past]), self])

    def close(self) -> None:
        """Pause, and leave the page."""
        self.pause()
        super().close()

    async def _play(self) -> None:
        last = perf_counter()
        try:
            while not (self.simulation.finished and self.time_s >= self.simulation.now):
                await asyncio.sleep(FRAME_S)
                now = perf_counter()
                self._go_to(self.time_s + self.speed * min(now - last, 2 * FRAME_S), BUDGET_S / len(_playing))
                last = now
        finally:
            if self._task is asyncio.current_task():
                self._task = None
                self.pause()

    def _go_to(self, time_s: float, budget_s: float = inf) -> None:
        """Show a time, simulated as far as the budget of wall time goes; the end of each bin leaves a frame."""
        simulation, started = self.simulation, perf_counter()
        while simulation.now < time_s and not simulation.finished and perf_counter() - started < budget_s:
            bin_ends_s = (int(simulation.now / simulation.bin_s) + 1) * simulation.bin_s
            simulation.advance(min(time_s, bin_ends_s) - simulation.now)
            if simulation.now == bin_ends_s:
                self._note()
        self._show(min(time_s, simulation.now))

    def _note(self) -> None:
        self._seen.add(self.simulation.now, cluster_frame(self.simulation))

    def _show(self, time_s: float) -> None:
        frame = self._seen.at(time_s) if time_s < self.simulation.now else cluster_frame(self.simulation)
        self.frame = with_words(frame, self.label)
        self.time_s = time_s

    def _reached_s(self) -> float:
        return max(self.simulation.now, BIN_S)


def _report(task: asyncio.Task[None]) -> None:
    """A policy may raise while nobody waits for the run: the notebook's log has it then."""
    if not task.cancelled() and (error := task.exception()):
        task.get_loop().call_exception_handler({"message": f"ClusterView stopped: {error}", "exception": error})
