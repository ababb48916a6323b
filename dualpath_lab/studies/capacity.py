"""How many agents a second a cluster serves within its objective (reference section 9, online)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.run import Progress

WINDOW_S = 150.0
"""Published: latencies are means over this long."""

LOOK_BACK_S = 1800.0
"""Published: a run is steady when its TTFT is what it was this long before."""

STEADY = 0.05
"""Published: relative difference that counts as none."""

LONGEST_S = 7200.0
"""A run that has neither left the objective nor become steady by then is judged by its last window."""

_STEP_S = 30.0


class Latencies(NamedTuple):
    """Means over a window, s."""

    ttft_s: float
    ttst_s: float
    tpot_s: float


@dataclass(frozen=True)
class OnlineRun:
    """What one arrival rate does.

    Attributes
    ----------
    arrival_rate : float
        Agents/s.
    ttft_s, ttst_s, tpot_s : float
        Means over the turns that finished in the last window; those that still wait for their first token, and have for longer than the
        objective allows, count in TTFT with the time they have waited.
    slo_met, steady : bool
        Whether both are within the objective, and whether the run ended because it was steady.
    simulated_s : float
        When it ended.
    turns : int
        That finished.
    """

    arrival_rate: float
    ttft_s: float
    ttst_s: float
    tpot_s: float
    slo_met: bool
    steady: bool
    simulated_s: float
    turns: int


def serve_online(scenario: Scenario, arrival_rate: float, progress: Progress | None = None) -> OnlineRun:
    """Let agents arrive until TTFT passes the objective or is steady.

    Parameters
    ----------
    scenario : Scenario
        Its number of agents and horizon are replaced by what the rate needs.
    arrival_rate : float
        Agents/s.
    progress : callable, optional
        Called with the running simulation from time to time.

    Raises
    ------
    ScenarioError
        If the rate is not allowed, or the scenario's parts don't go together.
    """
    simulation = Simulation(online_scenario(scenario, arrival_rate))
    slo = scenario.slo
    history: list[float] = []
    means, steady = Latencies(0.0, 0.0, 0.0), False
    while not (simulation.finished or steady or means.ttft_s > slo.ttft_s):
        simulation.advance(_STEP_S)
        if progress:
            progress(simulation)
        if simulation.now < WINDOW_S:
            continue
        means = _window(simulation, slo.ttft_s)
        history.append(means.ttft_s)
        before = len(history) - 1 - round(LOOK_BACK_S / _STEP_S)
        steady = before >= 0 and abs(means.ttft_s - history[before]) <= STEADY * history[before]
    slo_met = means.ttft_s <= slo.ttft_s and means.tpot_s <= slo.tpot_s
    return OnlineRun(arrival_rate, *means, slo_met, steady, simulation.now, len(simulation.log))


def online_scenario(scenario: Scenario, arrival_rate: float) -> Scenario:
    """The scenario with as many agents as arrive at a rate until ``LONGEST_S``.

    Raises
    ------
    ScenarioError
        If the rate is not allowed.
    """
    scenario = scenario.with_values({"workload.arrival_rate": arrival_rate, "horizon_s": LONGEST_S})
    return scenario.with_values({"workload.agents": ceil(arrival_rate * LONGEST_S)})


def capacity(
    scenario: Scenario, low: float, high: float, resolution: float = 0.05, progress: Progress | None = None
) -> tuple[float, list[OnlineRun]]:
    """Find the highest arrival rate that meets the objective, by bisection.

    Parameters
    ----------
    scenario : Scenario
    low, high : float
        Agents/s between which to look; nothing below ``low`` and nothing above ``high`` is tried.
    resolution : float
        Relative width at which the search stops.
    progress : callable, optional
        Called with the simulation that runs from time to time.

    Returns
    -------
    rate : float
        The highest rate tried that met the objective; 0 where none did.
    runs : list of OnlineRun
        In the order tried.

    Raises
    ------
    ScenarioError
        If the bounds are not 0 < low < high, both finite, or the resolution is not above 0.
    """
    if not 0 < low < high < inf:
        raise ScenarioError(f"low = {low}, high = {high} is not allowed: both should be above 0 and finite, and low below high.")
    if not resolution > 0:
        raise ScenarioError(f"resolution = {resolution} is not allowed: it should be above 0.")
    runs = [serve_online(scenario, low, progress)]
    if not runs[0].slo_met:
        return 0.0, runs
    runs.append(serve_online(scenario, high, progress))
    if runs[1].slo_met:
        return high, runs
    while high - low > resolution * low:
        middle = (low * high) ** 0.5
        runs.append(serve_online(scenario, middle, progress))
        low, high = (middle, high) if runs[-1].slo_met else (low, middle)
    return low, runs


def _window(simulation: Simulation, ttft_allowed_s: float) -> Latencies:
    finished = np.asarray(simulation.log.times["finished"])
    columns = simulation.log.columns(int(np.searchsorted(finished, simulation.now - WINDOW_S)))
    overdue = [wait for wait in simulation.waits() if wait > ttft_allowed_s]
    return Latencies(_mean(np.concatenate([columns["ttft"], overdue])), _mean(columns["ttst"]), _mean(columns["tpot"]))


def _mean(values: NDArray[Any]) -> float:
    """Of those that are numbers; 0 where there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
