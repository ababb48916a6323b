"""GPUs by their published figures, nodes that differ by role, presets, and files that say something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dualpath_lab import calibration
from dualpath_lab.cluster_presets import CLUSTERS
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.hardware import GPUS, Hardware, load_hardware
from dualpath_lab.scenario import Scenario, ScenarioError, load_scenario
from dualpath_lab.studies.run import simulate

SMALL: dict[str, Any] = {
    "model": "ds-27b",
    "cluster.prefill_nodes": 1,
    "cluster.decode_nodes": 1,
    "cluster.gpus_per_node": 1,
    "workload.source": "paper-32k",
    "workload.agents": 4,
}


MINE = "name: mine\nlinear_tflops: 400\nhbm_gbytes_per_s: 4800\nhbm_gbytes: 141\n"


STORAGE_EFFICIENCY = load_hardware(Scenario().cluster.hardware).storage_efficiency


def scenario(**changes: Any) -> Scenario:
    return Scenario().with_values(SMALL | {key.replace("__", "."): value for key, value in changes.items()})


def test_the_reference_is_what_the_results_were_fitted_with() -> None:
    gpu = GPUS["h800"]
    assert gpu.attention_flops_per_s == calibration.ATTENTION_FLOPS_PER_S
    assert gpu.linear_flops_per_s == calibration.LINEAR_FLOPS_PER_S
    assert gpu.layer_overhead_s == calibration.DECODE_LAYER_S
    assert gpu.prefill_layer_s == calibration.PREFILL_LAYER_S
    assert gpu.prefill_layer_floor_s == calibration.PREFILL_LAYER_FLOOR_S
    assert gpu.layer_block_s == calibration.LAYER_BLOCK_S
    assert gpu.storage_efficiency == calibration.STORAGE_EFFICIENCY


def test_rates_follow_the_roofline_of_the_published_figures() -> None:
    """Mutants: prefill scaled by bandwidth, decode by FLOPS; the ratio upside down."""
    for gpu in GPUS.values():
        tflops, gbytes_per_s = (float(part.split()[0]) for part in gpu.source.split(": ")[1].split(", ")[:2])
        assert gpu.linear_tflops / GPUS["h800"].linear_tflops == pytest.approx(tflops / 989.4)
        assert gpu.attention_tflops / GPUS["h800"].attention_tflops == pytest.approx(tflops / 989.4)
        assert gpu.hbm_gbytes_per_s == gbytes_per_s


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_a_slower_gpu_slows_its_own_side(role: str) -> None:
    """An A100 has a third of the FLOPS and less than half of the memory bandwidth. Mutant: one side's GPU for both."""
    fast, slow = (simulate(scenario(**{f"{role}__hardware": gpu})).values for gpu in ("h200", "a100"))
    prefill = slow["ttft_breakdown_s"]["prefill"] / fast["ttft_breakdown_s"]["prefill"]
    decode = slow["latency_s"]["tpot"]["mean"] / fast["latency_s"]["tpot"]["mean"]
    assert prefill > 1.3 if role == "prefill" else prefill < 1.1, (prefill, decode)
    assert decode > 1.3 if role == "decode" else decode < 1.1, (prefill, decode)


def test_each_side_has_its_own_links_and_memory() -> None:
    values = {
        "prefill.storage_gbps": 100,
        "decode.compute_gbps": 200,
        "decode.dram_gbytes_per_s": 300,
        "prefill.buffer_gbytes": 50,
        "decode.hbm_gbytes": 100,
    }
    cluster = Simulation(scenario().with_values(values)).cluster
    (prefill,), (decode,) = cluster.prefill_nodes, cluster.decode_nodes
    assert (prefill.snic_rx.capacity, decode.snic_rx.capacity) == (12.5e9 * STORAGE_EFFICIENCY, 50e9 * STORAGE_EFFICIENCY)
    assert (prefill.cnics[0][0].capacity, decode.cnics[0][0].capacity) == (50e9, 25e9)
    assert (prefill.dram.capacity, decode.dram.capacity) == (500e9, 300e9)
    assert prefill.buffer.capacity_bytes == 50_000_000_000
    assert cluster.decode_engines[0].hbm.capacity_bytes < 100e9


def test_a_live_change_leaves_a_side_with_its_own_bandwidth_alone() -> None:
    simulation = Simulation(scenario(decode__storage_gbps=100))
    simulation.advance(1.0)
    simulation.change({"cluster.storage_gbps": 200})
    cluster = simulation.cluster
    capacities = [nodes[0].snic_rx.capacity for nodes in (cluster.prefill_nodes, cluster.decode_nodes)]
    assert capacities == [25e9 * STORAGE_EFFICIENCY, 12.5e9 * STORAGE_EFFICIENCY]


def test_storage_efficiency_is_taken_off_the_nominal_bandwidth(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nattention_tflops: 300\nlinear_tflops: 400\nhbm_gbytes_per_s: 4800\nhbm_gbytes: 141\nstorage_efficiency: 0.5\n"
    )
    node = Simulation(scenario(cluster__hardware=str(path))).cluster.prefill_nodes[0]
    assert node.snic_rx.capacity == 25e9


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_preset_makes_a_cluster_and_names_its_source(name: str) -> None:
    made = Scenario(cluster={"preset": name})
    assert load_hardware(made.cluster.hardware)
    assert CLUSTERS[name].source
    assert {key: getattr(made.cluster, key) for key in CLUSTERS[name].values} == CLUSTERS[name].values


def test_keys_beside_a_preset_replace_it_and_a_later_preset_replaces_them(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("cluster: {preset: dgx-a100, storage_gbps: 50}\n")
    assert load_scenario(path).cluster.storage_gbps == 50
    assert load_scenario(path).cluster.compute_gbps == 200
    assert load_scenario(path, ["cluster.preset=dgx-h100"]).cluster.storage_gbps == 800
    assert Scenario().with_values({"cluster.preset": "small-lab", "cluster.storage_gbps": 7}).cluster.storage_gbps == 7


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"cluster.hardware": "tpu"}, "cluster.hardware = 'tpu'"),
        ({"prefill.hardware": "missing.yaml"}, "missing.yaml"),
        ({"cluster.preset": "dgx"}, "cluster.preset = 'dgx'"),
        ({"decode.storage_gbps": -1}, "decode.storage_gbps = -1"),
        ({"decode.gpus_per_node": 2}, "decode.gpus_per_node"),
    ],
)
def test_what_is_not_known_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ScenarioError, match=named):
        Simulation(scenario().with_values(values))


def test_a_hardware_file_with_a_wrong_value_is_refused_by_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{MINE}attention_tflops: -3\n")
    with pytest.raises(ScenarioError, match="attention_tflops = -3"):
        load_hardware(str(path))
    with pytest.raises(ScenarioError, match="linear_tflops"):
        Hardware(name="half", attention_tflops=1)
