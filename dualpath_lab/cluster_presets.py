"""Nodes as they are sold or published, as scenario keys below ``cluster``; what is assumed is said."""

from __future__ import annotations

from typing import Any, NamedTuple


class ClusterPreset(NamedTuple):
    """What a node has, and where its figures come from."""

    source: str
    values: dict[str, Any]


def _node(source: str, hardware: str, gpus: int, storage_gbps: float, compute_gbps: float, dram_gbytes_per_s: float) -> ClusterPreset:
    values = {
        "hardware": hardware,
        "gpus_per_node": gpus,
        "storage_gbps": storage_gbps,
        "compute_gbps": compute_gbps,
        "dram_gbytes_per_s": dram_gbytes_per_s,
    }
    return ClusterPreset(source, values)


_DGX = "SuperPOD data sheets: eight compute NICs, two storage ports, memory channels of two sockets"

CLUSTERS = {
    "paper": _node("The paper's: eight 400 Gb/s compute NICs and one of 400 Gb/s to storage", "h200", 8, 400, 400, 500),
    "dgx-a100": _node(f"{_DGX}; DGX A100, DDR4-3200", "a100", 8, 400, 200, 410),
    "dgx-h100": _node(f"{_DGX}; DGX H100, DDR5-4800", "h100", 8, 800, 400, 614),
    "dgx-h200": _node(f"{_DGX}; DGX H200, DDR5-4800", "h200", 8, 800, 400, 614),
    "dgx-b200": _node(f"{_DGX}; DGX B200, DDR5-5600", "b200", 8, 800, 400, 717),
    "h800": _node("DeepSeek-V3's report: eight 400 Gb/s compute NICs; storage assumed as the paper's", "h800", 8, 400, 400, 500),
    "h20": _node("Assumed: an eight-GPU H20 server with the paper's NICs", "h20", 8, 400, 400, 500),
    "roce-h100": _node("Assumed: eight 400 Gb/s RoCE NICs and one 200 Gb/s Ethernet NIC to storage", "h100", 8, 200, 400, 614),
    "small-lab": _node("Assumed: two A100 a node, 100 Gb/s each, and a 25 Gb/s NIC to storage", "a100", 2, 25, 100, 200),
}
