"""What happens to the flows of a network, compiled: one starts, the next one ends, links get another capacity.

A flow that starts on links with room to spare, or ends without having held anyone back, touches nobody else.
"""

from __future__ import annotations

from math import inf

from numba import njit

from dualpath_lab.core.fairness import book, join, join_all, join_held_back, set_rate, share_out
from dualpath_lab.core.flows import FULL, Arrays


@njit(cache=True)
def start(links, flows, crossings, ends_at, totals, bins, inside, touched, flow, route, shares, size_bytes, top_rate, now):
    """Let a flow move; returns when the next flow of all ends, s."""
    net = Arrays(links, flows, crossings, ends_at, totals, bins, inside, touched)
    new = flows[flow]
    new.left, new.since, new.top_rate = size_bytes, now, top_rate
    new.rate, new.bottleneck, new.length = 0.0, -1, len(route)
    rate, bottleneck = top_rate, -1
    for place in range(len(route)):
        _cross(net, new.first + place, flow, route[place], shares[place])
        room = (links[route[place]].kv_capacity - links[route[place]].used) / shares[place]
        if room < rate:
            rate, bottleneck = room, route[place]
    if bottleneck < 0 or (rate > FULL * links[bottleneck].capacity and _is_fastest(net, flow, rate, bottleneck)):
        set_rate(net, flow, rate, bottleneck, now)
    else:
        count = join(net, 0, flow)
        for place in range(len(route)):
            link = links[route[place]]
            if link.kv_capacity - link.used <= FULL * link.capacity:
                at = link.first
                while at >= 0:
                    if flows[crossings[at].flow].bottleneck >= 0:
                        count = join(net, count, crossings[at].flow)
                    at = crossings[at].after
        share_out(net, count, now)
    return ends_at.min()


@njit(cache=True)
def finish_next(links, flows, crossings, ends_at, totals, bins, inside, touched, now):
    """End the flow that is due first; returns its number and when the next one ends, s."""
    net = Arrays(links, flows, crossings, ends_at, totals, bins, inside, touched)
    flow = ends_at.argmin()
    gone = flows[flow]
    book(net, flow, gone.left, now)
    ends_at[flow] = inf
    if gone.bottleneck >= 0:
        links[gone.bottleneck].holds -= 1
    count = 0
    for place in range(gone.first, gone.first + gone.length):
        _uncross(net, place)
        link = links[crossings[place].link]
        link.used = link.used - gone.rate * crossings[place].share if link.first >= 0 else 0.0
        count = join_held_back(net, count, crossings[place].link)
    share_out(net, count, now)
    return flow, ends_at.min()


@njit(cache=True)
def leave_room(links, flows, crossings, ends_at, totals, bins, inside, touched, which, model_rate, now):
    """Give links another rate of model traffic; returns when the next flow of all ends, s."""
    net = Arrays(links, flows, crossings, ends_at, totals, bins, inside, touched)
    count = 0
    for number in which:
        link = links[number]
        link.kv_capacity = link.capacity - model_rate
        if link.used > link.kv_capacity:
            count = join_all(net, count, number)
        else:
            count = join_held_back(net, count, number)
    share_out(net, count, now)
    return ends_at.min()


@njit(cache=True)
def _cross(net, place, flow, link, share):
    """Put a crossing at the end of its link's list."""
    crossing = net.crossings[place]
    crossing.link, crossing.flow, crossing.share = link, flow, share
    crossing.before, crossing.after = net.links[link].last, -1
    if crossing.before >= 0:
        net.crossings[crossing.before].after = place
    else:
        net.links[link].first = place
    net.links[link].last = place


@njit(cache=True)
def _uncross(net, place):
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


@njit(cache=True)
def _is_fastest(net, flow, rate, link):
    """Whether no other flow on the link is faster."""
    at = net.links[link].first
    while at >= 0:
        other = net.crossings[at].flow
        if other != flow and net.flows[other].rate > rate:
            return False
        at = net.crossings[at].after
    return True
