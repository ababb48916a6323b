"""Links and the flows that share them.

Two classes of traffic: *model* traffic has priority and takes its rate off the top of a compute NIC while its engines run; *KV* traffic
shares what is left, max-min fairly. A flow may cross several links with a different number of bytes on each (the transfers of a whole
prefill forward move in lockstep, so they are one flow), and it may have a top speed (a forward can't outrun its computation).

Simplification: model traffic is a constant rate while its engines run, where a real link sees bursts shorter than a millisecond.

The rule, model traffic first and KV traffic in whatever is left, is what the tables of the paper's port come to packet by packet
(:mod:`virtual_lanes`). ``tests/core/test_fluid_agrees.py`` sends the same bursts and transfers through both, each class at 10 to 100 % of
the link: what either class gets differs by less than 0.01 % while the model leaves room, and a burst takes up to 1.0 % longer here, as its
rate is held to the published 99 %. Where the model never pauses the port reserves 963 packets of 964 for it, so that KV traffic gets 0.1 %
of the link there and 1 % here.
"""

from __future__ import annotations

from collections import defaultdict
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
        if bottleneck is None or (rate > _FULL * bottleneck.capacity and all(other.rate <= rate for other in bottleneck.flows)):
            self._set_rate(flow, rate, bottleneck)
        else:
            self._share_out([flow, *(other for link, _ in flow.shares for other in link.flows if other.bottleneck is link)])

    def set_model_rate(self, traffic: ModelTraffic, rate: float, links: Sequence[Link]) -> None:
        """Change the high-priority rate on ``links``, all of which carry ``traffic``; KV flows adapt."""
        now = self._env.now
        traffic.series.add(traffic.since, now, traffic.rate * (now - traffic.since))
        traffic.since = now
        traffic.rate = rate
        self._share_out([flow for link in links for flow in link.flows if flow.bottleneck is link or link.used > link.kv_capacity])

    def unbooked(self, now: float) -> dict[Link, float]:
        """Bytes that each link has carried up to ``now`` and that its series doesn't hold yet."""
        carried: dict[Link, float] = defaultdict(float)
        for flow in self.active:
            for link, share in flow.shares:
                carried[link] += flow.rate * (now - flow.since) * share
        return carried

    def _finish(self, flow: Flow) -> None:
        self._book(flow, flow.left)
        del self.active[flow]
        held_back = []
        for link, share in flow.shares:
            del link.flows[flow]
            link.used = link.used - flow.rate * share if link.flows else 0.0
            held_back += [other for other in link.flows if other.bottleneck is link]
        self._share_out(held_back)
        flow.done()

    def _share_out(self, flows: Sequence[Flow]) -> None:
        """Give the flows, and whoever their change reaches, max-min fair rates.

        The rates of the given flows are worked out with all others left as they are. Where that is unfair to anyone, the flows concerned
        join, and it is done again: the fastest on a link that slows someone down, and those that a link no longer holds back.
        """
        inside = dict.fromkeys(flows)
        while inside:
            decided, room = _fair_rates(inside)
            concerned = [flow for link in room for flow in _concerned(link, room[link], decided)]
            if not concerned:
                for flow, (rate, bottleneck) in decided.items():
                    self._set_rate(flow, rate, bottleneck)
                for link in room:
                    link.used = sum(flow.rate * share for flow, share in link.flows.items())
                return
            inside.update(dict.fromkeys(concerned))

    def _set_rate(self, flow: Flow, rate: float, bottleneck: Link | None) -> None:
        flow.bottleneck = bottleneck
        if rate == flow.rate:
            return
        self._book(flow, min(flow.rate * (self._env.now - flow.since), flow.left))
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


Decided = dict[Flow, tuple[float, Link | None]]
"""Rate and bottleneck of each flow; none where the flow has its top rate."""


def _fair_rates(flows: Iterable[Flow]) -> tuple[Decided, dict[Link, float]]:
    """Max-min fair rates of some flows in what the others leave them, and the room that then is left on each of their links.

    Progressive filling, many links at a time: a link's level is the rate at which its undecided flows would fill it. A flow is decided
    at its top rate if that is below the level of all its links, and at the level of a link that is the lowest for every undecided flow
    on it. Deciding flows only raises the levels of other links, so the order doesn't matter.
    """
    undecided = dict.fromkeys(flows)
    on: dict[Link, dict[Flow, float]] = {}
    for flow in undecided:
        for link, share in flow.shares:
            on.setdefault(link, {})[flow] = share
    room = {
        link: link.kv_capacity - sum(other.rate * share for other, share in link.flows.items() if other not in undecided) for link in on
    }
    decided: Decided = {}
    while undecided:
        level = {link: max(room[link], 0.0) / sum(here.values()) for link, here in on.items() if here}
        lowest = {flow: min(level[link] for link, _ in flow.shares) for flow in undecided}
        ripe: Decided = {flow: (flow.top_rate, None) for flow in undecided if flow.top_rate <= lowest[flow]}
        for link, rate in level.items():
            if all(lowest[flow] >= rate and flow.top_rate > rate for flow in on[link]):
                ripe.update((flow, (rate, link)) for flow in on[link])
        for flow, (rate, _) in ripe.items():
            del undecided[flow]
            for link, share in flow.shares:
                room[link] -= rate * share
                del on[link][flow]
        decided |= ripe
    return decided, room


def _concerned(link: Link, room: float, decided: Decided) -> list[Flow]:
    """Flows left out so far that may not keep their rates if the decided ones get theirs.

    A link that is a flow's bottleneck is full, and nobody on it is faster: those it holds back get what is left or what a faster one has
    too much, and the fastest give way to a decided flow that it holds back.
    """
    others = [flow for flow in link.flows if flow not in decided]
    if not others:
        return []
    held_back = [flow for flow in others if flow.bottleneck is link]
    if room > _FULL * link.capacity:
        return held_back
    here = [decided[flow] for flow in link.flows if flow in decided]
    most = max(rate for rate, _ in here) * (1 - _FULL)
    least = min((rate for rate, bottleneck in here if bottleneck is link), default=inf) * (1 + _FULL)
    fastest = max(flow.rate for flow in others)
    return [flow for flow in held_back if flow.rate < most] + [flow for flow in others if flow.rate == fastest > least]
