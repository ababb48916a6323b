"""Links, what has priority on them, and the flows that share the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING

from dualpath_lab.core.alarm import Timer
from dualpath_lab.core.recorder import Series

if TYPE_CHECKING:
    from simpy import Environment


class ModelTraffic:
    """High-priority traffic of one engine group: the same rate on each direction of each of its compute NICs.

    Attributes
    ----------
    rate : float
        Bytes/s now; zero while the group idles.
    series : Series
        Bytes carried on one direction of one NIC.
    """

    __slots__ = ("rate", "series", "since")

    def __init__(self) -> None:
        self.rate = 0.0
        self.since = 0.0
        self.series = Series()

    def total_bytes(self, now: float) -> float:
        """Bytes carried up to ``now`` on one direction of one NIC."""
        return self.series.total + self.rate * (now - self.since)


class Link:
    """One direction of a NIC, or the DRAM of a node (both directions at once).

    Attributes
    ----------
    capacity, kv_capacity : float
        Bytes/s, and what of them model traffic leaves to KV flows.
    past : list of (float, float)
        Earlier capacities, bytes/s, each with the time in s at which it ended.
    used : float
        Bytes/s that KV flows carry now.
    flows : dict of Flow to float
        Those that cross it, with their number of streams.
    holds : int
        How many flows it is the bottleneck of.
    model : ModelTraffic or None
        What has priority here.
    """

    __slots__ = ("capacity", "direction", "flows", "holds", "kind", "kv_capacity", "model", "name", "past", "role", "used")

    def __init__(self, name: str, kind: str, role: str, direction: str, capacity: float) -> None:
        self.name = name
        self.kind = kind
        self.role = role
        self.direction = direction
        self.capacity = self.kv_capacity = capacity
        self.model: ModelTraffic | None = None
        self.used = 0.0
        self.flows: dict[Flow, float] = {}
        self.holds = 0
        self.past: list[tuple[float, float]] = []

    def set_capacity(self, capacity: float, now: float) -> None:
        """Another bandwidth, bytes/s, from ``now`` on; what of it is left to KV flows is for the network to say."""
        self.past.append((now, self.capacity))
        self.capacity = capacity

    def could_carry(self, until_s: float) -> float:
        """Bytes that it could have carried up to a time."""
        since_s = size_bytes = 0.0
        for ended_s, capacity in self.past:
            size_bytes += capacity * (min(ended_s, until_s) - since_s)
            since_s = min(ended_s, until_s)
        return size_bytes + self.capacity * (until_s - since_s)


Route = tuple[tuple[Link, float], ...]
"""Links, each with the number of a flow's streams that cross it."""


def route(links: Iterable[Link]) -> Route:
    """A single stream's; one that crosses a link twice counts there as two."""
    times: dict[Link, float] = {}
    for link in links:
        times[link] = times.get(link, 0.0) + 1.0
    return tuple(times.items())


def lockstep(load: Mapping[Link, int], stream_bytes: float | None = None) -> tuple[Route, float]:
    """The route of streams that carry ``load`` in lockstep, and the size of each.

    Parameters
    ----------
    load : mapping of Link to int
        Bytes on each link.
    stream_bytes : float, optional
        Mean size of the transfers; it is a single one when left out.
    """
    size_bytes = stream_bytes or float(max(load.values(), default=0))
    return tuple((link, size / size_bytes) for link, size in load.items() if size), size_bytes


class Flow(Timer):
    """Bytes on the move over one or several links in lockstep.

    It stands for equal streams of ``left`` bytes each, which all have the *rate* of the flow; ``route`` says how many of them cross each
    link. Fair means that all streams on a link are equal, whichever flow they belong to. It rings when the last byte has arrived.
    """

    __slots__ = ("_finish", "bottleneck", "done", "left", "rate", "route", "since", "top_rate")

    def __init__(
        self, env: Environment, finish: Callable[[Flow], None], route: Route, size_bytes: float, done: Callable[[], None], at_least_s: float
    ) -> None:
        super().__init__(env)
        self._finish = finish
        self.route = route
        self.left = size_bytes
        self.done = done
        self.top_rate = size_bytes / at_least_s if at_least_s > 0 else inf
        self.rate = 0.0
        self.since = env.now
        self.bottleneck: Link | None = None

    def ring(self) -> None:
        """The last byte has arrived."""
        self._finish(self)
