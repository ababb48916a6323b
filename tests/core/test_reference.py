"""Differential: the core against :mod:`reference`, which says the same in another way, within 1 %."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from dualpath_lab import Scenario, calibration
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import load_hardware

from .reference import Machine, Reference

QWEN = {
    "layers": 64,
    "kv_bytes": 64 * 2 * 8 * 128 * 2,
    "pair_flops": 64 * 40 * 4 * 128,
    "parameters": 31_984_189_440,
    "weights": 65_525_514_240,
}
GPU = load_hardware("h200")
PAPER = {
    "hbm": GPU.hbm_bytes_per_s,
    "attention": GPU.attention_flops_per_s,
    "linear": GPU.linear_flops_per_s,
    "layer_block_s": GPU.layer_block_s,
    "request_s": GPU.request_s,
    "block_submit_s": 64 * calibration.COPY_SUBMIT_S["rdma"],
    "quota_s": calibration.COMPUTE_QUOTA_S,
    "fifo_tokens": calibration.FIFO_FORWARD_TOKENS,
}


SEEDS = range(12)
"""Two turns that come within a millisecond may go either way, and all after them differs: means over some runs agree."""


def both(system: str, decode_nodes: int, storage_gbps: float, seed: int, **workload: Any) -> tuple[dict[str, Any], list[Any], Simulation]:
    """Columns of the core's turns in the workload's order, and the reference's turns in the same."""
    scenario = Scenario(
        model="qwen-32b",
        system=system,
        cluster={
            "prefill_nodes": 1,
            "decode_nodes": decode_nodes,
            "hardware": GPU.name,
            "gpus_per_node": 1,
            "storage_gbps": storage_gbps,
            "compute_gbps": 1600,
            "dram_gbytes_per_s": 10_000,
            "buffer_gbytes": 10_000,
            "hbm_gbytes": 10_000,
        },
        workload={"source": "paper-32k"} | workload,
        seed=seed,
    )
    simulation = Simulation(scenario)
    simulation.run()
    given = simulation.workload
    turns = list(zip(given.context.tolist(), given.append.tolist(), given.generate.tolist(), strict=True))
    agents = [turns[first:last] for first, last in zip(given.first_turn[:-1], given.first_turn[1:], strict=True)]
    storage = storage_gbps * 1e9 / 8 * GPU.storage_efficiency
    machine = Machine(system=system, decode_nodes=decode_nodes, storage=storage, compute=1600e9 / 8, **QWEN, **PAPER)
    reference = sorted(Reference(machine, agents).run(), key=lambda work: (work.agent, work.number))
    columns = simulation.log.columns()
    order = np.argsort(columns["row"])
    return {name: values[order] for name, values in columns.items()}, reference, simulation


CASES = [
    pytest.param("oracle", 1, 100.0, {"agents": 6}, id="oracle"),
    pytest.param("layerwise", 1, 20.0, {"agents": 4}, id="layerwise, storage decides"),
    pytest.param("layerwise", 2, 200.0, {"agents": 6}, id="layerwise, 1P2D"),
    pytest.param("dualpath", 1, 20.0, {"agents": 4}, id="dualpath, storage decides"),
    pytest.param("dualpath", 1, 100.0, {"agents": 6, "append_scale": 4.0}, id="dualpath, long appends"),
    pytest.param("dualpath", 2, 50.0, {"agents": 6, "generate_scale": 0.2}, id="dualpath, 1P2D, short answers"),
]


@pytest.mark.parametrize(("system", "decode_nodes", "storage_gbps", "workload"), CASES)
def test_the_reference_agrees(system: str, decode_nodes: int, storage_gbps: float, workload: dict[str, Any]) -> None:
    """Mutant: a stage that is left out, a queue that is not one, a side that is never read."""
    core: dict[str, list[float]] = defaultdict(list)
    other: dict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        table, reference, simulation = both(system, decode_nodes, storage_gbps, seed, **workload)
        assert simulation.agents_finished == len({work.agent for work in reference})
        core["jct"].append(table["finished"].max())
        other["jct"].append(max(work.ended_s for work in reference))
        core["ttft"] += table["ttft"].tolist()
        other["ttft"] += [work.first_s - work.asked_s for work in reference]
        core["answer"] += (table["finished"] - table["first_token"]).tolist()
        other["answer"] += [work.ended_s - work.first_s for work in reference]
        core["reloaded"] += (table["prefill_reloaded"] + table["decode_reloaded"]).tolist()
        core["decode side"] += (table["prefill_read"] < table["hit"]).tolist()
        other["decode side"] += [work.side == "decode" for work in reference]
    for what in ("jct", "ttft", "answer"):
        assert np.mean(core[what]) == pytest.approx(np.mean(other[what]), rel=0.01), what
    assert np.mean(core["decode side"]) == pytest.approx(np.mean(other["decode side"]), abs=0.03)
    assert (system == "dualpath") == (np.mean(core["decode side"]) > 0.1)
    assert bool(workload.get("append_scale")) <= any(core["reloaded"]), "long appends are cut"
