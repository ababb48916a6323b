"""Closed forms of reference section 5, and the cache-compute ratio of section 8.

Storage reads are balanced and saturate every storage NIC. With B the bandwidth of a GPU's compute NIC, s B that of a node's storage
NIC, g GPUs a node and P, D nodes, each pair of a prefill and a decode engine carries ``Tp = B s / (D g^2)`` on the PE path and
``Tc = B s / (P g^2)`` on the DE path. A P/D is free of bottlenecks when no compute NIC and no DRAM has to carry more than it can.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isclose
from typing import Any, NamedTuple

from dualpath_lab.models import Model
from dualpath_lab.scenario import Cluster, ScenarioError

_ROUNDING = 1e-12
_LARGEST_TOKENS = 10**9


@dataclass(frozen=True)
class ResourceLoad:
    """What one resource has to carry, in one direction where it has two.

    Parameters
    ----------
    resource : str
        One compute NIC of an engine, or the DRAM of a node.
    load_bytes_per_s, capacity_bytes_per_s : float
        Per NIC or per node.
    condition : str
        What keeps the load within the capacity, for every P and D.
    """

    resource: str
    load_bytes_per_s: float
    capacity_bytes_per_s: float
    condition: str

    @property
    def utilization(self) -> float:
        """Load over capacity; above 1 it is a bottleneck."""
        return self.load_bytes_per_s / self.capacity_bytes_per_s

    @property
    def holds(self) -> bool:
        """Whether the capacity suffices, a load that equals it to rounding included."""
        return self.utilization <= 1 + _ROUNDING


class RatioRange(NamedTuple):
    """P/D without a bottleneck, both ends included, and the resources that set the ends.

    ``low`` is infinite where no P/D meets the lower condition. ``high`` is zero or negative where none meets the upper ones.
    """

    low: float
    high: float
    low_limited_by: tuple[str, ...]
    high_limited_by: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether every P/D has a bottleneck."""
        return self.low > self.high * (1 + _ROUNDING)


def bottleneck_free_range(cluster: Cluster) -> RatioRange:
    """Find the P/D that saturate storage before anything else; the cluster's own P and D do not matter.

    The two conditions without P/D, of the PE CNIC's reads and the PE DRAM, need no place: where one fails, the DE CNIC's reads or the
    DE DRAM leave no positive P/D.
    """
    storage, dram = cluster.storage_bytes_per_s, cluster.dram_bytes_per_s
    node_nics = cluster.gpus_per_node * cluster.compute_bytes_per_s
    low = storage / (node_nics - storage) if storage < node_nics else inf
    upper = {
        "DE CNIC read": (node_nics - 2 * storage) / storage,
        "DE CNIC write": (node_nics - storage) / (2 * storage),
        "DE DRAM": (dram / storage - 3) / 2,
    }
    high = min(upper.values())
    binding = tuple(name for name, limit in upper.items() if isclose(limit, high, rel_tol=_ROUNDING))
    return RatioRange(low, high, ("PE CNIC write",), binding)


def resource_loads(cluster: Cluster) -> list[ResourceLoad]:
    """Work out the six rows of reference section 5 for the cluster's P and D, in the order of its table."""
    nic, dram = cluster.compute_bytes_per_s, cluster.dram_bytes_per_s
    storage = cluster.storage_bytes_per_s
    share = storage / cluster.gpus_per_node
    p_over_d = cluster.prefill_nodes / cluster.decode_nodes
    d_over_p = cluster.decode_nodes / cluster.prefill_nodes
    return [
        ResourceLoad("PE CNIC read", 2 * share, nic, "s <= g/2"),
        ResourceLoad("PE CNIC write", (1 + d_over_p) * share, nic, "P/D >= s/(g-s)"),
        ResourceLoad("DE CNIC read", (p_over_d + 2) * share, nic, "P/D <= (g-2s)/s"),
        ResourceLoad("DE CNIC write", (2 * p_over_d + 1) * share, nic, "P/D <= (g-s)/(2s)"),
        ResourceLoad("PE DRAM", 2 * storage, dram, "M >= 2Bs"),
        ResourceLoad("DE DRAM", (3 + 2 * p_over_d) * storage, dram, "P/D <= (M/(Bs)-3)/2"),
    ]


def cache_compute_ratio(model: Model, context: int, append: int) -> float:
    """KV-cache to load over FLOPs to compute, for ``append`` new tokens after ``context`` cached ones.

    Returns
    -------
    float
        Decimal GB per PFLOP.

    Raises
    ------
    ScenarioError
        If ``context`` is below 0 or ``append`` below 1, or either is beyond a thousand million.

    Notes
    -----
    Against the ratios of reference section 8 this is within 4 % for Qwen2.5-32B and DeepSeek-V3.2, and 21-22 % low for DeepSeek-V3:
    its latent and rotary key are counted as one byte an element, and attention as absorbed. With the scales and BF16 rotary keys of FP8
    as served (656 in place of 576 bytes a layer) it would be 10 % low; without absorption, which computes less a pair, twice too high.
    """
    _check_tokens("context", context, 0)
    _check_tokens("append", append, 1)
    return (model.kv_bytes(context) / 1e9) / (model.flops(context, append) / 1e15)


def theory_summary(cluster: Cluster) -> dict[str, Any]:
    """Gather what ``dualpath-lab theory --json`` prints.

    ``low`` is null where no P/D is high enough, ``high`` where none is low enough (then ``empty`` is true) or where there is no upper end.
    ``limited_by`` is the storage NIC where all conditions hold, else
    the resource with the highest utilization.
    """
    free, loads = bottleneck_free_range(cluster), resource_loads(cluster)
    holds = all(load.holds for load in loads)
    busiest = max(loads, key=lambda load: load.utilization)
    return {
        "p_over_d": cluster.prefill_nodes / cluster.decode_nodes,
        "storage_over_compute": cluster.storage_bytes_per_s / cluster.compute_bytes_per_s,
        "bottleneck_free": {
            "low": free.low if free.low < inf else None,
            "high": free.high if 0 < free.high < inf else None,
            "low_limited_by": list(free.low_limited_by),
            "high_limited_by": list(free.high_limited_by),
            "empty": free.empty,
        },
        "holds": holds,
        "limited_by": "storage NIC" if holds else busiest.resource,
        "resources": [{**asdict(load), "utilization": load.utilization, "holds": load.holds} for load in loads],
    }


def model_summary(model: Model, context: int, append: int) -> dict[str, Any]:
    """Gather what ``dualpath-lab model --json`` prints for ``append`` new tokens after ``context`` cached ones.

    ``kv_bytes`` is the KV-cache of the context and ``kv_bytes_per_token`` that over its tokens. Where layers with a window keep no more
    than that, it falls with the context: from ``kv_bytes_per_new_token``, which a token leaves in all layers, towards that of the others.

    Raises
    ------
    ScenarioError
        As :func:`cache_compute_ratio`.
    """
    ratio = cache_compute_ratio(model, context, append)
    return {
        "name": model.name,
        "kv_bytes_per_token": _kv_bytes_per_token(model, context),
        "kv_bytes": model.kv_bytes(context),
        "kv_bytes_per_new_token": model.kv_bytes_per_token,
        "kv_dtype": model.kv_dtype,
        "windows": [{"tokens": window.tokens, "kv_bytes_per_token": window.kv_bytes_per_token} for window in model.windows],
        "layers": model.layers,
        "active_parameters": model.active_parameters,
        "total_parameters": model.total_parameters,
        "weight_bytes": model.weight_bytes,
        "context": context,
        "append": append,
        "flops_per_append": model.flops(context, append),
        "kv_gb_per_pflop": ratio,
        "max_positions": model.max_positions,
        "notes": [*model.notes, *model.cautions(context + append)],
    }


def _kv_bytes_per_token(model: Model, context: int) -> int | float:
    return model.kv_bytes(context) / context if model.windows and context else model.kv_bytes_per_token


def _check_tokens(name: str, tokens: int, smallest: int) -> None:
    if not smallest <= tokens <= _LARGEST_TOKENS:
        raise ScenarioError(f"{name} = {tokens} is not allowed: it should be a number of tokens from {smallest} to {_LARGEST_TOKENS}.")


def theory_text(cluster: Cluster) -> str:
    """The closed forms in words, as ``dualpath-lab theory`` prints them."""
    values = theory_summary(cluster)
    free = values["bottleneck_free"]
    low, high = ("-" if free[end] is None else f"{free[end]:.3g}" for end in ("low", "high"))
    span = "no P/D is free of a bottleneck" if free["empty"] else f"bottleneck-free for {low} <= P/D <= {high}"
    lines = [f"{cluster.prefill_nodes}P{cluster.decode_nodes}D, P/D = {values['p_over_d']:.3g}: {span}; limited by {values['limited_by']}"]
    lines += [
        f"  {load['resource']:<14} {load['load_bytes_per_s'] / 1e9:8.3g} of {load['capacity_bytes_per_s'] / 1e9:.3g} GB/s"
        f" {load['utilization']:7.1%}  {'holds' if load['holds'] else 'FAILS'}: {load['condition']}"
        for load in values["resources"]
    ]
    return "\n".join(lines)
