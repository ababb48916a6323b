"""The published results side by side with ours (reference section 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import dualpath_lab
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.reproduce.cache import JobCache
from dualpath_lab.studies.reproduce.jobs import BUDGETS, FORWARD_TOKENS, Job, Outcome, has_budget, read_settings
from dualpath_lab.studies.reproduce.pool import Task, run_all
from dualpath_lab.studies.reproduce.report import RowResult, as_markdown, compared, in_words
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
from dualpath_lab.studies.reproduce.row import Row
from dualpath_lab.studies.reproduce.rows import SLOW, choose

__all__ = [
    "Job",
    "JobCache",
    "Picture",
    "Progress",
    "Results",
    "Row",
    "RowResult",
    "as_markdown",
    "in_words",
    "read_results",
    "read_settings",
    "reproduce",
    "reproduction",
    "stored_results",
    "write_document",
    "write_results",
    "write_whole",
]

Progress = Callable[[int, int, float | None], None]
"""Told of jobs done, jobs in all, and s left; None before anything is known."""


def reproduce(rows: Sequence[str] = (), seeds: Sequence[int] = (0,), processes: int | None = None) -> list[RowResult]:
    """Run what the rows need and set ours beside the published.

    Parameters
    ----------
    rows : sequence of str, optional
        Names such as ``"B2"``, for all of its parts, or ``"B2.basic"``; all but the slow C2 and C3 when left out.
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
    slow: bool = False,
    settings: Mapping[str, Any] | None = None,
    sensitivity: bool = False,
    cache: JobCache | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Results:
    """As :func:`reproduce`, with every run's key figures.

    Parameters
    ----------
    slow : bool, optional
        Whether the slow rows are among all, where none is named. They are run with the first seed only.
    settings : mapping, optional
        Scenario keys and values that every run has on top of its own.
    sensitivity : bool, optional
        Rows with runs without compute quota are made once more, with the first seed, with half and with twice the tokens in a forward.
    cache : JobCache, optional
        What it holds is not run again; what is run goes into it at once.
    progress : callable, optional
        Called when the runs begin and after each.
    command : str, optional
        That makes the same again.

    Raises
    ------
    ScenarioError
        If a row is unknown, or the tokens in a forward are among both the settings and what is varied.
    """
    chosen = choose(rows, slow)
    on_top = dict(settings or {})
    if sensitivity and FORWARD_TOKENS in on_top:
        raise ScenarioError(f"--sensitivity is not allowed with {FORWARD_TOKENS} set: it is what it varies.")
    jobs = list(dict.fromkeys(job for row in chosen for job in row.needs))
    behind_rows = {job for row in chosen for job in row.jobs} if sensitivity else set()
    without_quota = {job for job in jobs if job in behind_rows and has_budget(job.with_values(on_top))}
    varied = [(_with_budget(job, tokens), seeds[0]) for tokens in BUDGETS for job in jobs if job in without_quota]
    once = set(jobs).difference(*(row.needs for row in chosen if row.number not in SLOW))
    tasks = [*((job, seed) for seed in seeds for job in jobs if seed == seeds[0] or job not in once), *varied]
    outcomes = _run({(job, seed): (job.with_values(on_top), seed) for job, seed in tasks}, processes, cache, progress)
    results = Results(
        version=dualpath_lab.__version__,
        command=command,
        seeds=list(seeds),
        settings=on_top,
        rows=[],
        jobs=[JobResult(kind=job.kind, changes=dict(job.changes), seed=seed, outcome=outcomes[job, seed]) for job, seed in tasks],
    )
    by_seed = results.outcomes
    by_budget = {
        tokens: {job: by_seed[seeds[0]][_with_budget(job, tokens) if job in without_quota else job] for job in jobs} for tokens in BUDGETS
    }
    made = [compared(row, by_seed, by_budget if without_quota.intersection(row.jobs) else None) for row in chosen]
    return results.model_copy(update={"rows": made})


def _with_budget(job: Job, tokens: int) -> Job:
    return job.with_values({FORWARD_TOKENS: tokens})


def _run(tasks: Mapping[Task, Task], processes: int | None, cache: JobCache | None, progress: Progress | None) -> dict[Task, Outcome]:
    """The outcomes of tasks that are run as others, equal ones once."""
    all_tasks = list(dict.fromkeys(tasks.values()))
    outcomes: dict[Task, Outcome] = {task: stored for task in all_tasks if cache and (stored := cache.get(task)) is not None}
    missing = [task for task in all_tasks if task not in outcomes]
    began, work_done, work = monotonic(), 0.0, sum(job.work for job, _ in missing)

    def finished(task: Task, outcome: Outcome) -> None:
        nonlocal work_done
        outcomes[task] = outcome
        if cache:
            cache.add(task, outcome)
        work_done += task[0].work
        if progress:
            progress(len(outcomes), len(all_tasks), (monotonic() - began) * (work / work_done - 1))

    if progress:
        progress(len(outcomes), len(all_tasks), None)
    run_all(missing, processes, finished)
    return {task: outcomes[run_as] for task, run_as in tasks.items()}
