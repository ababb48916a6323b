"""What a port sent in a window of time, as few rectangles and curves. Plain functions from a result to arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.core.lane_ports import MODEL, make_traffic
from dualpath_lab.studies.lanes import LaneResult

MOST_SPANS = 2000
"""Rectangles that a window is drawn with at most."""

_TOUCHING_S = 1e-12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Spans(NamedTuple):
    """Packets on a time line, one by one or merged; arrays of shape (spans,).

    Attributes
    ----------
    begin_s, end_s : array
    source, packets, size_bytes : array
        Whose they are, how many, and what they carry.
    share : array
        Of the link between ``begin_s`` and ``end_s``.
    longest_hold_s : array
        How long the lane of one of them had been ready to send it, at most.
    """

    begin_s: Floats
    end_s: Floats
    source: Ints
    packets: Ints
    size_bytes: Ints
    share: Floats
    longest_hold_s: Floats


def spans(result: LaneResult, start_s: float, end_s: float, most: int = MOST_SPANS) -> Spans:
    """The packets that a window shows, those at its edges whole.

    Each by itself where that is no more than ``most`` / 2. Otherwise in runs, which end with another source's packet or an idle link;
    those that are shorter than one of ``most`` / 4 equal parts of the window become one with all such of their source in the part.
    """
    record, rate = result.record, result.port.rate_bytes_per_s
    ends = record.sent_s + record.size_bytes / rate
    seen = slice(int(np.searchsorted(ends, start_s, "right")), int(np.searchsorted(record.sent_s, end_s, "left")))
    size = record.size_bytes[seen]
    packets = Spans(record.sent_s[seen], ends[seen], record.source[seen], np.ones_like(size), size, np.ones(len(size)), record.held_s[seen])
    if len(size) <= most // 2:
        return packets
    breaks = (packets.source[1:] != packets.source[:-1]) | (packets.begin_s[1:] - packets.end_s[:-1] > _TOUCHING_S)
    runs = _merged(packets, np.cumsum(np.r_[False, breaks]), rate)
    parts = most // 4
    part_s = (end_s - start_s) / parts
    short = runs.end_s - runs.begin_s < part_s
    part = np.clip((runs.begin_s - start_s) / part_s, 0, parts - 1).astype(np.int64)
    group = np.where(short, 2 * part + (runs.source != MODEL), 2 * parts + np.arange(len(part)))
    edges = start_s + part_s * part
    spread = runs._replace(begin_s=np.where(short, edges, runs.begin_s), end_s=np.where(short, edges + part_s, runs.end_s))
    return _merged(spread, np.unique(group, return_inverse=True)[1], rate)


def _merged(parts: Spans, group: Ints, rate_bytes_per_s: float) -> Spans:
    """One span a group, from its first begin to its last end; ``group`` numbers the groups from 0."""
    groups = int(group.max()) + 1
    begin, end, held = np.full(groups, np.inf), np.zeros(groups), np.zeros(groups)
    source, packets, size_bytes = (np.zeros(groups, dtype=np.int64) for _ in range(3))
    np.minimum.at(begin, group, parts.begin_s)
    np.maximum.at(end, group, parts.end_s)
    np.maximum.at(held, group, parts.longest_hold_s)
    np.add.at(packets, group, parts.packets)
    np.add.at(size_bytes, group, parts.size_bytes)
    source[group] = parts.source
    return Spans(begin, end, source, packets, size_bytes, size_bytes / (rate_bytes_per_s * (end - begin)), held)


def carried_bytes(result: LaneResult, source: int, times_s: Floats) -> Floats:
    """What the link has carried of a source by each time."""
    record = result.record
    mine = record.source == source
    sizes = record.size_bytes[mine]
    begin = record.sent_s[mine]
    corners = np.stack([begin, begin + sizes / result.port.rate_bytes_per_s], axis=1).ravel()
    done = np.cumsum(sizes)
    heights = np.stack([done - sizes, done], axis=1).ravel()
    return np.interp(times_s, corners, heights) if len(corners) else np.zeros(len(times_s))


def handed_over_s(result: LaneResult) -> Floats:
    """When the model's messages came to the port, in order; all but a backlog's, which are known only once they are sent."""
    sent = result.record.asked_s[result.record.message_source == MODEL]
    messages, backlogs = make_traffic(result.scenario, with_kv=False)
    return np.sort(sent if backlogs else [message.time_s for message in messages])


def under_way(result: LaneResult) -> tuple[Floats, Floats]:
    """Begin and end, in s, of each stretch in which a message of the model waits or is being sent."""
    record = result.record
    mine = record.message_source == MODEL
    asked = handed_over_s(result)
    unfinished = np.setdiff1d(asked, record.asked_s[mine])
    begins = np.r_[record.asked_s[mine], unfinished]
    ends = np.r_[record.done_s[mine], np.full(len(unfinished), record.ended_s)]
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    first = np.r_[True, begins[1:] > ends[:-1] + _TOUCHING_S][: len(begins)]
    last = np.r_[first[1:], True][: len(begins)]
    return begins[first], ends[last]
