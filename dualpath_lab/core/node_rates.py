"""What each node moved lately, path by path, read off the counters of its links without touching the run (law 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dualpath_lab.core.cluster import Node
    from dualpath_lab.core.links import ModelTraffic
    from dualpath_lab.core.simulation import Simulation


class NodeRates(NamedTuple):
    """Mean rates of a node over some bins, bytes/s.

    Attributes
    ----------
    read, written : float
        From and to storage.
    hits : float
        The second path between the nodes: DE buffer to PE HBM. A decode node sends them, a prefill node receives them.
    handed_over : float
        PE HBM to DE buffer. A prefill node sends it, a decode node receives it.
    kv_tx, kv_rx : float
        KV traffic of all its compute NICs in either direction, copies within the node included.
    model : float
        Model traffic of all its compute NICs; each direction carries as much.
    dram : float
        Reads and writes together.
    """

    read: float
    written: float
    hits: float
    handed_over: float
    kv_tx: float
    kv_rx: float
    model: float
    dram: float


def node_rates(simulation: Simulation, first_bin: int, last_bin: int, bin_s: float = 0.0) -> list[NodeRates]:
    """Mean rates of every node, prefill nodes first, over bins ``first_bin`` up to, not including, ``last_bin``.

    A flow may be a whole forward's transfers in lockstep, so that no flow is of one path alone; but what each step of
    :mod:`paths` takes from which link is known, and a node has as many links as steps:

        prefill node: DRAM = read + copies, CNIC tx = copies + handed over, CNIC rx = copies + hits
        decode node:  DRAM = read + hits + handed over + copies + 2 written,
                      CNIC tx = hits + copies + written, CNIC rx = handed over + copies + written

    Parameters
    ----------
    simulation : Simulation
        Running or ended.
    first_bin, last_bin : int
        Bins that are over; bin ``i`` covers ``i * bin_s`` to ``(i + 1) * bin_s``. No rates where there is none.
    bin_s : float
        Width of a bin: a power of two times the simulation's own, which it is when left out.
    """
    bin_s = bin_s or simulation.bin_s
    seconds = (last_bin - first_bin) * bin_s
    if not seconds:
        return [NodeRates(*[0.0] * 8) for _ in simulation.cluster.nodes]
    carried = simulation.network.carried(first_bin, last_bin, bin_s).sum(axis=1).tolist()
    model: dict[ModelTraffic, float] = {}
    for group in (*simulation.cluster.prefill_groups, *simulation.cluster.decode_groups):
        traffic = group.traffic
        booked = sum(traffic.series.values(first_bin, last_bin, bin_s).tolist())
        model[traffic] = booked + traffic.rate * max(last_bin * bin_s - max(first_bin * bin_s, traffic.since), 0.0)
    return [_rates(node, carried, model, seconds) for node in simulation.cluster.nodes]


def _rates(node: Node, carried: list[float], model: dict[ModelTraffic, float], seconds: float) -> NodeRates:
    read, written, dram = (carried[link.number] / seconds for link in (node.snic_rx, node.snic_tx, node.dram))
    kv_tx = sum(carried[tx.number] for tx, _ in node.cnics) / seconds
    kv_rx = sum(carried[rx.number] for _, rx in node.cnics) / seconds
    if node.role == "prefill":
        copies = dram - read
        hits, handed_over = kv_rx - copies, kv_tx - copies
    else:
        handed_over = dram - read - written - kv_tx
        hits = kv_tx - (kv_rx - handed_over)
    model_bytes = sum(model[tx.model] for tx, _ in node.cnics if tx.model)
    return NodeRates(read, written, _no_dust(hits, dram), _no_dust(handed_over, dram), kv_tx, kv_rx, model_bytes / seconds, dram)


def _no_dust(difference: float, of: float) -> float:
    """A difference of sums, without what rounding leaves of nothing."""
    return difference if difference > 1e-9 * of else 0.0
