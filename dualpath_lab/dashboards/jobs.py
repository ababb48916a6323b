"""Runs in processes that all visitors of a server share: by turns, each task once, and what is done is kept."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile

from dualpath_lab.dashboards.job_process import Worker
from dualpath_lab.dashboards.job_tasks import ScenarioTask, Task
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.sweep.rows import DONE, Row, failed

MOST_PROCESSES = 2
"""Unless asked for more; a page has to be served besides."""
MOST_WAITING = 2_000
"""Runs that may wait at a time, of all visitors together; whoever asks for more is told so."""
KEPT_ROWS = 4096
"""Results that are kept, a few kB each; the ones that were asked for longest ago go first."""


@dataclass(eq=False)
class _Job:
    task: Task
    batches: list[Batch] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.task.key

    @property
    def owner(self) -> Batch | None:
        """Whose turn it takes; None once nobody wants it."""
        return self.batches[0] if self.batches else None


class Batch:
    """What one visitor asked for at once; made by :meth:`Jobs.submit`.

    Attributes
    ----------
    total : int
        Tasks in it.
    """

    def __init__(self, jobs: Jobs, tasks: dict[str, Task]) -> None:
        self.total = len(tasks)
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

    A process that is free takes the first run of the visitor of whom the fewest are running, so that nobody waits behind all that
    somebody else asks for.

    Parameters
    ----------
    processes : int, optional
        As many as there are processors when left out, at most ``MOST_PROCESSES``.
    kept : int
        Results to keep.
    most_waiting : int
        Runs beyond these are not queued: their rows say that the queue is full.

    Attributes
    ----------
    started, failed : int
        Runs that were begun so far, and those of them that came to no result.
    """

    def __init__(self, processes: int | None = None, kept: int = KEPT_ROWS, most_waiting: int = MOST_WAITING) -> None:
        self.processes = processes or min(os.cpu_count() or 1, MOST_PROCESSES)
        self.lock = threading.Condition()
        self.started = self.failed = 0
        self._kept_at_most = kept
        self._most_waiting = most_waiting
        self._kept: OrderedDict[str, Row] = OrderedDict()
        self._queue: OrderedDict[str, _Job] = OrderedDict()
        self._running: dict[str, _Job] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, scenarios: Iterable[Scenario]) -> Batch:
        """Queue scenarios, in order; equal ones run once, also those of different batches."""
        return self.submit_tasks(map(ScenarioTask, scenarios))

    def submit_tasks(self, tasks: Iterable[Task]) -> Batch:
        """Queue tasks of any kind, in the same way."""
        wanted = {task.key: task for task in tasks}
        batch = Batch(self, wanted)
        with self.lock:
            for key, task in wanted.items():
                if key in self._kept:
                    self._kept.move_to_end(key)
                    batch.take(self._kept[key])
                    continue
                job = self._running.get(key) or self._queue.get(key)
                if job is None and len(self._queue) >= self._most_waiting:
                    batch.take(
                        {"key": key} | failed(f"{self._most_waiting:,} runs wait, which is the most: ask again later, or for fewer.")
                    )
                    continue
                job = job or self._queue.setdefault(key, _Job(task))
                job.batches.append(batch)
            self._start_threads()
            self.lock.notify_all()
        return batch

    def leave(self, batch: Batch) -> None:
        """Take a batch out of the queue."""
        with self.lock:
            batch.give_up()
            for job in [*self._queue.values(), *self._running.values()]:
                if batch in job.batches:
                    job.batches.remove(batch)
            for key in [key for key, job in self._queue.items() if not job.batches]:
                del self._queue[key]

    def ahead_of(self, batch: Batch, missing: dict[str, Task]) -> int:
        """How many runs of others come before the first of a batch."""
        with self.lock:
            if not missing or any(key in missing for key in self._running):
                return 0
            have_one = self._running_batches()
            before = takewhile(lambda key: key not in missing, self._queue)
            return len(self._running) + len({id(self._queue[key].owner) for key in before} - {id(batch) for batch in have_one})

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
                worker = worker or Worker()
                row = worker.run(job.task, lambda: bool(job.batches))
            except (EOFError, OSError):
                worker = None
                row = {"key": job.key} | failed("The process that ran it came to an end before it did.")
            self._settle(job, row)
        if worker:
            worker.close()

    def _next(self) -> _Job | None:
        with self.lock:
            self.lock.wait_for(lambda: self._queue or self._closed)
            if self._closed:
                return None
            running = self._running_batches()
            key = min(self._queue, key=lambda key: running[self._queue[key].owner])
            job = self._running[key] = self._queue.pop(key)
            self.started += 1
            return job

    def _running_batches(self) -> Counter[Batch | None]:
        """How many runs each has under way."""
        return Counter(job.owner for job in self._running.values())

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
