"""One scenario, start to finish."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.result import Result, result_of
from dualpath_lab.scenario import Scenario

Progress = Callable[[Simulation], None]
"""Told of a run every few simulated seconds in which something happens; it may look but not touch."""

_PROGRESS_STEP_S = 5.0


def simulate(scenario: Scenario, progress: Progress | None = None, ended: Progress | None = None) -> Result:
    """Run a scenario.

    Parameters
    ----------
    scenario : Scenario
    progress : callable, optional
        Called with the running simulation from time to time.
    ended : callable, optional
        Called with the simulation once it has ended.

    Raises
    ------
    ScenarioError
        If the scenario's parts don't go together.
    """
    started = perf_counter()
    simulation = Simulation(scenario)
    if progress is None:
        simulation.run()
    else:
        while not simulation.finished:
            simulation.advance(max(_PROGRESS_STEP_S, simulation.next_s - simulation.now))
            progress(simulation)
    result = result_of(simulation, perf_counter() - started)
    if ended:
        ended(simulation)
    return result
