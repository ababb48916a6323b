"""What every link carried over time, read from a run that is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.links import Link
from dualpath_lab.core.network import Network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinkTimeline:
    """The links of a run, bin by bin; the last bin ends with the run, and what a link carried is the sum over its bins.

    Attributes
    ----------
    network : Network
        Its clock stands.
    links : sequence of Link
    ended_s : float
        Simulated time of the run.
    bin_s : float
        Width of the bins that are over.
    """

    network: Network
    links: Sequence[Link]
    ended_s: float
    bin_s: float

    @property
    def _over(self) -> int:
        """Bins that are over."""
        return int(self.ended_s / self.bin_s)

    def edges_s(self) -> Floats:
        """Where bins begin and end; shape (bins + 1,)."""
        edges = np.arange(self._over + 1, dtype=np.float64) * self.bin_s
        return np.append(edges, self.ended_s) if self.ended_s > edges[-1] else edges

    def kv_bytes(self) -> Floats:
        """KV-cache that each link carried in each bin; shape (links, bins)."""
        numbers = [link.number for link in self.links]
        return self._with_last(self.network.carried(0, self._over, self.bin_s)[numbers], self.network.carried_bytes(self.ended_s)[numbers])

    def model_bytes(self) -> Floats:
        """Traffic of the model that each link carried in each bin; shape (links, bins)."""
        over = np.zeros((len(self.links), self._over))
        total = np.zeros(len(self.links))
        edges = self.edges_s()[: self._over + 1]
        for place, link in enumerate(self.links):
            if traffic := link.model:
                going_on_s = np.clip(edges - traffic.since, 0.0, None)
                over[place] = traffic.series.values(0, self._over, self.bin_s) + traffic.rate * np.diff(going_on_s)
                total[place] = traffic.total_bytes(self.ended_s)
        return self._with_last(over, total)

    def carriable_bytes(self) -> Floats:
        """What each link could have carried in each bin; shape (links, bins)."""
        edges = self.edges_s()
        return np.array([np.diff([link.could_carry(edge) for edge in edges]) for link in self.links])

    def _with_last(self, over: Floats, total: Floats) -> Floats:
        """With the bin in which the run ended."""
        if len(self.edges_s()) - 1 == self._over:
            return over
        return np.column_stack([over, np.maximum(total - over.sum(axis=1), 0.0)])
