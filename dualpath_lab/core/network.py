"""Links and the flows that share them.

Two classes of traffic: *model* traffic has priority and takes its rate off the top of a compute NIC while its engines run; *KV* traffic
shares what is left, max-min fairly. A flow may cross several links with a different number of bytes on each (the transfers of a whole
prefill forward move in lockstep, so they are one flow), and it may have a top speed (a forward can't outrun its computation). The
arithmetic is compiled: :mod:`fluid` and :mod:`fairness`.

Simplification: model traffic is a constant rate while its engines run, where a real link sees bursts shorter than a millisecond.

The rule, model traffic first and KV traffic in whatever is left, is what the tables of the paper's port come to packet by packet
(:mod:`virtual_lanes`). ``tests/core/test_fluid_agrees.py`` sends the same bursts and transfers through both, each class at 10 to 100 % of
the link: what either class gets differs by less than 0.01 % while the model leaves room, and a burst takes up to 1.0 % longer here, as its
rate is held to the published 99 %. Where the model never pauses the port reserves 963 packets of 964 for it, so that KV traffic gets 0.1 %
of the link there and 1 % here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from math import inf

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from dualpath_lab.core import fluid
from dualpath_lab.core.addresses import addresses
from dualpath_lab.core.alarm import Clock, Timer, call_later
from dualpath_lab.core.flows import no_flows, with_room
from dualpath_lab.core.links import Link, ModelTraffic, Moving, Route, numbers, route
from dualpath_lab.core.recorder import MOST_BINS, merged, wide_enough

MOST_AMOUNTS = 1 << 24
"""What all bins of all links may hold together, 8 bytes each (134 MB); where links are many, bins are fewer."""


class Network(Timer):
    """All links and flows of a cluster; keeps every rate max-min fair and every completion exact.

    It rings when the next flow of all is done.

    Parameters
    ----------
    env : Environment
        Whose clock began at a float: for integers, the compiled code would be made once more.

    Attributes
    ----------
    links : list of Link
        By number.
    capacities : list of float
        Theirs, bytes/s.
    """

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.links: list[Link] = []
        self.capacities: list[float] = []
        self._arrays = no_flows()
        self._addresses = addresses(self._arrays)
        self._where = int(self._addresses.ctypes.data)
        self._booked_until_s = 0.0
        self._crossings = 0
        self._done: list[Callable[[], None] | None] = []
        self._idle_like: list[list[int]] = []
        self._idle: dict[int, list[int]] = defaultdict(list)

    def link(self, name: str, kind: str, role: str, direction: str, capacity: float) -> Link:
        """A new link; see :class:`Link`."""
        link = Link(len(self.links), name, kind, role, direction, capacity)
        self.links.append(link)
        self.capacities.append(capacity)
        self._make_room(links=len(self.links))
        row = self._arrays.links[link.number]
        row["capacity"] = row["kv_capacity"] = capacity
        row["first"] = row["last"] = -1
        return link

    def start(self, route: Route, size_bytes: float, done: Callable[[], None], at_least_s: float = 0.0) -> None:
        """Carry ``size_bytes`` in each stream of ``route`` and call ``done`` when the last byte has arrived.

        Parameters
        ----------
        route : Route
            See :func:`links.route` and :func:`links.lockstep`.
        size_bytes : float
            Of each stream.
        done : callable
            Called once, at completion.
        at_least_s : float
            The flow takes no less time than this.
        """
        address, links, size, _ = route
        if not size_bytes or not links:
            call_later(self.env, at_least_s, done)
            return
        if (now := self.env.now) >= self._booked_until_s:
            self._make_bins(now)
        idle = self._idle[size]
        flow = idle.pop() if idle else self._new_flow(size)
        self._done[flow] = done
        top_rate = size_bytes / at_least_s if at_least_s > 0 else inf
        ends_at = fluid.start(flow, address, links, float(size_bytes), top_rate, now, self._where)
        if ends_at != self._at:
            self.set_at(ends_at)

    def set_model_rate(self, traffic: ModelTraffic, rate: float, capacity: float | None = None) -> None:
        """Change the high-priority rate on the links of ``traffic``, and their bandwidth if it is given; KV flows adapt."""
        if capacity is not None:
            self._note_capacity(traffic.links, traffic.numbers, capacity)
        now = self.env.now
        traffic.series.add(traffic.since, now, traffic.rate * (now - traffic.since))
        traffic.since = now
        traffic.rate = rate
        self._leave_room(traffic.numbers, rate)

    def set_capacity(self, capacity: float, links: Sequence[Link]) -> None:
        """Change the bandwidth of links that carry no model traffic; KV flows adapt."""
        which = numbers(links)
        self._note_capacity(links, which, capacity)
        self._leave_room(which, 0.0)

    def used(self, link: Link) -> float:
        """Bytes/s that KV flows carry over a link now."""
        return float(self._arrays.links[link.number]["used"])

    def kv_capacity(self, link: Link) -> float:
        """Bytes/s that model traffic leaves to KV flows on a link now."""
        return float(self._arrays.links[link.number]["kv_capacity"])

    def moving(self) -> list[Moving]:
        """Every flow on the move."""
        flows, crossings = self._arrays.flows, self._arrays.crossings
        found = []
        for flow in flows[np.flatnonzero([done is not None for done in self._done])]:
            crossed = crossings[flow["first"] : flow["first"] + flow["length"]]
            route = {self.links[number]: share for number, share in zip(crossed["link"], crossed["share"].tolist(), strict=True)}
            found.append(Moving(route, float(flow["rate"]), float(flow["top_rate"])))
        return found

    @property
    def bin_s(self) -> float:
        """Width of the bins of what links carried; it may grow."""
        return float(self._arrays.bin_s[0])

    @property
    def most_bins(self) -> int:
        """How many there may be: a power of two."""
        most = max(MOST_AMOUNTS // max(len(self._arrays.links), 1), 1)
        return min(MOST_BINS, 1 << (most.bit_length() - 1))

    def carried(self, first: int, last: int, bin_s: float = 0.0) -> NDArray[np.float64]:
        """KV bytes that every link has carried over time, flows on the move included.

        Parameters
        ----------
        first, last : int
            Bins that are over.
        bin_s : float
            Their width: a power of two times that of its own, which it is when left out.

        Returns
        -------
        float64 array, shape (links, bins)
            Bins ``first`` up to, not including, ``last``.
        """
        bin_s = bin_s or self.bin_s
        times, size = round(bin_s / self.bin_s), max(last - first, 0)
        booked = merged(self._arrays.bins[first * times : last * times, : len(self.links)], times).T
        carried = np.zeros((len(self.links), size))
        carried[:, : booked.shape[1]] = booked
        return carried + np.diff(self._under_way(np.arange(first, first + size + 1, dtype=np.float64) * bin_s))

    def carried_bytes(self, now: float) -> NDArray[np.float64]:
        """KV bytes that every link has carried up to ``now``, which is no earlier than the last event; shape (links,)."""
        total: NDArray[np.float64] = self._arrays.links["total"][: len(self.links)] + self._under_way(np.array([now]))[:, 0]
        return total

    def ring(self) -> None:
        """The last byte of a flow has arrived."""
        if (now := self.env.now) >= self._booked_until_s:
            self._make_bins(now)
        flow, ends_at = fluid.finish_next(now, self._where)
        done, self._done[flow] = self._done[flow], None
        self._idle_like[flow].append(flow)
        self.set_at(ends_at)
        if done:
            done()

    def _note_capacity(self, links: Sequence[Link], which: NDArray[np.int64], capacity: float) -> None:
        for link in links:
            link.set_capacity(capacity, self.env.now)
            self.capacities[link.number] = capacity
        self._arrays.links["capacity"][which] = capacity

    def _leave_room(self, which: NDArray[np.int64], model_rate: float) -> None:
        if (now := self.env.now) >= self._booked_until_s:
            self._make_bins(now)
        self.set_at(fluid.leave_room(which, float(model_rate), now, self._where))

    def _make_bins(self, now: float) -> None:
        """Have a bin for this time and some to come: more of them, in new arrays, or wider ones where there are enough."""
        bins, bin_s = self._arrays.bins, wide_enough(now, self.bin_s, self.most_bins)
        if bin_s > self.bin_s:
            fewer = merged(bins, round(bin_s / self.bin_s))
            bins[: len(fewer)] = fewer
            bins[len(fewer) :] = 0.0
            self._arrays.bin_s[0] = bin_s
        self._make_room(bins=1 << int(now / bin_s).bit_length())
        self._booked_until_s = len(self._arrays.bins) * bin_s

    def _new_flow(self, size: int) -> int:
        """Number of a flow for routes of that size."""
        flow, first = len(self._done), self._crossings
        self._crossings += 1 << size
        self._make_room(flows=flow + 1, crossings=self._crossings)
        self._arrays.flows[flow]["first"] = first
        self._done.append(None)
        self._idle_like.append(self._idle[size])
        return flow

    def _make_room(self, **need: int) -> None:
        """For so many links, flows, crossings or bins."""
        self._arrays = with_room(self._arrays, **need)
        self._addresses = addresses(self._arrays)
        self._where = int(self._addresses.ctypes.data)

    def _under_way(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = fluid.under_way(times_s, self._where)
        return moved[: len(self.links)]


@cache
def warm_up() -> None:
    """Have the arithmetic ready; where it never ran before, compiling it takes some ten seconds."""
    env = Clock()
    network = Network(env)
    link = network.link("", "", "", "", 1.0)
    network.start(route([link]), 2.0, lambda: None)
    network.set_capacity(2.0, [link])
    network.carried_bytes(0.0)
    env.run()
