"""Closed forms in the limit (law 9) and what may not get worse (law 10)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given
from hypothesis import strategies as st

from dualpath_lab import calibration
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import load_hardware
from dualpath_lab.scenario import Cluster as ClusterSpec
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.run import simulate

from .trying import tried

GPU = load_hardware(ClusterSpec().hardware)
_ONLY_FLOPS = {"request_s": 0.0, "layer_block_s": 0.0, "prefill_layer_floor_s": 0.0}
READ_BYTES_PER_S = 1e9 / 8 * GPU.storage_efficiency
"""Of a storage NIC of 1 Gb/s."""
STORED = ("basic", "layerwise", "roundrobin", "dualpath", "split")
NO_LIMIT = {"storage_gbps": 1e6, "compute_gbps": 1e6, "dram_gbytes_per_s": 1e6, "buffer_gbytes": 1e6}


def run(system: str, model: str, cluster: dict[str, Any], workload: dict[str, Any], **more: Any) -> dict[str, Any]:
    scenario = Scenario(system=system, model=model, cluster={"hbm_gbytes": 3000} | cluster, workload=workload, **more)
    return simulate(scenario).to_dict()


def snic_utilization(values: dict[str, Any]) -> float:
    return float(max(link["utilization"] for link in values["links"] if link["kind"] == "snic"))


def jct_without_limits(system: str, model: str, workload: dict[str, Any], mechanisms: dict[str, bool]) -> float:
    cluster = {"prefill_nodes": 1, "decode_nodes": 2, "gpus_per_node": 2, "hbm_gbytes": 3000} | NO_LIMIT
    traffic = {"model_share": 0}
    simulation = Simulation(
        Scenario(system=system, model=model, cluster=cluster, workload=workload, mechanisms=mechanisms, traffic=traffic)
    )
    simulation.network.set_capacity(1e18, simulation.network.links)
    simulation.run()
    return simulation.now


@pytest.mark.parametrize("model", ["ds-27b", "ds-660b", "qwen-32b"])
@pytest.mark.parametrize(("source", "append_scale"), [("paper-32k", 1), ("paper-64k", 4)])
def test_without_limits_to_bandwidth_every_system_is_its_oracle(
    model: str, source: str, append_scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 9, where 0.1 % is asked for. Mutant: a wait or a copy that no bandwidth removes; a system that outruns the zero-I/O bound.

    A system's oracle places and batches as it does; the time it takes to submit a copy is no bandwidth and is lifted. Which of two turns
    comes first decides where both go, and by this the rest of the run: so links are so fast that no two turns change places, and random
    pauses see to it that none come at once.
    """
    monkeypatch.setattr(calibration, "COPY_SUBMIT_S", {"rdma": 0.0, "copy_engine": 0.0})
    workload = {"source": source, "agents": 12, "append_scale": append_scale, "tool_gap_s": 0.5}
    in_turn = {"adaptive": False, "compute_quota": False}
    oracles = {
        ("dualpath", "split"): jct_without_limits("oracle", model, workload, {}),
        ("roundrobin", "layerwise", "basic"): jct_without_limits("oracle", model, workload, in_turn),
    }
    for systems, oracle in oracles.items():
        for system in systems:
            assert jct_without_limits(system, model, workload, {}) == pytest.approx(oracle, rel=1e-6)


@pytest.mark.parametrize("model", ["ds-27b", "qwen-32b"])
@pytest.mark.parametrize("gpus", [1, 4])
@pytest.mark.parametrize("system", ["oracle", "dualpath", "split"])
def test_compute_bound_is_flops_over_rate(equal_trace: Callable[..., str], system: str, gpus: int, model: str, tmp_path: Path) -> None:
    """Law 9: answers of one token leave prefill alone. Mutant: attention or linear layers counted twice, or on one GPU of many.

    Engines that always have work take FLOPs / (GPUs x rate) and the forwards' layers; within 1 % on several engines, whose last
    forwards are not equally full. A cached block costs nothing here, as it would cost once more wherever a turn is
    cut; nor do the host's launches hold up a forward that isn't full.
    """
    gpu = load_hardware("h800")
    hardware = tmp_path / "hardware.yaml"
    hardware.write_text(yaml.safe_dump(gpu.model_dump() | _ONLY_FLOPS), encoding="utf-8")
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": gpus, "hardware": str(hardware)} | NO_LIMIT
    workload = {"source": equal_trace(40, 12, 20_000, 400, 1), "agents": 40}
    simulation = Simulation(Scenario(system=system, model=model, cluster={"hbm_gbytes": 3000} | cluster, workload=workload))
    simulation.run()
    table, loaded = simulation.log.columns(), simulation.model
    seconds = 0.0
    for hit, computed in zip(table["hit"].tolist(), table["computed"].tolist(), strict=True):
        seconds += loaded.attention_flops(hit, computed) / gpu.attention_flops_per_s
        seconds += 2 * loaded.active_parameters * computed / gpu.linear_flops_per_s
    forwards = sum(group.forwards for group in simulation.cluster.prefill_groups)
    overhead_s = forwards * loaded.layers * gpu.prefill_layer_s if loaded.expert_parallel and gpus > 1 else 0.0
    assert table["finished"].max() == pytest.approx(seconds / gpus + overhead_s, rel=1e-4 if gpus == 1 else 0.01)


@pytest.mark.parametrize("model", ["ds-27b", "qwen-32b"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 2), (2, 2)], ids=lambda shape: "{}P{}D".format(*shape))
def test_storage_bound_is_bytes_over_pooled_bandwidth(equal_trace: Callable[..., str], model: str, shape: tuple[int, int]) -> None:
    """Law 9: P storage NICs for basic, P + D for DualPath, within 2 %. Mutant: reads that leave a NIC idle while others queue.

    The first round reads nothing and the last leaves NICs idle one by one: 200 rounds make that little.
    """
    prefill_nodes, decode_nodes = shape
    cluster = {"prefill_nodes": prefill_nodes, "decode_nodes": decode_nodes, "gpus_per_node": 1, "storage_gbps": 1}
    workload = {"source": equal_trace(24, 200, 16_000, 20, 2), "agents": 24}
    systems = {"basic": prefill_nodes, "layerwise": prefill_nodes, "dualpath": sum(shape), "split": sum(shape)}
    for system, nodes in systems.items():
        values = run(system, model, cluster, workload)
        least_s = values["storage_bytes"]["read"] / (nodes * READ_BYTES_PER_S)
        assert least_s < values["jct_s"] < 1.02 * least_s
        assert values["bottleneck"] in (("prefill SNIC", "decode SNIC") if nodes == sum(shape) else ("prefill SNIC",))
        assert 0.98 < snic_utilization(values) <= 1


def test_storage_bound_pairs_are_equal(equal_trace: Callable[..., str]) -> None:
    """Law 9 and row E3: only the number of storage NICs that may read decides, within 2 %. Mutant: decode nodes help basic."""
    workload = {"source": equal_trace(24, 200, 16_000, 20, 2), "agents": 24}

    def jct(system: str, prefill_nodes: int, decode_nodes: int) -> float:
        cluster = {"prefill_nodes": prefill_nodes, "decode_nodes": decode_nodes, "gpus_per_node": 1, "storage_gbps": 1}
        return float(run(system, "ds-27b", cluster, workload)["jct_s"])

    assert jct("basic", 1, 1) == pytest.approx(jct("basic", 1, 2), rel=0.02)
    assert jct("dualpath", 1, 1) == pytest.approx(jct("basic", 2, 1), rel=0.02)
    assert jct("dualpath", 2, 1) == pytest.approx(jct("dualpath", 1, 2), rel=0.02)


@pytest.mark.parametrize("model", ["ds-27b", "qwen-32b"])
@pytest.mark.parametrize("compute_gbps", [20, 400])
@pytest.mark.parametrize("system", STORED)
def test_the_second_token_of_a_lone_turn_takes_a_copy_and_a_step(
    equal_trace: Callable[..., str], system: str, model: str, compute_gbps: float
) -> None:
    """Law 9 and section 11: the KV-cache of the prompt into decode HBM, a Layer Block at a time, then one step of a group that was idle.

    Mutant: TTST counts from submission, or from the end of the copy; the copy is made twice, or beside the step.
    """
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1, "compute_gbps": compute_gbps, "hbm_gbytes": 3000}
    workload = {"source": equal_trace(1, 1, 8000, 0, 65), "agents": 1}
    simulation = Simulation(Scenario(system=system, model=model, cluster=cluster, workload=workload, traffic={"model_share": 0}))
    simulation.run()
    loaded, table = simulation.model, simulation.log.columns()
    copy_s = 8000 * loaded.kv_bytes_per_token / (compute_gbps * 1e9 / 8)
    copy_s = max(copy_s, 8000 / 64 * loaded.layers * (GPU.layer_block_s + calibration.COPY_SUBMIT_S["rdma"]))
    met = loaded.active_experts / loaded.routed_experts if loaded.expert_parallel else 0
    read_bytes = loaded.weight_bytes - loaded.routed_weight_bytes * (1 - met) + loaded.decode_read_bytes(8000 + 65 // 2)
    step_s = read_bytes / GPU.hbm_bytes_per_s + loaded.linear_flops(1) / GPU.linear_flops_per_s
    assert table["ttst"].tolist() == [pytest.approx(copy_s + step_s, rel=1e-6)]
    assert table["ttft"] + table["ttst"] == pytest.approx(table["second_token"] - table["submitted"])
    assert copy_s > 0.005
    assert step_s > 0.0005


@pytest.mark.parametrize("shape", [(2, 2), (1, 2), (4, 4)], ids=lambda shape: "{}P{}D".format(*shape))
def test_round_robin_over_both_sides_uses_every_storage_nic(equal_trace: Callable[..., str], shape: tuple[int, int]) -> None:
    """Law 9: half of the reads on each side, spread over its nodes, so the fewer nodes decide. Mutant: nodes that never read.

    Within 10 %: engines and sides are fixed in advance, so queues run dry a little earlier than DualPath's.
    """
    cluster = {"prefill_nodes": shape[0], "decode_nodes": shape[1], "gpus_per_node": 1, "storage_gbps": 1}
    values = run("roundrobin", "ds-27b", cluster, {"source": equal_trace(24, 50, 16_000, 20, 2), "agents": 24})
    least_s = values["storage_bytes"]["read"] / 2 / (min(shape) * READ_BYTES_PER_S)
    assert least_s < values["jct_s"] < 1.1 * least_s


def test_dual_path_wins_where_storage_decides() -> None:
    """Row E2's shape at an eighth of its size. Mutant: the second path is closed, or pays for itself twice."""
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1, "storage_gbps": 20}
    workload = {"source": "paper-64k", "agents": 24}
    basic, dualpath = (run(system, "ds-27b", cluster, workload) for system in ("basic", "dualpath"))
    assert snic_utilization(basic) > 0.8
    assert 1.3 < basic["jct_s"] / dualpath["jct_s"] <= 2


QUICK = (Phase.explicit, Phase.generate)
"""A failing pair of runs is told as it was found: looking for a simpler one would take minutes."""
NOISE = 0.01
"""What another order of the same events may cost."""
NODE_NOISE = 0.02
"""The same with a decode node more: of all 1,224 pairs, two lost over 1 %, 1.9 % at most."""
ROUND_ROBIN_NOISE = 0.09
"""The sides alternate against another period where there are more nodes: of all 306 pairs, the worst lost 8.9 %."""


@tried(25, phases=QUICK)
@given(
    system=st.sampled_from(STORED),
    model=st.sampled_from(["ds-27b", "qwen-32b"]),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    more=st.floats(1.2, 5),
    seed=st.integers(0, 50),
)
def test_more_storage_bandwidth_never_hurts(system: str, model: str, shape: tuple[int, int], more: float, seed: int) -> None:
    """Law 10. Mutant: a rate used as a time, or a read queue that a faster NIC lengthens."""
    storage_gbps = 1.0 if model == "ds-27b" else 10.0
    workload = {"source": "paper-32k", "agents": 4 * sum(shape)}
    cluster = {"prefill_nodes": shape[0], "decode_nodes": shape[1], "gpus_per_node": 2}
    slow, fast = (run(system, model, cluster | {"storage_gbps": rate}, workload, seed=seed) for rate in (storage_gbps, storage_gbps * more))
    assert snic_utilization(slow) > 0.4, "storage was not contended"
    assert fast["jct_s"] <= slow["jct_s"] * (1 + NOISE)


@tried(20, phases=QUICK)
@given(
    system=st.sampled_from(STORED),
    model=st.sampled_from(["ds-27b", "qwen-32b"]),
    decode_nodes=st.integers(1, 3),
    seed=st.integers(0, 50),
)
def test_more_decode_nodes_never_hurt(system: str, model: str, decode_nodes: int, seed: int) -> None:
    """Law 10. Mutant: reads follow the number of decode nodes and not their queues; HBM or buffers of new nodes stay unused."""
    cluster = {"prefill_nodes": 1, "gpus_per_node": 2, "storage_gbps": 1 if model == "ds-27b" else 10}
    workload = {"source": "paper-32k", "agents": 8}
    few, many = (run(system, model, cluster | {"decode_nodes": nodes}, workload, seed=seed) for nodes in (decode_nodes, decode_nodes + 1))
    assert snic_utilization(few) > 0.4, "storage was not contended"
    assert many["jct_s"] <= few["jct_s"] * (1 + (ROUND_ROBIN_NOISE if system == "roundrobin" else NODE_NOISE))


@tried(15, phases=QUICK)
@given(system=st.sampled_from(STORED), model=st.sampled_from(["ds-27b", "qwen-32b"]), seed=st.integers(0, 50))
def test_fewer_bytes_a_hit_never_hurt(system: str, model: str, seed: int) -> None:
    """Law 10: the same hits and FLOPs in half the bytes; storage-bound, half the time. Mutant: bytes a token are fixed somewhere."""
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 2 if model == "ds-27b" else 20}
    workload = {"source": "paper-32k", "agents": 24}
    large, small = (run(system, model, cluster, workload, seed=seed, kv_dtype=dtype) for dtype in ("bf16", "fp8"))
    assert snic_utilization(large) > 0.7, "storage was not contended"
    assert small["storage_bytes"]["read"] == pytest.approx(large["storage_bytes"]["read"] / 2)
    assert 0.5 * (1 - NOISE) < small["jct_s"] / large["jct_s"] < 0.75


@tried(12, phases=QUICK)
@given(system=st.sampled_from(STORED), fewer=st.floats(0.7, 0.95), seed=st.integers(0, 50))
def test_a_lower_hit_rate_never_hurts_where_storage_decides(system: str, fewer: float, seed: int) -> None:
    """Law 10, where the prefill of what is no longer found is small beside the reads. Mutant: ``hit_rate`` moves no bytes."""
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 1}
    workload = {"source": "paper-32k", "agents": 24}
    whole, part = (run(system, "ds-27b", cluster, workload | {"hit_rate": rate}, seed=seed) for rate in (1.0, fewer))
    assert snic_utilization(whole) > 0.75, "storage was not contended"
    assert part["storage_bytes"]["read"] < whole["storage_bytes"]["read"] * (fewer + 0.01)
    assert part["jct_s"] <= whole["jct_s"] * (1 + NOISE)
