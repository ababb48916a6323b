"""Closed forms of reference section 5 against its table, and published cache-compute ratios."""

from __future__ import annotations

import json
from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dualpath_lab.models import load_model
from dualpath_lab.scenario import Cluster, ScenarioError
from dualpath_lab.theory import bottleneck_free_range, cache_compute_ratio, model_summary, resource_loads, theory_summary

nodes = st.integers(1, 1024)
clusters = st.builds(
    Cluster,
    prefill_nodes=nodes,
    decode_nodes=nodes,
    gpus_per_node=st.integers(1, 64),
    storage_gbps=st.floats(1, 1e5),
    compute_gbps=st.floats(1, 1e5),
    dram_gbytes_per_s=st.floats(1, 1e5),
)


def utilization(cluster: Cluster) -> dict[str, float]:
    return {load.resource: load.utilization for load in resource_loads(cluster)}


def test_published_cluster_is_free_of_bottlenecks_from_one_seventh_to_seven_halves() -> None:
    free = bottleneck_free_range(Cluster())
    assert free[:2] == pytest.approx((1 / 7, 7 / 2))
    assert free.low_limited_by == ("PE CNIC write",)
    assert free.high_limited_by == ("DE CNIC write", "DE DRAM")
    assert not free.empty


@given(clusters)
def test_loads_are_the_traffic_of_all_pairs(cluster: Cluster) -> None:
    g, p, d = cluster.gpus_per_node, cluster.prefill_nodes, cluster.decode_nodes
    storage = cluster.storage_bytes_per_s
    tp, tc = storage / (d * g**2), storage / (p * g**2)
    expected = {
        "PE CNIC read": 2 * tp * d * g,
        "PE CNIC write": (tp + tc) * d * g,
        "DE CNIC read": (tp + 2 * tc) * p * g,
        "DE CNIC write": (2 * tp + tc) * p * g,
        "PE DRAM": 2 * storage,
        "DE DRAM": (3 + 2 * p / d) * storage,
    }
    assert {load.resource: load.load_bytes_per_s for load in resource_loads(cluster)} == pytest.approx(expected)
    for load in resource_loads(cluster):
        assert load.capacity_bytes_per_s == (cluster.dram_bytes_per_s if "DRAM" in load.resource else cluster.compute_bytes_per_s)


@given(clusters)
def test_all_conditions_hold_exactly_inside_the_range(cluster: Cluster) -> None:
    free, ratio = bottleneck_free_range(cluster), cluster.prefill_nodes / cluster.decode_nodes
    assume(all(abs(ratio - end) > 1e-9 * ratio for end in free[:2]))
    assert all(load.holds for load in resource_loads(cluster)) == (free.low <= ratio <= free.high)


@given(nodes, nodes, st.integers(2, 64), st.floats(1, 1e4))
def test_at_the_low_end_the_binding_resource_is_exactly_full(prefill: int, decode: int, gpus: int, compute_gbps: float) -> None:
    storage_gbps = compute_gbps * gpus * prefill / (prefill + decode)
    cluster = Cluster(prefill_nodes=prefill, decode_nodes=decode, gpus_per_node=gpus, storage_gbps=storage_gbps, compute_gbps=compute_gbps)
    assert bottleneck_free_range(cluster).low == pytest.approx(prefill / decode, rel=1e-9)
    assert utilization(cluster)["PE CNIC write"] == pytest.approx(1, rel=1e-12)
    assert {load.resource: load.holds for load in resource_loads(cluster)}["PE CNIC write"]


@given(nodes, nodes, st.integers(1, 64), st.floats(1, 1e5), st.sampled_from(["DE CNIC read", "DE CNIC write", "DE DRAM"]))
def test_at_the_high_end_the_binding_resource_is_exactly_full(prefill: int, decode: int, gpus: int, rate: float, resource: str) -> None:
    ratio = prefill / decode
    compute_gbps, dram_gbytes_per_s = {
        "DE CNIC read": (rate * (ratio + 2) / gpus, 1e6),
        "DE CNIC write": (rate * (2 * ratio + 1) / gpus, 1e6),
        "DE DRAM": (1e6, rate / 8 * (3 + 2 * ratio)),
    }[resource]
    assume(0 < compute_gbps <= 1e6 and dram_gbytes_per_s <= 1e6)
    cluster = Cluster(
        prefill_nodes=prefill,
        decode_nodes=decode,
        gpus_per_node=gpus,
        storage_gbps=rate,
        compute_gbps=compute_gbps,
        dram_gbytes_per_s=dram_gbytes_per_s,
    )
    free = bottleneck_free_range(cluster)
    assert utilization(cluster)[resource] == pytest.approx(1, rel=1e-12)
    assert {load.resource: load.holds for load in resource_loads(cluster)}[resource]
    assert free.high <= ratio * (1 + 1e-6)
    if resource in free.high_limited_by:
        assert free.high == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "resource"),
    [
        ({}, "DE CNIC write"),
        ({"dram_gbytes_per_s": 250.0}, "DE DRAM"),
        ({"gpus_per_node": 3, "dram_gbytes_per_s": 5000.0}, "DE CNIC read"),
    ],
)
def test_each_upper_condition_can_be_the_one_that_binds(changes: dict[str, float], resource: str) -> None:
    assert resource in bottleneck_free_range(Cluster.model_validate(changes)).high_limited_by


@pytest.mark.parametrize(
    "changes",
    [
        {"gpus_per_node": 1},
        {"storage_gbps": 3200.0},
        {"storage_gbps": 1e6, "compute_gbps": 1e-3},
        {"gpus_per_node": 2, "dram_gbytes_per_s": 1e6},
        {"dram_gbytes_per_s": 100.0},
    ],
)
def test_a_condition_that_never_holds_leaves_nothing(changes: dict[str, float]) -> None:
    cluster = Cluster.model_validate(changes)
    assert bottleneck_free_range(cluster).empty
    summary = theory_summary(cluster)
    assert summary["bottleneck_free"]["empty"]
    assert summary["bottleneck_free"]["high"] is None
    assert not summary["holds"]
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(("storage", "compute", "low"), [(1e-3, 1e6, 1e-3 / (8e6 - 1e-3)), (1e6, 1e-3, inf)])
def test_the_least_and_the_greatest_bandwidths_divide_by_nothing(storage: float, compute: float, low: float) -> None:
    assert bottleneck_free_range(Cluster(storage_gbps=storage, compute_gbps=compute)).low == pytest.approx(low)


def test_summary_names_what_limits() -> None:
    fine, short = theory_summary(Cluster()), theory_summary(Cluster(prefill_nodes=1, decode_nodes=8))
    assert (fine["p_over_d"], fine["holds"], fine["limited_by"]) == (0.5, True, "storage NIC")
    assert (short["holds"], short["limited_by"]) == (False, "PE CNIC write")
    assert [row["resource"] for row in short["resources"] if not row["holds"]] == ["PE CNIC write"]


@pytest.mark.parametrize(
    ("name", "at_16k", "at_64k", "tolerance"), [("qwen-32b", 117, 267, 0.05), ("ds-660b", 13, 36, 0.05), ("ds-v3", 4.8, 5.8, 0.25)]
)
def test_cache_compute_ratios_are_the_published_ones(name: str, at_16k: float, at_64k: float, tolerance: float) -> None:
    model = load_model(name)
    assert cache_compute_ratio(model, 16_384, 429) == pytest.approx(at_16k, rel=tolerance)
    assert cache_compute_ratio(model, 65_536, 429) == pytest.approx(at_64k, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "expected"), [("qwen-32b", (117.2, 187.3, 267.2)), ("ds-660b", (13.0, 23.0, 37.4)), ("ds-v3", (3.8, 4.3, 4.5))]
)
def test_cache_compute_ratios_agree_with_an_independent_table(name: str, expected: tuple[float, ...]) -> None:
    ratios = tuple(cache_compute_ratio(load_model(name), context, 429) for context in (16_384, 32_768, 65_536))
    assert ratios == pytest.approx(expected, rel=0.02)


def test_ratio_at_the_mean_context_of_the_64k_workload() -> None:
    assert cache_compute_ratio(load_model("ds-660b"), 32_721, 429) == pytest.approx(22, rel=0.05)


@pytest.mark.parametrize(("context", "append", "field"), [(-1, 429, "context"), (10**400, 429, "context"), (16_384, 0, "append")])
def test_token_counts_out_of_range_are_named(context: int, append: int, field: str) -> None:
    with pytest.raises(ScenarioError, match=f"^{field} = .* is not allowed: it should be a number of tokens from"):
        model_summary(load_model("ds-660b"), context, append)


def test_model_summary_is_consistent() -> None:
    summary = model_summary(load_model("ds-660b"), 32_768, 429)
    assert {"name", "kv_bytes_per_token", "layers", "active_parameters", "flops_per_append", "kv_gb_per_pflop"} <= set(summary)
    loaded_gb = summary["kv_bytes_per_token"] * 32_768 / 1e9
    assert summary["kv_gb_per_pflop"] == pytest.approx(loaded_gb / (summary["flops_per_append"] / 1e15))
    json.dumps(summary, allow_nan=False)
