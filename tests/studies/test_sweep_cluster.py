"""A sweep on a Dask cluster of real processes, one of which dies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import Client

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.sweep import sweep

ROOT = Path(__file__).parents[2]
PLAN: dict[str, Any] = {
    "base": {
        "model": "qwen-32b",
        "cluster": {"prefill_nodes": 1, "decode_nodes": 1},
        "workload": {"source": "paper-32k", "agents": 12},
    },
    "grid": {"system": ["basic", "dualpath"], "seed": [0, 1, 2, 3, 4, 5]},
}


class Cluster:
    """A scheduler and two workers, each a process of its own, on the loopback address."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._stack = stack
        here = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        self.scheduler = self._start("dask_scheduler", "--port", str(port), *here)
        self.workers = [self._start("dask_worker", self.address, "--nthreads", "1", "--no-nanny", *here) for _ in range(2)]
        with Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=30)

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


@pytest.fixture(name="cluster")
def _cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack)


def test_a_lost_worker_loses_nothing_and_a_lost_scheduler_keeps_what_is_done(cluster: Cluster, tmp_path: Path) -> None:
    """Every result once, with the bits of a serial run; then without a scheduler, a sentence and what had finished.

    Mutant: rows of the lost worker are missing or there twice; its half-done work shows; the sweep hangs without its scheduler.
    """
    out, told = tmp_path / "r.parquet", []

    def lose_a_worker(done: int, *_: int) -> None:
        told.append(done)
        if done == 3:
            cluster.workers[0].kill()

    swept = sweep(PLAN, scheduler=cluster.address, out=out, progress=lose_a_worker)
    assert cluster.workers[0].wait(60) != 0
    assert told == list(range(13))
    serial = sweep(PLAN, processes=1).table()
    for table in (swept.table(), pd.read_parquet(out)):
        assert table["key"].is_unique
        pd.testing.assert_frame_equal(table.drop(columns="wall_s"), serial.drop(columns="wall_s"), check_exact=True)

    def lose_the_scheduler(done: int, *_: int) -> None:
        if done == 2:
            cluster.scheduler.kill()

    more, kept = {**PLAN, "grid": {"seed": list(range(10, 22))}}, tmp_path / "kept.parquet"
    with pytest.raises(ScenarioError, match=r"scheduler went away.*--resume"):
        sweep(more, scheduler=cluster.address, out=kept, progress=lose_the_scheduler)
    assert 2 <= len(pd.read_parquet(kept)) < 12
