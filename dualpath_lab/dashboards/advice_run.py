"""Drives a search for advice with the processes that all visitors share."""

from __future__ import annotations

from dualpath_lab.dashboards.advisor_state import SYSTEMS
from dualpath_lab.dashboards.job_tasks import CapacityTask
from dualpath_lab.dashboards.jobs import Batch, Jobs, Visitor
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.advise import Advice, advise_steps
from dualpath_lab.studies.advise.online import online_questions, with_capacities
from dualpath_lab.studies.sweep.plan import key_of
from dualpath_lab.studies.sweep.rows import DONE, Row


class AdviceRun:
    """One question on its way to its answer; :meth:`poll` takes it further.

    Attributes
    ----------
    runs : int
        Finished so far.
    advice : Advice or None
        The answer so far: first how soon the agents are done, then with the capacities where they were asked for.
    finished : bool
        Whether it is the whole answer.

    Raises
    ------
    ScenarioError
        If the question is not allowed, here or later in :meth:`poll`.
    """

    def __init__(self, jobs: Jobs, visitor: Visitor, scenario: Scenario, gpus: int, seeds: int, online: bool = False) -> None:
        self._jobs, self._visitor = jobs, visitor
        self._online = online
        self._steps = advise_steps(scenario, gpus, SYSTEMS, seeds)
        self._rows: dict[str, Row] = {}
        self._keys: list[str] = []
        self.runs = 0
        self.advice: Advice | None = None
        self.finished = False
        self._ask(next(self._steps))

    def poll(self) -> bool:
        """Take in what has come; whether the answer says more than before."""
        news = self._batch.poll()
        self.runs += len(news)
        self._rows |= news
        if self.finished or not self._batch.finished:
            return False
        rows = [self._rows[key] for key in self._keys]
        if self.advice:
            self._take_capacities(self.advice, rows)
            return True
        try:
            self._ask(self._steps.send(rows))
        except StopIteration as ended:
            self.advice = ended.value
            self.finished = not self._online
            if self._online:
                self._ask_online(ended.value)
        return self.advice is not None

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

    def _ask(self, scenarios: list[Scenario]) -> None:
        self._keys = [key_of(scenario) for scenario in scenarios]
        self._batch: Batch = self._jobs.submit(scenarios, self._visitor)

    def _ask_online(self, advice: Advice) -> None:
        tasks = [CapacityTask(question) for question in online_questions(advice)]
        self._keys = [task.key for task in tasks]
        self._batch = self._jobs.submit_tasks(tasks, self._visitor)

    def _take_capacities(self, advice: Advice, rows: list[Row]) -> None:
        self.finished = True
        for row in rows:
            if row["status"] != DONE:
                raise ScenarioError(row["error"])
        self.advice = with_capacities(advice, [row["agents_per_s"] for row in rows])
