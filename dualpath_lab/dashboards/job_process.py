"""A process beside the server that runs one task after the other, and can be told to stop in the middle of one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from math import inf
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.job_tasks import Task
from dualpath_lab.studies.sweep.rows import Row

_LOOK_S = 0.05
"""How often it is looked whether a run is still wanted."""
_GRACE_S = 10.0
"""A process that has not stopped so long after it was told to is ended."""
_NICENESS = 5
"""Of the processes, so that pages, and a browser on the same machine, come first."""


class Worker:
    """A process that runs one task at a time, seen from the server."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it can run anything."""
        return self._process.is_alive()

    def run(self, task: Task, wanted: Callable[[], bool]) -> Row | None:
        """Wait for a task's row; None if it is not ``wanted`` any more, after which the process may be dead."""
        self._connection.send(task)
        told_at = inf
        while not self._connection.poll(_LOOK_S):
            if told_at == inf and not wanted():
                told_at = monotonic()
                self._connection.send(None)
            elif monotonic() - told_at > _GRACE_S:
                self._process.kill()
                self._process.join()
                return None
        row: Row | None = self._connection.recv()
        return row

    def close(self) -> None:
        """Have the process end once it is idle."""
        self._connection.close()
        self._process.join()
        self._process.close()

    def kill(self) -> None:
        """Clear away a process that does not answer any more."""
        self._process.kill()
        self.close()


class _Stopped(BaseException):
    """Nobody wants the run any more; no error, so that nothing takes it for one."""


def _serve(connection: Connection[Any, Any]) -> None:
    """What a process does until the server's end of the connection is closed: it answers a task with a row, and None by stopping."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    gc.disable()  # a run leaves no reference cycles, and looking for them takes time

    def look(_: Simulation) -> None:
        if connection.poll():
            connection.recv()
            raise _Stopped

    with suppress(EOFError, OSError):
        while True:
            task: Task | None = connection.recv()
            if task is None:  # came too late to stop anything
                continue
            row: Row | None
            try:
                row = task.run(look)
            except _Stopped:
                row = None
            connection.send(row)
            gc.collect()
