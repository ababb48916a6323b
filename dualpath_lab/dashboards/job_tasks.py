"""What a process beside the server can be asked to run: a scenario, a search for capacity, or a job of the published results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import ClassVar, Protocol

import dualpath_lab
from dualpath_lab.dashboards import bounds
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.advise.online import OnlineQuestion, capacity_of, largest_asked
from dualpath_lab.studies.reproduce import Job
from dualpath_lab.studies.reproduce.jobs import run_job
from dualpath_lab.studies.run import Progress
from dualpath_lab.studies.sweep.plan import key_of
from dualpath_lab.studies.sweep.rows import DONE, Row, failed, run_row


class Task(Protocol):
    """What can be sent to a process.

    Attributes
    ----------
    key : str
        What the row will be known by; equal tasks have equal keys.
    work : float
        How long it takes, roughly, in whatever an agent takes.
    ours : bool
        Whether the lab says what is run, and not the visitor: then it takes what it takes.
    """

    @property
    def key(self) -> str: ...  # noqa: D102

    @property
    def work(self) -> float: ...  # noqa: D102

    @property
    def ours(self) -> bool: ...  # noqa: D102

    def run(self, look: Progress) -> Row:
        """Run it and tell ``look`` from time to time; a failure is a row too."""
        ...


@dataclass(frozen=True)
class ScenarioTask:
    """One scenario; its row is that of a sweep."""

    scenario: Scenario
    ours: ClassVar[bool] = False

    @cached_property
    def key(self) -> str:
        """The scenario's own."""
        return key_of(self.scenario)

    @property
    def work(self) -> float:
        """Its agents."""
        return self.scenario.workload.agents

    def run(self, look: Progress) -> Row:
        """Simulate it, unless that takes more than a visitor may."""
        try:
            bounds.check(self.scenario)
        except ScenarioError as error:
            return {"key": self.key} | failed(f"ScenarioError: {error}")
        return run_row(self.scenario, self.key, look)


@dataclass(frozen=True)
class ReproduceTask:
    """One job of the published results; its row has the job's ``outcome``."""

    job: Job
    seed: int
    ours: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Job, seed and version."""
        return f"{self.job} {self.seed} {dualpath_lab.__version__}"

    @property
    def work(self) -> float:
        """The job's."""
        return self.job.work

    def run(self, look: Progress) -> Row:
        """Run the job."""
        return _row(self.key, lambda: {"outcome": run_job(self.job, self.seed, look)})


@dataclass(frozen=True)
class CapacityTask:
    """A search for the agents a second that a cluster serves; its row has them as ``agents_per_s``."""

    question: OnlineQuestion
    ours: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The scenario's own, and how its agents fare offline."""
        return f"capacity {self.question.jct_s} {key_of(self.question.scenario)}"

    @property
    def work(self) -> float:
        """Some ten long runs."""
        return 10.0 * self.question.scenario.workload.agents

    def run(self, look: Progress) -> Row:
        """Search, unless the most agents that are tried take more than a visitor may."""

        def searched() -> Row:
            bounds.check(largest_asked(self.question))
            return {"agents_per_s": capacity_of(self.question, look)}

        return _row(self.key, searched)


def _row(key: str, run: Callable[[], Row]) -> Row:
    started = perf_counter()
    try:
        found = run()
    except Exception as error:  # whatever it is, the page says it
        return {"key": key} | failed(f"{type(error).__name__}: {error}")
    return {"key": key, "status": DONE, "wall_s": perf_counter() - started} | found
