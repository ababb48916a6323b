"""From requests to sessions: which follow each other, what of a prompt is cached, and the pauses between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.traces.mooncake import Blocks, continued, known_runs
from dualpath_lab.workload.traces.tables import Table
from dualpath_lab.workload.traces.values import MOST_TOKENS, counted
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Requests:
    """The usable rows of a table.

    Attributes
    ----------
    table : Table
    prompt, generated : int64 arrays, shape (rows,)
        Tokens as the table tells them.
    time_s : float64 array, shape (rows,)
        Not a number where it is not known.
    delay_s : float64 array, shape (rows,), optional
        Pause before each, where the table tells it.
    blocks : Blocks, optional
    length : str
        The table's column of prompts.
    """

    table: Table
    prompt: Ints
    generated: Ints
    time_s: Floats
    delay_s: Floats | None
    blocks: Blocks | None
    length: str

    def __len__(self) -> int:
        return len(self.prompt)


@dataclass(frozen=True)
class Linked:
    """Sessions made of requests.

    Attributes
    ----------
    requests : Requests
    previous : int64 array, shape (rows,)
        The row that each goes on from; -1 for none.
    context, append : int64 arrays, shape (rows,)
        Tokens of the prompts.
    gap_s : float64 array, shape (rows,)
    """

    requests: Requests
    previous: Ints
    context: Ints
    append: Ints
    gap_s: Floats

    @property
    def rows(self) -> Ints:
        """First row of each session, in the file's order."""
        return np.flatnonzero(self.previous < 0)

    def made(self, notes: Mapping[str, Any]) -> Workload:
        """The workload, each session's rows put together."""
        follower = np.full(len(self.previous), -1, np.int64)
        later = np.flatnonzero(self.previous >= 0)
        follower[self.previous[later]] = later
        order, first_turn = self.rows, np.arange(len(self.rows) + 1)
        if len(later):
            turns, starts = [], [0]
            for first in self.rows.tolist():
                row = first
                while row >= 0:
                    turns.append(row)
                    row = int(follower[row])
                starts.append(len(turns))
            order, first_turn = np.array(turns), np.array(starts)
        context, append, generated = self.context[order], self.append[order], self.requests.generated[order]
        gap_s = self.gap_s[order]
        gap_s[first_turn[:-1]] = 0
        blocks, table = self.requests.blocks, self.requests.table
        hit_block = blocks.size if blocks else BLOCK_TOKENS
        longest = int((context + append + generated).max())
        return Workload(table.path.name, first_turn, context, append, generated, gap_s, longest, hit_block, notes)


def singles(requests: Requests) -> Linked:
    """Each request by itself, all new."""
    nothing = np.zeros(len(requests), np.int64)
    return Linked(requests, np.full(len(requests), -1, np.int64), nothing, requests.prompt, np.zeros(len(requests)))


def by_hashes(requests: Requests, notes: list[str]) -> Linked:
    """Sessions that the hashes alone tell."""
    assert requests.blocks is not None
    order = _in_time(requests.time_s)
    previous = continued(requests.blocks, requests.prompt, requests.generated, requests.time_s, order)
    notes.append(
        "A request goes on from an earlier one whose full blocks lead its own, more of them than the file's requests share, and which can "
        "have ended: sessions are what was found so."
    )
    return _whole_prompts(requests, previous, order, notes)


def by_parent(requests: Requests, notes: list[str]) -> Linked:
    """Sessions by ``chat_id`` and ``parent_chat_id``: of several requests with one parent, the first goes on, the others begin anew.

    A parent that is not there before its child is none.
    """
    chat, parent = requests.table["chat_id"], requests.table["parent_chat_id"]
    order = _in_time(requests.time_s)
    previous = np.full(len(requests), -1, np.int64)
    seen: dict[str, int] = {}
    taken: set[int] = set()
    lost = branched = 0
    for row in order.tolist():
        one = parent[row]
        if one and one != "-1":
            before = seen.get(one)
            lost += before is None
            branched += before in taken
            if before is not None and before not in taken:
                previous[row] = before
                taken.add(before)
        if chat[row]:
            seen[chat[row]] = row
    if lost:
        notes.append(f"Begun anew: {counted(lost, 'request')} with a parent_chat_id that no earlier request has.")
    if branched:
        notes.append(f"Begun anew: {counted(branched, 'request')} with a parent from which another goes on.")
    return _whole_prompts(requests, previous, order, notes)


def by_session(requests: Requests, column: str, says_new: bool, notes: list[str]) -> Linked:
    """Sessions by name; their rows in order of ``turn``, else of time where all have one, else as they stand.

    Later rows tell whole prompts, or only what is new since the previous prompt and its output. With ``hash_ids``, prompts are whole if a
    later row of any session begins with the block with which the one before it does. Without, they are whole unless ``says_new``.
    """
    session = requests.table[column]
    turn = requests.table.columns.get("turn")
    time_s = requests.time_s
    if turn is not None and (turn >= 0).all():
        order = np.lexsort((turn, session))
    elif not np.isnan(time_s).any():
        order = np.lexsort((time_s, session))
    else:
        order = np.argsort(session, kind="stable")
    previous = np.full(len(requests), -1, np.int64)
    same = np.flatnonzero(np.diff(session[order]) == 0)
    previous[order[same + 1]] = order[same]
    name = requests.table.names[column]
    if not len(same):
        notes.append(f"Each {name} has one request.")
    in_time = _in_time(_filled(time_s, order, previous))
    later = np.flatnonzero(previous >= 0)
    if requests.blocks is not None and len(later):
        says_new = not _begins_alike(requests.blocks, later, previous[later])
    if not says_new or not len(later):
        notes += [f"Requests of one {name} follow each other, and their prompts are taken for whole."] if len(later) else []
        return _whole_prompts(requests, previous, in_time, notes)
    length = requests.table.names[requests.length]
    notes.append(
        f"Requests of one {name} follow each other, and a later one's {length} is taken for what is new since the previous prompt and "
        "output, as AIPerf has it."
    )
    return _new_parts(requests, previous, order, in_time, notes)


def _in_time(time_s: Floats) -> Ints:
    """Rows as they come; as they stand where no time is known."""
    return np.argsort(time_s, kind="stable") if not np.isnan(time_s).any() else np.arange(len(time_s))


def _filled(time_s: Floats, order: Ints, previous: Ints) -> Floats:
    """Times; those of rows without one are that of the row before in the session."""
    filled = time_s.copy()
    for row in order[np.isnan(time_s[order])].tolist():
        filled[row] = filled[previous[row]] if previous[row] >= 0 else np.nan
    return filled


def _begins_alike(blocks: Blocks, later: Ints, before: Ints) -> bool:
    pairs = zip(blocks.lists[later], blocks.lists[before], strict=True)
    return any(len(one) and len(other) and one[0] == other[0] for one, other in pairs)


def _whole_prompts(requests: Requests, previous: Ints, order: Ints, notes: list[str]) -> Linked:
    """What of a whole prompt was there before.

    With hashes: the leading blocks that any request had before, and where the previous request's full blocks lead, its prompt and output
    in whole blocks. Without: the previous prompt and output if the prompt is at least as long, the previous prompt if it is at least as
    long as that, else nothing.
    """
    prompt, generated, blocks = requests.prompt, requests.generated, requests.blocks
    later = np.flatnonzero(previous >= 0)
    before = previous[later]
    left = prompt[before] + generated[before]
    context = np.zeros_like(prompt)
    if blocks is None:
        context[later] = np.where(prompt[later] >= left, left, np.where(prompt[later] >= prompt[before], prompt[before], 0))
        if shorter := int(np.count_nonzero(prompt[later] < prompt[before])):
            notes.append(f"Nothing is taken for cached of {counted(shorter, 'later prompt')} shorter than the one before.")
    else:
        context = np.minimum(known_runs(blocks, order) * blocks.size, prompt)
        goes_on = _leads(blocks, later, before)
        whole = np.minimum(prompt[later], left) // blocks.size * blocks.size
        context[later] = np.maximum(context[later], np.where(goes_on, whole, 0))
    return Linked(requests, previous, context, prompt - context, _gaps(requests, previous, notes))


def _leads(blocks: Blocks, later: Ints, before: Ints) -> NDArray[np.bool_]:
    """Whether the full blocks of the one before lead the later one's."""
    found = np.zeros(len(later), bool)
    for index, (row, one) in enumerate(zip(later.tolist(), before.tolist(), strict=True)):
        full = int(blocks.full[one])
        found[index] = len(blocks.lists[row]) >= full and bool((blocks.lists[row][:full] == blocks.lists[one][:full]).all())
    return found


def _new_parts(requests: Requests, previous: Ints, order: Ints, in_time: Ints, notes: list[str]) -> Linked:
    """Prompts that grow: all that was before is cached, and a first prompt's leading blocks that any request had before."""
    context, append = np.zeros_like(requests.prompt), requests.prompt.copy()
    first = previous < 0
    if requests.blocks is not None:
        shared = np.minimum(known_runs(requests.blocks, in_time) * requests.blocks.size, requests.prompt)
        context[first], append[first] = shared[first], (requests.prompt - shared)[first]
    for row in order[previous[order] >= 0].tolist():
        before = previous[row]
        context[row] = context[before] + append[before] + requests.generated[before]
        if context[row] > MOST_TOKENS:
            requests.table.refuse(np.arange(len(append)) == row, requests.length, f"such that a session has at most {MOST_TOKENS} tokens")
    return Linked(requests, previous, context, append, _gaps(requests, previous, notes))


def _gaps(requests: Requests, previous: Ints, notes: list[str]) -> Floats:
    later = np.flatnonzero(previous >= 0)
    gap_s = np.zeros(len(requests))
    if not len(later):
        return gap_s
    if requests.delay_s is not None:
        gap_s[later] = requests.delay_s[later]
    elif "elapsed_time" in requests.table:
        before, column = previous[later], requests.table.names["elapsed_time"]
        gap_s[later] = np.maximum(requests.time_s[later] - requests.time_s[before] - requests.table["elapsed_time"][before], 0)
        notes.append(f"A pause is the time from one request to the next less {column}, taken for the seconds that the first one took.")
        gap_s[np.isnan(gap_s)] = 0
    else:
        notes.append("Pauses between turns are not known, as no column says how long a request took: they are taken for 0.")
    return gap_s
