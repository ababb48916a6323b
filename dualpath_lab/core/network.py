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
from collections.abc import Callable, Sequence
from math import inf

from simpy import Environment

from dualpath_lab.core.alarm import call_later
from dualpath_lab.core.fairness import FULL, concerned, fair_rates, released
from dualpath_lab.core.ledger import Ledger
from dualpath_lab.core.links import Flow, Link, ModelTraffic, Route

FEW_ROUNDS = 3
"""Of settling who is concerned by a change, one after the other."""


class Network:
    """All flows of a cluster; keeps every rate max-min fair and every completion exact.

    Rates are only worked out anew where a change can reach: a flow that starts on links with room to spare, or ends without having
    held anyone back, touches nobody else.

    Attributes
    ----------
    active : dict of Flow
        Those on the move.
    carried : Ledger
        What the others, and they until their rate last changed, have moved.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.active: dict[Flow, None] = {}
        self.carried = Ledger()

    def start(self, route: Route, size_bytes: float, done: Callable[[], None], at_least_s: float = 0.0) -> None:
        """Carry ``size_bytes`` in each stream of ``route`` and call ``done`` when the last byte has arrived.

        Parameters
        ----------
        route : tuple of (Link, float)
            See :func:`links.route` and :func:`links.lockstep`.
        size_bytes : float
            Of each stream.
        done : callable
            Called once, at completion.
        at_least_s : float
            The flow takes no less time than this.
        """
        if not route or not size_bytes:
            call_later(self._env, at_least_s, done)
            return
        flow = Flow(self._env, self._finish, route, size_bytes, done, at_least_s)
        self.active[flow] = None
        rate, bottleneck = flow.top_rate, None
        for link, share in route:
            room = (link.kv_capacity - link.used) / share
            if room < rate:
                rate, bottleneck = room, link
        if bottleneck is None or (rate > FULL * bottleneck.capacity and all(other.rate <= rate for other in bottleneck.flows)):
            for link, share in route:
                link.flows[flow] = share
                link.used += rate * share
            flow.rate = rate
            flow.bottleneck = bottleneck
            if bottleneck:
                bottleneck.holds += 1
            flow.set(size_bytes / rate)
        else:
            for link, share in route:
                link.flows[flow] = share
            full = [link for link, _ in route if link.kv_capacity - link.used <= FULL * link.capacity]
            self._share_out([flow, *(other for link in full for other in link.flows if other.bottleneck)])

    def set_model_rate(self, traffic: ModelTraffic, rate: float, links: Sequence[Link]) -> None:
        """Change the high-priority rate on ``links``, all of which carry ``traffic``; KV flows adapt."""
        now = self._env.now
        traffic.series.add(traffic.since, now, traffic.rate * (now - traffic.since))
        traffic.since = now
        traffic.rate = rate
        self._leave_room(links, rate)

    def set_capacity(self, capacity: float, links: Sequence[Link]) -> None:
        """Change the bandwidth of links that carry no model traffic; KV flows adapt."""
        for link in links:
            link.set_capacity(capacity, self._env.now)
        self._leave_room(links, 0.0)

    def _leave_room(self, links: Sequence[Link], model_rate: float) -> None:
        reached: list[Flow] = []
        for link in links:
            link.kv_capacity = link.capacity - model_rate
            if link.used > link.kv_capacity:
                reached += link.flows
            elif link.holds:
                reached += [flow for flow in link.flows if flow.bottleneck is link]
        self._share_out(reached)

    def unbooked(self, now: float) -> dict[Link, float]:
        """Bytes that each link has carried up to ``now`` and that the ledger doesn't hold yet."""
        carried: dict[Link, float] = defaultdict(float)
        for flow in self.active:
            for link, share in flow.route:
                carried[link] += flow.rate * (now - flow.since) * share
        return carried

    def _finish(self, flow: Flow) -> None:
        self.carried.note(flow.route, flow.since, self._env.now, flow.left)
        del self.active[flow]
        if flow.bottleneck:
            flow.bottleneck.holds -= 1
        rate = flow.rate
        held_back: list[Flow] = []
        for link, share in flow.route:
            flows = link.flows
            del flows[flow]
            if not flows:
                link.used = 0.0
                continue
            link.used -= rate * share
            if link.holds:
                held_back += [other for other in flows if other.bottleneck is link]
        if held_back:
            self._share_out(held_back)
        flow.done()

    def _share_out(self, flows: Sequence[Flow]) -> None:
        """Give the flows, and whoever their change reaches, max-min fair rates.

        The rates of the given flows are worked out with all others left as they are. Where that is unfair to anyone, the flows concerned
        join, and it is done again: the fastest on a link that slows someone down, and those that a link no longer holds back. Where that
        goes on and on, everyone on the links that are tight for those inside joins at once.
        """
        inside = dict.fromkeys(flows)
        rounds = 0
        while inside:
            decided, room, ample = fair_rates(inside)
            joining = [flow for link in ample for flow in released(link, decided)]
            joining += [flow for link in room for flow in concerned(link, room[link], decided)]
            if not joining:
                for flow, (rate, bottleneck) in decided.items():
                    self._set_rate(flow, rate, bottleneck)
                return
            inside.update(dict.fromkeys(joining))
            rounds += 1
            if rounds > FEW_ROUNDS:
                inside.update((flow, None) for link in room for flow in link.flows)

    def _set_rate(self, flow: Flow, rate: float, bottleneck: Link | None) -> None:
        if bottleneck is not flow.bottleneck:
            if flow.bottleneck:
                flow.bottleneck.holds -= 1
            if bottleneck:
                bottleneck.holds += 1
            flow.bottleneck = bottleneck
        if rate == flow.rate:
            return
        now = self._env.now
        moved = min(flow.rate * (now - flow.since), flow.left)
        if moved > 0:
            flow.left -= moved
            self.carried.note(flow.route, flow.since, now, moved)
        flow.since = now
        more = rate - flow.rate
        for link, share in flow.route:
            link.used += more * share
        flow.rate = rate
        flow.set(flow.left / rate if rate > 0 else inf)
