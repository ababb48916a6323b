"""The processes that visitors share: what comes back is what a run gives, each scenario once, and what nobody wants is stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dualpath_lab.dashboards import job_process
from dualpath_lab.dashboards.job_tasks import CapacityTask
from dualpath_lab.dashboards.jobs import Batch, Jobs
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise.online import OnlineQuestion
from dualpath_lab.studies.figures import at
from dualpath_lab.studies.run import Progress, simulate
from dualpath_lab.studies.sweep import FIGURES, key_of
from dualpath_lab.studies.sweep.rows import DONE, FAILED, Row

PATIENCE_S = 120.0


def scenario(agents: int = 2, **cluster: int) -> Scenario:
    return Scenario(model="qwen-32b", cluster=cluster, workload={"agents": agents, "source": "paper-32k"})


ENDLESS = scenario(20_000, prefill_nodes=1, decode_nodes=1)
"""Takes much longer than a test."""
REFUSED = scenario(2).with_values({"cluster.hbm_gbytes": 1})


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    """One process, so that what waits, waits."""
    jobs = Jobs(processes=1)
    yield jobs
    jobs.close()


def until(said: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def collected(batch: Batch) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    until(lambda: batch.finished)
    rows |= batch.poll()
    return rows


def started(jobs: Jobs) -> int:
    """An endless run is under way; what has been started by then."""
    before = jobs.started
    until(lambda: jobs.started > before)
    return jobs.started


def test_a_row_is_what_the_studies_give_for_the_scenario_and_seed(jobs: Jobs) -> None:
    """Mutant: the seed does not reach the process."""
    wanted = [scenario(3), scenario(3).with_values({"seed": 7, "system": "basic"})]
    rows = collected(jobs.submit(wanted))
    for each in wanted:
        row, values = rows[key_of(each)], simulate(each).to_dict()
        assert row["status"] == DONE
        assert {name: row[name] for name in FIGURES} == {name: at(values, name) for name in FIGURES}
    assert len({row["jct_s"] for row in rows.values()}) == 2


def test_what_is_known_is_not_run_again(jobs: Jobs) -> None:
    first = collected(jobs.submit([scenario(4)]))
    before = jobs.started
    again = jobs.submit([scenario(4), scenario(4)])
    assert again.finished
    assert again.poll() == first
    assert jobs.started == before


def test_two_visitors_share_a_run(jobs: Jobs) -> None:
    before = jobs.started
    one, other = jobs.submit([scenario(5)]), jobs.submit([scenario(5)])
    assert collected(one) == collected(other)
    assert jobs.started == before + 1


def test_only_so_many_results_are_kept_and_the_oldest_goes_first() -> None:
    few = Jobs(processes=1, kept=2)
    try:
        for agents in (1, 2, 1, 3):
            collected(few.submit([scenario(agents)]))
        assert few.started == 3
        collected(few.submit([scenario(1)]))
        assert few.started == 3
        collected(few.submit([scenario(2)]))
        assert few.started == 4
    finally:
        few.close()


def test_a_run_that_fails_says_why_and_the_others_stand(jobs: Jobs) -> None:
    rows = collected(jobs.submit([REFUSED, scenario(2)]))
    assert rows[key_of(REFUSED)]["status"] == FAILED
    assert "is not allowed with cluster.hbm_gbytes = 1: its weights take" in rows[key_of(REFUSED)]["error"]
    assert rows[key_of(scenario(2))]["status"] == DONE


def test_cancelling_stops_what_runs_and_what_waits(jobs: Jobs) -> None:
    """Mutants: only the queue is emptied; only the process is stopped."""
    batch = jobs.submit([ENDLESS, scenario(6)])
    before = started(jobs)
    batch.cancel()
    assert batch.finished
    rows = collected(jobs.submit([scenario(7)]))
    assert rows[key_of(scenario(7))]["status"] == DONE, "the process is free again"
    assert jobs.started == before + 1, "what waited has not been run"
    assert batch.poll() == {}


def test_what_another_visitor_wants_too_goes_on(jobs: Jobs) -> None:
    wanted = scenario(40)
    leaving = jobs.submit([wanted])
    staying = jobs.submit([wanted])
    started(jobs) if not jobs._running else None
    leaving.cancel()
    assert collected(staying)[key_of(wanted)]["status"] == DONE


def test_what_is_asked_for_again_while_it_is_being_stopped_is_run(jobs: Jobs) -> None:
    wanted = scenario(41)
    leaving = jobs.submit([wanted])
    until(lambda: bool(jobs._running))
    leaving.cancel()
    assert collected(jobs.submit([wanted]))[key_of(wanted)]["status"] == DONE


def test_a_visitor_is_told_how_many_runs_come_first(jobs: Jobs) -> None:
    first = jobs.submit([ENDLESS, scenario(8)])
    until(lambda: bool(jobs._running))
    second = jobs.submit([scenario(9), scenario(10)])
    assert (first.ahead(), second.ahead()) == (0, 1)
    third = jobs.submit([scenario(13)])
    assert third.ahead() == 2
    third.cancel()
    first.cancel()
    until(lambda: second.ahead() == 0)
    assert len(collected(second)) == 2


def test_nobody_waits_behind_all_that_another_asks_for(jobs: Jobs) -> None:
    """Mutant: first come first served, run by run."""
    many = jobs.submit([scenario(agents) for agents in range(20, 32)])
    until(lambda: bool(jobs._running))
    one = jobs.submit([scenario(40)])
    assert len(collected(one)) == 1
    assert many.done <= 3
    many.cancel()


def test_visitors_take_turns(jobs: Jobs) -> None:
    """Mutants: who asked first goes on until he is done; a newcomer always goes first; each ask of one visitor has a turn of its own."""
    blocking = jobs.submit([ENDLESS])
    until(lambda: bool(jobs._running))
    order: list[str] = []
    one, other = jobs.visitor(), jobs.visitor()
    asked = {
        "one": jobs.submit([scenario(50), scenario(51)], one),
        "more of one": jobs.submit([scenario(52)], one),
        "other": jobs.submit([scenario(53), scenario(54)], other),
    }
    done = dict.fromkeys(asked, 0)
    blocking.cancel()

    def seen() -> bool:
        for name, batch in asked.items():
            order.extend([name] * (batch.done - done[name]))
            done[name] = batch.done
        return len(order) == 5

    until(seen)
    assert order == ["one", "other", "one", "other", "more of one"]


def test_one_visitor_may_have_only_so_many_under_way() -> None:
    """Mutants: the bound counts all visitors' runs; what waits for it keeps a process from others; it is never looked at again."""
    jobs = Jobs(processes=2, processes_each=1)
    try:
        one = jobs.visitor()
        blocking = jobs.submit([ENDLESS], one)
        until(lambda: bool(jobs._running))
        held_back = jobs.submit([scenario(2)], one)
        assert len(collected(jobs.submit([scenario(3)]))) == 1
        assert (jobs.running(), jobs.waiting(), held_back.done) == (1, 1, 0)
        blocking.cancel()
        assert len(collected(held_back)) == 1
    finally:
        jobs.close()


def test_one_visitor_may_have_only_so_many_waiting() -> None:
    """Mutants: asks are counted one by one; the others are refused too."""
    jobs = Jobs(processes=1, most_waiting_each=2)
    try:
        one = jobs.visitor()
        blocking = jobs.submit([ENDLESS])
        until(lambda: bool(jobs._running))
        jobs.submit([scenario(2)], one)
        rows = jobs.submit([scenario(3), scenario(4)], one).poll()
        assert rows[key_of(scenario(4))]["error"] == "2 runs of yours wait, which is the most for one page: ask for fewer."
        assert len(rows) == 1
        assert jobs.submit([scenario(5)]).poll() == {}
        blocking.cancel()
    finally:
        jobs.close()


def test_a_process_that_died_in_its_sleep_costs_nobody_a_run(jobs: Jobs) -> None:
    import multiprocessing

    collected(jobs.submit([scenario(60)]))
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
    assert collected(jobs.submit([scenario(61)]))[key_of(scenario(61))]["status"] == DONE


def test_a_queue_that_is_full_says_so_and_goes_on() -> None:
    """Mutant: it grows without bound; a refused run is never answered; equal runs count twice."""
    jobs = Jobs(processes=1, most_waiting=2)
    first = jobs.submit([ENDLESS])
    until(lambda: bool(jobs._running))
    full = jobs.submit([ENDLESS, scenario(2), scenario(3), scenario(4)])
    assert jobs.waiting() == 2
    (refused,) = full.poll().values()
    assert refused["key"] == key_of(scenario(4))
    assert refused["error"] == "2 runs wait, which is the most: ask again later, or for fewer."
    first.cancel()
    full.cancel()
    assert collected(jobs.submit([scenario(5)]))[key_of(scenario(5))]["status"] == DONE
    jobs.close()


def test_time_left_is_told_once_something_is_known(jobs: Jobs) -> None:
    batch = jobs.submit([scenario(11), ENDLESS])
    assert batch.left_s() is None
    until(lambda: batch.done == 1)
    row = batch.poll()[key_of(scenario(11))]
    assert batch.left_s() == pytest.approx(row["wall_s"] / 11 * 20_000)
    batch.cancel()


def test_a_process_that_dies_is_a_failed_run_and_another_takes_its_place(jobs: Jobs) -> None:
    import multiprocessing

    batch = jobs.submit([ENDLESS])
    until(lambda: bool(jobs._running))
    (process,) = (child for child in multiprocessing.active_children() if child.daemon)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert "came to an end" in collected(batch)[key_of(ENDLESS)]["error"]
    assert collected(jobs.submit([scenario(12)]))[key_of(scenario(12))]["status"] == DONE


def test_one_visitor_leaves_a_process_to_others_by_default() -> None:
    """Mutant: who asks for two endless runs holds both processes until he leaves."""
    jobs = Jobs(processes=2)
    try:
        one = jobs.visitor()
        blocking = jobs.submit([ENDLESS, ENDLESS.with_values({"seed": 1})], one)
        until(lambda: bool(jobs._running))
        assert len(collected(jobs.submit([scenario(2)]))) == 1
        assert (jobs.running(), jobs.waiting()) == (1, 1)
        blocking.cancel()
    finally:
        jobs.close()


def test_a_run_has_only_so_much_time_and_is_told_which() -> None:
    """Mutants: the bound is never looked at; what it stops counts as done, or is run again; the process is lost."""
    jobs = Jobs(processes=1, most_run_s=1.0)
    try:
        row = collected(jobs.submit([ENDLESS]))[key_of(ENDLESS)]
        assert row["status"] == FAILED
        assert "stopped after 1 s, the most that this server gives one" in row["error"]
        assert collected(jobs.submit([scenario(2)]))[key_of(scenario(2))]["status"] == DONE
        assert jobs.failed == 1
    finally:
        jobs.close()


@dataclass(frozen=True)
class Deaf:
    """A task that never looks whether it is still wanted."""

    seconds: float
    ours: bool = False
    key: str = "deaf"
    work: float = 1.0

    def run(self, _look: Progress) -> Row:
        time.sleep(self.seconds)
        return {"key": self.key, "status": DONE, "wall_s": self.seconds}


def test_what_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: whoever asked has left, and the process is held for as long as the run pleases."""
    monkeypatch.setattr(job_process, "_GRACE_S", 0.5)
    jobs = Jobs(processes=1, most_run_s=5.0)
    try:
        left = jobs.submit_tasks([Deaf(PATIENCE_S)])
        until(lambda: bool(jobs._running))
        left.cancel()
        assert collected(jobs.submit([scenario(2)]))[key_of(scenario(2))]["status"] == DONE
        assert "stopped after 5 s" in collected(jobs.submit_tasks([Deaf(PATIENCE_S)]))["deaf"]["error"]
    finally:
        jobs.close()


def test_what_the_lab_itself_asks_for_takes_as_long_as_it_takes() -> None:
    """A row of the published results. Mutant: the bound is on everything."""
    jobs = Jobs(processes=1, most_run_s=0.1)
    try:
        assert collected(jobs.submit_tasks([Deaf(0.5, ours=True)]))["deaf"]["status"] == DONE
    finally:
        jobs.close()


def test_a_run_too_large_is_refused_before_it_starts(tmp_path: Path) -> None:
    trace = tmp_path / "long.csv"
    trace.write_text("session,turn,appended,generated\na,0,100,100000000\n")
    long = Scenario(model="qwen-32b", workload={"source": str(trace), "agents": 8})
    search = CapacityTask(OnlineQuestion(scenario(4), 1e-4))
    jobs = Jobs(processes=1, most_run_s=20.0)
    try:
        error = collected(jobs.submit([long]))[key_of(long)]["error"]
        assert "a turn generates 100,000,000 tokens, and this server takes turns of up to 1,000,000" in error
        assert "workload.agents" in collected(jobs.submit_tasks([search]))[search.key]["error"]
    finally:
        jobs.close()
