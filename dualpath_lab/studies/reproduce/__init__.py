"""The published results side by side with ours (reference section 11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import dualpath_lab
from dualpath_lab.studies.reproduce.cache import JobCache
from dualpath_lab.studies.reproduce.jobs import Job, Outcome
from dualpath_lab.studies.reproduce.pool import Task, run_all
from dualpath_lab.studies.reproduce.report import as_markdown, compared
from dualpath_lab.studies.reproduce.results import (
    JobResult,
    Picture,
    Results,
    read_results,
    stored_results,
    write_document,
    write_results,
    write_whole,
)
from dualpath_lab.studies.reproduce.rows import Row, choose

__all__ = [
    "Job",
    "JobCache",
    "Picture",
    "Progress",
    "Results",
    "Row",
    "as_markdown",
    "read_results",
    "reproduce",
    "reproduction",
    "stored_results",
    "write_document",
    "write_results",
    "write_whole",
]

Progress = Callable[[int, int, float | None], None]
"""Told of jobs done, jobs in all, and s left; None before anything is known."""


def reproduce(rows: Sequence[str] = (), seeds: Sequence[int] = (0,), processes: int | None = None) -> list[dict[str, Any]]:
    """Run what the rows need and set ours beside the published.

    Parameters
    ----------
    rows : sequence of str, optional
        Numbers such as ``"R3"``; all but the slow R2 when left out.
    seeds : sequence of int, optional
        Every run is made once with each.
    processes : int, optional
        As many as there are processors when left out.

    Returns
    -------
    list of dict
        As :func:`dualpath_lab.studies.reproduce.report.compared` makes them.

    Raises
    ------
    ScenarioError
        If a row is unknown.
    """
    return reproduction(rows, seeds, processes).rows


def reproduction(
    rows: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    processes: int | None = None,
    cache: JobCache | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Results:
    """As :func:`reproduce`, with every run's key figures.

    Parameters
    ----------
    cache : JobCache, optional
        What it holds is not run again; what is run goes into it at once.
    progress : callable, optional
        Called when the runs begin and after each.
    command : str, optional
        That makes the same again.
    """
    chosen = choose(rows)
    tasks = [(job, seed) for seed in seeds for job in dict.fromkeys(job for row in chosen for job in row.jobs)]
    outcomes: dict[Task, Outcome] = {task: stored for task in tasks if cache and (stored := cache.get(task)) is not None}
    missing = [task for task in tasks if task not in outcomes]
    began, work_done, work = monotonic(), 0.0, sum(job.work for job, _ in missing)

    def finished(task: Task, outcome: Outcome) -> None:
        nonlocal work_done
        outcomes[task] = outcome
        if cache:
            cache.add(task, outcome)
        work_done += task[0].work
        if progress:
            progress(len(outcomes), len(tasks), (monotonic() - began) * (work / work_done - 1))

    if progress:
        progress(len(outcomes), len(tasks), None)
    run_all(missing, processes, finished)
    jobs = [JobResult(kind=job.kind, changes=dict(job.changes), seed=seed, outcome=outcomes[job, seed]) for job, seed in tasks]
    results = Results(version=dualpath_lab.__version__, command=command, seeds=list(seeds), rows=[], jobs=jobs)
    by_seed = results.outcomes
    return results.model_copy(update={"rows": [compared(row, by_seed) for row in chosen]})
