"""Drives a search for advice with the processes that all visitors share."""

from __future__ import annotations

from dualpath_lab.dashboards.advisor_state import SYSTEMS
from dualpath_lab.dashboards.jobs import Batch, Jobs
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise import Advice, advise_steps
from dualpath_lab.studies.sweep.plan import key_of
from dualpath_lab.studies.sweep.rows import Row


class AdviceRun:
    """One question on its way to its answer; :meth:`poll` takes it further.

    Attributes
    ----------
    runs : int
        Finished so far.

    Raises
    ------
    ScenarioError
        If the question is not allowed, here or later in :meth:`poll`.
    """

    def __init__(self, jobs: Jobs, scenario: Scenario, gpus: int, seeds: int) -> None:
        self._jobs = jobs
        self._steps = advise_steps(scenario, gpus, SYSTEMS, seeds)
        self._rows: dict[str, Row] = {}
        self._asked = next(self._steps)
        self._batch: Batch = jobs.submit(self._asked)
        self.runs = 0

    def poll(self) -> Advice | None:
        """Take in what has come; the answer once there is one."""
        news = self._batch.poll()
        self.runs += len(news)
        self._rows |= news
        if not self._batch.finished:
            return None
        rows = [self._rows[key_of(scenario)] for scenario in self._asked]
        try:
            self._asked = self._steps.send(rows)
        except StopIteration as ended:
            answer: Advice = ended.value
            return answer
        self._batch = self._jobs.submit(self._asked)
        return None

    @property
    def waiting(self) -> int:
        """Runs that this step still needs."""
        return self._batch.total - self._batch.done

    def ahead(self) -> int:
        """Runs of others that come first."""
        return self._batch.ahead()

    def cancel(self) -> None:
        """Ask for nothing more."""
        self._batch.cancel()
