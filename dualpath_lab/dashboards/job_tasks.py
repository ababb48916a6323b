"""What a process beside the server can be asked to run: a scenario, or a job of the published results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Protocol

import dualpath_lab
from dualpath_lab.scenario import Scenario
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
    """

    @property
    def key(self) -> str: ...  # noqa: D102

    @property
    def work(self) -> float: ...  # noqa: D102

    def run(self, look: Progress) -> Row:
        """Run it and tell ``look`` from time to time; a failure is a row too."""
        ...


@dataclass(frozen=True)
class ScenarioTask:
    """One scenario; its row is that of a sweep."""

    scenario: Scenario

    @cached_property
    def key(self) -> str:
        """The scenario's own."""
        return key_of(self.scenario)

    @property
    def work(self) -> float:
        """Its agents."""
        return self.scenario.workload.agents

    def run(self, look: Progress) -> Row:
        """Simulate it."""
        return run_row(self.scenario, self.key, look)


@dataclass(frozen=True)
class ReproduceTask:
    """One job of the published results; its row has the job's ``outcome``."""

    job: Job
    seed: int

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
        started = perf_counter()
        try:
            outcome = run_job(self.job, self.seed, look)
        except Exception as error:  # whatever it is, the page says it
            return {"key": self.key} | failed(f"{type(error).__name__}: {error}")
        return {"key": self.key, "status": DONE, "outcome": outcome, "wall_s": perf_counter() - started}
