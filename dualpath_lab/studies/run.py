"""One scenario, start to finish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from dualpath_lab.core.compiled import announce
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.result import Result, result_of
from dualpath_lab.scenario import Scenario
from dualpath_lab.workload import Workload

Progress = Callable[[Simulation], None]
"""Told of a run every few simulated seconds in which something happens; it may look but not touch."""

_PROGRESS_STEP_S = 5.0


def simulate(
    scenario: Scenario,
    progress: Progress | None = None,
    ended: Progress | None = None,
    *,
    workload: Workload | None = None,
    decisions: bool = False,
) -> Result:
    """Run a scenario.

    Parameters
    ----------
    scenario : Scenario
    progress : callable, optional
        Called with the running simulation from time to time.
    ended : callable, optional
        Called with the simulation once it has ended.
    workload : Workload, optional
        Trajectories in the place of ``workload.source``, such as :meth:`Workload.from_frame` makes them. All other keys of ``workload``
        bend them as they would a trace: ``agents`` of them run, and pauses are their own where ``tool_gap_s`` is None.
    decisions : bool
        Keep every decision of the scheduler for :meth:`Result.decisions`.

    Raises
    ------
    ScenarioError
        If the scenario's parts don't go together.
    """
    started = perf_counter()
    simulation = Simulation(scenario, workload=workload, decisions=decisions)
    announce()
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


def seeds_of(scenario: Scenario, seeds: int | Sequence[int]) -> list[int]:
    """The seeds that a study runs with.

    Parameters
    ----------
    scenario : Scenario
    seeds : int or sequence of int
        How many, counted from the scenario's own on; or which.

    Raises
    ------
    ScenarioError
        If there are none, or one stands twice.
    """
    if isinstance(seeds, int):
        if seeds < 1:
            raise ScenarioError(f"seeds = {seeds} is not allowed: it should be at least 1.")
        return [scenario.seed + more for more in range(seeds)]
    found = list(seeds)
    if not found or len(set(found)) < len(found):
        raise ScenarioError(f"seeds = {shown(found)} is not allowed: it should hold at least one seed, and each once.")
    return found
