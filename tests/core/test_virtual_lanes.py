"""The arbiter, packet by packet: against a brutally simple reference, and the laws that any port obeys.

All rates, times and sizes are such that floats hold them exactly, so that nothing here needs a tolerance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from itertools import pairwise
from math import ceil, inf
from typing import NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dualpath_lab.core.virtual_lanes import Backlog, Entry, Message, Port, PortRecord, run_port


class Case(NamedTuple):
    port: Port
    messages: tuple[Message, ...]
    backlogs: tuple[Backlog, ...]
    duration_s: float

    def run(self) -> PortRecord:
        return run_port(self.port, self.messages, self.backlogs, self.duration_s)


def a_port(
    high: list[tuple[int, int]], low: list[tuple[int, int]], high_limit: int = 0, mtu_bytes: int = 256, rate: float = 1.0, **receiver: float
) -> Port:
    tables = ([Entry(*line) for line in table] for table in (high, low))
    return Port(rate, mtu_bytes, *tables, high_limit, **receiver)  # type: ignore[arg-type]


@st.composite
def cases(draw: st.DrawFn, credits: bool = True) -> Case:
    """Times are whole 64 bytes of the link, so that many things happen at once; each source sends messages or has a backlog."""
    mtu = draw(st.sampled_from([256, 512, 1024, 2048, 4096]))
    rate = draw(st.sampled_from([0.5, 1.0, 4.0]))
    used = draw(st.lists(st.integers(0, 14), min_size=1, max_size=4, unique=True))
    weights = st.one_of(st.integers(0, 255), st.integers(0, 6), st.just(0))
    lines = st.tuples(st.one_of(st.sampled_from(used), st.integers(0, 14)), weights)
    tables = draw(st.tuples(st.lists(lines, max_size=11), st.lists(lines, max_size=11)))
    for lane in used:
        if not any(line[0] == lane and line[1] for table in tables for line in table):
            tables[draw(st.integers(0, 1))].append((lane, draw(st.integers(1, 255))))
    high_limit = draw(st.one_of(st.sampled_from([0, 1, 2, 255]), st.integers(0, 255)))

    duration = draw(st.one_of(st.integers(1, 60), st.integers(60, 400))) * mtu
    sizes = st.one_of(st.integers(1, 4 * mtu), st.integers(1, 4).map(lambda packets: packets * mtu))
    times = st.integers(0, duration // 64).map(lambda unit: unit * 64 / rate)
    messages = draw(st.lists(st.builds(Message, times, st.sampled_from(used), st.integers(0, 3), sizes), max_size=25))
    backlog = st.builds(Backlog, st.sampled_from(used), st.just(0), st.integers(mtu // 2, 5 * mtu), st.integers(1, 4))
    drawn = draw(st.lists(backlog, max_size=3))
    backlogs = [Backlog(each.lane, source, each.message_bytes, each.outstanding) for source, each in enumerate(drawn, start=4)]

    receiver = {}
    if credits and draw(st.booleans()):
        most = draw(st.integers(mtu, 6 * mtu))
        slow = draw(st.dictionaries(st.integers(0, 6), st.sampled_from([0.125, 0.5, 2.0]).map(lambda part: part * rate), max_size=3))
        receiver = {
            "credit_bytes": float(most),
            "credit_return_s": draw(st.sampled_from([0, 64, 5000])) / rate,
            "resume_bytes": float(draw(st.one_of(st.just(0), st.integers(1, most)))),
            "drain_bytes_per_s": slow,
        }
    return Case(a_port(*tables, high_limit, mtu, rate, **receiver), tuple(messages), tuple(backlogs), duration / rate)


class Turns:
    """Reference of a table: whose turn it is, and the bytes of that turn that are left."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.turn = 0
        self.left = entries[0].weight * 64 if entries else 0

    def choose(self, sendable: dict[int, int]) -> int | None:
        """Go through what is left of this turn and then through one whole round; the first that can send does."""
        round_ = [(self.turn, self.left)]
        for step in range(1, len(self.entries) + 1):
            number = (self.turn + step) % len(self.entries)
            round_.append((number, self.entries[number].weight * 64))
        for number, left in round_ if self.entries else []:
            lane = self.entries[number].lane
            if left > 0 and lane in sendable:
                self.turn, self.left = number, left - sendable[lane]
                return lane
        return None


def reference(case: Case) -> list[tuple[float, int, int, int]]:
    """Reference: look at everything anew for each packet; (time, lane, source, size) of all of them."""
    port, mtu = case.port, case.port.mtu_bytes
    waiting = [[m.time_s, m.lane, m.source, m.size_bytes] for m in case.messages]
    waiting += [[0.0, b.lane, b.source, b.message_bytes] for b in case.backlogs for _ in range(b.outstanding)]
    refill = {b.source: b.message_bytes for b in case.backlogs}
    high, low, from_high = Turns(list(port.high)), Turns(list(port.low)), 0
    held: list[tuple[float, int, int]] = []  # credits as (time of return, lane, bytes)
    paused: set[int] = set()
    packets = []
    now = 0.0
    while now < case.duration_s:
        held = [each for each in held if each[0] > now]
        credits = {lane: port.credit_bytes - sum(size for _, owner, size in held if owner == lane) for lane in range(16)}
        paused = {lane for lane in paused if credits[lane] < max(port.resume_bytes, mtu)}
        heads: dict[int, list[float]] = {}
        for message in sorted(waiting, key=lambda message: message[0]):
            if message[0] <= now:
                heads.setdefault(int(message[1]), message)
        sendable = {lane: int(min(head[3], mtu)) for lane, head in heads.items() if lane not in paused}
        sendable = {lane: size for lane, size in sendable.items() if size <= credits[lane]}

        may_send_high = port.high_limit == 255 or from_high < port.high_limit * 4096 or from_high == 0
        lane = high.choose(sendable) if may_send_high else None
        if lane is None:
            from_high = 0
            lane = low.choose(sendable)
            if lane is None:
                lane = high.choose(sendable)
                from_high = 0 if lane is None else sendable[lane]
        else:
            from_high += sendable[lane]
        if lane is None:
            now = min([case.duration_s, *(m[0] for m in waiting if m[0] > now), *(each[0] for each in held)])
            continue

        size, head = sendable[lane], heads[lane]
        source = int(head[2])
        packets.append((now, lane, source, size))
        now += size / port.rate_bytes_per_s
        drained = max([now, *(time - port.credit_return_s for time, owner, _ in held if owner == lane)])
        held.append((drained + size / port.drain_bytes_per_s.get(source, inf) + port.credit_return_s, lane, size))
        if port.resume_bytes and credits[lane] - size < mtu:
            paused.add(lane)
        head[3] -= size
        if not head[3]:
            waiting = [message for message in waiting if message is not head]
            if source in refill:
                waiting.append([now, lane, source, refill[source]])
    return packets


def packets_of(record: PortRecord) -> list[tuple[float, int, int, int]]:
    columns = (record.sent_s, record.lane, record.source, record.size_bytes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def ends_of(case: Case, record: PortRecord) -> list[float]:
    return (record.sent_s + record.size_bytes / case.port.rate_bytes_per_s).tolist()


SHORT_REST = Case(a_port([], [(0, 255)], credit_bytes=300.0, credit_return_s=1e4), (Message(0.0, 0, 0, 300),), (), 2e4)
"""A packet of 256 bytes, and one of 44 for which there are just credits."""


@settings(max_examples=400)
@given(cases())
@example(SHORT_REST)
def test_every_packet_is_the_one_that_the_rule_says(case: Case) -> None:
    """Section 6. Mutant: a weight charged to another entry, a limit off by a packet, credits asked for a full MTU."""
    assert packets_of(case.run()) == reference(case)


@settings(max_examples=100)
@given(cases())
def test_what_is_handed_over_is_sent_or_still_waits(case: Case) -> None:
    """Law 2, and each lane first in, first out. Mutant: a packet lost or sent twice, or a rest sent at the size of an MTU."""
    record = case.run()
    sent = record.size_bytes.sum()
    done = record.message_bytes.sum()
    backlogs = {backlog.source: backlog for backlog in case.backlogs}
    again = [backlogs[source].message_bytes for source in record.message_source.tolist() if source in backlogs]
    handed = sum(message.size_bytes for message in case.messages if message.time_s <= record.ended_s)
    handed += sum(backlog.message_bytes * backlog.outstanding for backlog in case.backlogs) + sum(again)
    assert done <= sent <= handed
    assert (record.asked_s <= record.done_s).all()
    for lane in range(15):
        mine = record.lane == lane
        if lane in {backlog.lane for backlog in case.backlogs}:
            continue
        sizes = [m.size_bytes for m in sorted(case.messages, key=lambda message: message.time_s) if m.lane == lane]
        cut = [min(case.port.mtu_bytes, size - at) for size in sizes for at in range(0, size, case.port.mtu_bytes)]
        found = record.size_bytes[mine].tolist()
        assert found == cut[: len(found)]


@settings(max_examples=100)
@given(cases(credits=False))
def test_messages_that_stop_coming_are_all_sent(case: Case) -> None:
    """Law 2: nobody waits for ever, and each lane's last byte is its last message's end. Mutant: an entry that is passed over for good."""
    record = run_port(case.port, case.messages, (), 1e9)
    sent = defaultdict(int)
    for lane, size in zip(record.lane.tolist(), record.size_bytes.tolist(), strict=True):
        sent[lane] += size
    handed = defaultdict(int)
    for message in case.messages:
        handed[message.lane] += message.size_bytes
    assert sent == handed
    assert len(record.done_s) == len(case.messages)
    assert sorted(record.asked_s.tolist()) == sorted(message.time_s for message in case.messages)


@settings(max_examples=100)
@given(cases())
def test_packets_follow_each_other_and_the_link_idles_only_for_want_of_work(case: Case) -> None:
    """Law 4. Mutant: two packets at once; a port that sleeps past a message, or past the return of credits."""
    record = case.run()
    ends = ends_of(case, record)
    starts = record.sent_s.tolist()
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert record.ended_s == max([*ends[-1:], case.duration_s])
    room = case.port.credit_bytes - max(case.port.resume_bytes, case.port.mtu_bytes)
    returns = credit_returns(case, record)
    for end, start in pairwise([0.0, *(time for pair in zip(starts, ends, strict=True) for time in pair), case.duration_s]):
        if not start > end or end in starts:
            continue
        for lane in range(15):
            whole = [m for m in case.messages if m.lane == lane and m.time_s <= end]
            sent = sum(size for time, owner, _, size in packets_of(record) if owner == lane and time < end)
            more = any(backlog.lane == lane for backlog in case.backlogs)
            if more or sent < sum(message.size_bytes for message in whole):
                assert sum(size for time, owner, size in returns if owner == lane and time > end) - sum_after(record, lane, end) > room


def sum_after(record: PortRecord, lane: int, time: float) -> int:
    return int(record.size_bytes[(record.lane == lane) & (record.sent_s >= time)].sum())


def credit_returns(case: Case, record: PortRecord) -> list[tuple[float, int, int]]:
    """When the credits of each packet are back, by the record alone: a lane's buffer is drained in its order."""
    returns = []
    drained: dict[int, float] = defaultdict(float)
    for (_, lane, source, size), end in zip(packets_of(record), ends_of(case, record), strict=True):
        drained[lane] = max(drained[lane], end) + size / case.port.drain_bytes_per_s.get(source, inf)
        returns.append((drained[lane] + case.port.credit_return_s, lane, size))
    return returns


@settings(max_examples=100)
@given(cases())
def test_no_lane_sends_beyond_its_credits(case: Case) -> None:
    """Section 6. Mutant: credits back at the packet's end rather than when it is drained and the news is there."""
    record = case.run()
    returns = credit_returns(case, record)
    for number, (now, lane, _, size) in enumerate(packets_of(record)):
        outstanding = sum(before for back_s, owner, before in returns[:number] if owner == lane and back_s > now)
        assert outstanding + size <= case.port.credit_bytes


@settings(max_examples=200)
@given(cases(credits=False))
def test_a_lane_of_the_low_table_waits_no_longer_than_the_others_can_make_it(case: Case) -> None:
    """Section 6: no starvation. Between two chances of the low table the high one sends its limit and less than a packet.

    Before a lane's own turn every line of the others sends its weight, in packets as small as there are. Mutant: the chance is given
    only where the high table is empty.
    """
    port, record = case.port, case.run()
    if port.high_limit == 255 or not len(record.lane):
        return
    smallest = record.size_bytes.min()
    for lane in {entry.lane for entry in port.low if entry.weight}:
        chances = 1 + sum(ceil(entry.weight * 64 / smallest) for entry in port.low if entry.lane != lane)
        most = chances * (port.high_limit * 4096 + 2 * port.mtu_bytes)
        held = record.held_s[record.lane == lane]
        assert (held <= most / port.rate_bytes_per_s).all()


@settings(max_examples=200)
@given(cases())
def test_a_packet_is_held_from_when_its_lane_could_send_it(case: Case) -> None:
    """The record's ``held_s``: from the message's time or the end of the lane's packet before. Mutant: the earlier of the two."""
    record = case.run()
    ends: dict[int, float] = defaultdict(float)
    begun: dict[int, int] = defaultdict(int)
    asked = {lane: [m for m in sorted(case.messages, key=lambda message: message.time_s) if m.lane == lane] for lane in range(15)}
    busy = {backlog.lane for backlog in case.backlogs}
    for (now, lane, _, size), end, held in zip(packets_of(record), ends_of(case, record), record.held_s.tolist(), strict=True):
        if lane not in busy:
            begun[lane] += size
            reached = 0
            for message in asked[lane]:
                reached += message.size_bytes
                if reached >= begun[lane]:
                    break
            assert held == now - max(message.time_s, ends[lane])
        ends[lane] = end


@settings(max_examples=50)
@given(cases())
def test_the_same_twice(case: Case) -> None:
    """Law 8. Mutant: state that a run leaves behind."""
    one, other = case.run(), case.run()
    for field in fields(one):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name))
