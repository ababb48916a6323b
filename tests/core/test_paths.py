"""A turn's bytes on every link, step by step, against the closed forms of reference section 5 and against what the links carried."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core import paths
from dualpath_lab.core.paths import Ports
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.run import simulate


def ports(node: str, gpu: int) -> Ports[tuple[str, int | None]]:
    shared = [(f"{node} {name}", None) for name in ("snic rx", "snic tx", "dram")]
    return Ports(*shared, (f"{node} tx", gpu), (f"{node} rx", gpu))


@given(
    prefill_nodes=st.integers(1, 6),
    decode_nodes=st.integers(1, 6),
    gpus=st.integers(1, 8),
    storage_over_compute=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_balanced_hits_sum_to_the_closed_forms(prefill_nodes: int, decode_nodes: int, gpus: int, storage_over_compute: float) -> None:
    """Section 5: every pair of engines carries Tp over one path and Tc over the other; misses and answers count for nothing.

    Mutant: a loop-back takes one direction; DRAM counts a copy once; the second path lands in the wrong node. The section's PE DRAM
    row, 2 s B, is met: storage writes it and the compute NIC reads it.
    """
    total: Counter[tuple[str, int | None]] = Counter()
    near_bytes, far_bytes = (round(1e12 * storage_over_compute / (nodes * gpus**2)) for nodes in (decode_nodes, prefill_nodes))
    for prefill in range(prefill_nodes):
        for decode in range(decode_nodes):
            for pe in range(gpus):
                for de in range(gpus):
                    for step in paths.steps(ports(f"p{prefill}", pe), ports(f"d{decode}", de), near_bytes, far_bytes, 0, 0):
                        for link in step.links:
                            total[link] += step.size_bytes
    snic = total["p0 snic rx", None]
    assert total["d0 snic rx", None] == pytest.approx(snic, rel=1e-4)
    share, p_over_d = snic / gpus, prefill_nodes / decode_nodes
    assert total["p0 tx", 0] == pytest.approx(2 * share, rel=1e-4)
    assert total["p0 rx", 0] == pytest.approx(share * (1 + 1 / p_over_d), rel=1e-4)
    assert total["d0 tx", 0] == pytest.approx(share * (p_over_d + 2), rel=1e-4)
    assert total["d0 rx", 0] == pytest.approx(share * (2 * p_over_d + 1), rel=1e-4)
    assert total["p0 dram", None] == pytest.approx(2 * snic, rel=1e-4)
    assert total["d0 dram", None] == pytest.approx((3 + 2 * p_over_d) * snic, rel=1e-4)


@pytest.mark.parametrize("system", ["basic", "layerwise", "roundrobin", "dualpath", "split", "oracle"])
def test_the_steps_of_all_turns_are_what_the_links_carried(system: str) -> None:
    """Law 2: nothing moves that no turn's record tells, later chunks' hits included.

    Mutant: a step that only one of record and simulation knows.
    """
    cluster = {"prefill_nodes": 1, "decode_nodes": 2, "gpus_per_node": 2, "storage_gbps": 20, "hbm_gbytes": 1000}
    workload = {"source": "paper-32k", "agents": 6, "append_scale": 4}
    result = simulate(Scenario(model="ds-660b", system=system, cluster=cluster, workload=workload))
    reloaded = {side: int(result.columns[f"{side}_reloaded"].sum()) for side in ("prefill", "decode")}
    assert (reloaded["decode"] > 0) == (system not in ("basic", "oracle"))
    assert (reloaded["prefill"] > 0) == (system not in ("basic", "oracle"))
    total: Counter[tuple[str, str]] = Counter()
    for turn in range(result.values["turns"]):
        for step in result.steps(turn):
            for link in step.links:
                total[link] += step.size_bytes
    for link in result.values["links"]:
        assert link["bytes_by_class"]["kv"] == pytest.approx(total[link["name"], link["direction"]], abs=2)
    assert bool(total) == (system != "oracle")


def test_a_turn_of_each_path_reads_as_section_4_counts() -> None:
    """Section 4. Mutant: hits of the decode path go back to the decode engine, though they never left its buffer."""
    pe, de = ports("p0", 0), ports("d0", 0)
    near = {step.number: step.size_bytes for step in paths.steps(pe, de, 640, 0, 100, 64)}
    far = {step.number: step.size_bytes for step in paths.steps(pe, de, 0, 640, 100, 64)}
    assert list(near) == ["PE 1-2", "PE 3-4", "PE 5-7", "8-9", "write-back"]
    assert list(far) == ["DE 1-2", "DE 3-5", "DE 6-7", "8-9", "write-back"]
    assert (near["8-9"], far["8-9"], far["DE 6-7"]) == (740, 740, 100)


def test_what_is_loaded_again_goes_into_prefill_hbm_only() -> None:
    """Sections 3 to 5 repeat for each forward, 5 to 7 don't. Mutant: hits that come again are handed over again, or read again."""
    pe, de = ports("p0", 0), ports("d0", 0)
    once = {step.number: step.size_bytes for step in paths.steps(pe, de, 640, 320, 100, 64)}
    again = {step.number: step.size_bytes for step in paths.steps(pe, de, 640, 320, 100, 64, 1280, 500)}
    assert again == once | {"PE 3-4": 640 + 1280, "DE 3-5": 320 + 500}
