"""E5: a clock on the scheduler alone."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies import scheduler_speed as module
from dualpath_lab.studies.reproduce.jobs import run_job
from dualpath_lab.studies.reproduce.runs import SCHEDULER
from dualpath_lab.studies.scheduler_speed import SchedulerSpeed, scheduler_speed


def scenario(**changes: Any) -> Scenario:
    small = {"model": "ds-27b", "cluster.prefill_nodes": 1, "cluster.decode_nodes": 2, "workload.source": "paper-32k", "workload.agents": 8}
    return Scenario().with_values(small | changes)


@pytest.mark.parametrize("system", ["dualpath", "basic"])
def test_every_turn_that_is_placed_counts_once(system: str) -> None:
    """A run to its end places all its turns. Mutant: submissions count, or calls."""
    speed = scheduler_speed(scenario(system=system))
    assert speed.decisions == Simulation(scenario()).workload.turns
    assert 0 < speed.needed_per_s * module.WINDOW_S <= speed.decisions
    assert 0 < speed.cores < 10


def test_the_clock_changes_nothing() -> None:
    """Law 8. Mutant: the scheduler that is timed decides otherwise."""
    plain, timed = Simulation(scenario()), module._Timed(scenario())
    plain.run()
    timed.run()
    assert {name: list(column) for name, column in plain.log.times.items()} == {
        name: list(column) for name, column in timed.log.times.items()
    }
    assert sorted(timed.placed_s) == sorted(plain.log.times["placed"])


def test_time_outside_the_scheduler_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second at each look: on, off for ``place``, on, off. Mutant: the callback's own time counts."""
    now = iter(range(10**9))
    monkeypatch.setattr(module, "perf_counter", lambda: float(next(now)))
    stopwatch = module._Stopwatch()
    assert stopwatch.switch(True) is False
    assert stopwatch.switch(False) is True
    stopwatch.switch(True)
    stopwatch.switch(True)
    stopwatch.switch(False)
    stopwatch.switch(False)
    assert stopwatch.total_s == 3


@given(
    times=st.lists(st.floats(0, 1000, allow_subnormal=False), max_size=40).map(sorted),
    starts=st.lists(st.floats(0, 1000), min_size=1, max_size=20),
)
def test_no_window_holds_more_than_the_busiest(times: list[float], starts: list[float]) -> None:
    """Its definition. Mutant: only windows that begin at whole minutes, or the mean."""
    busiest = module._busiest_per_s(array("d", times)) * module.WINDOW_S
    counts = [sum(start <= time < start + module.WINDOW_S for time in times) for start in [*starts, *times]]
    assert busiest == pytest.approx(max(counts))


def test_cores_are_what_is_needed_over_what_one_does() -> None:
    """Closed form. Mutant: upside down."""
    speed = SchedulerSpeed(decisions=1000, cpu_s=0.5, needed_per_s=500.0)
    assert speed.possible_per_s == 2000
    assert speed.cores == 0.25
    assert SchedulerSpeed(0, 0.0, 0.0).cores == 0


def test_the_job_is_the_published_cluster_and_keeps_what_it_measured() -> None:
    """E5: 1,152 GPUs. Mutant: 2P4D; the numbers behind the cores get lost."""
    cluster = SCHEDULER.scenario(0).cluster
    assert (cluster.prefill_nodes + cluster.decode_nodes) * cluster.gpus_per_node == 1152
    small = {"workload.agents": 4, "horizon_s": 10.0}
    outcome = run_job(type(SCHEDULER)("scheduler", tuple((dict(SCHEDULER.changes) | small).items())), 0)
    assert outcome["cores"] == pytest.approx(outcome["needed_per_s"] / outcome["possible_per_s"])
    assert outcome["turns"] == outcome["decisions"] > 0
