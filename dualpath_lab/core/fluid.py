"""What happens to the flows of a network, compiled: one starts, the next one ends, links get another capacity.

A flow that starts on links with room to spare, or ends without having held anyone back, touches nobody else. Each function takes
:func:`addresses.addresses` of the network's arrays last.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dualpath_lab.core.addresses import arrays_at, route_at
from dualpath_lab.core.compiled import compiled
from dualpath_lab.core.fairness import book, join, join_all, join_held_back, set_end, set_rate, share_out
from dualpath_lab.core.flows import FULL, Arrays


@compiled
def start(
    flow: int,
    address: int,
    length: int,
    size_bytes: float,
    top_rate: float,
    now: float,
    where: int,
) -> float:
    """Let a flow move; returns when the next flow of all ends, s."""
    net = arrays_at(where)
    new, links = net.flows[flow], net.links
    route = route_at(address, length)
    new.left, new.since, new.top_rate = size_bytes, now, top_rate
    new.rate, new.bottleneck, new.length = 0.0, -1, length
    rate, bottleneck = top_rate, -1
    for place in range(length):
        number, share = int(route[0, place]), route[1, place]
        _cross(net, new.first + place, flow, number, share)
        room = (links[number].kv_capacity - links[number].used) / share
        if room < rate:
            rate, bottleneck = room, number
    if bottleneck < 0 or (rate > FULL * links[bottleneck].capacity and _is_fastest(net, flow, rate, bottleneck)):
        set_rate(net, flow, rate, bottleneck, now)
    else:
        count = join(net, 0, flow)
        for crossing in net.crossings[new.first : new.first + length]:
            link = links[crossing.link]
            if link.kv_capacity - link.used <= FULL * link.capacity:
                at = link.first
                while at >= 0:
                    other = net.crossings[at].flow
                    if net.flows[other].bottleneck >= 0:
                        count = join(net, count, other)
                    at = net.crossings[at].after
        share_out(net, count, now)
    return float(net.ends_at[1])


@compiled
def finish_next(now: float, where: int) -> tuple[int, float]:
    """End the flow that is due first; returns its number and when the next one ends, s."""
    net = arrays_at(where)
    flow = _first_to_end(net)
    gone = net.flows[flow]
    book(net, flow, gone.left, now)
    set_end(net, flow, inf)
    if gone.bottleneck >= 0:
        net.links[gone.bottleneck].holds -= 1
    count = 0
    for place in range(gone.first, gone.first + gone.length):
        _uncross(net, place)
        crossing = net.crossings[place]
        link = net.links[crossing.link]
        link.used = link.used - gone.rate * crossing.share if link.first >= 0 else 0.0
        count = join_held_back(net, count, crossing.link)
    gone.rate = 0.0
    share_out(net, count, now)
    return flow, float(net.ends_at[1])


@compiled
def leave_room(which: NDArray[np.int64], model_rate: float, now: float, where: int) -> float:
    """Give links another rate of model traffic; returns when the next flow of all ends, s."""
    net = arrays_at(where)
    count = 0
    for number in which:
        link = net.links[number]
        link.kv_capacity = link.capacity - model_rate
        count = join_all(net, count, number) if link.used > link.kv_capacity else join_held_back(net, count, number)
    share_out(net, count, now)
    return float(net.ends_at[1])


@compiled
def under_way(times_s: NDArray[np.float64], where: int) -> NDArray[np.float64]:
    """Bytes that flows on the move have carried over every link up to some times and that are not booked yet; (links, times)."""
    net = arrays_at(where)
    moved = np.zeros((len(net.links), len(times_s)))
    for flow in net.flows:
        if flow.rate > 0:
            for crossing in net.crossings[flow.first : flow.first + flow.length]:
                for place, time_s in enumerate(times_s):
                    moved[crossing.link, place] += crossing.share * flow.rate * max(time_s - flow.since, 0.0)
    return moved


@njit
def _first_to_end(net: Arrays) -> int:
    at, first_leaf = 1, len(net.ends_at) // 2
    while at < first_leaf:
        at *= 2
        if net.ends_at[at + 1] < net.ends_at[at]:
            at += 1
    return at - first_leaf


@njit
def _cross(net: Arrays, place: int, flow: int, link: int, share: float) -> None:
    """Put a crossing at the end of its link's list."""
    crossing = net.crossings[place]
    crossing.link, crossing.flow, crossing.share = link, flow, share
    crossing.before, crossing.after = net.links[link].last, -1
    if crossing.before >= 0:
        net.crossings[crossing.before].after = place
    else:
        net.links[link].first = place
    net.links[link].last = place


@njit
def _uncross(net: Arrays, place: int) -> None:
    """Take a crossing out of its link's list."""
    crossing = net.crossings[place]
    if crossing.before >= 0:
        net.crossings[crossing.before].after = crossing.after
    else:
        net.links[crossing.link].first = crossing.after
    if crossing.after >= 0:
        net.crossings[crossing.after].before = crossing.before
    else:
        net.links[crossing.link].last = crossing.before


@njit
def _is_fastest(net: Arrays, flow: int, rate: float, link: int) -> bool:
    """Whether no other flow on the link is faster."""
    at = net.links[link].first
    while at >= 0:
        other = net.crossings[at].flow
        if other != flow and net.flows[other].rate > rate:
            return False
        at = net.crossings[at].after
    return True
