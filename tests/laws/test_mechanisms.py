"""What each mechanism adds, one switch at a time; what the scheduler saw and did; that no mixture of reads gets stuck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.models import load_model
from dualpath_lab.result import Result
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError, WorkloadSpec
from dualpath_lab.studies.run import simulate
from dualpath_lab.workload import BLOCK_TOKENS, build_workload

from .trying import tried

SMALL = {
    "ds-27b": {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 150},
    "qwen-32b": {"prefill_nodes": 2, "decode_nodes": 2, "gpus_per_node": 2, "storage_gbps": 40},
}
"""Clusters on which storage, compute and memory all matter."""


def scenario_of(system: str, model: str = "ds-27b", switches: dict[str, bool] | None = None) -> Scenario:
    workload = {"source": "paper-32k", "agents": 10, "append_scale": 2}
    return Scenario(model=model, system=system, cluster=SMALL[model], workload=workload, mechanisms=switches or {})


def outcome(result: Result) -> dict[str, Any]:
    """All that a run tells but which scenario it was and how long it took, every turn included."""
    values = {key: value for key, value in result.to_dict().items() if key not in ("scenario", "wall_s")}
    return values | {name: column.tobytes() for name, column in result.columns.items()}


STEPS: list[tuple[str, dict[str, bool], str]] = [
    ("basic", {"layerwise": True}, "layerwise"),
    ("layerwise", {"dual_path": True}, "roundrobin"),
    ("roundrobin", {"adaptive": True, "compute_quota": True}, "dualpath"),
]


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize(("before", "added", "system"), STEPS, ids=lambda part: part if isinstance(part, str) else "")
def test_each_system_is_its_predecessor_and_one_mechanism(before: str, added: dict[str, bool], system: str, model: str) -> None:
    """Section 10, bit for bit, up and down. Mutant: a switch that is not looked at, or a system with something of its own."""
    lesser, greater = (outcome(simulate(scenario_of(name, model))) for name in (before, system))
    assert lesser != greater
    assert outcome(simulate(scenario_of(before, model, added))) == greater
    assert outcome(simulate(scenario_of(system, model, dict.fromkeys(added, False)))) == lesser


def test_all_switches_make_dualpath_of_basic() -> None:
    """Section 10. Mutant: a mechanism hangs on the system's name."""
    everything = {"layerwise": True, "dual_path": True, "adaptive": True, "compute_quota": True}
    assert outcome(simulate(scenario_of("basic", switches=everything))) == outcome(simulate(scenario_of("dualpath")))


@pytest.mark.parametrize("switch", ["adaptive", "compute_quota"])
def test_scheduler_and_quota_are_switches_of_their_own(switch: str) -> None:
    """Section 10's ablation. Mutant: one switch does both, or nothing."""
    without, with_it = (outcome(simulate(scenario_of(system))) for system in ("roundrobin", "dualpath"))
    assert outcome(simulate(scenario_of("roundrobin", switches={switch: True}))) not in (without, with_it)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_switch_left_as_the_system_has_it_changes_nothing(system: str) -> None:
    """Mutant: None is taken for off; a switch set counts as changed."""
    has = {
        "layerwise": system != "basic",
        "dual_path": system not in ("basic", "layerwise"),
        "adaptive": system not in ("basic", "layerwise", "roundrobin"),
        "compute_quota": system not in ("basic", "layerwise", "roundrobin"),
    }
    assert outcome(simulate(scenario_of(system, switches=has))) == outcome(simulate(scenario_of(system)))


@pytest.mark.parametrize("system", ["roundrobin", "dualpath", "split"])
def test_without_the_second_path_the_decode_side_never_reads(system: str) -> None:
    """Section 4. Mutant: the scheduler still chooses a side."""
    result = simulate(scenario_of(system, switches={"dual_path": False}))
    assert (result.columns["prefill_read"] == result.columns["hit"]).all()
    read = {role: sum(link["bytes"] for link in _reading(result) if link["role"] == role) for role in ("prefill", "decode")}
    assert read["prefill"] > 0
    assert read["decode"] == 0


def _reading(result: Result) -> list[dict[str, Any]]:
    return [link for link in result.to_dict()["links"] if (link["kind"], link["direction"]) == ("snic", "rx")]


@pytest.mark.parametrize(
    ("system", "switches"),
    [
        ("basic", {"dual_path": True}),
        ("layerwise", {"dual_path": True, "layerwise": False}),
        ("roundrobin", {"layerwise": False}),
        ("dualpath", {"layerwise": False}),
        ("split", {"layerwise": False}),
    ],
)
def test_both_sides_without_layerwise_prefill_are_refused(system: str, switches: dict[str, bool]) -> None:
    """Bad input, in a sentence that names both keys. Mutant: what the decode side read is lost, or one switch wins silently."""
    with pytest.raises(ScenarioError) as error:
        Simulation(scenario_of(system, switches=switches))
    sentence = str(error.value)
    assert "mechanisms.layerwise" in sentence
    assert "mechanisms.dual_path" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("model", SMALL)
def test_dualpath_reads_on_the_side_whose_queue_it_saw_shorter(model: str) -> None:
    """Section 7, from the record alone. Mutant: what is on record is the queue after the decision, or another node's."""
    table = simulate(scenario_of("dualpath", model)).columns
    decode_side = table["seen_decode_queue"] < table["seen_prefill_queue"]
    assert (table["prefill_read"] == np.where(decode_side, 0, table["hit"])).all()
    assert 0 < decode_side.mean() < 1


@pytest.mark.parametrize("model", SMALL)
def test_split_leaves_queues_of_the_same_length(model: str) -> None:
    """From the record: within a block, unless the whole read is too short for that, and then all on the shorter side."""
    table = simulate(scenario_of("split", model)).columns
    prefill_queue, decode_queue, hit, near = (table[name] for name in ("seen_prefill_queue", "seen_decode_queue", "hit", "prefill_read"))
    enough = hit >= abs(prefill_queue - decode_queue)
    difference = abs(prefill_queue + near - decode_queue - (hit - near))
    assert (difference[enough] <= BLOCK_TOKENS).all()
    assert (near[~enough] == np.where(prefill_queue < decode_queue, hit, 0)[~enough]).all()
    assert ((near > 0) & (near < hit)).any()


@tried(60)
@given(
    system=st.sampled_from(["split", "split", "dualpath", "roundrobin"]),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 4)),
    storage_gbps=st.sampled_from([2.0, 20.0, 400.0]),
    workload=st.fixed_dictionaries(
        {
            "source": st.just("paper-32k"),
            "agents": st.integers(4, 16),
            "append_scale": st.sampled_from([2.0, 4.0, 10.0]),
            "generate_scale": st.sampled_from([0.01, 0.3]),
        }
    ),
    seed=st.integers(0, 99),
)
def test_nobody_waits_for_ever_however_small_the_buffers(
    system: str, shape: tuple[int, int, int], storage_gbps: float, workload: dict[str, Any], seed: int
) -> None:
    """Law 6: buffers that hold the longest prompt and not a byte more. Mutant: turns that hold room on one side wait for it on the other,
    in a circle; a read with room waits behind one without.
    """
    lengths, _ = build_workload(WorkloadSpec(**workload), seed)
    longest_bytes = int((lengths.context + lengths.append).max()) * load_model("ds-27b").kv_bytes_per_token
    cluster = {"prefill_nodes": shape[0], "decode_nodes": shape[1], "gpus_per_node": shape[2], "storage_gbps": storage_gbps}
    cluster["buffer_gbytes"] = (longest_bytes + 1) / 1e9
    scenario = Scenario(model="ds-27b", system=system, cluster=cluster, workload=workload, seed=seed)
    simulation = Simulation(scenario)
    assert all(node.buffer.capacity_bytes <= longest_bytes + 1 for node in simulation.cluster.nodes)
    simulation.run()
    assert simulation.agents_finished == workload["agents"]
    assert len(simulation.log) == simulation.workload.turns
