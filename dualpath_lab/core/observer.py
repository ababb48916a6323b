"""Curves of a running simulation, read without touching it (law 8)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.links import Link

if TYPE_CHECKING:
    from dualpath_lab.core.simulation import Simulation

Floats = NDArray[np.float64]
Family = tuple[str, str, str, str]
"""Links taken together: role, kind, direction, traffic class; such as ``("prefill", "snic", "rx", "kv")``."""
LATENCIES = {"ttft": "turns", "ttst": "decoded", "tpot": "decoded"}
"""Latencies of a turn, and the number of the turns that have one; see :func:`latency`."""


def utilization(simulation: Simulation, first_bin: int = 0, bin_s: float = 0.0) -> dict[Family, Floats]:
    """Mean utilisation of each family of links, a value for each bin that is over.

    Parameters
    ----------
    simulation : Simulation
        Running or ended.
    first_bin : int
        Leave out the bins before it; bin ``i`` covers ``i * bin_s`` to ``(i + 1) * bin_s``.
    bin_s : float
        Width of a bin: a power of two times the simulation's own, which it is when left out.

    Returns
    -------
    dict of float64 array, shape (bins from ``first_bin`` to the last that is over,)
        Between 0 and 1. Both traffic classes of the compute NICs, KV alone elsewhere.
    """
    window = _Window(simulation, first_bin, bin_s)
    moved = simulation.network.carried(window.first, window.last, window.bin_s)
    carried: dict[Family, Floats] = defaultdict(window.zeros)
    capacity: dict[Family, Floats | float] = defaultdict(float)
    for link in simulation.cluster.links():
        kv = _family(link, "kv")
        carried[kv] += moved[link.number]
        link_capacity = window.capacity(link)
        capacity[kv] = capacity[kv] + link_capacity
        if link.model:
            model = _family(link, "model")
            carried[model] += link.model.series.values(window.first, window.last, window.bin_s)
            carried[model] += window.spread(link.model.since, link.model.rate)
            capacity[model] = capacity[model] + link_capacity
    return {family: amount / (capacity[family] * window.bin_s) for family, amount in carried.items()}


def latency(simulation: Simulation, first_bin: int = 0, bin_s: float = 0.0) -> dict[str, Floats]:
    """Mean latencies, s, of the turns that finished in each bin that is over; bins as for :func:`utilization`.

    Returns
    -------
    dict of float64 array, shape (bins,)
        ``ttft``, ``ttst``, ``tpot``, NaN in a bin without such turns; and what they are means over: ``turns``, how many finished, and
        ``decoded``, how many of those have more than one token.
    """
    window = _Window(simulation, first_bin, bin_s)
    finished = simulation.log.times["finished"]
    first_row = int(np.searchsorted(np.asarray(finished), window.first * window.bin_s))
    columns = simulation.log.columns(first_row)
    bins = (columns["finished"] / window.bin_s).astype(np.int64) - window.first
    inside = bins < window.last - window.first
    size = max(window.last - window.first, 0)
    rows = {"turns": inside, "decoded": inside & (columns["generate"] > 1)}
    curves = {name: np.bincount(bins[chosen], minlength=size).astype(np.float64) for name, chosen in rows.items()}
    for name, over in LATENCIES.items():
        total = np.bincount(bins[rows[over]], weights=columns[name][rows[over]], minlength=size)
        curves[name] = np.divide(total, curves[over], out=np.full(size, np.nan), where=curves[over] > 0)
    return curves


def prefill_compute(simulation: Simulation, first_bin: int = 0, bin_s: float = 0.0) -> Floats:
    """Share of time that the prefill groups compute, a value for each bin that is over; bins as for :func:`utilization`.

    A forward counts with the work of its mean engine, spread over the time it needs without transfers.

    Returns
    -------
    float64 array, shape (bins,)
        Between 0 and 1.
    """
    window = _Window(simulation, first_bin, bin_s)
    groups = simulation.cluster.prefill_groups
    seconds = sum((group.compute.values(window.first, window.last, window.bin_s) for group in groups), window.zeros())
    return seconds / (len(groups) * window.bin_s)


class _Window:
    """Bins ``first`` up to, not including, ``last``, the last that is over."""

    def __init__(self, simulation: Simulation, first: int, bin_s: float) -> None:
        self.bin_s = bin_s or simulation.bin_s
        self.first = first
        self.last = max(first, int(simulation.now / self.bin_s))
        self._starts = np.arange(self.first, self.last) * self.bin_s
        self._now = simulation.now

    def capacity(self, link: Link) -> Floats | float:
        """Mean bandwidth of a link in each bin."""
        if not link.past:
            return link.capacity
        carriable = [link.could_carry(edge_s) for edge_s in np.arange(self.first, self.last + 1) * self.bin_s]
        return np.diff(carriable) / self.bin_s

    def zeros(self) -> Floats:
        return np.zeros(self.last - self.first)

    def spread(self, since: float, rate: float) -> Floats:
        """Amount in each bin of something that has gone on at ``rate`` since ``since``."""
        seconds = np.minimum(self._starts + self.bin_s, self._now) - np.maximum(self._starts, since)
        amounts: Floats = rate * np.clip(seconds, 0.0, self.bin_s)
        return amounts


def _family(link: Link, traffic_class: str) -> Family:
    return link.role, link.kind, link.direction, traffic_class
