"""Links and the flows that share them.

Two classes of traffic: *model* traffic has priority and takes its rate off the top of a compute NIC while its engines run; *KV* traffic
shares what is left, max-min fairly. A flow may cross several links with a different number of bytes on each (the transfers of a whole
prefill forward move in lockstep, so they are one flow), and it may have a top speed (a forward can't outrun its computation).

Simplification: model traffic is a constant rate while its engines run, where a real link sees bursts shorter than a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from simpy import Environment

from dualpath_lab.core.alarm import Alarm
from dualpath_lab.core.recorder import Series

_FULL = 1e-9
"""Share of a link's capacity below which what is left of it counts as nothing."""


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
    capacity : float
        Bytes/s.
    used : float
        Bytes/s that KV flows carry now.
    series : Series
        KV bytes carried.
    model : ModelTraffic or None
        What has priority here.
    """

    __slots__ = ("capacity", "direction", "flows", "kind", "model", "name", "role", "series", "used")

    def __init__(self, name: str, kind: str, role: str, direction: str, capacity: float) -> None:
        self.name = name
        self.kind = kind
        self.role = role
        self.direction = direction
        self.capacity = capacity
        self.model: ModelTraffic | None = None
        self.used = 0.0
        self.flows: dict[Flow, float] = {}
        self.series = Series()

    @property
    def kv_capacity(self) -> float:
        """Bytes/s that model traffic leaves to KV flows."""
        return self.capacity - self.model.rate if self.model else self.capacity


class Flow:
    """Bytes on the move over one or several links in lockstep.

    It stands for equal streams of ``size`` bytes each, which all have the *rate* of the flow; ``shares`` says how many of them cross each
    link. Fair means that all streams on a link are equal, whichever flow they belong to.
    """

    __slots__ = ("alarm", "bottleneck", "done", "left", "rate", "shares", "since", "size", "top_rate")

    def __init__(
        self,
        load: Mapping[Link, int],
        stream_bytes: float,
        done: Callable[[], None],
        at_least_s: float,
        env: Environment,
        finish: Callable[[Flow], None],
    ) -> None:
        self.size = stream_bytes
        self.shares = [(link, size / self.size) for link, size in load.items() if size]
        self.done = done
        self.top_rate = self.size / at_least_s if at_least_s > 0 else inf
        self.left = self.size
        self.rate = 0.0
        self.since = env.now
        self.bottleneck: Link | None = None
        self.alarm = Alarm(env, lambda: finish(self))


class Network:
    """All flows of a cluster; keeps every rate max-min fair and every completion exact.

    Rates are only worked out anew where a change can reach: a flow that starts on links with room to spare, or ends without having
    held anyone back, touches nobody else.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.active: dict[Flow, None] = {}

    def start(self, load: Mapping[Link, int], done: Callable[[], None], at_least_s: float = 0.0, stream_bytes: float | None = None) -> None:
        """Carry ``load`` and call ``done`` when the last byte has arrived.

        Parameters
        ----------
        load : mapping of Link to int
            Bytes on each link, in lockstep.
        done : callable
            Called once, at completion.
        at_least_s : float
            The flow takes no less time than this.
        stream_bytes : float, optional
            Mean size of the transfers that the flow stands for; it is a single one when left out.
        """
        if not any(load.values()):
            Alarm(self._env, done).set(at_least_s)
            return
        flow = Flow(load, stream_bytes or float(max(load.values())), done, at_least_s, self._env, self._finish)
        self.active[flow] = None
        rate, bottleneck = flow.top_rate, None
        for link, share in flow.shares:
            link.flows[flow] = share
            room = (link.kv_capacity - link.used) / share
            if room < rate:
                rate, bottleneck = room, link
        if bottleneck is None or self._fits_beside(flow, rate, bottleneck):
            self._set_rate(flow, rate, bottleneck)
        else:
            self._share_out(link for link, _ in flow.shares)

    def set_model_rate(self, traffic: ModelTraffic, rate: float, links: Sequence[Link]) -> None:
        """Change the high-priority rate on ``links``, all of which carry ``traffic``; KV flows adapt."""
        now = self._env.now
        traffic.series.add(traffic.since, now, traffic.rate * (now - traffic.since))
        traffic.since = now
        rises = rate > traffic.rate
        traffic.rate = rate
        self._share_out([link for link in links if (link.used > link.kv_capacity if rises else self._holds_back(link))])

    def bytes_in_flight(self, flow: Flow) -> float:
        """Bytes that ``flow`` has moved since its rate last changed, which no series holds yet."""
        return flow.rate * (self._env.now - flow.since)

    def _finish(self, flow: Flow) -> None:
        self._book(flow, flow.left)
        del self.active[flow]
        freed = []
        for link, share in flow.shares:
            del link.flows[flow]
            link.used = link.used - flow.rate * share if link.flows else 0.0
            if self._holds_back(link):
                freed.append(link)
        if freed:
            self._share_out(freed)
        flow.done()

    @staticmethod
    def _holds_back(link: Link) -> bool:
        return any(flow.bottleneck is link for flow in link.flows)

    @staticmethod
    def _fits_beside(flow: Flow, rate: float, bottleneck: Link) -> bool:
        """Whether what is left of its bottleneck is a fair rate: more than nothing, and no less than anyone else's there."""
        if rate <= _FULL * bottleneck.capacity:
            return False
        return all(other.rate <= rate for other in bottleneck.flows if other is not flow)

    def _share_out(self, links: Iterable[Link]) -> None:
        """Max-min fair rates for every flow that the given links reach.

        Progressive filling, many links at a time: a link's level is the rate at which its undecided flows would fill it. A flow is
        decided at its top rate if that is below the level of all its links, and at the level of a link that is the lowest for every
        undecided flow on it. Deciding flows only raises the levels of other links, so the order doesn't matter.
        """
        flows, reached = _connected(links)
        room = {link: link.kv_capacity for link in reached}
        weight = {link: sum(link.flows.values()) for link in reached}
        undecided = {link: len(link.flows) for link in reached}
        decided: dict[Flow, tuple[float, Link | None]] = {}
        while flows:
            level = {link: max(room[link], 0.0) / weight[link] for link in reached if undecided[link]}
            lowest = {flow: min(level[link] for link, _ in flow.shares) for flow in flows}
            for link, rate in level.items():
                here = [flow for flow in link.flows if flow not in decided]
                if all(lowest[flow] >= rate and flow.top_rate > rate for flow in here):
                    decided.update((flow, (rate, link)) for flow in here)
            decided.update((flow, (flow.top_rate, None)) for flow in flows if flow.top_rate <= lowest[flow])
            for flow in flows:
                if flow in decided:
                    for link, share in flow.shares:
                        room[link] -= decided[flow][0] * share
                        weight[link] -= share
                        undecided[link] -= 1
            flows = [flow for flow in flows if flow not in decided]
        for flow, (rate, bottleneck) in decided.items():
            self._set_rate(flow, rate, bottleneck)
        for link in reached:
            link.used = sum(flow.rate * share for flow, share in link.flows.items())

    def _set_rate(self, flow: Flow, rate: float, bottleneck: Link | None) -> None:
        flow.bottleneck = bottleneck
        if rate == flow.rate:
            return
        self._book(flow, min(self.bytes_in_flight(flow), flow.left))
        for link, share in flow.shares:
            link.used += (rate - flow.rate) * share
        flow.rate = rate
        flow.alarm.set(flow.left / rate if rate > 0 else inf)

    def _book(self, flow: Flow, moved: float) -> None:
        """Write down ``moved`` bytes as carried since the flow's rate last changed."""
        now = self._env.now
        if moved > 0:
            flow.left -= moved
            for link, share in flow.shares:
                link.series.add(flow.since, now, moved * share)
        flow.since = now


def _connected(links: Iterable[Link]) -> tuple[list[Flow], list[Link]]:
    """All flows and links that can influence one another's rates, starting from ``links``."""
    reached = dict.fromkeys(links)
    flows: dict[Flow, None] = {}
    frontier = list(reached)
    while frontier:
        for flow in frontier.pop().flows:
            if flow not in flows:
                flows[flow] = None
                for link, _ in flow.shares:
                    if link not in reached:
                        reached[link] = None
                        frontier.append(link)
    return list(flows), list(reached)
