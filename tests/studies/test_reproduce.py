"""The published table: what is in it, what it runs, and how ours is set beside it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core.systems import mechanisms
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.reproduce import Job, Row, as_markdown, reproduce
from dualpath_lab.studies.reproduce import rows as table
from dualpath_lab.studies.reproduce.jobs import run_job
from dualpath_lab.studies.reproduce.report import compared
from dualpath_lab.studies.run import simulate

PUBLISHED: dict[str, list[tuple[Any, str]]] = {
    "R1": [(3167, "calibrate")],
    "R2": [(3201, "predict")],
    "R3": [(1.87, "predict")],
    "R4": [(1, "predict")],
    "R5": [(1.78, "predict")],
    "R6": [([1.09, 1.85], "predict")],
    "R7": [(0.172, "calibrate"), (0.382, "predict"), (0.456, "predict")],
    "R8": [(1, "predict")] * 3,
    "R9": [(2.25, "predict")],
    "R10": [(0.039, "calibrate")],
    "R11": [([1.82, 1.99], "predict"), ("holds", "predict")],
    "R12": [(1.06, "predict")],
    "R13": [("holds", "predict")],
    "R14": [("holds", "predict")],
    "R15": [([0, 10], "predict")],
}
"""Reference section 11; of R7 the layer-wise step is what a constant was fitted on."""

KEYS = ["row", "what", "published", "simulated", "relative_error", "use"]
"""The interface's."""


def spec(job: Job) -> dict[str, Any]:
    return dict(job.changes)


def simulated(*rows: str) -> list[Any]:
    return [row["simulated"] for row in reproduce(rows)]


@pytest.mark.usefixtures("runs")
def test_every_published_row_is_in_the_table() -> None:
    """Reference section 11. Mutant: a row left out, a number mistyped, a prediction that is a fit."""
    found: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for row in reproduce(list(PUBLISHED)):
        found[row["row"]].append((row["published"], row["use"]))
    assert found == PUBLISHED


def test_all_but_the_slow_row_run_when_none_is_named(runs: Any) -> None:
    """Mutant: an hour's run for those who only wanted the table, or a row that nobody can ask for."""
    assert {row["row"] for row in reproduce()} == set(PUBLISHED) - {"R2"}
    assert max(spec(job).get("workload.agents", 0) for job in runs.count if job.kind != "scheduler") <= 2048
    assert [row["row"] for row in reproduce(["R2"])] == ["R2"]
    assert max(spec(job).get("workload.agents", 0) for job in runs.count) == 49_152


@pytest.mark.parametrize("rows", [["R16"], ["R1", "r1"], [""], ["R0"]])
def test_unknown_rows_are_refused_before_anything_runs(runs: Any, rows: list[str]) -> None:
    """Bad input. Mutant: the unknown ones are left out silently."""
    with pytest.raises(ScenarioError) as error:
        reproduce(rows)
    sentence = str(error.value)
    assert repr(rows[-1]) in sentence
    assert "R1, R2, " in sentence
    assert "\n" not in sentence
    assert not runs.count


def test_equal_jobs_are_run_once(runs: Any) -> None:
    """Mutant: R3 and R13 look at the same eighteen runs, and each runs its own."""
    reproduce(["R3", "R13"])
    assert len(runs.count) == 18
    reproduce(["R1", "R4", "R7", "R11"], seeds=[7])
    assert set(runs.seeds) == {0, 7}
    runs.count.clear()
    reproduce()
    assert set(runs.count.values()) == {1}


def test_every_job_is_a_scenario_and_each_needs_the_hardware_it_names(runs: Any) -> None:
    """Section 10's defaults. Mutant: a key mistyped; a row on another cluster; one seed for all."""
    reproduce(list(PUBLISHED), seeds=[3])
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
        online = job.kind == "capacity" or scenario.workload.arrival_rate is not None
        assert online == (job.kind == "capacity" or (scenario.horizon_s is not None and job.kind != "scheduler"))


@given(ours=st.floats(0.01, 100), low=st.floats(0.1, 10), width=st.floats(0, 5))
def test_the_error_is_relative_to_the_nearer_end_of_a_range(ours: float, low: float, width: float) -> None:
    """None inside, and a number is a range of no width. Mutant: an error against the middle, or against ours."""
    high = low + width
    published: list[Any] = [(low, high), low, "holds"]
    in_range, number, statement = (compared(Row("A", "", value, "predict", (), lambda _: ours), {0: {}}) for value in published)
    end = low if ours < low else high if ours > high else ours
    assert in_range["relative_error"] == pytest.approx((ours - end) / end, abs=1e-12)
    assert number["relative_error"] == pytest.approx((ours - low) / low, abs=1e-12)
    assert statement["relative_error"] is None
    assert (in_range["published"], number["published"], statement["published"]) == ([low, high], low, "holds")


def test_the_best_speed_up_and_the_mean_reduction(runs: Any) -> None:
    """R3, R5: the largest of all ratios; R7: the mean. Mutant: the other way up, the first one, the mean of all."""
    agents_s = {256: 10.0, 512: 20.0, 1024: 40.0, 2048: 60.0}
    basic = {256: 1.5, 512: 1.1, 1024: 1.6, 2048: 1.4}
    factor = {"layerwise": 0.9, "roundrobin": 0.7, "dualpath": 1.0, "oracle": 0.8}

    def answer(job: Job) -> Any:
        if "workload.arrival_rate" in spec(job):
            return {}
        if job.kind == "capacity":
            return {"rate": {"basic": 0.2, "dualpath": 0.5}[spec(job)["system"]]}
        agents, system = spec(job)["workload.agents"], spec(job)["system"]
        return {"jct_s": agents_s[agents] * (basic[agents] if system == "basic" else factor[system])}

    runs.answer = answer
    assert simulated("R3", "R5") == pytest.approx([1.6, 1.6])
    assert simulated("R4") == simulated("R6") == pytest.approx([1.25])
    reductions = [1 - (of / 1.6 + of / 1.4) / 2 for of in (0.9, 0.7, 1.0)]
    assert simulated("R7") == pytest.approx(reductions)
    assert simulated("R9") == pytest.approx([2.5])
    assert simulated("R10") == [0.05]


@pytest.mark.parametrize(
    ("speed_ups", "holds"), [([1.9, 1.6, 1.3, 1.1], True), ([1.9, 1.3, 1.6, 1.1], False), ([1.1, 1.3, 1.6, 1.9], False)]
)
def test_converging_means_that_the_speed_up_shrinks(runs: Any, speed_ups: list[float], holds: bool) -> None:
    """R11. Mutant: it grows and that holds too; the low end is the largest, wherever it is."""
    by_scale = dict(zip((1, 2, 4, 8), speed_ups, strict=True))
    runs.answer = lambda job: {"jct_s": by_scale[spec(job)["workload.append_scale"]] if spec(job)["system"] == "basic" else 1.0}
    low_end, shrinks = simulated("R11")
    assert low_end == speed_ups[0]
    assert shrinks is holds


@pytest.mark.parametrize(
    ("by_agents", "by_length", "holds"),
    [(0.1, 0.1, True), (0.0, 0.0, True), (-0.02, -0.02, True), (-0.1, 0.1, False), (0.1, -0.1, False)],
)
def test_growing_means_with_agents_and_with_length(runs: Any, by_agents: float, by_length: float, holds: bool) -> None:
    """R13, small noise aside. Mutant: one of the two is not looked at."""

    def answer(job: Job) -> Any:
        if spec(job)["system"] == "dualpath":
            return {}
        agents = (512, 1024, 2048).index(spec(job)["workload.agents"])
        length = ("paper-32k", "paper-48k", "paper-64k").index(spec(job)["workload.source"])
        return {"jct_s": 1.5 * (1 + by_agents) ** agents * (1 + by_length) ** length}

    runs.answer = answer
    assert simulated("R13") == [holds]


@pytest.mark.parametrize(
    ("dualpath", "basic", "holds"),
    [((0.1, 0.11), (0.2, 2.0), True), ((0.1, 2.0), (0.2, 2.0), False), ((0.1, 0.11), (0.2, 0.21), False)],
)
def test_queueing_explodes_for_basic_alone(runs: Any, dualpath: tuple[float, float], basic: tuple[float, float], holds: bool) -> None:
    """R14. Mutant: either half alone is enough, or the two systems are swapped."""
    queueing = {"dualpath": dualpath, "basic": basic}

    def answer(job: Job) -> Any:
        read_s = queueing[spec(job)["system"]][(0.2, 0.4).index(spec(job)["workload.arrival_rate"])]
        return {"ttft_breakdown_s": {"schedule": 0.0, "read": read_s}}

    runs.answer = answer
    assert simulated("R14") == [holds]


SMALL = {"model": "ds-27b", "cluster.prefill_nodes": 1, "cluster.decode_nodes": 1, "workload.source": "paper-32k", "workload.agents": 6}


def small(kind: Any, **changes: Any) -> Job:
    return Job(kind, tuple((SMALL | {"cluster.gpus_per_node": 1} | changes).items()))


def test_a_row_that_is_really_run_is_the_promised_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interface; jobs go to other processes and come back to the right row. Mutant: a tuple or numpy number in the JSON; seed 0."""
    basic, dualpath = small("run", system="basic"), small("run", system="dualpath")
    start = small("start")
    made = [
        Row("A", "a ratio", (1.0, 2.0), "predict", (basic, dualpath), lambda done: done[basic]["jct_s"] / done[dualpath]["jct_s"]),
        Row("B", "a number", 1.5, "calibrate", (start,), lambda done: done[start]["attention_max_over_mean"]),
        Row("C", "a statement", "holds", "predict", (dualpath,), lambda done: bool(done[dualpath]["turns"] > 0)),
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
    """R12, section 11: from 1 to the number of engines. Mutant: the whole run's."""
    job = Job("start", (*SMALL.items(), ("model", "ds-660b"), ("cluster.gpus_per_node", 8), ("workload.agents", 40)))
    start = run_job(job, 0)["attention_max_over_mean"]
    whole = simulate(job.scenario(0)).to_dict()["balance"]["attention_max_over_mean"]
    assert 1 <= start <= 8
    assert start != whole


def test_the_table_in_words() -> None:
    """One line a row, and the errors of predicted numbers below. Mutant: fits and statements count among the predictions."""
    text = as_markdown(
        [
            {"row": "R1", "what": "a fit", "published": 3000.0, "simulated": 6000.0, "relative_error": 1.0, "use": "calibrate"},
            {"row": "R3", "what": "a number", "published": 2.0, "simulated": 1.9, "relative_error": -0.05, "use": "predict"},
            {"row": "R6", "what": "a range", "published": [1.0, 2.0], "simulated": 2.4, "relative_error": 0.2, "use": "predict"},
            {"row": "R8", "what": "another", "published": 1.0, "simulated": 1.1, "relative_error": 0.1, "use": "predict"},
            {"row": "R13", "what": "a statement", "published": "holds", "simulated": False, "relative_error": None, "use": "predict"},
        ]
    )
    lines = text.splitlines()
    assert [line.count("|") for line in lines[:7]] == [7] * 7
    assert "-5.0%" in lines[3]
    assert "fails" in lines[6]
    assert "median error 10.0%, largest 20.0%" in lines[-1]
