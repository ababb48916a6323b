"""Mooncake's traces: one request a line, with prefix-chained hashes of its blocks that hold across all requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dualpath_lab.workload.statistics import arrivals
from dualpath_lab.workload.traces.files import failure
from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.traces.values import MOST_TURNS, too_many
from dualpath_lab.workload.trajectories import Workload

HASH_BLOCK = 512
"""Tokens of a hashed block."""
_LATEST_MS = 1e13
_MOST_BLOCKS = 10_000_000


@dataclass(slots=True)
class _Request:
    prompt: int
    generated: int
    context: int
    next: _Request | None = field(default=None, repr=False)


def read_mooncake(path: Path, records: Iterable[Record]) -> Workload:
    """Read requests; those that continue each other become a session.

    A request continues the earlier one whose full blocks lead its own ``hash_ids`` the longest, if it has a longer prompt and none
    continues that one yet. Its context is what of its leading blocks any request had before, and at least the previous prompt with
    its output, in whole blocks. A session's first turn has context too where others, mostly with the same instructions, had its
    first blocks: storage is taken to hold these from the start. Gaps are 0, as a request's own time is not known.

    Raises
    ------
    ScenarioError
        If a field is missing or wrong.
    """
    firsts: list[_Request] = []
    starts: list[float] = []
    open_ends: dict[int, _Request] = {}
    known: set[int] = set()
    for position, record in enumerate(records):
        if position == MOST_TURNS:
            raise too_many(path)
        prompt, generated, ids = record.count("input_length", smallest=1), record.count("output_length"), _hash_ids(record)
        run = next((position for position, one in enumerate(ids) if one not in known), len(ids))
        request = _Request(prompt, generated, min(run * HASH_BLOCK, prompt))
        previous = _previous(ids, prompt, open_ends)
        if previous is None:
            firsts.append(request)
            starts.append(_timestamp_ms(record) / 1e3)
        else:
            previous.next = request
            left = min(prompt, previous.prompt + previous.generated) // HASH_BLOCK * HASH_BLOCK
            request.context = max(request.context, left)
        known.update(ids)
        if full := prompt // HASH_BLOCK:
            open_ends[ids[full - 1]] = request
        if len(known) > _MOST_BLOCKS:
            raise failure(path, f"has too many hash_ids: it should have at most {_MOST_BLOCKS:,} of them")
    return _chained(path, firsts).workload(arrivals(starts), HASH_BLOCK)


def _chained(path: Path, firsts: list[_Request]) -> Sessions:
    sessions = Sessions(path)
    for first in firsts:
        sessions.start()
        request: _Request | None = first
        while request is not None:
            sessions.add(request.context, request.prompt, request.generated)
            request = request.next
    return sessions


def _previous(ids: list[int], prompt: int, open_ends: dict[int, _Request]) -> _Request | None:
    """The request to continue, which then is no longer open."""
    for one in reversed(ids):
        if one in open_ends and open_ends[one].prompt < prompt:
            return open_ends.pop(one)
    return None


def _hash_ids(record: Record) -> list[int]:
    ids, blocks = record.items("hash_ids"), -(-record.count("input_length") // HASH_BLOCK)
    if len(ids) != blocks:
        raise record.wrong("hash_ids", f"a list of {blocks}, one for each block of {HASH_BLOCK} tokens of input_length")
    if not set(map(type, ids)) <= {int}:
        raise record.wrong("hash_ids", "a list of whole numbers")
    return ids


def _timestamp_ms(record: Record) -> float:
    value = record.value("timestamp")
    if type(value) not in (int, float) or not 0 <= value <= _LATEST_MS:
        raise record.wrong("timestamp", f"a number of milliseconds from 0 to {_LATEST_MS:g}")
    return float(value)
