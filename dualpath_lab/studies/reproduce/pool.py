"""Runs jobs, several at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.context import BaseContext

from dualpath_lab.studies.reproduce.jobs import Job, Outcome, run_job

Task = tuple[Job, int]
"""A job and the seed to run it with."""


def run_all(tasks: Iterable[Task], processes: int | None, finished: Callable[[Task, Outcome], None]) -> None:
    """Run the tasks, the long ones first.

    Parameters
    ----------
    tasks : iterable of (Job, int)
    processes : int or None
        As many as there are processors for None.
    finished : callable
        Told of each task and its outcome as soon as it is there. Whatever it raises ends all runs, and so does an interrupt.
    """
    with processes_that_end(processes or os.cpu_count() or 1) as pool:
        futures = {pool.submit(run_job, *task): task for task in sorted(tasks, key=_work, reverse=True)}
        for future in as_completed(futures):
            finished(futures[future], future.result())


@contextmanager
def processes_that_end(number: int, context: BaseContext | None = None) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end at once if the block is left by an error or an interrupt, which they leave to this process.

    Parameters
    ----------
    number : int
        Of processes.
    context : BaseContext, optional
        How they are started; as the platform does when left out.
    """
    others = set(active_children())
    with ProcessPoolExecutor(number, context, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:
                child.terminate()
            raise


def _work(task: Task) -> float:
    return task[0].work


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
