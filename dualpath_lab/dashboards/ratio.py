"""The P:D ratio against the closed-form range that is free of bottlenecks (reference section 5)."""

from __future__ import annotations

from math import gcd, inf, log

from dualpath_lab.picture.style import three_digits
from dualpath_lab.scenario import Cluster
from dualpath_lab.theory import bottleneck_free_range, resource_loads

WIDEST = 16.0
"""The band runs from 1/WIDEST to WIDEST, on a logarithmic scale."""


def ratio_html(cluster: Cluster) -> str:
    """P:D in words, and a band: grey where it is free of bottlenecks, with a mark where the cluster is."""
    free = bottleneck_free_range(cluster)
    band = ""
    if not free.empty and free.high > 0:
        low, high = _place(free.low), _place(free.high)
        band = f'<div class="free" style="left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%"></div>'
    here = _place(cluster.prefill_nodes / cluster.decode_nodes)
    return (
        f'<div class="ratio">{ratio_text(cluster)}'
        f'<div class="band" title="Grey: storage saturates before any compute NIC or DRAM">{band}'
        f'<div class="here" style="left:{here:.1f}%"></div></div>'
        '<div class="scale"><span>1:16</span><span>1:4</span><span>1:1</span><span>4:1</span><span>16:1</span></div></div>'
    )


def ratio_text(cluster: Cluster) -> str:
    """Whether P:D is in the range, or which resource will choke."""
    free = bottleneck_free_range(cluster)
    p, d = cluster.prefill_nodes, cluster.decode_nodes
    shared = gcd(p, d)
    name = f"<b>P:D {p // shared}:{d // shared}</b>"
    if free.empty or free.high <= 0:
        where = "no P:D is free of bottlenecks"
    else:
        where = f"free of bottlenecks from {three_digits(free.low)} to {'any' if free.high == inf else three_digits(free.high)}"
    busiest = max(resource_loads(cluster), key=lambda load: load.utilization)
    if busiest.holds:
        return f"{name} is {where}."
    return f"{name} will choke <b>{_spoken(busiest.resource)}</b> ({busiest.utilization:.2f}× its capacity); {where}."


def _spoken(resource: str) -> str:
    return resource.replace("PE ", "prefill ").replace("DE ", "decode ").replace(" read", " (reads)").replace(" write", " (writes)")


def _place(p_over_d: float) -> float:
    """Position on the band in per cent."""
    inside = min(max(p_over_d, 1 / WIDEST), WIDEST)
    return 50 * (1 + log(inside) / log(WIDEST))
