"""What a forward takes beside its computation: exchange, submissions, the pipeline's ends, HBM for a few layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import ceil
from typing import Any

import pytest

from dualpath_lab import calibration
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import load_hardware
from dualpath_lab.models import load_model
from dualpath_lab.scenario import Scenario

GPU = load_hardware("h200")
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


def second_turn_s(
    equal_trace: Callable[..., str], cluster: dict[str, Any], first: int = 6400, append: int = 64, **more: Any
) -> tuple[float, Simulation]:
    """How long the forward of a lone second turn with ``first`` hit tokens takes, and its run."""
    workload = {"source": equal_trace(1, 2, first, append, 64), "agents": 1}
    simulation = ran(cluster, workload, traffic={"model_share": 0}, **more)
    table = simulation.log.columns()
    return float(table["prefill_ended"][1] - table["prefill_started"][1]), simulation


def compute_s(simulation: Simulation, hit: int, computed: int, gpus: int = 2) -> float:
    """A forward of one request, from the reference's words; the weights are read in less."""
    model = simulation.model
    attention_s = model.attention_flops(hit, computed) / GPU.attention_flops_per_s + ceil(hit / 64) * model.layers * GPU.layer_block_s
    linear_s = model.linear_flops(computed) / gpus / GPU.linear_flops_per_s
    return max(model.layers * GPU.prefill_layer_s + attention_s + linear_s, model.layers * GPU.prefill_layer_floor_s)


@pytest.mark.parametrize(("first", "append"), [(6400, 64), (64_000, 64), (6400, 6400)], ids=["floor", "cached blocks", "new tokens"])
def test_a_forward_lasts_its_computation_and_one_layers_transfer(equal_trace: Callable[..., str], first: int, append: int) -> None:
    """Section 4, per-layer streaming, and section 11, what a forward costs.

    Mutant: the first layer's load is free, or every layer waits for its own; a cached block, or a layer with little to do, costs nothing.
    """
    least, simulation = second_turn_s(equal_trace, HUGE, first, append)
    table = simulation.log.columns()
    hit, computed = int(table["hit"][1]), int(table["computed"][1])
    assert least == pytest.approx(compute_s(simulation, hit, computed), rel=1e-4)
    slower, simulation = second_turn_s(equal_trace, HUGE | {"compute_gbps": 400}, first, append)
    moved = (int(table["prefill_read"][1]) + computed + int(table["prefill_read"][1])) * simulation.model.kv_bytes_per_token
    assert slower - least == pytest.approx(moved / 50e9 / simulation.model.layers, rel=1e-3)


def test_the_copy_engine_takes_its_time_for_every_copy(equal_trace: Callable[..., str]) -> None:
    """Section 4: a copy for each layer and block, one after the other. Mutant: a call for each block; nobody waits for submissions."""
    _, rdma = second_turn_s(equal_trace, HUGE, first=64_000)
    forward_s, engine = second_turn_s(equal_trace, HUGE | {"copy_method": "copy_engine"}, first=64_000)
    table = engine.log.columns()
    blocks = 64_000 // 64
    copies = engine.model.layers * (blocks + (blocks if table["prefill_read"][1] else 0) + 2)
    assert forward_s == pytest.approx(6e-6 * copies, rel=0.01)
    transfer = [float(run.log.columns()["second_token"][1] - run.log.columns()["first_token"][1]) for run in (rdma, engine)]
    assert transfer[1] - transfer[0] == pytest.approx(
        (6e-6 - calibration.COPY_SUBMIT_S["rdma"]) * engine.model.layers * (blocks + 2), rel=0.05
    )


@pytest.mark.parametrize("system", ["layerwise", "roundrobin"])
def test_a_later_chunk_loads_all_that_is_before_it(equal_trace: Callable[..., str], system: str) -> None:
    """Sections 4 and 11, steps 3-5 for each forward: hits from where they were read, earlier chunks from the decode node's buffer.

    Mutant: what is cached is in HBM since the first chunk; it comes from the other buffer; hits are handed over once a chunk.
    """
    table = ran({}, {"source": equal_trace(1, 3, 6400, 5000, 64), "agents": 1}, system=system).log.columns()
    far_side = set()
    for turn in range(3):
        hit, near, computed = (int(table[name][turn]) for name in ("hit", "prefill_read", "computed"))
        later = range(calibration.FIFO_FORWARD_TOKENS, computed, calibration.FIFO_FORWARD_TOKENS)
        assert len(later) >= 2
        assert table["prefill_reloaded"][turn] == len(later) * near
        assert table["decode_reloaded"][turn] == len(later) * (hit - near) + sum(later)
        far_side.add(near < hit)
    assert far_side == ({False} if system == "layerwise" else {False, True})


def test_hits_stay_in_the_prefill_buffer_until_the_last_chunk_is_computed(equal_trace: Callable[..., str]) -> None:
    """Law 6 and section 4. Mutant: room is given back while it is still loaded from, or for good."""
    workload = {"source": equal_trace(1, 2, 6400, 5000, 64), "agents": 1}
    shape = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "hbm_gbytes": 1000}
    simulation = Simulation(Scenario(model="ds-27b", system="layerwise", cluster=shape, workload=workload))
    group, buffer = simulation.cluster.prefill_groups[0], simulation.cluster.prefill_nodes[0].buffer
    held: dict[int, set[int]] = defaultdict(set)
    while not simulation.finished:
        simulation.advance(0.01)
        if group.running:
            held[group.forwards].add(buffer.used_bytes)
    first = ceil(6400 / calibration.FIFO_FORWARD_TOKENS)
    second = ceil(5000 / calibration.FIFO_FORWARD_TOKENS)
    assert second > 1
    assert [held[forward] for forward in range(1, first + second + 1)] == [{0}] * first + [
        {6464 * simulation.model.kv_bytes_per_token}
    ] * second
    assert buffer.used_bytes == 0


@pytest.mark.parametrize("model", ["ds-27b", "ds-660b", "qwen-32b"])
def test_kv_cache_gets_the_hbm_that_weights_and_reserve_leave(model: str) -> None:
    """Section 11: all weights but the routed experts are on every GPU. Mutant: all are divided over the group, or none."""
    shape = {"prefill_nodes": 2, "decode_nodes": 4, "gpus_per_node": 8, "hardware": "h200"}
    cluster = Simulation(Scenario(model=model, cluster=shape, workload={"agents": 1})).cluster
    loaded = load_model(model)
    for engines, gpus in ((cluster.prefill_engines, 16), (cluster.decode_engines, 32)):
        routed = loaded.routed_weight_bytes / gpus if loaded.expert_parallel else 0
        weight_bytes = loaded.weight_bytes - loaded.routed_weight_bytes + routed
        assert engines[0].hbm.capacity_bytes == pytest.approx(141e9 * (1 - calibration.HBM_RESERVE) - weight_bytes, abs=1)
        assert loaded.expert_parallel == (loaded.routed_weight_bytes > 0.5 * loaded.weight_bytes)


def test_an_engine_takes_in_one_sequence_after_the_other(equal_trace: Callable[..., str]) -> None:
    """Section 11: the oracle moves nothing, and its decode engine still goes through every Layer Block. Mutant: all at once."""
    shape = {"gpus_per_node": 1} | HUGE
    table = ran(shape, {"source": equal_trace(4, 1, 6400, 0, 2), "agents": 4}, system="oracle").log.columns()
    take_in_s = 100 * load_model("ds-27b").layers * GPU.layer_block_s
    ends = sorted(table["second_token"].tolist())
    for prefilled in set(table["first_token"].tolist()):
        together = int((table["first_token"] == prefilled).sum())
        assert ends[-1] - prefilled >= together * take_in_s
    assert max(int((table["first_token"] == at).sum()) for at in table["first_token"]) > 1


def test_hbm_for_a_few_layers_bounds_a_layerwise_forward() -> None:
    """Law 6 and section 4: what forwards held of HBM is no more than there is, and more than nothing. Mutant: HBM goes unasked."""
    simulation = ran({}, {"source": "paper-32k", "agents": 12})
    peaks = [engine.hbm.peak_bytes for engine in simulation.cluster.prefill_engines]
    longest = int((simulation.workload.context + simulation.workload.append).max()) * simulation.model.kv_bytes_per_token
    assert all(0 < peak <= engine.hbm.capacity_bytes for peak, engine in zip(peaks, simulation.cluster.prefill_engines, strict=True))
    assert max(peaks) >= longest * 2 // simulation.model.layers
    assert max(peaks) < 12 * longest * 2 // simulation.model.layers
