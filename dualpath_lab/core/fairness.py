"""Max-min fair rates for flows that share links, compiled.

A flow's rate is only worked out anew where a change can reach it.
"""

from __future__ import annotations

from math import inf

from numba import njit

from dualpath_lab.core.flows import DECIDED, FULL, JOINING, OUTSIDE, RIPE, UNDECIDED, Arrays

FEW_ROUNDS = 3
"""Of settling who is concerned by a change, one after the other."""


@njit
def share_out(net: Arrays, count: int, now: float) -> None:
    """Give the flows inside, and whoever their change reaches, max-min fair rates.

    The rates of the given flows are worked out with all others left as they are. Where that is unfair to anyone, the flows concerned
    join, and it is done again: the fastest on a link that slows someone down, and those that a link no longer holds back. Where that
    goes on and on, everyone on the links that are tight for those inside joins at once.
    """
    rounds = 0
    while count:
        touched = _find_room(net, count)
        _fill(net, count, touched)
        before = count
        for number in net.touched[:touched]:
            link = net.links[number]
            if link.tight and link.room <= FULL * link.capacity:
                count = _join_concerned(net, count, number)
            else:
                count = join_held_back(net, count, number)
            link.seen = False
        if count == before:
            break
        if rounds == FEW_ROUNDS:
            for number in net.touched[:touched]:
                if net.links[number].tight:
                    count = join_all(net, count, number)
        else:
            rounds += 1
    for flow in net.inside[:count]:
        net.flows[flow].state = OUTSIDE
        set_rate(net, flow, net.flows[flow].new_rate, net.flows[flow].new_bottleneck, now)


@njit
def _find_room(net: Arrays, count: int) -> int:
    """Find what the others leave on the links of those inside; returns how many links there are.

    A link that could carry all its flows as fast as each could be by itself holds nobody back: it is not *tight*.
    """
    touched = 0
    for flow in net.inside[:count]:
        this = net.flows[flow]
        this.state = UNDECIDED
        for crossing in net.crossings[this.first : this.first + this.length]:
            link = net.links[crossing.link]
            if not link.seen:
                link.seen, link.room, link.wanted = True, link.kv_capacity - link.used, 0.0
                net.touched[touched] = crossing.link
                touched += 1
            link.room += this.rate * crossing.share
    for flow in net.inside[:count]:
        this = net.flows[flow]
        alone = this.top_rate
        for crossing in net.crossings[this.first : this.first + this.length]:
            alone = min(alone, net.links[crossing.link].room / crossing.share)
        if alone > 0:
            for crossing in net.crossings[this.first : this.first + this.length]:
                net.links[crossing.link].wanted += alone * crossing.share
    for number in net.touched[:touched]:
        link = net.links[number]
        link.tight = link.wanted >= link.room * (1 - FULL)
    return touched


@njit
def _fill(net: Arrays, count: int, touched: int) -> None:
    """Progressive filling, many links at a time.

    A link's level is the rate at which its undecided flows would fill it. A flow is decided at its top rate if that is below the level of
    all its links, and at the level of a link that is the lowest for every undecided flow on it. Deciding flows only raises the levels of
    other links, so the order doesn't matter.
    """
    undecided = count
    while undecided:
        _set_levels(net, count, touched)
        for flow in net.inside[:count]:
            if net.flows[flow].state == UNDECIDED:
                _ripen(net, flow)
        for flow in net.inside[:count]:
            this = net.flows[flow]
            if this.state == RIPE:
                this.state = DECIDED
                undecided -= 1
                for crossing in net.crossings[this.first : this.first + this.length]:
                    net.links[crossing.link].room -= this.new_rate * crossing.share


@njit
def _set_levels(net: Arrays, count: int, touched: int) -> None:
    """Set the level of every tight link, and the highest rate that the levels allow each undecided flow."""
    for number in net.touched[:touched]:
        net.links[number].weight = 0.0
    for flow in net.inside[:count]:
        this = net.flows[flow]
        if this.state == UNDECIDED:
            for crossing in net.crossings[this.first : this.first + this.length]:
                net.links[crossing.link].weight += crossing.share
    for number in net.touched[:touched]:
        link = net.links[number]
        link.lowest = link.tight
        if link.tight and link.weight > 0:
            link.level = max(link.room, 0.0) / link.weight
    for flow in net.inside[:count]:
        this = net.flows[flow]
        if this.state == UNDECIDED:
            route = net.crossings[this.first : this.first + this.length]
            this.most = inf
            for crossing in route:
                if net.links[crossing.link].tight:
                    this.most = min(this.most, net.links[crossing.link].level * (1 + FULL))
            for crossing in route:
                if this.top_rate <= this.most or this.most < net.links[crossing.link].level:
                    net.links[crossing.link].lowest = False


@njit
def _ripen(net: Arrays, flow: int) -> None:
    """Note a flow's rate if the levels decide it.

    Of what holds it back equally, its top rate counts first, then what has held it back before: a rate that stays must not look like a
    change to others.
    """
    this = net.flows[flow]
    if this.top_rate <= this.most:
        this.state, this.new_rate, this.new_bottleneck = RIPE, this.top_rate, -1
        return
    for crossing in net.crossings[this.first : this.first + this.length]:
        if net.links[crossing.link].lowest and (this.state == UNDECIDED or crossing.link == this.bottleneck):
            this.state, this.new_rate, this.new_bottleneck = RIPE, net.links[crossing.link].level, crossing.link


@njit
def _join_concerned(net: Arrays, count: int, link: int) -> int:
    """Whoever on a full link may not keep its rate if those decided get theirs.

    A link that is a flow's bottleneck is full, and nobody on it is faster: those it holds back get what is left or what a faster one has
    too much, and the fastest give way to a decided flow that it holds back.
    """
    most, least, fastest = 0.0, inf, -1.0
    at = net.links[link].first
    while at >= 0:
        this = net.flows[net.crossings[at].flow]
        if this.state == DECIDED:
            most = max(most, this.new_rate)
            if this.new_bottleneck == link:
                least = min(least, this.new_rate)
        else:
            fastest = max(fastest, this.rate)
        at = net.crossings[at].after
    at = net.links[link].first
    while at >= 0:
        flow = net.crossings[at].flow
        this = net.flows[flow]
        slow = this.bottleneck == link and this.rate < most * (1 - FULL)
        if this.state != DECIDED and (slow or (this.rate == fastest and fastest > least * (1 + FULL))):
            count = join(net, count, flow)
        at = net.crossings[at].after
    return count


@njit
def join(net: Arrays, count: int, flow: int) -> int:
    """Let a flow's rate be worked out with ``count`` others; returns how many there are then."""
    if net.flows[flow].state != OUTSIDE:
        return count
    net.flows[flow].state = JOINING
    net.inside[count] = flow
    return count + 1


@njit
def join_all(net: Arrays, count: int, link: int) -> int:
    """Everyone on a link."""
    at = net.links[link].first
    while at >= 0:
        count = join(net, count, net.crossings[at].flow)
        at = net.crossings[at].after
    return count


@njit
def join_held_back(net: Arrays, count: int, link: int) -> int:
    """Whoever has the link as a bottleneck."""
    if net.links[link].holds:
        at = net.links[link].first
        while at >= 0:
            flow = net.crossings[at].flow
            if net.flows[flow].bottleneck == link:
                count = join(net, count, flow)
            at = net.crossings[at].after
    return count


@njit
def set_rate(net: Arrays, flow: int, rate: float, bottleneck: int, now: float) -> None:
    """Go on at another rate."""
    this = net.flows[flow]
    if bottleneck != this.bottleneck:
        if this.bottleneck >= 0:
            net.links[this.bottleneck].holds -= 1
        if bottleneck >= 0:
            net.links[bottleneck].holds += 1
        this.bottleneck = bottleneck
    if rate == this.rate:
        return
    moved = min(this.rate * (now - this.since), this.left)
    if moved > 0:
        this.left -= moved
        book(net, flow, moved, now)
    this.since = now
    for crossing in net.crossings[this.first : this.first + this.length]:
        net.links[crossing.link].used += (rate - this.rate) * crossing.share
    this.rate = rate
    set_end(net, flow, now + this.left / rate if rate > 0 else inf)


@njit
def set_end(net: Arrays, flow: int, time_s: float) -> None:
    """Note when a flow ends."""
    at = len(net.ends_at) // 2 + flow
    net.ends_at[at] = time_s
    while at > 1:
        at //= 2
        earlier = min(net.ends_at[2 * at], net.ends_at[2 * at + 1])
        if net.ends_at[at] == earlier:
            return
        net.ends_at[at] = earlier


@njit
def book(net: Arrays, flow: int, size_bytes: float, now: float) -> None:
    """Note that each stream of a flow moved some bytes evenly since its last change."""
    this, bin_s = net.flows[flow], net.bin_s[0]
    first, last = int(this.since / bin_s), int(now / bin_s)
    for crossing in net.crossings[this.first : this.first + this.length]:
        amount = size_bytes * crossing.share
        net.links[crossing.link].total += amount
        bins = net.bins[:, crossing.link]
        if first == last:
            bins[first] += amount
        else:
            per_s = amount / (now - this.since)
            bins[first] += per_s * ((first + 1) * bin_s - this.since)
            bins[first + 1 : last] += per_s * bin_s
            bins[last] += per_s * (now - last * bin_s)
