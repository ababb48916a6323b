"""The published table: what is in it, what it runs, and how ours is set beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core.systems import mechanisms
from dualpath_lab.scenario import Scenario, ScenarioError, WorkloadSpec
from dualpath_lab.studies.reproduce import Job, Row, as_markdown, reproduce, reproduction
from dualpath_lab.studies.reproduce import rows as table
from dualpath_lab.studies.reproduce import runs as runs_module
from dualpath_lab.studies.reproduce.jobs import LOWEST_RATE, run_job
from dualpath_lab.studies.reproduce.report import compared
from dualpath_lab.studies.run import simulate
from dualpath_lab.workload import build_workload

PUBLISHED: dict[str, tuple[Any, str, str]] = {
    "A1": (5450, "calibrate", "read"),
    "A2": (2000, "calibrate", "read"),
    "A3": (8750, "calibrate", "read"),
    "A4": (0.039, "calibrate", "printed"),
    "A5.5": (2.5, "calibrate", "read"),
    "A5.10": (2.9, "calibrate", "read"),
    "A5.20": (3.0, "calibrate", "read"),
    "B1.basic": (2900, "predict", "read"),
    "B1.dualpath": (2100, "predict", "read"),
    "B2.basic": (5400, "predict", "read"),
    "B2.layerwise": (4250, "predict", "read"),
    "B2.roundrobin": (3200, "predict", "read"),
    "B2.dualpath": (3000, "predict", "read"),
    "B3.basic": (10_100, "predict", "read"),
    "B3.roundrobin": (6500, "predict", "read"),
    "B4.layerwise": (0.1721, "predict", "printed"),
    "B4.roundrobin": (0.3819, "predict", "printed"),
    "B4.dualpath": (0.4562, "predict", "printed"),
    "B5.best": (1.87, "predict", "printed"),
    "B5.agents": ("holds", "predict", "printed"),
    "B5.maxlen": ("holds", "predict", "printed"),
    "B6": ([1.0, 1.1], "predict", "read"),
    "C1": (3167, "predict", "inferred"),
    "C2": (3201, "predict", "inferred"),
    "C3.throughput": (6.0e7, "predict", "read"),
    "C3.ttft": ([10, 13], "predict", "read"),
    "C3.peak": (27, "predict", "read"),
    "D1": (1.739, "predict", "printed"),
    "D2": (0.228, "predict", "printed"),
    "D3.basic": (0.20, "predict", "read"),
    "D3.dualpath": (0.45, "predict", "read"),
    "D3.ratio": (2.25, "predict", "printed"),
    "D4": (575, "predict", "read"),
    "D5": ("holds", "predict", "read"),
    "E1.speedup-1": ([1.82, 1.99], "predict", "printed"),
    "E1.speedup-2": ([1.82, 1.99], "predict", "printed"),
    "E1.speedup-3": ([1.82, 1.99], "predict", "printed"),
    "E1.basic": (3700, "predict", "read"),
    "E1.dualpath": (2000, "predict", "read"),
    "E1.faster": ("holds", "predict", "read"),
    "E2.best": (1.78, "predict", "printed"),
    "E2.oracle": ([1.09, 1.85], "predict", "printed"),
    "E3.basic": (1, "predict", "printed"),
    "E3.both": (1, "predict", "printed"),
    "E3.dualpath": (1, "predict", "printed"),
    "E4": (1.06, "predict", "printed"),
    "E5": ([0, 10], "predict", "printed"),
}
"""Reference section 11."""

KEYS = ["row", "what", "published", "simulated", "relative_error", "use", "kind"]
"""The interface's."""


def spec(job: Job) -> dict[str, Any]:
    return dict(job.changes)


def simulated(*rows: str) -> list[Any]:
    return [row["simulated"] for row in reproduce(rows)]


def by_row(*rows: str) -> dict[str, Any]:
    return {row["row"]: row["simulated"] for row in reproduce(rows)}


@pytest.mark.usefixtures("runs")
def test_every_published_row_is_in_the_table_once() -> None:
    """Reference section 11. Mutant: a row left out or twice, a number mistyped, a prediction that is a fit, a reading that is printed."""
    found = reproduction(slow=True).rows
    assert [row["row"] for row in found] == list(PUBLISHED)
    assert {row["row"]: (row["published"], row["use"], row["kind"]) for row in found} == PUBLISHED


def test_all_but_the_slow_rows_run_when_none_is_named(runs: Any) -> None:
    """Mutant: an hour's run for those who only wanted the table, or rows that nobody can ask for."""
    assert {row["row"] for row in reproduce()} == {row for row in PUBLISHED if row[:2] not in ("C2", "C3")}
    assert max(spec(job).get("workload.agents", 0) for job in runs.count if job.kind != "scheduler") <= 2048
    runs.count.clear()
    assert [row["row"] for row in reproduce(["C3", "C2"])] == ["C2", "C3.throughput", "C3.ttft", "C3.peak"]
    ((job, times),) = runs.count.items()
    assert (spec(job)["workload.agents"], times) == (49_152, 1)


@pytest.mark.usefixtures("runs")
def test_a_row_is_all_of_its_parts_and_a_part_is_one() -> None:
    """Interface. Mutant: the first part only; B1 is B10 too; a part twice where both are named."""
    assert list(by_row("B2")) == ["B2.basic", "B2.layerwise", "B2.roundrobin", "B2.dualpath"]
    assert list(by_row("B2.basic")) == ["B2.basic"]
    assert list(by_row("A5.5")) == ["A5.5"]
    assert list(by_row("E3.both", "B2.basic", "E3")) == ["B2.basic", "E3.basic", "E3.both", "E3.dualpath"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["A6"], "A1, A2, "),
        (["A1", "a1"], "A1, A2, "),
        ([""], "A1, A2, "),
        (["B2."], "B2.basic, B2.layerwise, B2.roundrobin, B2.dualpath, or B2 for all"),
        (["B2.oracle"], "B2.basic, B2.layerwise, B2.roundrobin, B2.dualpath, or B2 for all"),
        (["A1.basic"], "A1, A2, "),
    ],
)
def test_unknown_rows_are_refused_before_anything_runs(runs: Any, rows: list[str], words: str) -> None:
    """Bad input. Mutant: the unknown ones are left out silently."""
    with pytest.raises(ScenarioError) as error:
        reproduce(rows)
    sentence = str(error.value)
    assert repr(rows[-1]) in sentence
    assert words in sentence
    assert "\n" not in sentence
    assert not runs.count


def test_equal_jobs_are_run_once(runs: Any) -> None:
    """Mutant: the parts of B5 look at the same eighteen runs, and each runs its own; appends as long as ever are another run."""
    reproduce(["B5"])
    assert len(runs.count) == 18
    reproduce(["B1", "B2.basic", "B2.dualpath", "B3.basic", "C1", "A1", "E1.speedup-1"])
    assert len(runs.count) == 18
    runs.count.clear()
    reproduce(["A4", "D1", "D2"])
    assert len(runs.count) == 1
    runs.count.clear()
    reproduce()
    assert set(runs.count.values()) == {1}


def test_every_job_is_a_scenario_on_the_cluster_that_its_row_names(runs: Any) -> None:
    """Section 10's defaults. Mutant: a key mistyped; a row on another cluster; one seed for all."""
    reproduction(seeds=[3], slow=True)
    for job in runs.count:
        scenario = job.scenario(3)
        mechanisms(scenario)
        assert scenario.seed == 3
        for key, value in job.changes:
            found: Any = scenario
            for name in key.split("."):
                found = getattr(found, name)
            assert found == value
        shape = (scenario.cluster.prefill_nodes, scenario.cluster.decode_nodes)
        if scenario.model == "ds-660b":
            assert shape == ((48, 96) if scenario.workload.agents > 10_000 else (2, 4))
        else:
            assert scenario.model == "ds-27b"
            assert shape in {(1, 1), (1, 2), (2, 1)}


def test_the_large_run_is_24_times_the_small_one() -> None:
    """Its figure's words. Mutant: other agents, another dataset, another system."""
    small_run, large = runs_module.LARGE.scenario(0), runs_module.LARGEST.scenario(0)
    assert large.workload.agents == 24 * small_run.workload.agents == 49_152
    gpus = [8 * (each.cluster.prefill_nodes + each.cluster.decode_nodes) for each in (small_run, large)]
    assert gpus == [48, 1152]
    assert (large.workload.source, large.system) == (small_run.workload.source, small_run.system) == ("paper-48k", "dualpath")


def test_longer_appends_make_fewer_turns() -> None:
    """Their figure's words."""
    turns = [build_workload(WorkloadSpec(agents=64, append_scale=scale), 0)[0].turns for scale in runs_module.APPEND_SCALES]
    assert turns == sorted(turns, reverse=True)
    assert turns[0] > 2 * turns[-1]


@given(ours=st.floats(0.01, 100), low=st.floats(0.1, 10), width=st.floats(0, 5))
def test_the_error_is_relative_to_the_nearer_end_of_a_range(ours: float, low: float, width: float) -> None:
    """None inside, and a number is a range of no width. Mutant: an error against the middle, or against ours."""
    high = low + width
    published: list[Any] = [(low, high), low, "holds"]
    in_range, number, statement = (compared(Row("A", "", value, "predict", "printed", (), lambda _: ours), {0: {}}) for value in published)
    end = low if ours < low else high if ours > high else ours
    assert in_range["relative_error"] == pytest.approx((ours - end) / end, abs=1e-12)
    assert number["relative_error"] == pytest.approx((ours - low) / low, abs=1e-12)
    assert statement["relative_error"] is None
    assert (in_range["published"], number["published"], statement["published"]) == ([low, high], low, "holds")


def test_the_best_speed_up_and_the_mean_reduction(runs: Any) -> None:
    """B5, E2: the largest of all ratios; B4: the mean; B6: at 2,048. Mutant: the other way up, the first one, the mean of all."""
    agents_s = {256: 10.0, 512: 20.0, 1024: 40.0, 2048: 60.0}
    basic = {256: 1.5, 512: 1.1, 1024: 1.6, 2048: 1.4}
    factor = {"layerwise": 0.9, "roundrobin": 0.7, "dualpath": 1.0, "oracle": 0.8}

    def answer(job: Job) -> Any:
        if job.kind == "capacity":
            return {"rate": {"basic": 0.2, "dualpath": 0.5}[spec(job)["system"]]}
        if job.kind != "run" or "system" not in spec(job):
            return {}
        agents, system = spec(job)["workload.agents"], spec(job)["system"]
        return {"jct_s": agents_s[agents] * (basic[agents] if system == "basic" else factor[system])}

    runs.answer = answer
    assert simulated("B5.best", "E2.best") == pytest.approx([1.6, 1.6])
    assert simulated("B6") == simulated("E2.oracle") == pytest.approx([1.25])
    assert simulated("B4") == pytest.approx([1 - (of / 1.6 + of / 1.4) / 2 for of in (0.9, 0.7, 1.0)])
    assert by_row("B2") == {"B2.basic": 64.0, "B2.layerwise": 36.0, "B2.roundrobin": 28.0, "B2.dualpath": 40.0}
    assert by_row("A1", "A2", "A3") == {"A1": 60.0, "A2": 16.0, "A3": 54.0}
    assert by_row("D3") == pytest.approx({"D3.basic": 0.2, "D3.dualpath": 0.5, "D3.ratio": 2.5})


def test_online_rows_are_the_last_window_of_one_run(runs: Any) -> None:
    """A4, D1, D2; D4 is a mean over agents. Mutant: two of them swapped; another rate."""
    runs.answer = lambda job: {"ttft_s": 1.5, "ttst_s": 0.3, "tpot_s": 0.04} if job.kind == "online" else {}
    assert by_row("A4", "D1", "D2") == {"A4": 0.04, "D1": 1.5, "D2": 0.3}
    (job,) = runs.count
    assert job.scenario(0).workload.arrival_rate == 0.4
    assert job.scenario(0).workload.source == "paper-64k"
    assert by_row("D4") == {"D4": 500.0}


def test_a_capacity_below_all_that_was_tried_counts_as_the_lowest_rate(runs: Any) -> None:
    """Mutant: a division by 0."""
    runs.answer = lambda job: {"rate": 0.0 if spec(job)["system"] == "basic" else 0.1}
    assert simulated("D3") == [0.0, 0.1, 0.1 / LOWEST_RATE]


@pytest.mark.parametrize(("oracle_s", "holds"), [([3.0, 2.0, 1.0], True), ([3.0, 2.0, 2.0], False), ([1.0, 2.0, 3.0], False)])
def test_all_systems_have_to_be_faster_with_longer_appends(runs: Any, oracle_s: list[float], holds: bool) -> None:
    """E1. Mutant: one of them is not looked at; slower holds too; the speed-ups stand at other scales."""
    times_s = {"basic": [36.0, 30.0, 18.0], "dualpath": [9.0, 6.0, 3.0], "oracle": oracle_s}
    runs.answer = lambda job: {"jct_s": times_s[spec(job)["system"]][int(spec(job).get("workload.append_scale", 1)) - 1]}
    assert by_row("E1") == {
        "E1.speedup-1": 4.0,
        "E1.speedup-2": 5.0,
        "E1.speedup-3": 6.0,
        "E1.basic": 18.0,
        "E1.dualpath": 3.0,
        "E1.faster": holds,
    }


@pytest.mark.parametrize(
    ("by_agents", "by_length", "holds"),
    [
        (0.1, 0.1, [True, True]),
        (0.0, 0.0, [True, True]),
        (-0.02, -0.02, [True, True]),
        (-0.1, 0.1, [False, True]),
        (0.1, -0.1, [True, False]),
    ],
)
def test_growing_is_with_agents_and_with_length(runs: Any, by_agents: float, by_length: float, holds: list[bool]) -> None:
    """B5, small noise aside. Mutant: one of the two is not looked at, or stands for the other."""

    def answer(job: Job) -> Any:
        if spec(job)["system"] == "dualpath":
            return {}
        agents = (512, 1024, 2048).index(spec(job)["workload.agents"])
        length = ("paper-32k", "paper-48k", "paper-64k").index(spec(job)["workload.source"])
        return {"jct_s": 1.5 * (1 + by_agents) ** agents * (1 + by_length) ** length}

    runs.answer = answer
    assert simulated("B5.agents", "B5.maxlen") == holds


@pytest.mark.parametrize(
    ("dualpath", "basic", "holds"),
    [((0.1, 0.11), (0.2, 2.0), True), ((0.1, 2.0), (0.2, 2.0), False), ((0.1, 0.11), (0.2, 0.21), False)],
)
@pytest.mark.parametrize("stage", ["read", "schedule", "prefill_queue"])
def test_queueing_explodes_for_basic_alone(
    runs: Any, stage: str, dualpath: tuple[float, float], basic: tuple[float, float], holds: bool
) -> None:
    """D5. Mutant: either half alone is enough, the two systems are swapped, or a part of dualpath's TTFT is not looked at."""
    queueing = {"dualpath": dualpath, "basic": basic}

    def answer(job: Job) -> Any:
        system = spec(job)["system"]
        part_s = queueing[system][runs_module.QUEUEING_RATES[system].index(spec(job)["workload.arrival_rate"])]
        parts_s = dict.fromkeys(("schedule", "read", "prefill_queue", "prefill", "transfer"), 0.0)
        return {"ttft_breakdown_s": parts_s | {"read" if system == "basic" else stage: part_s}}

    runs.answer = answer
    assert simulated("D5") == [holds]


SMALL = {"model": "ds-27b", "cluster.prefill_nodes": 1, "cluster.decode_nodes": 1, "workload.source": "paper-32k", "workload.agents": 6}


def small(kind: Any, **changes: Any) -> Job:
    return Job(kind, tuple((SMALL | {"cluster.gpus_per_node": 1} | changes).items()))


def test_a_row_that_is_really_run_is_the_promised_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interface; jobs go to other processes and come back to the right row. Mutant: a tuple or numpy number in the JSON; seed 0."""
    basic, dualpath = small("run", system="basic"), small("run", system="dualpath")
    start = small("start")
    made = [
        Row("A", "a ratio", (1.0, 2.0), "predict", "read", (basic, dualpath), lambda done: done[basic]["jct_s"] / done[dualpath]["jct_s"]),
        Row("B", "a number", 1.5, "calibrate", "printed", (start,), lambda done: done[start]["attention_max_over_mean"]),
        Row("C", "a statement", "holds", "predict", "inferred", (dualpath,), lambda done: bool(done[dualpath]["turns"] > 0)),
    ]
    monkeypatch.setattr(table, "all_rows", lambda: made)
    found = reproduce(seeds=[5], processes=1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [list(row) for row in found] == [KEYS] * 3
    one, other = (simulate(Scenario(seed=5).with_values(spec(job))).to_dict()["jct_s"] for job in (basic, dualpath))
    assert found[0]["simulated"] == one / other
    assert found[1]["simulated"] >= 1
    assert [row["published"] for row in found] == [[1.0, 2.0], 1.5, "holds"]
    assert found[2]["simulated"] is True


def test_balance_at_the_start_is_that_of_the_first_twentieth_of_the_turns() -> None:
    """E4: from 1 to the number of engines. Mutant: the whole run's."""
    job = Job("start", (*SMALL.items(), ("model", "ds-660b"), ("cluster.gpus_per_node", 8), ("workload.agents", 40)))
    start = run_job(job, 0)["attention_max_over_mean"]
    whole = simulate(job.scenario(0)).to_dict()["balance"]["attention_max_over_mean"]
    assert 1 <= start <= 8
    assert start != whole


def test_the_table_in_words() -> None:
    """One line a row, and the errors of predicted numbers below. Mutant: fits and statements count among the predictions."""
    values: list[tuple[Any, ...]] = [
        ("A1", "a fit", 3000.0, 6000.0, 1.0, "calibrate", "read"),
        ("A2", "another fit", 3000.0, 3080.0, 0.0267, "calibrate", "read"),
        ("B1", "a number", 2.0, 1.9, -0.05, "predict", "printed"),
        ("B2", "a range", [1.0, 2.0], 2.4, 0.2, "predict", "read"),
        ("B3", "another", 1.0, 1.1, 0.1, "predict", "inferred"),
        ("B4", "a statement", "holds", False, None, "predict", "printed"),
    ]
    lines = as_markdown([dict(zip(KEYS, row, strict=True)) for row in values]).splitlines()
    assert [line.count("|") for line in lines[:8]] == [8] * 8
    assert "-5.0%" in lines[4]
    assert "| inferred |" in lines[6]
    assert "fails" in lines[7]
    assert "Predicted numbers: median error 10.0%, largest 20.0%." in lines
    assert lines[-1] == "Calibrated rows: 1 of 2 within 3%."
