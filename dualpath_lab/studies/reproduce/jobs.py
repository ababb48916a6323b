"""One simulation that rows are made from, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.capacity import capacity
from dualpath_lab.studies.run import Progress, simulate
from dualpath_lab.studies.scheduler_speed import scheduler_speed

Kind = Literal["run", "capacity", "start", "scheduler"]
Outcome = dict[str, Any]
Outcomes = Mapping["Job", Outcome]
"""Of the jobs of one seed."""

LOWEST_RATE, HIGHEST_RATE = 0.2, 1.2
"""Agents/s between which capacities are looked for."""

START = 0.05
"""Published: the share of the turns over which R12 is taken."""

KEY_FIGURES = ("jct_s", "simulated_s", "agents_finished", "turns", "latency_s", "ttft_breakdown_s", "balance", "bottleneck")
"""What is kept of a whole run's JSON."""


@dataclass(frozen=True)
class Job:
    """One run that rows are made from; equal jobs are run once.

    Parameters
    ----------
    kind : {"run", "capacity", "start", "scheduler"}
        A whole run; the search for the online capacity; a run's first turns; a run with a clock on its scheduler.
    changes : tuple of (key, value)
        What differs from the default scenario.
    """

    kind: Kind
    changes: tuple[tuple[str, Any], ...]

    def scenario(self, seed: int) -> Scenario:
        """The scenario of the run."""
        return Scenario(seed=seed).with_values(dict(self.changes))

    @property
    def work(self) -> float:
        """How long it takes, roughly, in whatever a run of one agent takes."""
        if self.kind == "capacity":
            return 12_000.0
        if self.kind == "scheduler":
            return 3_000.0
        agents = float(dict(self.changes).get("workload.agents", 1024))
        return START * agents if self.kind == "start" else agents


def job(kind: Kind = "run", **changes: Any) -> Job:
    """A job by keywords, with ``__`` for the dots of scenario keys."""
    return Job(kind, tuple((key.replace("__", "."), value) for key, value in changes.items()))


def run_job(job: Job, seed: int, progress: Progress | None = None) -> Outcome:
    """Run a job; its outcome is ready for ``json.dumps``, and its ``turns`` say how many were simulated.

    Parameters
    ----------
    job : Job
    seed : int
    progress : callable, optional
        Called with the simulation that runs from time to time.

    Raises
    ------
    ScenarioError
        If the scenario's parts don't go together.
    """
    scenario = job.scenario(seed)
    if job.kind == "capacity":
        rate, runs = capacity(scenario, LOWEST_RATE, HIGHEST_RATE, progress=progress)
        return {"rate": rate, "turns": sum(run.turns for run in runs), "runs": [asdict(run) for run in runs]}
    if job.kind == "start":
        return _start(scenario, progress)
    if job.kind == "scheduler":
        speed = scheduler_speed(scenario, progress)
        return asdict(speed) | {"possible_per_s": speed.possible_per_s, "cores": speed.cores, "turns": speed.decisions}
    values = simulate(scenario, progress).to_dict()
    return {name: values[name] for name in KEY_FIGURES}


def _start(scenario: Scenario, progress: Progress | None) -> Outcome:
    simulation = Simulation(scenario)
    while len(simulation.log) < START * simulation.workload.turns:
        simulation.advance(5.0)
        if progress:
            progress(simulation)
    groups = simulation.cluster.prefill_groups
    balance = sum(group.attention_imbalance for group in groups) / sum(group.forwards for group in groups)
    return {"attention_max_over_mean": balance, "turns": len(simulation.log)}
