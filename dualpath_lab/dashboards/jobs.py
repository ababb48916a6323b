"""Runs in processes that all visitors of a server share: by turns, each task once, and what is done is kept."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from math import inf
from time import monotonic

from dualpath_lab.dashboards.job_process import Worker
from dualpath_lab.dashboards.job_tasks import ScenarioTask, Task
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.sweep.rows import DONE, Row, failed

MOST_RUN_S = 600.0
"""Wall time that a run may take, unless asked for other."""
MOST_PROCESSES = 2
"""Unless asked for more; a page has to be served besides."""
MOST_WAITING = 2_000
"""Runs that may wait at a time, of all visitors together; whoever asks for more is told so."""
MOST_WAITING_EACH = 500
"""Runs of one visitor that may wait at a time, more than any page asks for at once."""
KEPT_ROWS = 4096
"""Results that are kept, a few kB each; the ones that were asked for longest ago go first."""


@dataclass(eq=False)
class Visitor:
    """Who asks for runs, and takes turns with the others.

    Attributes
    ----------
    served : int
        How many runs had been begun when one of his last was, or when he came.
    """

    served: int


@dataclass(eq=False)
class _Job:
    task: Task
    batches: list[Batch] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.task.key

    @property
    def visitor(self) -> Visitor | None:
        """Whose turn it takes; None once nobody wants it."""
        return self.batches[0].visitor if self.batches else None


class Batch:
    """What one visitor asked for at once; made by :meth:`Jobs.submit`.

    Attributes
    ----------
    total : int
        Tasks in it.
    visitor : Visitor
    """

    def __init__(self, jobs: Jobs, tasks: dict[str, Task], visitor: Visitor) -> None:
        self.total = len(tasks)
        self.visitor = visitor
        self._jobs = jobs
        self._missing = dict(tasks)
        self._news: dict[str, Row] = {}
        self._spent_s = 0.0
        self._spent_work = 0.0

    @property
    def done(self) -> int:
        """Tasks that need nothing more."""
        return self.total - len(self._missing)

    @property
    def finished(self) -> bool:
        """Whether nothing more is going to come, be it that everything came or that it was cancelled."""
        return not self._missing

    def poll(self) -> dict[str, Row]:
        """Rows that came since it was last asked, by the tasks' keys."""
        with self._jobs.lock:
            news, self._news = self._news, {}
        return news

    def cancel(self) -> None:
        """Ask for nothing more; what no other batch wants is not run, and stopped where it runs."""
        self._jobs.leave(self)

    def ahead(self) -> int:
        """How many runs of others come first; 0 once its own run."""
        return self._jobs.ahead_of(self, self._missing)

    def left_s(self) -> float | None:
        """Wall time until it is done, by what its work has taken so far; None before anything is known."""
        with self._jobs.lock:
            work = sum(task.work for task in self._missing.values())
            return work * self._spent_s / self._spent_work / self._jobs.processes if self._spent_work else None

    def take(self, row: Row, work: float = 0.0) -> None:
        """Take in a row; with ``work`` it was run for this batch."""
        self._news[row["key"]] = row
        del self._missing[row["key"]]
        if work and row["status"] == DONE:
            self._spent_s += row["wall_s"]
            self._spent_work += work

    def give_up(self) -> None:
        """Let go of what is missing."""
        self.total -= len(self._missing)
        self._missing.clear()


class Jobs:
    """A queue of runs, and the processes that work it off; they start when the first run is submitted.

    Every method returns at once and may be called from any thread; results wait until :meth:`Batch.poll` fetches them.

    Visitors take turns: a process that is free takes the first run of the one with the fewest under way, among those of the one who has
    waited for the longest since his last. So nobody waits behind all that somebody else asks for.

    Parameters
    ----------
    processes : int, optional
        As many as there are processors when left out, at most ``MOST_PROCESSES``.
    processes_each : int, optional
        How many of them may work for one visitor at a time; all but one when left out, so that somebody else need not wait.
    kept : int
        Results to keep.
    most_waiting, most_waiting_each : int
        Of all visitors and of one; runs beyond these are not queued: their rows say so.
    most_run_s : float
        Wall time that a run of a visitor's own may take; then it is stopped, and its row says so.

    Attributes
    ----------
    started, failed : int
        Runs that were begun so far, and those of them that came to no result.
    """

    def __init__(
        self,
        processes: int | None = None,
        processes_each: int | None = None,
        kept: int = KEPT_ROWS,
        most_waiting: int = MOST_WAITING,
        most_waiting_each: int = MOST_WAITING_EACH,
        most_run_s: float = MOST_RUN_S,
    ) -> None:
        self.processes = processes or min(os.cpu_count() or 1, MOST_PROCESSES)
        self.processes_each = processes_each
        self.lock = threading.Condition()
        self.started = self.failed = 0
        self.most_run_s = most_run_s
        self._kept_at_most = kept
        self.most_waiting, self._most_waiting_each = most_waiting, most_waiting_each
        self._kept: OrderedDict[str, Row] = OrderedDict()
        self._queue: OrderedDict[str, _Job] = OrderedDict()
        self._running: dict[str, _Job] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False

    def visitor(self) -> Visitor:
        """Somebody new, whose turn comes after those who wait already."""
        return Visitor(self.started - 1)

    def submit(self, scenarios: Iterable[Scenario], visitor: Visitor | None = None) -> Batch:
        """Queue scenarios, in order; equal ones run once, also those of different batches."""
        return self.submit_tasks(map(ScenarioTask, scenarios), visitor)

    def submit_tasks(self, tasks: Iterable[Task], visitor: Visitor | None = None) -> Batch:
        """Queue tasks of any kind, in the same way; without a ``visitor``, those of somebody new."""
        wanted = {task.key: task for task in tasks}
        with self.lock:
            batch = Batch(self, wanted, visitor or self.visitor())
            own = sum(job.visitor is batch.visitor for job in self._queue.values())
            for key, task in wanted.items():
                if key in self._kept:
                    self._kept.move_to_end(key)
                    batch.take(self._kept[key])
                elif job := self._running.get(key) or self._queue.get(key):
                    job.batches.append(batch)
                elif refusal := self._refusal(own):
                    batch.take({"key": key} | failed(refusal))
                else:
                    own += 1
                    self._queue[key] = _Job(task, [batch])
            self._start_threads()
            self.lock.notify_all()
        return batch

    def _refusal(self, own: int) -> str:
        """Why no more can be queued for somebody of whom so many wait; empty where there is room."""
        if len(self._queue) >= self.most_waiting:
            return f"{self.most_waiting:,} runs wait, which is the most: ask again later, or for fewer."
        if own >= self._most_waiting_each:
            return f"{own:,} runs of yours wait, which is the most for one page: ask for fewer."
        return ""

    def leave(self, batch: Batch) -> None:
        """Take a batch out of the queue."""
        with self.lock:
            batch.give_up()
            for job in [*self._queue.values(), *self._running.values()]:
                if batch in job.batches:
                    job.batches.remove(batch)
            for key in [key for key, job in self._queue.items() if not job.batches]:
                del self._queue[key]
            self.lock.notify_all()  # what runs may count as somebody else's now

    def ahead_of(self, batch: Batch, missing: dict[str, Task]) -> int:
        """How many runs of others come before the first of a batch."""
        with self.lock:
            if not missing or any(key in missing for key in self._running):
                return 0
            before: set[int] = set()
            for job in sorted(self._queue.values(), key=self._turn()):
                if job.key in missing:
                    break
                before.add(id(job.visitor))
            return len(self._running) + len(before - {id(batch.visitor)})

    def waiting(self) -> int:
        """Runs that wait for a process."""
        with self.lock:
            return len(self._queue)

    def running(self) -> int:
        """Runs under way."""
        with self.lock:
            return len(self._running)

    def close(self) -> None:
        """Stop every process; what was queued never runs."""
        with self.lock:
            self._closed = True
            self._queue.clear()
            for job in self._running.values():
                job.batches.clear()
            self.lock.notify_all()
        for thread in self._threads:
            thread.join()

    def _start_threads(self) -> None:
        """One for each process, to wait for it."""
        if self._queue and not self._threads:
            self._threads = [threading.Thread(target=self._work_off, daemon=True) for _ in range(self.processes)]
            for thread in self._threads:
                thread.start()

    def _work_off(self) -> None:
        worker: Worker | None = None
        while job := self._next():
            try:
                if worker and not worker.alive:  # it came to its end while it had nothing to do
                    worker.kill()
                    worker = None
                worker = worker or Worker()
                row = self._run(worker, job)
            except (EOFError, OSError):
                if worker:
                    worker.kill()
                    worker = None
                row = {"key": job.key} | failed("The process that ran it came to an end before it did.")
            self._settle(job, row)
        if worker:
            worker.close()

    def _run(self, worker: Worker, job: _Job) -> Row | None:
        """A job's row; None where nobody wants it any more."""
        ends_at = inf if job.task.ours else monotonic() + self.most_run_s
        row = worker.run(job.task, lambda: bool(job.batches) and monotonic() < ends_at)
        if row is None and job.batches and monotonic() >= ends_at:
            return {"key": job.key} | failed(
                f"The run was stopped after {self.most_run_s:g} s, the most that this server gives one: ask for fewer agents or shorter "
                "turns; the command line takes as long as it takes."
            )
        return row

    def _next(self) -> _Job | None:
        with self.lock:
            self.lock.wait_for(lambda: self._closed or self._ready())
            if self._closed:
                return None
            job = min(self._ready(), key=self._turn())
            self._running[job.key] = self._queue.pop(job.key)
            self.started += 1
            if job.visitor:
                job.visitor.served = self.started
            return job

    def _ready(self) -> list[_Job]:
        """Runs that wait for nothing but a process: of visitors for whom not too many are under way."""
        running = Counter(job.visitor for job in self._running.values())
        most = self.processes_each or max(self.processes - 1, 1)
        return [job for job in self._queue.values() if running[job.visitor] < most]

    def _turn(self) -> Callable[[_Job], tuple[int, int]]:
        """What decides which of the waiting runs comes first; where it is the same, who asked first."""
        running = Counter(job.visitor for job in self._running.values())
        return lambda job: (running[job.visitor], job.visitor.served if job.visitor else 0)

    def _settle(self, job: _Job, row: Row | None) -> None:
        """Hand a row out, and keep it if it is one of a finished run; without one the job was stopped."""
        with self.lock:
            del self._running[job.key]
            if row is None:
                if job.batches:  # somebody has asked for it since
                    self._queue[job.key] = job
                    self._queue.move_to_end(job.key, last=False)
                    self.lock.notify_all()
                return
            for batch in job.batches:
                batch.take(row, job.task.work)
            self.failed += row["status"] != DONE
            if row["status"] == DONE:
                self._kept[job.key] = row
                if len(self._kept) > self._kept_at_most:
                    self._kept.popitem(last=False)


@cache
def shared() -> Jobs:
    """The jobs of this server, one for all its visitors."""
    return Jobs()
