"""Where scenarios run: here one after the other, or on the processes of a Dask cluster, of this machine or of several."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.sweep.plan import as_json
from dualpath_lab.studies.sweep.rows import Row, failed, run_row

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 5.0
"""A scheduler that has not answered by then counts as dead."""

_LEAVE_INTERRUPTS_TO_THE_PARENT = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What a worker process runs first, as Dask takes it."""

_SELDOM = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
}
"""How often Dask looks at itself. By default it does so over a hundred times a second, which takes 2 to 17 % of a simulation's time
(16 scenarios of ``benchmarks/sweep.py``, four pairs of runs in turns), and shows it on a dashboard that nobody sees here."""

_BATCH = 1_000
"""Scenarios that go to the scheduler in one message."""


def run_here(scenarios: Mapping[str, Scenario]) -> Generator[Row]:
    """Run scenarios in this process, in order."""
    for key, scenario in scenarios.items():
        yield run_row(scenario, key)


def run_on_processes(scenarios: Mapping[str, Scenario], processes: int) -> Generator[Row]:
    """Run scenarios on so many processes of this machine; nothing listens beyond the loopback address."""
    import dask
    from distributed import Client, LocalCluster

    try:
        with dask.config.set(_SELDOM):
            cluster = LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                preload=_LEAVE_INTERRUPTS_TO_THE_PARENT,
                silence_logs=logging.CRITICAL,
            )
    except RuntimeError:
        raise ScenarioError(
            f"The {processes} processes of the sweep did not start: a script calls it below if __name__ == '__main__', or with processes=1."
        ) from None
    with cluster, Client(cluster, set_as_default=False) as client:
        yield from _run(client, scenarios)


def run_on_cluster(scenarios: Mapping[str, Scenario], scheduler: str) -> Generator[Row]:
    """Run scenarios on an existing cluster.

    Parameters
    ----------
    scenarios : mapping of str to Scenario
    scheduler : str
        Such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ScenarioError
        If this is no address, or no scheduler answers there.
    ConnectionError
        If the scheduler goes away.
    """
    if not re.fullmatch(r"\w+://[^/\s]+:\d{1,5}", scheduler):
        raise ScenarioError(f"scheduler = {scheduler!r} is not allowed: it should be the address of a Dask cluster, tcp://HOST:PORT.")
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
        try:
            client = stack.enter_context(Client(scheduler, timeout=CONNECT_S, set_as_default=False))
        except (OSError, ValueError) as error:
            raise ScenarioError(f"No Dask scheduler answers at {scheduler}: {' '.join(str(error).split()).rstrip('.')}.") from None
        yield from _run(client, scenarios)


def _run(client: Client, scenarios: Mapping[str, Scenario]) -> Generator[Row]:
    """Rows as they finish. A lost worker's scenarios run again on others; one that keeps losing workers fails."""
    from distributed import as_completed

    keys = {f"sweep-{key}": key for key in scenarios}
    futures = client.map(run_row, list(scenarios.values()), list(scenarios), key=list(keys), batch_size=_BATCH, pure=False)
    finished = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    del futures
    for future, result in finished:
        if future.cancelled():
            raise ConnectionError("The scheduler went away.")
        key = keys[future.key]
        if future.status == "finished":
            yield result
        else:
            yield {"key": key, "scenario": as_json(scenarios[key])} | failed(_cause(future.exception()))


def _cause(error: BaseException | None) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"KilledWorker: {error.allowed_failures + 1} workers died while they ran it"
    return f"{type(error).__name__}: {error}"
