"""What the animated picture of a cluster shows at a moment, as plain data. No Panel in here, and looking changes nothing (law 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from dualpath_lab.core.node_rates import NodeRates, node_rates

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Cluster, Node
    from dualpath_lab.core.simulation import Simulation

RECENT_BINS = 5
"""Bins over which rates and shares of a running simulation are taken; of one that has ended it is the whole run."""


class NodeFrame(TypedDict):
    """One node: rates in bytes/s, shares from 0 to 1 of what it has.

    ``hits`` are the second path's between the nodes (sent by a decode node, received by a prefill node), ``handed_over`` is what goes
    from prefill to decode. ``requests`` are ready to be prefilled, or being decoded. ``busy`` is the share of time that its GPUs compute
    (prefill), or of its GPUs that have something to decode now.
    """

    name: str
    role: str
    read: float
    written: float
    read_share: float
    written_share: float
    hits: float
    handed_over: float
    kv_share: float
    model_share: float
    dram_share: float
    read_tokens: int
    requests: int
    buffer_share: float
    busy: float


class ClusterFrame(TypedDict):
    """A whole cluster; ``window_s`` is the time over which rates and shares are means. All in bytes/s, bytes, s.

    ``path_one`` and ``path_two`` are what is read from storage on either path, ``hits`` the second path's bytes between the nodes.
    """

    system: str
    time_s: float
    window_s: float
    ended: bool
    scheduler_queue: int
    storage_bytes_per_s: float
    buffer_bytes: int
    path_one: float
    path_two: float
    hits: float
    handed_over: float
    written: float
    nodes: list[NodeFrame]


def cluster_frame(simulation: Simulation) -> ClusterFrame:
    """What the picture needs to know of a simulation that runs or has ended, from its last ``RECENT_BINS`` that are over."""
    cluster = simulation.cluster
    bin_s = simulation.bin_s
    last = int(simulation.now / bin_s)
    first = 0 if simulation.finished else max(last - RECENT_BINS, 0)
    rates = node_rates(simulation, first, last, bin_s)
    busy = _prefill_busy(cluster, first, last, bin_s) + _decode_busy(cluster)
    requests = _requests(cluster)
    prefill, decode = rates[: len(cluster.prefill_nodes)], rates[len(cluster.prefill_nodes) :]
    return ClusterFrame(
        system=simulation.scenario.system,
        time_s=simulation.now,
        window_s=(last - first) * bin_s,
        ended=simulation.finished,
        scheduler_queue=simulation.dispatch.waiting,
        storage_bytes_per_s=simulation.scenario.cluster.storage_bytes_per_s,
        buffer_bytes=max(node.buffer.capacity_bytes for node in cluster.nodes),
        path_one=sum(rate.read for rate in prefill),
        path_two=sum(rate.read for rate in decode),
        hits=sum(rate.hits for rate in decode),
        handed_over=sum(rate.handed_over for rate in decode),
        written=sum(rate.written for rate in rates),
        nodes=[_node(*each) for each in zip(cluster.nodes, rates, requests, busy, strict=True)],
    )


def _node(node: Node, rates: NodeRates, requests: int, busy: float) -> NodeFrame:
    cnic_bytes_per_s = len(node.cnics) * node.cnics[0][0].capacity
    return NodeFrame(
        name=node.name.upper(),
        role=node.role,
        read=rates.read,
        written=rates.written,
        read_share=_share(rates.read, node.snic_rx.capacity),
        written_share=_share(rates.written, node.snic_tx.capacity),
        hits=rates.hits,
        handed_over=rates.handed_over,
        kv_share=_share(max(rates.kv_tx, rates.kv_rx), cnic_bytes_per_s),
        model_share=_share(rates.model, cnic_bytes_per_s),
        dram_share=_share(rates.dram, node.dram.capacity),
        read_tokens=node.reads.tokens,
        requests=requests,
        buffer_share=_share(node.buffer.used_bytes, node.buffer.capacity_bytes),
        busy=_share(busy, 1.0),
    )


def _requests(cluster: Cluster) -> list[int]:
    """Node by node: turns that are ready to be prefilled, sequences that are decoded."""
    number = dict.fromkeys(cluster.nodes, 0)
    for prefill in cluster.prefill_engines:
        number[prefill.node] += len(prefill.ready)
    for decode in cluster.decode_engines:
        number[decode.node] += decode.decoding
    return list(number.values())


def _prefill_busy(cluster: Cluster, first: int, last: int, bin_s: float) -> list[float]:
    """Share of time that the GPUs of each prefill node compute."""
    busy = dict.fromkeys(cluster.prefill_nodes, 0.0)
    for group in cluster.prefill_groups:
        computed_s = sum(group.compute.values(first, last, bin_s).tolist())
        for engine in group.engines:
            busy[engine.node] += computed_s
    return [seconds / (max(last - first, 1) * bin_s * len(node.cnics)) for node, seconds in busy.items()]


def _decode_busy(cluster: Cluster) -> list[float]:
    """Share of the GPUs of each decode node that have something to decode."""
    busy = dict.fromkeys(cluster.decode_nodes, 0)
    for engine in cluster.decode_engines:
        busy[engine.node] += engine.decoding > 0
    return [gpus / len(node.cnics) for node, gpus in busy.items()]


def _share(part: float, whole: float) -> float:
    """To four digits, which is all that can be seen and hides what rounding adds to a full link."""
    return round(part / whole, 4)
