"""Links, what has priority on them, and the routes of the flows that share the rest."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.recorder import Series


class ModelTraffic:
    """High-priority traffic of one engine group: the same rate on each direction of each of its compute NICs.

    Attributes
    ----------
    links : sequence of Link
        Those directions.
    numbers : int64 array, shape (links,)
        Theirs.
    rate : float
        Bytes/s now; zero while the group idles.
    series : Series
        Bytes carried on one direction of one NIC.
    """

    __slots__ = ("links", "numbers", "rate", "series", "since")

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = links
        self.numbers = numbers(links)
        for link in links:
            link.model = self
        self.rate = 0.0
        self.since = 0.0
        self.series = Series()

    def total_bytes(self, now: float) -> float:
        """Bytes carried up to ``now`` on one direction of one NIC."""
        return self.series.total + self.rate * (now - self.since)


class Link:
    """One direction of a NIC, or the DRAM of a node (both directions at once); made by :meth:`Network.link`.

    Attributes
    ----------
    number : int
        Its place in the network.
    capacity : float
        Bytes/s.
    past : list of (float, float)
        Earlier capacities, bytes/s, each with the time in s at which it ended.
    model : ModelTraffic or None
        What has priority here.
    """

    __slots__ = ("capacity", "direction", "kind", "model", "name", "number", "past", "role")

    def __init__(self, number: int, name: str, kind: str, role: str, direction: str, capacity: float) -> None:
        self.number = number
        self.name = name
        self.kind = kind
        self.role = role
        self.direction = direction
        self.capacity = capacity
        self.model: ModelTraffic | None = None
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


class Route(NamedTuple):
    """Links that a flow crosses, laid out for compiled code.

    Attributes
    ----------
    address : int
        Of ``numbers`` in memory.
    links : int
        How many there are.
    size : int
        Binary logarithm of that, rounded up; -1 where there is none.
    numbers : array of float
        The number of each link, then how many of the flow's streams cross each.
    """

    address: int
    links: int
    size: int
    numbers: array[float]


class Moving(NamedTuple):
    """A flow on the move: equal streams that all have its rate.

    Fair means that all streams on a link are equal, whichever flow they belong to.

    Attributes
    ----------
    route : dict of Link to float
        How many of its streams cross each link.
    rate, top_rate : float
        Bytes/s of a stream, now and at most.
    """

    route: dict[Link, float]
    rate: float
    top_rate: float


def numbers(links: Iterable[Link]) -> NDArray[np.int64]:
    """Of some links, in their order."""
    return np.array([link.number for link in links], np.int64)


def over(links: Sequence[int], shares: Sequence[float]) -> Route:
    """The route over links of some numbers, each crossed by its share of the streams."""
    numbers = array("d", [*links, *shares])
    return Route(numbers.buffer_info()[0], len(links), (len(links) - 1).bit_length() if links else -1, numbers)


def route(links: Iterable[Link]) -> Route:
    """A single stream's; one that crosses a link twice counts there as two."""
    times = Counter(link.number for link in links)
    return over([*times], [*times.values()])


def lockstep(load: Mapping[int, int], stream_bytes: float | None = None) -> tuple[Route, float]:
    """The route of streams that carry ``load`` in lockstep, and the size of each.

    Parameters
    ----------
    load : mapping of int to int
        Bytes on each link, by its number.
    stream_bytes : float, optional
        Mean size of the transfers; it is a single one when left out.
    """
    size_bytes = stream_bytes or float(max(load.values(), default=0))
    streams = {number: size / size_bytes for number, size in load.items() if size}
    return over([*streams], [*streams.values()]), size_bytes
