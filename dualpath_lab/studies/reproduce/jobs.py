"""One simulation that rows are made from, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dualpath_lab import calibration
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.settings import parse_assignment
from dualpath_lab.studies.capacity import capacity, serve_online
from dualpath_lab.studies.forward_throughput import relative_throughput
from dualpath_lab.studies.reproduce.over_time import over_time
from dualpath_lab.studies.run import Progress, simulate
from dualpath_lab.studies.scheduler_speed import scheduler_speed

Kind = Literal["run", "over_time", "online", "capacity", "start", "forward", "scheduler"]
Outcome = dict[str, Any]
Outcomes = Mapping["Job", Outcome]
"""Of the jobs of one seed."""

PAPER_GPU = "h800"
"""Assumed: the paper's "Hopper", of which it gives neither name nor memory. docs/reproduction.md has the rows on an H200."""

LOWEST_RATE, HIGHEST_RATE = 0.05, 1.0
"""Agents/s between which capacities are looked for."""

START = 0.05
"""Published: the share of the turns over which the balance of attention (E4) is taken."""

REQUESTS = (1, 5, 10, 20)
"""Published (A5): in a forward."""

FORWARD_TOKENS = "mechanisms.forward_tokens"
BUDGETS = (calibration.FIFO_FORWARD_TOKENS // 2, calibration.FIFO_FORWARD_TOKENS * 2)
"""Tokens of a forward without compute quota, half and twice what is assumed."""

KEY_FIGURES = ("jct_s", "simulated_s", "agents_finished", "turns", "latency_s", "ttft_breakdown_s", "balance", "bottleneck")
"""What is kept of a whole run's JSON."""


@dataclass(frozen=True)
class Job:
    """One run that rows are made from; equal jobs are run once.

    Parameters
    ----------
    kind : {"run", "over_time", "online", "capacity", "start", "forward", "scheduler"}
        A whole run; one that keeps its course; an arrival rate until it is steady; the search for the online capacity; a run's first turns;
        single forwards; a run with a clock on its scheduler.
    changes : tuple of (key, value)
        What differs from the default scenario.
    """

    kind: Kind
    changes: tuple[tuple[str, Any], ...]

    def scenario(self, seed: int) -> Scenario:
        """The scenario of the run."""
        return Scenario(seed=seed).with_values(dict(self.changes))

    def with_values(self, changes: Mapping[str, Any]) -> Job:
        """The same with other values on top."""
        return Job(self.kind, tuple((dict(self.changes) | dict(changes)).items()))

    @property
    def work(self) -> float:
        """How long it takes, roughly, in whatever a run of one agent takes."""
        if self.kind in _WORK:
            return _WORK[self.kind]
        agents = float(dict(self.changes).get("workload.agents", 1024))
        return START * agents if self.kind == "start" else agents


_WORK: dict[str, float] = {"capacity": 12_000.0, "online": 2_000.0, "scheduler": 3_000.0, "forward": 1.0}
"""Of kinds whose work does not follow from their agents."""


def job(kind: Kind = "run", **changes: Any) -> Job:
    """A job on the paper's GPU by keywords, with ``__`` for the dots of scenario keys."""
    return Job(kind, (("cluster.hardware", PAPER_GPU), *((key.replace("__", "."), value) for key, value in changes.items())))


def has_budget(job: Job) -> bool:
    """Whether its forwards are filled up to a number of tokens, for want of a compute quota."""
    return job.kind != "forward" and not mechanisms(job.scenario(0)).compute_quota


def read_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """What ``KEY=VALUE`` assignments change in every job.

    Raises
    ------
    ScenarioError
        If a key or value is not allowed, or is each job's own affair.
    """
    settings = dict(map(parse_assignment, assignments))
    for key, value in settings.items():
        if key == "seed":
            raise ScenarioError(f"--set seed={value} is not allowed here: every job is run with each of --seeds.")
        if isinstance(value, dict | list):
            raise ScenarioError(f"--set {key} is not allowed to be several values here: name one key, such as cluster.hardware.")
    Scenario().with_values(settings)
    return settings


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
    if job.kind == "online":
        rate_of_arrival = scenario.workload.arrival_rate
        if rate_of_arrival is None:
            raise ScenarioError("workload.arrival_rate = None is not allowed for a job online: it should be above 0.")
        return asdict(serve_online(scenario, rate_of_arrival, progress))
    if job.kind == "start":
        return _start(scenario, progress)
    if job.kind == "forward":
        relative = {str(requests): relative_throughput(scenario, requests) for requests in REQUESTS}
        return {"relative_throughput": relative, "turns": sum(REQUESTS)}
    if job.kind == "scheduler":
        speed = scheduler_speed(scenario, progress)
        return asdict(speed) | {"possible_per_s": speed.possible_per_s, "cores": speed.cores, "turns": speed.decisions}
    result = simulate(scenario, progress)
    values = result.to_dict()
    kept = {name: values[name] for name in KEY_FIGURES}
    return kept | {"over_time": over_time(result.columns, values["simulated_s"])} if job.kind == "over_time" else kept


def _start(scenario: Scenario, progress: Progress | None) -> Outcome:
    simulation = Simulation(scenario)
    while len(simulation.log) < START * simulation.workload.turns:
        simulation.advance(5.0)
        if progress:
            progress(simulation)
    groups = simulation.cluster.prefill_groups
    balance = sum(group.attention_imbalance for group in groups) / sum(group.forwards for group in groups)
    return {"attention_max_over_mean": balance, "turns": len(simulation.log)}
