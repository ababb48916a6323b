"""One output port, packet by packet: the virtual-lane arbiter of the InfiniBand specification (volume 1, 7.6.9).

Each lane has a queue. A *high* and a *low* table list lanes with weights; the port takes packets from the high table, entry by entry as
their weights allow, and gives the low table a chance whenever the high one has nothing to send or has sent ``high_limit``. A lane may
send a packet only where the receiver has credits for it.

The cluster simulation treats the same port as a fluid (:mod:`network`); this is the evidence for the rule that it follows.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WEIGHT_BYTES = 64
"""Unit of a table entry's weight."""

LIMIT_BYTES = 4096
"""Unit of ``high_limit``."""

UNLIMITED = 255
"""The ``high_limit`` that never gives the low table a chance while the high one has packets."""

LANES = 16
"""Virtual lanes that a port can have."""


class Entry(NamedTuple):
    """A line of a table: ``weight`` x 64 bytes that ``lane`` may send before the next line has its turn; 0 is skipped."""

    lane: int
    weight: int


@dataclass(frozen=True)
class Port:
    """An output port and what it is set to.

    Parameters
    ----------
    rate_bytes_per_s : float
        Of the link.
    mtu_bytes : int
        Most that a packet carries; messages are cut into packets of this size and a rest.
    high, low : sequence of Entry
        The tables.
    high_limit : int
        Bytes / 4096 from the high table before the low one has a chance: 0 is one packet, 255 no limit.
    credit_bytes : float
        What the receiver takes of each lane before it has to return credits; infinite means that it never makes anyone wait.
    credit_return_s : float
        From the end of a packet, sent and drained, to the return of its credits.
    resume_bytes : float
        Credits that a lane which had too few must have again to go on: 0 for InfiniBand, which sends as soon as a packet fits; the distance
        from XOFF to XON for a paused class of RoCE.
    drain_bytes_per_s : mapping of source to float
        Receivers that are slower than the link.
    """

    rate_bytes_per_s: float
    mtu_bytes: int
    high: Sequence[Entry]
    low: Sequence[Entry]
    high_limit: int
    credit_bytes: float = inf
    credit_return_s: float = 0.0
    resume_bytes: float = 0.0
    drain_bytes_per_s: Mapping[int, float] = field(default_factory=dict)


class Message(NamedTuple):
    """Bytes that a source hands to the port at once."""

    time_s: float
    lane: int
    source: int
    size_bytes: int


@dataclass(frozen=True)
class Backlog:
    """A source that always has messages waiting: as soon as one is sent, it hands over the next.

    Parameters
    ----------
    lane, source : int
    message_bytes : int
        Of each.
    outstanding : int
        Messages handed over and not yet sent.
    """

    lane: int
    source: int
    message_bytes: int
    outstanding: int


@dataclass(frozen=True)
class PortRecord:
    """What a port sent.

    Attributes
    ----------
    sent_s, lane, source, size_bytes, held_s : arrays, shape (packets,)
        When each packet began, whose it was, and how long its lane had been ready to send it: since its message came or the lane's packet
        before it was over.
    message_source, message_bytes, asked_s, done_s : arrays, shape (messages,)
        Messages in the order of their ends; times in s.
    ended_s : float
        When the port stopped: never in the middle of a packet.
    """

    sent_s: NDArray[np.float64]
    lane: NDArray[np.int64]
    source: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    held_s: NDArray[np.float64]
    message_source: NDArray[np.int64]
    message_bytes: NDArray[np.int64]
    asked_s: NDArray[np.float64]
    done_s: NDArray[np.float64]
    ended_s: float


class _Table:
    """Weighted round robin over the entries: each sends until its weight is used up, the last packet whole, or it has nothing to send."""

    __slots__ = ("_at", "_entries", "_left")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = [(entry.lane, entry.weight * WEIGHT_BYTES) for entry in entries if entry.weight]
        self._at = 0
        self._left = self._entries[0][1] if self._entries else 0

    def pick(self, next_bytes: list[int], credits: list[float]) -> int:
        """The lane whose packet is next, and its weight charged; -1 where no lane of the table can send, and nothing changes."""
        entries, at, left = self._entries, self._at, self._left
        for _ in range(len(entries) + 1 if entries else 0):
            lane = entries[at][0]
            size = next_bytes[lane]
            if left > 0 and 0 < size <= credits[lane]:
                self._at, self._left = at, left - size
                return lane
            at = at + 1 if at + 1 < len(entries) else 0
            left = entries[at][1]
        return -1


class _Receiver:
    """The other end's buffers, as the credits that each lane has for them.

    Attributes
    ----------
    counts : bool
        Whether there is a bound at all.
    credits : list of float
        Bytes that each lane may still send; 0 while it is paused.
    next_return_s : float
        When credits come back next.
    """

    __slots__ = ("_drain_rate", "_drained_s", "_mtu", "_resume", "_return_s", "_returns", "_room", "counts", "credits", "next_return_s")

    def __init__(self, port: Port) -> None:
        self.counts = port.credit_bytes < inf
        self.credits = [float(port.credit_bytes)] * LANES
        self.next_return_s = inf
        self._room = list(self.credits)
        self._mtu = port.mtu_bytes
        self._resume = max(port.resume_bytes, port.mtu_bytes) if port.resume_bytes else 0.0
        self._return_s = port.credit_return_s
        self._drain_rate = port.drain_bytes_per_s
        self._drained_s = [0.0] * LANES
        self._returns: list[tuple[float, int, int]] = []

    def take(self, now: float, lane: int, source: int, size: int) -> None:
        """A packet has come whole: it holds its room until it is drained and the news of that is back."""
        self._room[lane] -= size
        self.credits[lane] = 0.0 if self._resume and self._room[lane] < self._mtu else self._room[lane]
        self._drained_s[lane] = max(self._drained_s[lane], now) + size / self._drain_rate.get(source, inf)
        heappush(self._returns, (self._drained_s[lane] + self._return_s, lane, size))
        self.next_return_s = self._returns[0][0]

    def return_credits(self, now: float) -> None:
        """Give lanes what has come back by now."""
        while self._returns and self._returns[0][0] <= now:
            _, lane, size = heappop(self._returns)
            self._room[lane] += size
            if self.credits[lane] or self._room[lane] >= self._resume:
                self.credits[lane] = self._room[lane]
        self.next_return_s = self._returns[0][0] if self._returns else inf


def run_port(port: Port, messages: Iterable[Message], backlogs: Sequence[Backlog], duration_s: float) -> PortRecord:
    """Send what the sources hand over until ``duration_s``; the packet under way then is finished.

    Parameters
    ----------
    port : Port
    messages : iterable of Message
        Handed over at their times, in any order; of equal times the first given is first.
    backlogs : sequence of Backlog
    duration_s : float

    Notes
    -----
    A port whose every lane is one and the same is a plain first-in, first-out port.
    """
    number = count()
    coming = [(message.time_s, next(number), message.lane, message.source, message.size_bytes) for message in messages]
    for backlog in backlogs:
        first = (0.0, 0, backlog.lane, backlog.source, backlog.message_bytes)
        coming += [(first[0], next(number), *first[2:]) for _ in range(backlog.outstanding)]
    coming.sort()
    coming.append((inf, next(number), 0, 0, 0))
    again = {backlog.source: backlog for backlog in backlogs}

    rate, mtu = port.rate_bytes_per_s, port.mtu_bytes
    high, low = _Table(port.high), _Table(port.low)
    limit = inf if port.high_limit == UNLIMITED else max(port.high_limit * LIMIT_BYTES, 1)
    budget = limit
    queues: list[deque[tuple[int, float, int]]] = [deque() for _ in range(LANES)]  # of (source, asked, size)
    left = [0] * LANES
    next_bytes = [0] * LANES
    since = [0.0] * LANES
    receiver = _Receiver(port)
    credits = receiver.credits

    sent_s, lanes, sources, sizes, held_s = array("d"), array("q"), array("q"), array("q"), array("d")
    message_source, message_bytes, asked_s, done_s = array("q"), array("q"), array("d"), array("d")
    now, next_message = 0.0, coming[0][0]
    while now < duration_s:
        while next_message <= now:
            asked, _, lane, source, size = heappop(coming)
            next_message = coming[0][0]
            queue = queues[lane]
            if not queue:
                left[lane], next_bytes[lane], since[lane] = size, min(size, mtu), max(asked, since[lane])
            queue.append((source, asked, size))
        if receiver.next_return_s <= now:
            receiver.return_credits(now)

        lane = high.pick(next_bytes, credits) if budget > 0 else -1
        if lane < 0:
            budget = limit
            lane = low.pick(next_bytes, credits)
            if lane < 0:
                lane = high.pick(next_bytes, credits)
                if lane < 0:
                    now = min(next_message, receiver.next_return_s, duration_s)
                    continue
                budget -= next_bytes[lane]
        else:
            budget -= next_bytes[lane]

        size = next_bytes[lane]
        queue = queues[lane]
        source = queue[0][0]
        sent_s.append(now)
        lanes.append(lane)
        sources.append(source)
        sizes.append(size)
        held_s.append(now - since[lane])
        now += size / rate
        if receiver.counts:
            receiver.take(now, lane, source, size)
        since[lane] = now
        rest = left[lane] - size
        if not rest:
            _, asked, whole = queue.popleft()
            message_source.append(source)
            message_bytes.append(whole)
            asked_s.append(asked)
            done_s.append(now)
            if source in again:
                heappush(coming, (now, next(number), lane, source, again[source].message_bytes))
                next_message = coming[0][0]
            rest = queue[0][2] if queue else 0
        left[lane] = rest
        next_bytes[lane] = rest if rest < mtu else mtu
    return PortRecord(
        np.array(sent_s),
        np.array(lanes),
        np.array(sources),
        np.array(sizes),
        np.array(held_s),
        np.array(message_source),
        np.array(message_bytes),
        np.array(asked_s),
        np.array(done_s),
        now,
    )
