"""How many CPU cores the scheduler of a large cluster takes (reference section 11, E5)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from dualpath_lab.core.policy import Scheduler
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn import Turn
from dualpath_lab.core.turn_view import TurnView
from dualpath_lab.core.views import NodeView
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.run import Progress

WINDOW_S = 60.0
"""Simulated time over which the need for decisions is averaged."""
_PROGRESS_STEP_S = 1.0


@dataclass(frozen=True)
class SchedulerSpeed:
    """What scheduling costs and how much of it a cluster needs.

    Attributes
    ----------
    decisions : int
        Turns placed.
    cpu_s : float
        Wall-clock time inside the scheduler's own methods.
    needed_per_s : float
        Decisions per simulated second in the busiest ``WINDOW_S``.
    """

    decisions: int
    cpu_s: float
    needed_per_s: float

    @property
    def possible_per_s(self) -> float:
        """Decisions per second on one core like this one."""
        return self.decisions / self.cpu_s if self.cpu_s else 0.0

    @property
    def cores(self) -> float:
        """Cores that would be busy scheduling."""
        return self.needed_per_s / self.possible_per_s if self.decisions else 0.0


def scheduler_speed(scenario: Scenario, progress: Progress | None = None) -> SchedulerSpeed:
    """Simulate a scenario to its end with a clock on its scheduler alone.

    The clock is a real one, and ours is Python: the decisions are the same at every call, the time that they take is not.

    Parameters
    ----------
    scenario : Scenario
    progress : callable, optional
        Called with the running simulation from time to time.

    Raises
    ------
    ScenarioError
        If the scenario's parts don't go together.
    """
    simulation = _Timed(scenario)
    while not simulation.finished:
        simulation.advance(_PROGRESS_STEP_S)
        if progress:
            progress(simulation)
    return SchedulerSpeed(len(simulation.placed_s), simulation.stopwatch.total_s, _busiest_per_s(simulation.placed_s))


def _busiest_per_s(placed_s: array[float]) -> float:
    """Most entries of the ascending times in any ``WINDOW_S``, over ``WINDOW_S``."""
    times = np.asarray(placed_s)
    if not len(times):
        return 0.0
    ends = np.searchsorted(times, times + WINDOW_S)
    return float((ends - np.arange(len(times))).max()) / WINDOW_S


class _Stopwatch:
    """Adds up the time during which it is on."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._on = False
        self._since = 0.0

    def switch(self, on: bool) -> bool:
        """Turn it on or off; returns what it was."""
        now = perf_counter()
        was_on = self._on
        if was_on:
            self.total_s += now - self._since
        self._on, self._since = on, now
        return was_on


class _Timed(Simulation):
    """A simulation that knows how long its scheduler took, and when each turn was placed."""

    def __init__(self, scenario: Scenario) -> None:
        self.stopwatch = _Stopwatch()
        self.placed_s = array("d")
        super().__init__(scenario)
        self.scheduler = _TimedScheduler(self.scheduler, self.stopwatch)

    def _place(self, turn: Turn) -> None:
        was_on = self.stopwatch.switch(False)
        super()._place(turn)
        self.placed_s.append(self._env.now)
        self.stopwatch.switch(was_on)


class _TimedScheduler:
    """Passes everything on to the scheduler, with the stopwatch on."""

    def __init__(self, scheduler: Scheduler, stopwatch: _Stopwatch) -> None:
        self._scheduler = scheduler
        self._stopwatch = stopwatch

    def submit(self, turn: TurnView) -> None:
        was_on = self._stopwatch.switch(True)
        self._scheduler.submit(turn)
        self._stopwatch.switch(was_on)

    def prefill_fetch(self, group: int) -> None:
        was_on = self._stopwatch.switch(True)
        self._scheduler.prefill_fetch(group)
        self._stopwatch.switch(was_on)

    def turn_ended(self, turn: TurnView) -> None:
        was_on = self._stopwatch.switch(True)
        self._scheduler.turn_ended(turn)
        self._stopwatch.switch(was_on)

    def read_ended(self, node: NodeView) -> None:
        was_on = self._stopwatch.switch(True)
        self._scheduler.read_ended(node)
        self._stopwatch.switch(was_on)

    def storage_changed(self) -> None:
        was_on = self._stopwatch.switch(True)
        self._scheduler.storage_changed()
        self._stopwatch.switch(was_on)
