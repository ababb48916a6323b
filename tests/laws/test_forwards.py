"""What a forward takes beside its computation: exchange, submissions, the pipeline's ends, HBM for a few layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dualpath_lab import calibration
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario

HUGE = {"storage_gbps": 1e6, "compute_gbps": 1e6, "dram_gbytes_per_s": 1e6, "hbm_gbytes": 1000}


def ran(cluster: dict[str, Any], workload: dict[str, Any], **more: Any) -> Simulation:
    shape = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "hbm_gbytes": 1000}
    simulation = Simulation(Scenario(**{"model": "ds-27b", "cluster": shape | cluster, "workload": workload} | more))
    simulation.run()
    return simulation


@pytest.mark.parametrize("storage_gbps", [2.0, 400.0])
@pytest.mark.parametrize("compute_gbps", [20.0, 400.0])
def test_every_computed_token_is_exchanged_once(storage_gbps: float, compute_gbps: float) -> None:
    """Section 6: tokens x bytes a token on each NIC of the mean engine, however long transfers stretch the forwards.

    Mutant: the traffic of a forward goes on until its transfers are over, or stops with the first engine.
    """
    cluster = {"prefill_nodes": 2, "storage_gbps": storage_gbps, "compute_gbps": compute_gbps}
    simulation = ran(cluster, {"source": "paper-32k", "agents": 6})
    (group,) = simulation.cluster.prefill_groups
    tokens = int(simulation.log.columns()["computed"].sum())
    bytes_each = simulation.model.exchange_bytes(2) * tokens / len(group.engines)
    assert group.traffic.total_bytes(simulation.now) == pytest.approx(bytes_each, rel=1e-6)
    assert bytes_each > 0


@pytest.mark.parametrize("model", ["ds-27b", "ds-660b", "qwen-32b"])
def test_tokens_go_once_to_each_other_node_with_one_of_their_experts(model: str) -> None:
    """Section 6. Mutant: the own node counts, or every expert makes a copy of its own."""
    loaded = load_model(model)
    assert loaded.exchange_bytes(1) == 0
    if loaded.expert_parallel:
        assert 0.9 * loaded.exchange_bytes_per_token < loaded.exchange_bytes(2) < loaded.exchange_bytes_per_token
        assert loaded.exchange_bytes(1000) == pytest.approx(loaded.active_experts * loaded.exchange_bytes_per_token, rel=0.01)
    else:
        assert loaded.exchange_bytes(4) == 0


def first_turn_s(equal_trace: Callable[..., str], cluster: dict[str, Any], first: int = 6400, **more: Any) -> tuple[float, Simulation]:
    """How long the forward of a lone second turn with ``first`` hit tokens takes, and its run."""
    workload = {"source": equal_trace(1, 2, first, 64, 64), "agents": 1}
    simulation = ran(cluster, workload, traffic={"model_share": 0}, **more)
    table = simulation.log.columns()
    return float(table["prefill_ended"][1] - table["prefill_started"][1]), simulation


def compute_s(simulation: Simulation, hit: int, computed: int, gpus: int = 2) -> float:
    model = simulation.model
    attention_s = model.attention_flops(hit, computed) / calibration.ATTENTION_FLOPS_PER_S
    linear_s = model.linear_flops(computed) / gpus / calibration.LINEAR_FLOPS_PER_S
    return model.layers * calibration.LAYER_OVERHEAD_S + attention_s + linear_s


def test_a_forward_lasts_its_computation_and_one_layers_transfer(equal_trace: Callable[..., str]) -> None:
    """Section 4, per-layer streaming. Mutant: the first layer's load is free, or every layer waits for its own."""
    least, simulation = first_turn_s(equal_trace, HUGE)
    table = simulation.log.columns()
    hit, computed = int(table["hit"][1]), int(table["computed"][1])
    assert least == pytest.approx(compute_s(simulation, hit, computed), rel=1e-4)
    slower, simulation = first_turn_s(equal_trace, HUGE | {"compute_gbps": 400})
    moved = (int(table["prefill_read"][1]) + computed + int(table["prefill_read"][1])) * simulation.model.kv_bytes_per_token
    assert slower - least == pytest.approx(moved / 50e9 / simulation.model.layers, rel=1e-3)


def test_the_copy_engine_takes_its_time_for_every_copy(equal_trace: Callable[..., str]) -> None:
    """Section 4: a copy for each layer and block, one after the other. Mutant: a call for each block; nobody waits for submissions."""
    _, rdma = first_turn_s(equal_trace, HUGE, first=64_000)
    forward_s, engine = first_turn_s(equal_trace, HUGE | {"copy_method": "copy_engine"}, first=64_000)
    table = engine.log.columns()
    blocks = 64_000 // 64
    copies = engine.model.layers * (blocks + (blocks if table["prefill_read"][1] else 0) + 2)
    assert forward_s == pytest.approx(6e-6 * copies, rel=0.01)
    transfer = [float(run.log.columns()["second_token"][1] - run.log.columns()["first_token"][1]) for run in (rdma, engine)]
    assert transfer[1] - transfer[0] == pytest.approx(6e-6 * engine.model.layers * (blocks + 2), rel=0.05)


def test_hbm_for_a_few_layers_bounds_a_layerwise_forward() -> None:
    """Law 6 and section 4: what forwards held of HBM is no more than there is, and more than nothing. Mutant: HBM goes unasked."""
    simulation = ran({}, {"source": "paper-32k", "agents": 12})
    peaks = [engine.hbm.peak_bytes for engine in simulation.cluster.prefill_engines]
    longest = int((simulation.workload.context + simulation.workload.append).max()) * simulation.model.kv_bytes_per_token
    assert all(0 < peak <= engine.hbm.capacity_bytes for peak, engine in zip(peaks, simulation.cluster.prefill_engines, strict=True))
    assert max(peaks) >= longest * 2 // simulation.model.layers
    assert max(peaks) < 12 * longest * 2 // simulation.model.layers
