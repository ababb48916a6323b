"""Max-min fair rates for flows that share links."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from dualpath_lab.core.links import Flow, Link

FULL = 1e-9
"""Share of a link's capacity below which what is left of it counts as nothing."""

Decided = dict[Flow, tuple[float, Link | None]]
"""Rate and bottleneck of each flow; none where the flow has its top rate."""


def fair_rates(flows: Iterable[Flow]) -> tuple[Decided, dict[Link, float], list[Link]]:
    """Max-min fair rates of some flows in what the others leave them.

    A link that could carry all its flows as fast as each could be by itself holds nobody back and is left aside.

    Returns
    -------
    decided : dict
        The rates.
    room : dict of Link to float
        What then is left, bytes/s, of each link that may hold someone back.
    ample : list of Link
        The other links.
    """
    room: dict[Link, float] = {}
    for flow in flows:
        rate = flow.rate
        for link, share in flow.route:
            room[link] = (room[link] if link in room else link.kv_capacity - link.used) + rate * share
    wanted = dict.fromkeys(room, 0.0)
    for flow in flows:
        alone = flow.top_rate
        for link, share in flow.route:
            alone = min(alone, room[link] / share)
        if alone > 0:
            for link, share in flow.route:
                wanted[link] += alone * share
    ample = [link for link, rate in wanted.items() if rate < room[link] * (1 - FULL)]
    for link in ample:
        del room[link]
    decided = _fill({flow: [(link, share) for link, share in flow.route if link in room] for flow in flows}, room)
    return decided, room, ample


def _fill(undecided: dict[Flow, list[tuple[Link, float]]], room: dict[Link, float]) -> Decided:
    """Progressive filling, many links at a time.

    A link's level is the rate at which its undecided flows would fill it. A flow is decided at its top rate if that is below the level of
    all its links, and at the level of a link that is the lowest for every undecided flow on it. Deciding flows only raises the levels of
    other links, so the order doesn't matter. Of what holds a flow back equally, its top rate counts first, then what has held it back
    before: a rate that stays must not look like a change to others.
    """
    on: dict[Link, dict[Flow, float]] = {link: {} for link in room}
    for flow, route in undecided.items():
        for link, share in route:
            on[link][flow] = share
    decided: Decided = {}
    while undecided:
        level = {link: max(room[link], 0.0) / sum(here.values()) for link, here in on.items() if here}
        most = {flow: min([level[link] for link, _ in route], default=inf) * (1 + FULL) for flow, route in undecided.items()}
        ripe: Decided = {flow: (flow.top_rate, None) for flow in undecided if flow.top_rate <= most[flow]}
        capped = set(ripe)
        for link, rate in level.items():
            if all(most[flow] >= rate and flow not in capped for flow in on[link]):
                ripe.update((flow, (rate, link)) for flow in on[link] if flow not in ripe or flow.bottleneck is link)
        for flow, (rate, _) in ripe.items():
            for link, share in undecided.pop(flow):
                room[link] -= rate * share
                del on[link][flow]
        decided |= ripe
    return decided


def released(link: Link, decided: Decided) -> list[Flow]:
    """Flows left out so far that an ample link no longer holds back."""
    return [flow for flow in link.flows if flow.bottleneck is link and flow not in decided] if link.holds else []


def concerned(link: Link, room: float, decided: Decided) -> list[Flow]:
    """Flows left out so far that may not keep their rates if the decided ones get theirs.

    A link that is a flow's bottleneck is full, and nobody on it is faster: those it holds back get what is left or what a faster one has
    too much, and the fastest give way to a decided flow that it holds back.
    """
    if room > FULL * link.capacity:
        return released(link, decided)
    others = [flow for flow in link.flows if flow not in decided]
    if not others:
        return []
    here = [decided[flow] for flow in link.flows if flow in decided]
    most = max(rate for rate, _ in here) * (1 - FULL)
    least = min((rate for rate, bottleneck in here if bottleneck is link), default=inf) * (1 + FULL)
    fastest = max(flow.rate for flow in others)
    held_back = [flow for flow in others if flow.bottleneck is link and flow.rate < most]
    return held_back + [flow for flow in others if flow.rate == fastest > least]
