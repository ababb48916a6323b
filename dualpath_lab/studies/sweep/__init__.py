"""Many scenarios in parallel, from a grid or a list; what is done is kept and is not run again."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dualpath_lab.core.compiled import announce
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.figures import FIGURES
from dualpath_lab.studies.sweep.engines import run_here, run_on_cluster, run_on_processes
from dualpath_lab.studies.sweep.plan import Plan, key_of, make_plan
from dualpath_lab.studies.sweep.rows import DONE, Row
from dualpath_lab.studies.sweep.store import Results, StoredResults
from dualpath_lab.studies.sweep.swept import Sweep

__all__ = ["FIGURES", "Plan", "Progress", "Sweep", "SweepInterrupted", "key_of", "make_plan", "sweep"]

Progress = Callable[[int, int, int], None]
"""Told of scenarios done, failed, and in all."""


class SweepInterrupted(KeyboardInterrupt):
    """Somebody stopped a sweep.

    Attributes
    ----------
    sweep : Sweep
        What had finished; after a notebook's cell was stopped, ``sys.last_value.sweep`` is it.
    """

    def __init__(self, message: str, sweep: Sweep) -> None:
        super().__init__(message)
        self.sweep = sweep


def sweep(
    source: Plan | str | Path | Mapping[str, Any],
    processes: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Run every scenario of a sweep; the results are the same to the last bit wherever and in whatever order they run.

    Parameters
    ----------
    source : Plan, path or mapping
        As :func:`make_plan` takes it.
    processes : int, optional
        Of this machine; as many as there are processors when left out. With 1 everything runs in this process.
    scheduler : str, optional
        Address of an existing Dask cluster to run on instead, such as ``tcp://10.0.0.1:8786``.
    out : path, optional
        Parquet file into which results go as they finish, a row a scenario.
    resume : bool
        Run only what ``out`` lacks, and what failed there.
    progress : callable, optional
        Called when the runs begin and after each.

    Returns
    -------
    Sweep
        Failed scenarios included.

    Raises
    ------
    ScenarioError
        Before anything runs if a scenario or an argument is not allowed, ``out`` is there already or no scheduler answers;
        later if the scheduler goes away, or ``out`` can't be written any more.
    SweepInterrupted
        By Ctrl-C or a notebook's stop button; it carries what had finished, and ``out`` holds it.
    """
    if processes is not None and (scheduler is not None or processes < 1):
        raise ScenarioError(f"processes = {processes} is not allowed: it should be at least 1, and left out where scheduler is given.")
    if resume and out is None:
        raise ScenarioError("resume = True is not allowed without out: only a file can hold earlier results.")
    if out is not None and Path(out).is_dir():
        raise ScenarioError(f"out = {str(out)!r} is not allowed: it should be a file, and it is a folder.")
    plan = source if isinstance(source, Plan) else make_plan(source)
    with StoredResults(plan, Path(out), resume) if out is not None else Results(plan) as results:
        missing = {key: plan.scenarios[key] for key in results.missing()}
        before = len(plan.scenarios) - len(missing)
        done, bad = before, 0
        if progress:
            progress(done, bad, len(plan.scenarios))
        announce()
        try:
            with closing(_rows(missing, processes, scheduler)) as rows:
                for row in rows:
                    results.add(row)
                    done, bad = (done + 1, bad) if row["status"] == DONE else (done, bad + 1)
                    if progress:
                        progress(done, bad, len(plan.scenarios))
        except KeyboardInterrupt:
            raise SweepInterrupted(
                f"Interrupted: {_kept(done, plan, out)}", Sweep(plan, results.table(), ran=done + bad - before)
            ) from None
        except ConnectionError as error:
            raise ScenarioError(f"{error} {_kept(done, plan, out)}") from None
        except OSError as error:
            raise ScenarioError(f"{out} can't be written: {error.strerror}. {_kept(done, plan, out)}") from None
        return Sweep(plan, results.table(), ran=len(missing))


def _rows(scenarios: dict[str, Scenario], processes: int | None, scheduler: str | None) -> Generator[Row]:
    if scheduler is not None and scenarios:
        return run_on_cluster(scenarios, scheduler)
    processes = min(processes or os.cpu_count() or 1, len(scenarios))
    return run_on_processes(scenarios, processes) if processes > 1 else run_here(scenarios)


def _kept(done: int, plan: Plan, out: str | Path | None) -> str:
    count = f"{done} of {len(plan.scenarios)} scenarios are done"
    return f"{count}." if out is None or not done else f"{count} and kept in {out}; --resume runs the others."
