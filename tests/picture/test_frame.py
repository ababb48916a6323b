"""What the picture of a cluster shows is what its links carried, path by path, and looking at it changes nothing (law 8)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from dualpath_lab import Scenario, simulate
from dualpath_lab.core import observer
from dualpath_lab.core.node_rates import NodeRates, node_rates
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.cluster_view import ClusterView
from dualpath_lab.hardware import load_hardware
from dualpath_lab.picture.frame import RECENT_BINS, ClusterFrame, cluster_frame
from dualpath_lab.picture.words import words
from dualpath_lab.result import result_of

SYSTEMS = ("basic", "layerwise", "dualpath", "split", "oracle")
STOPS_S = (0.4, 7.3, 20.05)
BASE = Scenario(
    model="qwen-32b",
    cluster={"prefill_nodes": 2, "decode_nodes": 3, "storage_gbps": 100},
    workload={"source": "paper-32k", "agents": 48},
)


def simulation_of(system: str, **changes: Any) -> Simulation:
    return Simulation(BASE.with_values({"system": system, **changes}))


@cache
def running(system: str, model: str = "qwen-32b") -> Simulation:
    simulation = simulation_of(system, model=model)
    simulation.advance(STOPS_S[-1])
    return simulation


def of_role(frame: ClusterFrame, role: str) -> list[dict[str, Any]]:
    return [dict(node) for node in frame["nodes"] if node["role"] == role]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("model", ["qwen-32b", "ds-27b"])
def test_shares_are_shares_and_rates_no_less_than_nothing(system: str, model: str) -> None:
    simulation = simulation_of(system, model=model)
    for stop_s in STOPS_S:
        simulation.advance(stop_s - simulation.now)
        frame = cluster_frame(simulation)
        assert [node["name"] for node in frame["nodes"]] == ["P0", "P1", "D0", "D1", "D2"]
        for node in frame["nodes"]:
            shares = [value for name, value in node.items() if name.endswith("_share") or name == "busy"]
            assert len(shares) == 7
            assert all(0 <= share <= 1 for share in shares), node
            assert node["kv_share"] + node["model_share"] <= 1.001
            assert min(node["read"], node["written"], node["hits"], node["handed_over"]) >= 0


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("model", ["qwen-32b", "ds-27b"])
def test_nodes_add_up_to_what_their_family_carried(system: str, model: str) -> None:
    """Mutants: bytes on the move left out, or counted from before the window; model traffic counted twice; a compute NIC left out."""
    simulation = running(system, model)
    last = int(simulation.now)
    first = last - RECENT_BINS
    families = observer.utilization(simulation, first)
    spec, rates = BASE.cluster, node_rates(simulation, first, last)
    cnic = spec.compute_bytes_per_s * spec.gpus_per_node
    storage = spec.storage_bytes_per_s * load_hardware(spec.hardware).storage_efficiency
    for role, nodes in (("prefill", rates[:2]), ("decode", rates[2:])):
        for kind, direction, traffic, capacity, rate in (
            ("snic", "rx", "kv", storage, "read"),
            ("snic", "tx", "kv", storage, "written"),
            ("dram", "both", "kv", spec.dram_bytes_per_s, "dram"),
            ("cnic", "tx", "kv", cnic, "kv_tx"),
            ("cnic", "rx", "kv", cnic, "kv_rx"),
            ("cnic", "tx", "model", cnic, "model"),
        ):
            expected = families[role, kind, direction, traffic].mean() * capacity * len(nodes)
            np.testing.assert_allclose(sum(getattr(node, rate) for node in nodes), expected, rtol=1e-9, err_msg=f"{role} {rate}")


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_leaves_one_side_arrives_on_the_other(system: str) -> None:
    """Law 2, of two readings from different links. Mutants: copies or write-back not taken off; a share of DRAM left out."""
    rates = node_rates(running(system), 0, int(STOPS_S[-1]))
    prefill, decode = rates[:2], rates[2:]

    def total(nodes: list[NodeRates], name: str) -> float:
        return sum(getattr(node, name) for node in nodes)

    for name in ("hits", "handed_over"):
        assert total(prefill, name) == pytest.approx(total(decode, name), rel=1e-6, abs=1.0)
    assert (total(decode, "read") > 1e9) == (system in ("dualpath", "split"))
    assert total(decode, "hits") >= total(decode, "read") * 0.9
    assert (total(decode, "handed_over") > 1e9) == (system != "oracle")


def test_each_path_carries_its_own_reads_over_a_whole_run() -> None:
    """Mutant: hits and what is handed over taken for each other."""
    simulation = simulation_of("dualpath", **{"workload.agents": 6})
    simulation.run()
    columns = simulation.log.columns()
    seconds = int(simulation.now) + 1
    rates = node_rates(simulation, 0, seconds)
    kv_bytes = simulation.model.kv_bytes_per_token
    far = (columns["hit"] - columns["prefill_read"]).sum() * kv_bytes
    near = columns["prefill_read"].sum() * kv_bytes
    misses = columns["computed"].sum() * kv_bytes
    assert sum(node.read for node in rates[2:]) * seconds == pytest.approx(far, rel=1e-3)
    again = columns["decode_reloaded"].sum() * kv_bytes
    assert sum(node.hits for node in rates[2:]) * seconds == pytest.approx(far + again, rel=1e-3)
    assert sum(node.handed_over for node in rates[:2]) * seconds == pytest.approx(near + misses, rel=1e-3)


def test_basic_leaves_decode_nics_idle_and_dualpath_does_not() -> None:
    basic, dualpath = (cluster_frame(running(system)) for system in ("basic", "dualpath"))
    assert all(node["read"] == 0 and node["read_tokens"] == 0 for node in of_role(basic, "decode"))
    assert all(node["read_share"] > 0.9 for node in of_role(basic, "prefill")), "the wall"
    assert all(node["read_share"] > 0.1 for node in of_role(dualpath, "decode"))
    assert basic["path_two"] == 0 < dualpath["path_two"]


@pytest.mark.parametrize("system", ["basic", "dualpath"])
def test_queues_are_the_snapshots(system: str) -> None:
    simulation = running(system)
    frame, snapshot = cluster_frame(simulation), simulation.snapshot()
    prefill, decode = of_role(frame, "prefill"), of_role(frame, "decode")
    assert sum(node["requests"] for node in prefill) == snapshot.prefill_queue
    assert sum(node["requests"] for node in decode) == snapshot.decoding > 0
    assert sum(node["read_tokens"] for node in prefill) == snapshot.prefill_read_tokens
    assert sum(node["read_tokens"] for node in decode) == snapshot.decode_read_tokens
    assert frame["scheduler_queue"] == snapshot.scheduler_queue


def test_prefill_nodes_compute_as_much_as_their_groups() -> None:
    simulation = running("dualpath")
    last = int(simulation.now)
    busy = [node["busy"] for node in of_role(cluster_frame(simulation), "prefill")]
    assert np.mean(busy) == pytest.approx(observer.prefill_compute(simulation, last - RECENT_BINS).mean(), abs=1e-4)
    assert max(busy) > 0


@pytest.mark.parametrize("system", ["basic", "dualpath"])
def test_a_run_looked_at_ends_with_the_same_bits(system: str) -> None:
    scenario = BASE.with_values({"system": system, "workload.agents": 6})
    simulation = Simulation(scenario)
    while not simulation.finished:
        simulation.advance(0.7)
        cluster_frame(simulation)
    watched, alone = result_of(simulation, 0.0), simulate(scenario)
    ours, theirs = ({key: value for key, value in each.to_dict().items() if key != "wall_s"} for each in (watched, alone))
    assert ours == theirs
    for name, column in alone.columns.items():
        np.testing.assert_array_equal(watched.columns[name], column)


def test_an_ended_run_shows_all_of_it() -> None:
    simulation = simulation_of("dualpath", **{"workload.agents": 2})
    simulation.run()
    frame = cluster_frame(simulation)
    assert frame["ended"]
    assert frame["window_s"] == int(simulation.now)
    assert frame["path_one"] + frame["path_two"] > 0
    assert sum(node["requests"] + node["read_tokens"] for node in frame["nodes"]) == 0


def test_every_part_says_its_numbers_with_units() -> None:
    frame = cluster_frame(running("basic"))
    said = words(frame, "A")
    assert len(said["parts"]) == 3 + len(frame["nodes"])
    assert "storage NICs of 2 prefill nodes at 100 % and of 3 decode nodes at 0 %" in said["picture"]
    assert f"reads {100 * load_hardware(BASE.cluster.hardware).storage_efficiency:.3g} Gb/s (100 %)" in said["parts"][3]
    assert "decoding" in said["parts"][-1]
    assert "of 320 GB" in said["parts"][-1]


def test_the_view_takes_a_frame_and_its_words() -> None:
    view = ClusterView(label="A")
    frame = cluster_frame(running("basic"))
    view.draw(frame)
    assert json.loads(view.frame) == {**frame, "words": words(frame, "A")}
