"""The numbered laws, over random small scenarios of every system."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from math import ceil, inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab import calibration
from dualpath_lab.core import observer
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.core.turn import Turn, hit_tokens
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.result import Result, result_of
from dualpath_lab.scenario import SYSTEMS, Scenario, WorkloadSpec
from dualpath_lab.studies.run import simulate
from dualpath_lab.workload import BLOCK_TOKENS, build_workload

from .conftest import Traces
from .trying import tried

TRACE = "a branching trace"
MODELS = ("ds-27b", "ds-660b", "qwen-32b")
OWN_SIDE = ("basic", "layerwise")


@st.composite
def cases(draw: st.DrawFn, systems: tuple[str, ...] = SYSTEMS) -> dict[str, Any]:
    """A scenario's values, the number of its trace, and how many times its largest turn each memory holds."""
    return {
        "model": draw(st.sampled_from(MODELS)),
        "system": draw(st.sampled_from(systems)),
        "cluster": {
            "prefill_nodes": draw(st.integers(1, 3)),
            "decode_nodes": draw(st.integers(1, 5)),
            "gpus_per_node": draw(st.integers(1, 4)),
            "storage_gbps": draw(st.sampled_from([2.0, 20.0, 400.0])),
            "compute_gbps": draw(st.sampled_from([20.0, 400.0])),
            "dram_gbytes_per_s": draw(st.sampled_from([2.0, 50.0, 500.0])),
        },
        "workload": {
            "source": draw(st.sampled_from([TRACE, TRACE, "paper-32k"])),
            "agents": draw(st.integers(3, 12)),
            "arrival_rate": draw(st.sampled_from([None, None, 0.1, 3.0])),
            "hit_rate": draw(st.one_of(st.none(), st.floats(0, 1))),
            "append_scale": draw(st.sampled_from([0.3, 1.0, 3.0])),
            "generate_scale": draw(st.sampled_from([0.1, 1.0])),
            "tool_gap_s": draw(st.sampled_from([0.0, 2.0])),
        },
        "traffic": {"model_share": draw(st.sampled_from([None, 0.0, 0.6]))},
        "seed": draw(st.integers(0, 99)),
        "trace": draw(st.integers(0, 99)),
        "memory": {"hbm": draw(st.sampled_from([1.0, 2.5, 50.0])), "buffer": draw(st.sampled_from([1.0, 2.5, 50.0]))},
    }


def scenario_of(case: dict[str, Any], traces: Traces, **more: Any) -> Scenario:
    """The scenario, with memories that hold the largest turn the given number of times."""
    values = case | more
    factors, trace = values.pop("memory"), traces(values.pop("trace"))
    workload_values = values["workload"] | {"source": trace if values["workload"]["source"] == TRACE else values["workload"]["source"]}
    model = load_model(values["model"])
    workload, _ = build_workload(WorkloadSpec(**workload_values), values["seed"])
    prompt = workload.context + workload.append
    gpus = values["cluster"]["gpus_per_node"] if model.expert_parallel else 1
    hbm_bytes = model.weight_bytes_per_gpu(gpus) + factors["hbm"] * int((prompt + workload.generate).max()) * model.kv_bytes_per_token
    buffer_bytes = factors["buffer"] * int(prompt.max()) * model.kv_bytes_per_token
    hbm_gbytes = (ceil(hbm_bytes / (1 - calibration.HBM_RESERVE)) + 10) / 1e9
    memory = {"hbm_gbytes": hbm_gbytes, "buffer_gbytes": (ceil(buffer_bytes) + 2) / 1e9}
    return Scenario(**values | {"workload": workload_values, "cluster": values["cluster"] | memory})


def ran(scenario: Scenario) -> Simulation:
    simulation = Simulation(scenario)
    simulation.run()
    return simulation


@tried(60)
@given(case=cases())
def test_law_1_causality(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 1. Mutant: a stage is stamped before its inputs exist; a turn starts before the one before is over, or its pause.

    What lies between is at least what the hardware takes alone.
    """
    simulation = ran(scenario_of(case, branching_trace))
    table, workload, spec = simulation.log.columns(), simulation.workload, simulation.scenario.cluster
    gpu = load_hardware(spec.hardware)
    _, arrivals = build_workload(simulation.scenario.workload, simulation.scenario.seed)
    stages = ["submitted", "placed", "read", "prefill_started", "prefill_ended", "first_token", "finished"]
    for earlier, later in pairwise(stages):
        assert (table[earlier] <= table[later]).all(), (earlier, later)
    assert (np.diff(table["finished"]) >= 0).all()
    assert table["finished"][-1] <= simulation.now

    by_row = np.argsort(table["row"])
    submitted, finished = table["submitted"][by_row], table["finished"][by_row]
    first = np.zeros(workload.turns, bool)
    first[workload.first_turn[:-1]] = True
    assert submitted[first].tolist() == arrivals.tolist()
    earliest = np.roll(finished, 1) + workload.gap_s
    assert (submitted[~first] >= earliest[~first] - 1e-9).all()

    if simulation.scenario.system != "oracle":
        longer_read = np.maximum(table["prefill_read"], table["hit"] - table["prefill_read"]) * simulation.model.kv_bytes_per_token
        shortest = longer_read / min(spec.storage_bytes_per_s * gpu.storage_efficiency, spec.dram_bytes_per_s)
        assert (table["read"] - table["placed"] >= shortest * (1 - 1e-9) - 1e-9).all()
    gpus = max(len(group.engines) for group in simulation.cluster.prefill_groups)
    shortest = 2 * simulation.model.active_parameters * table["computed"] / (gpus * gpu.linear_flops_per_s)
    shortest += np.ceil(table["hit"] / BLOCK_TOKENS) * simulation.model.layers * gpu.layer_block_s
    assert (table["prefill_ended"] - table["prefill_started"] >= shortest * (1 - 1e-9)).all()


@tried(60)
@given(case=cases())
def test_law_1_the_second_token_comes_after_the_copy_and_not_after_the_last(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 1, and section 11: TTST lies between the first two tokens, and only answers of two have one.

    Mutant: the second token's time is foretold when a sequence joins, whatever happens to the step; TTST from submission or from the end
    of the copy; a second token of an answer that has none.
    """
    simulation = ran(scenario_of(case, branching_trace))
    table = simulation.log.columns()
    decoded = table["generate"] > 1
    for name in ("second_token", "ttst", "tpot"):
        assert (np.isnan(table[name]) != decoded).all(), name
    table = {name: column[decoded] for name, column in table.items()}
    assert (table["second_token"] <= table["finished"] * (1 + 1e-12)).all()
    np.testing.assert_allclose(table["ttft"] + table["ttst"], table["second_token"] - table["submitted"], rtol=1e-9, atol=1e-9)
    prompt, spec = table["hit"] + table["computed"], simulation.scenario.cluster
    copied = np.ceil(prompt / BLOCK_TOKENS) * simulation.model.layers * load_hardware(spec.hardware).layer_block_s
    if simulation.scenario.system != "oracle":
        carried = prompt * simulation.model.kv_bytes_per_token / min(spec.compute_bytes_per_s, spec.dram_bytes_per_s)
        copied = np.maximum(copied, carried)
    assert (table["ttst"] > copied * (1 - 1e-9) - 1e-9).all()


def expected_bytes(simulation: Simulation) -> dict[tuple[str, str], int]:
    """KV bytes of every link, by name and direction, from section 4's lists of steps."""
    kv, gpus = simulation.model.kv_bytes_per_token, simulation.scenario.cluster.gpus_per_node
    columns = simulation.log.columns()
    names = ("pe", "de", "prefill_read", "hit", "computed", "generate", "prefill_reloaded", "decode_reloaded")
    total: dict[tuple[str, str], int] = defaultdict(int)
    for pe, de, prefill_read, found, computed, generate, *reloaded in zip(*(columns[name].tolist() for name in names), strict=True):
        hit, miss = found * kv, computed * kv
        near, far = prefill_read * kv, (found - prefill_read) * kv
        filled = (found + computed + generate) // BLOCK_TOKENS * BLOCK_TOKENS * kv - hit
        prefill, decode = f"p{pe // gpus}", f"d{de // gpus}"
        pe_cnic, de_cnic = f"{prefill}.g{pe % gpus}.cnic", f"{decode}.g{de % gpus}.cnic"
        steps = [
            (near, [(f"{prefill}.snic", "rx"), (f"{prefill}.dram", "both")]),
            (near + reloaded[0] * kv, [(f"{prefill}.dram", "both"), (pe_cnic, "tx"), (pe_cnic, "rx")]),
            (near + miss, [(pe_cnic, "tx"), (de_cnic, "rx"), (f"{decode}.dram", "both")]),
            (far, [(f"{decode}.snic", "rx"), (f"{decode}.dram", "both")]),
            (far + reloaded[1] * kv, [(f"{decode}.dram", "both"), (de_cnic, "tx"), (pe_cnic, "rx")]),
            (hit + miss, [(f"{decode}.dram", "both"), (de_cnic, "tx"), (de_cnic, "rx")]),
            (filled, [(de_cnic, "tx"), (de_cnic, "rx"), (f"{decode}.dram", "both")]),
            (filled, [(f"{decode}.dram", "both"), (f"{decode}.snic", "tx")]),
        ]
        for size, links in steps:
            for link in links:
                total[link] += size
    return total


@tried(80)
@given(case=cases(tuple(system for system in SYSTEMS if system != "oracle")))
def test_law_2_bytes_are_those_of_the_paths(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 2 and section 4, link by link. Mutant: a loop-back takes one direction only; misses go missing on the decode path;
    a chunked prefill stores its hits twice, or loads what its record doesn't tell; the write-back
    leaves whole blocks out or writes what was hit.
    """
    simulation = ran(scenario_of(case, branching_trace))
    expected = expected_bytes(simulation)
    values = result_of(simulation, 0.0).to_dict()
    assert not simulation.network.moving()
    carried = simulation.network.carried_bytes(simulation.now)
    for link in simulation.cluster.links():
        assert carried[link.number] == pytest.approx(expected[link.name, link.direction], rel=1e-6, abs=1)
    for link in values["links"]:
        assert link["bytes_by_class"]["kv"] == pytest.approx(expected[link["name"], link["direction"]], rel=1e-6, abs=1)
        assert link["bytes"] == sum(link["bytes_by_class"].values())
        assert link["utilization"] == pytest.approx(link["bytes"] / (link["capacity_bytes_per_s"] * values["simulated_s"]))
    snics = {way: sum(size for (name, other), size in expected.items() if name.endswith("snic") and other == way) for way in ("rx", "tx")}
    assert values["storage_bytes"] == {"read": pytest.approx(snics["rx"]), "written": pytest.approx(snics["tx"])}


@tried(60)
@given(case=cases(), horizon_s=st.integers(1, 60))
def test_law_2_bytes_up_to_a_horizon_are_those_moved_by_then(branching_trace: Traces, case: dict[str, Any], horizon_s: int) -> None:
    """Law 2: a run that is cut counts what the whole run had moved by then. Mutant: bytes under way are forgotten."""
    whole = Simulation(scenario_of(case, branching_trace))
    whole.run()
    links = result_of_run(scenario_of(case, branching_trace, horizon_s=float(horizon_s)))["links"]
    for link, cut in zip(whole.cluster.links(), links, strict=True):
        assert cut["bytes_by_class"]["kv"] == pytest.approx(whole.network.carried(0, horizon_s)[link.number].sum(), rel=1e-6, abs=1)
        model = link.model.series.values(0, horizon_s).sum() if link.model else 0
        assert cut["bytes_by_class"]["model"] == pytest.approx(model, rel=1e-6, abs=1)


def result_of_run(scenario: Scenario) -> dict[str, Any]:
    return simulate(scenario).to_dict()


@tried(60)
@given(case=cases())
def test_law_3_tokens_are_conserved(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 3. Mutant: a turn is lost or runs twice; hits follow another rule; a chunk is not counted."""
    simulation = ran(scenario_of(case, branching_trace))
    table, workload = simulation.log.columns(), simulation.workload
    assert sorted(table["row"]) == list(range(workload.turns))
    row = table["row"]
    assert (table["hit"] + table["computed"] == workload.context[row] + workload.append[row]).all()
    assert (table["generate"] == workload.generate[row]).all()
    assert (table["agent"] == np.searchsorted(workload.first_turn, row, side="right") - 1).all()
    rate = simulation.scenario.workload.hit_rate
    prompts = zip(workload.context[row].tolist(), workload.append[row].tolist(), strict=True)
    assert table["hit"].tolist() == [hit_tokens(context, append, 1.0 if rate is None else rate) for context, append in prompts]
    values = result_of(simulation, 0.0).to_dict()
    assert values["tokens"] == {
        "appended": workload.append.sum(),
        "generated": workload.generate.sum(),
        "hit": table["hit"].sum(),
        "computed": table["computed"].sum(),
    }
    assert values["turns"] == workload.turns
    assert values["agents_finished"] == workload.trajectories == simulation.scenario.workload.agents
    assert values["jct_s"] == table["finished"].max()


@tried(60)
@given(case=cases())
def test_law_4_no_link_carries_more_than_it_can(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 4, KV and model traffic together, in every bin. Mutant: model traffic beside KV at full rate; DRAM counts one way."""
    simulation = ran(scenario_of(case, branching_trace))
    bins = int(simulation.now) + 2
    moved = simulation.network.carried(0, bins)
    for link in simulation.cluster.links():
        carried = moved[link.number] + (link.model.series.values(0, bins) if link.model else 0)
        assert (carried <= link.capacity * BIN_S * (1 + 1e-9)).all()


@tried(40)
@given(case=cases(), step_s=st.floats(0.05, 3))
def test_laws_4_to_6_at_any_moment(branching_trace: Traces, case: dict[str, Any], step_s: float) -> None:
    """Laws 4, 5 and 6 while the run goes on. Mutant: a freed link or buffer wakes nobody; a ready request waits for the next event.

    A flow is at its top speed or on a full link; a prefill group rests only if none of its ready turns has room in the decode
    node's buffer; a node reads unless its buffer has no room.
    """
    simulation = Simulation(scenario_of(case, branching_trace))
    for _ in range(100):
        simulation.advance(step_s)
        if simulation.finished:
            break
        network, moving = simulation.network, simulation.network.moving()
        for flow in moving:
            full = any(network.used(link) >= network.kv_capacity(link) * (1 - 1e-6) for link in flow.route)
            assert full or flow.rate == pytest.approx(flow.top_rate, rel=1e-6)
        for link in network.links:
            assert network.used(link) <= network.kv_capacity(link) * (1 + 1e-6)
            assert network.used(link) == pytest.approx(sum(flow.rate * flow.route.get(link, 0.0) for flow in moving), rel=1e-6, abs=1)
        for group in simulation.cluster.prefill_groups:
            ready = [turn for engine in group.engines for turn in engine.ready]
            assert group.running or not any(turn.admitted for turn in ready)
            assert group.running or not ready or simulation.scenario.system not in ("basic", "oracle")
        for node in simulation.cluster.nodes:
            assert 0 <= node.buffer.used_bytes <= node.buffer.capacity_bytes
            assert network.used(node.snic_rx) > 0 or node.reads.tokens == 0 or node.buffer.used_bytes > 0


@tried(60)
@given(case=cases())
def test_law_6_memories_are_never_exceeded_and_end_empty(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Law 6. Mutant: a buffer is given back twice, or never; HBM is granted on what a decode engine had before."""
    simulation = ran(scenario_of(case, branching_trace))
    cluster = simulation.cluster
    engines = [*cluster.prefill_engines, *cluster.decode_engines]
    for memory in [node.buffer for node in cluster.nodes] + [engine.hbm for engine in engines]:
        assert memory.peak_bytes <= memory.capacity_bytes
        assert memory.used_bytes == 0
    assert [(engine.sequences, engine.tokens) for engine in engines] == [(0, 0)] * len(engines)
    assert not any(engine.decoding for engine in cluster.decode_engines)
    assert not any(any(group.step_bytes) for group in cluster.decode_groups)
    assert all(node.reads.tokens == 0 for node in cluster.nodes)
    assert simulation.dispatch.waiting == 0
    if simulation.scenario.system != "oracle":
        largest = max(node.buffer.peak_bytes for node in cluster.decode_nodes)
        assert largest >= simulation.model.kv_bytes_per_token * (simulation.workload.context + simulation.workload.append).max()


def without_wall(result: Result) -> dict[str, Any]:
    return {key: value for key, value in result.to_dict().items() if key != "wall_s"}


@tried(40)
@given(case=cases(), steps=st.lists(st.floats(0.01, 7), min_size=1, max_size=5), horizon_s=st.one_of(st.none(), st.floats(1, 50)))
def test_law_8_neither_steps_nor_onlookers_matter(
    branching_trace: Traces, case: dict[str, Any], steps: list[float], horizon_s: float | None
) -> None:
    """Law 8. Mutant: ``advance`` stops between events of one moment, or at the last event; a look books bytes; a set decides an order."""
    scenario = scenario_of(case, branching_trace, horizon_s=horizon_s)
    once, again = (without_wall(simulate(scenario)) for _ in range(2))
    assert once == again
    watched = Simulation(scenario)
    for number in range(400):
        if watched.finished:
            break
        until = min(watched.now + steps[number % len(steps)], horizon_s or inf)
        watched.advance(steps[number % len(steps)])
        assert watched.now == until or watched.agents_finished == watched.workload.trajectories
        assert watched.snapshot().time_s == watched.now
        observer.utilization(watched)
        observer.latency(watched)
        observer.prefill_compute(watched)
    watched.run()
    assert without_wall(result_of(watched, 0.0)) == once


@tried(40)
@given(case=cases(), step_s=st.floats(0.3, 9))
def test_law_8_what_an_onlooker_saw_of_the_past_stays_true(branching_trace: Traces, case: dict[str, Any], step_s: float) -> None:
    """Laws 4 and 8. Mutant: bytes under way are left out of a live curve, or counted in bins that are still to come."""
    simulation = Simulation(scenario_of(case, branching_trace))
    seen: list[dict[Any, Any]] = []
    for _ in range(12):
        simulation.advance(step_s)
        seen.append(curves(simulation))
    simulation.run()
    final = curves(simulation)
    for family, values in final.items():
        if isinstance(family, tuple):
            assert (values <= 1 + 1e-9).all()
            assert (values >= -1e-9).all()
    for live in seen:
        for family, values in live.items():
            np.testing.assert_allclose(values, final[family][: len(values)], rtol=1e-6, atol=1e-9, err_msg=str(family))


def curves(simulation: Simulation) -> dict[Any, Any]:
    return observer.utilization(simulation) | observer.latency(simulation) | {"compute": observer.prefill_compute(simulation)}


@tried(20)
@given(case=cases(), first_bin=st.integers(0, 30))
def test_curves_from_a_bin_on_are_the_rest_of_the_whole(branching_trace: Traces, case: dict[str, Any], first_bin: int) -> None:
    """Mutant: an incremental view is shifted against the whole one."""
    simulation = Simulation(scenario_of(case, branching_trace))
    simulation.advance(25)
    parts = observer.utilization(simulation, first_bin) | observer.latency(simulation, first_bin)
    for family, values in (observer.utilization(simulation) | observer.latency(simulation)).items():
        np.testing.assert_allclose(parts[family], values[first_bin:], rtol=1e-9, atol=1e-12)


KEYS: dict[str, Any] = {
    "scenario": None,
    "jct_s": None,
    "simulated_s": None,
    "agents_finished": None,
    "turns": None,
    "tokens": {"appended", "generated", "hit", "computed"},
    "hit_rate": None,
    "latency_s": {"ttft", "ttst", "tpot", "trajectory"},
    "ttft_breakdown_s": {"schedule", "read", "prefill_queue", "prefill", "transfer"},
    "links": None,
    "storage_bytes": {"read", "written"},
    "kv_bytes_per_token": None,
    "working_set_bytes": None,
    "balance": {"snic_max_over_mean", "attention_max_over_mean"},
    "slo_met": None,
    "bottleneck": None,
    "warnings": None,
    "events": None,
    "wall_s": None,
}
LINK_KEYS = {"name", "kind", "role", "direction", "capacity_bytes_per_s", "bytes", "bytes_by_class", "utilization"}


@tried(40)
@given(case=cases(), horizon_s=st.sampled_from([None, None, 1e-3, 8.0]))
def test_result_is_the_promised_json(branching_trace: Traces, case: dict[str, Any], horizon_s: float | None) -> None:
    """Interface. Mutant: a key renamed, a numpy scalar or NaN in the JSON, a link left out, stages that don't add up to TTFT."""
    scenario = scenario_of(case, branching_trace, horizon_s=horizon_s)
    values = simulate(scenario).to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert list(values) == list(KEYS)
    for key, inner in KEYS.items():
        assert inner is None or set(values[key]) == inner
    assert all(set(spread) == {"mean", "p50", "p90", "p99"} for spread in values["latency_s"].values())
    assert Scenario(**values["scenario"]) == scenario

    spec = scenario.cluster
    for link in values["links"]:
        assert set(link) == LINK_KEYS
        assert 0 <= link["utilization"] <= 1 + 1e-6
    for role, nodes in (("prefill", spec.prefill_nodes), ("decode", spec.decode_nodes)):
        kinds = [(link["kind"], link["direction"]) for link in values["links"] if link["role"] == role]
        for kind, ways, number in (
            ("snic", ("rx", "tx"), nodes),
            ("dram", ("both",), nodes),
            ("cnic", ("rx", "tx"), nodes * spec.gpus_per_node),
        ):
            assert all(kinds.count((kind, way)) == number for way in ways)
        assert len(kinds) == nodes * (3 + 2 * spec.gpus_per_node)
    assert len({(link["name"], link["direction"]) for link in values["links"]}) == len(values["links"])

    finished = values["jct_s"] is not None
    assert finished == (values["agents_finished"] == scenario.workload.agents)
    assert values["simulated_s"] == horizon_s or (finished and values["simulated_s"] <= (horizon_s or inf))
    ttft, breakdown = values["latency_s"]["ttft"]["mean"], values["ttft_breakdown_s"]
    if values["turns"]:
        assert sum(breakdown.values()) == pytest.approx(ttft)
        assert values["hit_rate"] == pytest.approx(values["tokens"]["hit"] / (values["tokens"]["hit"] + values["tokens"]["computed"]))
    else:
        assert ttft is None


@tried(60)
@given(case=cases())
def test_each_system_reads_where_it_may(branching_trace: Traces, case: dict[str, Any]) -> None:
    """Section 10. Mutant: basic or layer-wise reads on the decode side; oracle moves KV-cache; a read without hits; others split too."""
    simulation = ran(scenario_of(case, branching_trace))
    table, system = simulation.log.columns(), simulation.scenario.system
    carried = simulation.network.carried_bytes(simulation.now)
    if system in OWN_SIDE:
        assert (table["prefill_read"] == table["hit"]).all()
        assert all(carried[node.snic_rx.number] == 0 for node in simulation.cluster.decode_nodes)
    assert ((table["prefill_read"] >= 0) & (table["prefill_read"] <= table["hit"])).all()
    assert (table["prefill_read"] % BLOCK_TOKENS == 0).all()
    if system != "split":
        assert ((table["prefill_read"] == 0) | (table["prefill_read"] == table["hit"])).all()
    if system == "oracle":
        assert not carried.any()
    if not table["hit"].any():
        assert all(carried[node.snic_rx.number] == 0 for node in simulation.cluster.nodes)


def test_dual_path_systems_do_read_on_both_sides(branching_trace: Traces) -> None:
    """Section 4, so that the test above is not empty. Mutant: the second path is never taken."""
    for system in ("roundrobin", "dualpath", "split"):
        workload = {"source": branching_trace(0), "agents": 12}
        cluster = {"prefill_nodes": 1, "decode_nodes": 1, "storage_gbps": 2}
        table = ran(Scenario(model="ds-27b", system=system, cluster=cluster, workload=workload)).log.columns()
        assert 0 < table["prefill_read"].sum() < table["hit"].sum()
        assert (system == "split") == ((table["prefill_read"] > 0) & (table["prefill_read"] < table["hit"])).any()


@pytest.mark.parametrize("system", ["layerwise", "roundrobin", "dualpath", "split"])
@pytest.mark.parametrize("model", ["ds-660b", "qwen-32b"])
def test_turns_of_the_drawn_cases_are_cut(branching_trace: Traces, system: str, model: str) -> None:
    """Section 4, so that law 2 is tried on later chunks; the quota cuts none of a small model. Mutant: nothing is ever loaded again."""
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 1000}
    table = ran(Scenario(model=model, system=system, cluster=cluster, workload={"source": branching_trace(0), "agents": 12})).log.columns()
    again = table["prefill_reloaded"] + table["decode_reloaded"]
    assert (again > 0).sum() >= 3
    assert (table["prefill_reloaded"][table["prefill_read"] > 0] % table["prefill_read"][table["prefill_read"] > 0] == 0).all()
    assert (table["prefill_reloaded"][table["prefill_read"] == 0] == 0).all()
    assert table["prefill_reloaded"].any()
    assert (table["decode_reloaded"][table["prefill_reloaded"] > 0] > 0).all()


def test_turn_of_the_table_is_whole() -> None:
    """Law 3: the tokens of a turn. Mutant: the answer is left out of what a decode engine must hold."""
    turn = Turn(0, 0, hit=128, computed=10, generate=5, kv_bytes_per_token=7)
    assert (turn.prompt, turn.tokens, turn.computed) == (138, 143, 10)
    assert turn.hbm_bytes == 1001
