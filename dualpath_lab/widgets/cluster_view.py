"""The animated picture of a cluster as a Jupyter widget that plays a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

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
"""Wall time of a frame that simulating may take, so that the kernel stays free for other cells."""


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

    def __init__(self, scenario: Scenario | Mapping[str, Any], label: str = "", speed: float = 20.0) -> None:
        if not speed > 0:
            raise ScenarioError(f"speed = {speed} is not allowed: it should be above 0 simulated s a s.")
        whole = scenario if isinstance(scenario, Scenario) else Scenario().with_values(dict(scenario))
        self.simulation = Simulation(whole)
        super().__init__(label=label, speed=speed)
        warm_up()
        self._seen = Seen()
        self._at_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._show()

    @property
    def time_s(self) -> float:
        """Simulated time that is shown."""
        return self._at_s

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
            self._task = loop.create_task(self._play())

    def pause(self) -> None:
        """Let time stand still."""
        self.playing = False

    def step(self, seconds: float) -> None:
        """Show the moment ``seconds`` later, simulated if it was not yet.

        Raises
        ------
        ScenarioError
            If it is negative.
        """
        if not seconds >= 0:
            raise ScenarioError(f"seconds = {seconds} is not allowed: it should be 0 or more.")
        self._go_to(self._at_s + seconds)

    def seek(self, time_s: float) -> None:
        """Show what was simulated at a time; of a later one than was simulated, the last."""
        self._at_s = min(max(time_s, 0.0), self.simulation.now)
        self._show()

    def run(self) -> ClusterView:
        """Simulate to the end, keep a frame of every bin, and show the first."""
        while not self.simulation.finished:
            self._go_to(self.simulation.now + BIN_S)
        self.seek(0.0)
        return self

    def controls(self) -> ipywidgets.VBox:
        """The picture under a button that plays and pauses, and a slider for the speed."""
        button = ipywidgets.Button(description="Play", icon="play", tooltip="Play or pause")
        speed = ipywidgets.FloatSlider(value=self.speed, min=1, max=100, step=1, description="Speed", readout_format=".0f")
        unit = ipywidgets.Label("simulated s a s")
        button.on_click(lambda _: self.pause() if self.playing else self.play())

        def show_playing(change: Any) -> None:
            button.description, button.icon = ("Pause", "pause") if change["new"] else ("Play", "play")

        self.observe(show_playing, "playing")
        ipywidgets.link((speed, "value"), (self, "speed"))
        return ipywidgets.VBox([ipywidgets.HBox([button, speed, unit]), self])

    def close(self) -> None:
        """Pause, and leave the page."""
        self.pause()
        super().close()

    async def _play(self) -> None:
        last = perf_counter()
        while self.playing:
            await asyncio.sleep(FRAME_S)
            now = perf_counter()
            self._go_to(self._at_s + self.speed * min(now - last, 2 * FRAME_S), BUDGET_S)
            last = now
            if self.simulation.finished and self._at_s >= self.simulation.now:
                self.pause()

    def _go_to(self, time_s: float, budget_s: float = float("inf")) -> None:
        """Show a time, simulated as far as the budget of wall time goes; bins that are over leave a frame each."""
        simulation, started = self.simulation, perf_counter()
        while simulation.now < time_s and not simulation.finished and perf_counter() - started < budget_s:
            next_bin_s = (int(simulation.now / BIN_S) + 1) * BIN_S
            simulation.advance(min(time_s, next_bin_s) - simulation.now)
            self._note()
        self._at_s = min(time_s, simulation.now)
        self._show()

    def _note(self) -> None:
        self._seen.add(int(self.simulation.now / BIN_S), [cluster_frame(self.simulation)])

    def _show(self) -> None:
        if self._at_s >= self.simulation.now:
            self._note()
        (frame,) = self._seen.at(int(self._at_s / BIN_S))
        self.frame = with_words(frame, self.label)
