"""Advice: the best P:D is the one that trying all of them finds, and the verdict is what the hardware was built to bring about."""

from __future__ import annotations

from typing import Any

import pytest

from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.advise import Advice, advise
from dualpath_lab.studies.advise.search import FEW_RATIOS, Found, search
from dualpath_lab.studies.advise.verdict import COMPUTE
from dualpath_lab.studies.run import simulate


def scenario(**changes: Any) -> Scenario:
    """Two GPUs a node, short trajectories, slow storage."""
    base = {
        "model": "ds-27b",
        "cluster.gpus_per_node": 2,
        "cluster.storage_gbps": 20,
        "workload.source": "paper-32k",
        "workload.agents": 32,
    }
    return Scenario().with_values(base | {key.replace("__", "."): value for key, value in changes.items()})


def advice(asked: Scenario, gpus: int = 8) -> Advice:
    return advise(asked, gpus, ("basic", "dualpath"), seeds=1, with_capacity=False, processes=1)


@pytest.mark.parametrize("system", ["basic", "dualpath"])
def test_the_best_is_what_trying_every_ratio_finds(system: str) -> None:
    """Mutants: the last one tried; the highest JCT; P and D swapped."""
    asked = scenario(system=system)
    jcts = {}
    for prefill in (1, 2, 3):
        each = asked.with_values({"cluster.prefill_nodes": prefill, "cluster.decode_nodes": 4 - prefill})
        jcts[prefill, 4 - prefill] = simulate(each).values["jct_s"]
    point = advice(asked).choices[system].point
    assert (point.prefill_nodes, point.decode_nodes) == min(jcts, key=jcts.__getitem__)
    assert point.jct_s == min(jcts.values())


def test_a_search_among_many_ratios_finds_the_best_with_few_runs() -> None:
    """Where JCT falls and rises once over P, and whatever is refused at the ends. Mutants: no second round; a neighbour left out."""
    nodes = 100
    for lowest in (1, 2, 37, 60, 98, 99):
        steps = search(scenario(), nodes, ("basic",))
        asked, runs = next(steps), 0
        found: Found | None = None
        while found is None:
            rows = []
            for each in asked:
                prefill = each.cluster.prefill_nodes
                assert prefill + each.cluster.decode_nodes == nodes
                assert 1 <= prefill < nodes
                figures = {"jct_s": 100.0 + abs(prefill - lowest), "turns": 1, "bottleneck": ""}
                rows.append({"status": "done", "latency_s.ttft.mean": 1.0, "latency_s.ttft.p99": 1.0, "latency_s.tpot.mean": 1.0} | figures)
            runs += len(asked)
            try:
                asked = steps.send(rows)
            except StopIteration as ended:
                found = ended.value
        assert found.best("basic").prefill_nodes == lowest
        assert runs <= 3 * FEW_RATIOS


def test_a_storage_bound_case_is_told_to_take_dual_path() -> None:
    """Slow storage NICs and everything else ample: prefill nodes read, decode nodes idle."""
    found = advice(scenario(workload__agents=48))
    assert found.verdict.helps
    assert found.verdict.limited_by == "storage"
    assert found.verdict.text.startswith("Dual path pays:")
    assert "storage NICs" in found.verdict.text
    assert found.best.point.system == "dualpath"
    assert found.choices["dualpath"].speedup.mean > 1.1


def test_a_compute_bound_case_is_told_that_dual_path_can_not_help() -> None:
    """Storage without limit and appends ten times as long."""
    found = advice(scenario(cluster__storage_gbps=4000, workload__append_scale=10, workload__agents=16))
    assert not found.verdict.helps
    assert found.verdict.limited_by == COMPUTE
    assert found.verdict.text.startswith("Dual path does not pay here:")
    assert "loading the KV-cache is not what takes the time" in found.verdict.text


def test_a_network_bound_case_is_named_so() -> None:
    """Compute NICs slower than the storage NICs feed them: the second path crosses them too."""
    found = advice(scenario(cluster__storage_gbps=400, cluster__compute_gbps=4, workload__agents=16))
    assert not found.verdict.helps
    assert found.verdict.limited_by == "compute network"
    assert "a second path only adds to that load" in found.verdict.text


def test_points_that_nothing_beats_are_marked() -> None:
    points = advice(scenario()).found.points
    for point in points:
        beaten = [other for other in points if other.turns_per_s_per_gpu > point.turns_per_s_per_gpu and other.ttft_s < point.ttft_s]
        assert not (point.pareto and beaten)
        assert point.pareto or any(
            other.turns_per_s_per_gpu >= point.turns_per_s_per_gpu and other.ttft_s <= point.ttft_s
            for other in points
            if other is not point
        )
    assert any(point.pareto for point in points)


def test_seeds_are_paired_and_give_an_interval() -> None:
    """Mutants: the first seed counted twice; JCT ratios the wrong way round."""
    found = advise(scenario(workload__agents=16), 4, ("basic", "dualpath"), seeds=2, with_capacity=False, processes=1)
    ratios = []
    for seed in (0, 1):
        jcts = {}
        for system in ("basic", "dualpath"):
            values = {"system": system, "seed": seed, "cluster.prefill_nodes": 1, "cluster.decode_nodes": 1}
            jcts[system] = simulate(scenario(workload__agents=16).with_values(values)).values["jct_s"]
        ratios.append(jcts["basic"] / jcts["dualpath"])
    speedup = found.choices["dualpath"].speedup
    assert speedup.mean == pytest.approx(sum(ratios) / 2)
    assert speedup.low is not None
    assert speedup.high is not None
    assert speedup.low < speedup.mean < speedup.high


@pytest.mark.parametrize(
    ("gpus", "systems", "seeds", "named"),
    [
        (7, ("basic", "dualpath"), 1, "gpus = 7"),
        (2, ("basic", "dualpath"), 1, "gpus = 2"),
        (4, ("dualpath",), 1, "systems = 'dualpath'"),
        (4, ("basic", "fast"), 1, "systems = 'basic,fast'"),
        (4, ("basic", "dualpath"), 0, "seeds = 0"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(gpus: int, systems: tuple[str, ...], seeds: int, named: str) -> None:
    with pytest.raises(ScenarioError, match=named):
        advise(scenario(), gpus, systems, seeds, with_capacity=False, processes=1)


def test_a_cluster_that_can_not_run_the_model_is_refused_in_a_sentence() -> None:
    with pytest.raises(ScenarioError, match="runs at no P:D"):
        advice(scenario(cluster__hbm_gbytes=1))
