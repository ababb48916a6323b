"""Tables of requests, one a row: Azure's, BurstGPT's, ServeGen's, Mooncake's, AIPerf's and Qwen-Bailian's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.statistics import arrivals
from dualpath_lab.workload.traces import conversations, mooncake
from dualpath_lab.workload.traces.conversations import Requests
from dualpath_lab.workload.traces.tables import Draw, Rows, Table, read_table, spelled
from dualpath_lab.workload.traces.times import A_MOMENT, span_unit
from dualpath_lab.workload.traces.values import counted, wrong
from dualpath_lab.workload.trajectories import Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """What one publisher's tables mean.

    Attributes
    ----------
    whose : str
    prompt, output : str
        Columns of lengths, canonical.
    written : tuple of str
        The columns as the publisher spells them.
    unit : str
        Of moments that are numbers.
    says_new : bool
        Whether a later row of a session tells what is new in its prompt, unless its hashes say otherwise.
    zero_failed : bool
        Whether no output marks a request that failed.
    """

    whose: str
    prompt: str
    output: str
    written: tuple[str, str, str]
    unit: str = "s"
    says_new: bool = False
    zero_failed: bool = False


FORMS = (
    Form("Azure", "context_tokens", "generated_tokens", ("TIMESTAMP", "ContextTokens", "GeneratedTokens")),
    Form("BurstGPT", "request_tokens", "response_tokens", ("Timestamp", "Request tokens", "Response tokens"), zero_failed=True),
    Form("ServeGen", "input_tokens", "output_tokens", ("timestamp", "input_tokens", "output_tokens")),
    Form("Mooncake", "input_length", "output_length", ("timestamp", "input_length", "output_length"), unit="ms", says_new=True),
)

_TIMES = ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns")
_DELAYS = ("delay", "delay_s", "delay_ms", "delay_us", "delay_ns")
_SESSIONS = ("session_id", "session", "conversation_id")
_PASSED = ("status", "status_code", "http_status", "success", "succeeded")
_FAILED = ("failed", "error", "is_error", "error_code", "error_message", "exception")


def form_of(names: Collection[str]) -> Form | None:
    """The form whose lengths these canonical names hold."""
    return next((form for form in FORMS if {form.prompt, form.output} <= set(names)), None)


def lacking(names: Collection[str]) -> tuple[Form, str] | None:
    """The form of which one of the lengths is there, and the column of the other."""
    for form in FORMS:
        if form.prompt in names:
            return form, form.written[2]
        if form.output in names:
            return form, form.written[1]
    return None


def read_requests(rows: Rows, form: Form, draw: Draw | None = None) -> Workload:
    """Read requests.

    Each is a session of one turn, unless the file says which belong together:

    - ``chat_id`` and ``parent_chat_id`` (Qwen-Bailian): a request goes on from its parent, whose prompt and output lead its own prompt;
    - a session's name (``Session ID`` of BurstGPT, ``session_id`` of AIPerf; a request without one is by itself): see
      :func:`~dualpath_lab.workload.traces.conversations.by_session`;
    - ``hash_ids`` alone (Mooncake): see :func:`~dualpath_lab.workload.traces.mooncake.continued`.

    With ``hash_ids`` a first turn has context too where others had its first blocks before, mostly the same instructions: storage is
    taken to hold these from the start. Blocks and units of time are those on which all rows agree; notes say what was taken.

    A pause before a turn is its ``delay`` (AIPerf), or the time since the previous request less what that one took where the file has
    an ``Elapsed time`` (BurstGPT), and 0 where neither is there: a request's own time is not known.

    Requests that failed (by a mark, or in BurstGPT by an output of 0) or have an empty prompt are left out and counted.

    Raises
    ------
    ScenarioError
        If a value is wrong, or nothing is left.
    """
    names = spelled(rows)
    kinds = _kinds(form, names)
    chained = "hash_ids" in kinds or "parent_chat_id" in kinds
    table = read_table(rows, kinds, draw, whole=chained and not any(kind == "maybe session" for kind in kinds.values()))
    notes = list(table.notes)
    table, counted = _usable(table, form, notes)
    time_s = _times(table, form, notes)
    session = next((column for column in kinds if kinds[column] == "maybe session"), None)
    requests = Requests(
        table,
        table[form.prompt],
        table[form.output],
        time_s,
        _pauses(table, notes),
        mooncake.read_blocks(table, table[form.prompt]) if "hash_ids" in table else None,
        form.prompt,
    )
    if requests.blocks is not None:
        why = "as a column says" if "block_size" in table else "by the lengths"
        notes.append(f"Blocks of hash_ids are taken for {requests.blocks.size} tokens, {why}.")
    if "parent_chat_id" in table:
        workload = conversations.by_parent(requests, notes)
    elif session is not None:
        workload = conversations.by_session(requests, session, form.says_new, notes)
    elif requests.blocks is not None:
        workload = conversations.by_hashes(requests, notes)
    else:
        workload = conversations.singles(requests)
    starts = time_s[workload.rows]
    told = {} if np.isnan(starts).any() else arrivals(starts.tolist())
    return workload.made(told | counted | {"notes": notes})


def _kinds(form: Form, names: Collection[str]) -> dict[str, str]:
    """Which columns are read, and as what."""
    kinds = {form.prompt: "count", form.output: "count"}
    if time := next((column for column in _TIMES if column in names), None):
        kinds[time] = "moment"
    kinds |= {column: "passed" for column in _PASSED if column in names} | {column: "failed" for column in _FAILED if column in names}
    if "hash_ids" in names:
        kinds["hash_ids"] = "ids"
        if "block_size" in names:
            kinds["block_size"] = "maybe count"
    if {"chat_id", "parent_chat_id"} <= set(names):
        return kinds | {"chat_id": "name", "parent_chat_id": "name"}
    if session := next((column for column in (*_SESSIONS, "chat_id") if column in names), None):
        kinds[session] = "maybe session"
        if "turn" in names:
            kinds["turn"] = "maybe count"
        if delay := next((column for column in _DELAYS if column in names), None):
            kinds[delay] = "gap"
        elif time and "elapsed_time" in names:
            kinds["elapsed_time"] = "gap"
    return kinds


def _usable(table: Table, form: Form, notes: list[str]) -> tuple[Table, dict[str, int]]:
    """Leave out what failed or is empty, and count it."""
    failed = np.zeros(len(table), bool)
    for column in (*_PASSED, *_FAILED):
        if column in table:
            marks = table[column]
            failed |= marks == 1
            if strange := int(np.count_nonzero(marks == -1)):
                notes.append(f"Kept: {counted(strange, 'request')} with a {table.names[column]} that is not understood.")
    silent = ~failed & (table[form.output] == 0) if form.zero_failed else np.zeros_like(failed)
    empty = ~failed & ~silent & (table[form.prompt] == 0)
    silence = f"without an output, as {form.whose} marks those that failed"
    for rows, why in ((failed, "that failed by a mark"), (silent, silence), (empty, "with an empty prompt")):
        if count := int(np.count_nonzero(rows)):
            notes.append(f"Left out: {counted(count, 'request')} {why}.")
    failed |= silent
    kept = ~failed & ~empty
    if not kept.any():
        raise ScenarioError(
            f"Trace {str(table.path)!r} holds no turns: it should have a request that did not fail, with at least 1 in "
            f"{table.names[form.prompt]}{f' and in {table.names[form.output]}' if form.zero_failed else ''}."
        )
    return table.taken(kept), {"empty_left_out": int(np.count_nonzero(empty)), "failed_left_out": int(np.count_nonzero(failed))}


def _times(table: Table, form: Form, notes: list[str]) -> Floats:
    """When the requests came, s; not numbers where that is not known."""
    column = next(iter(table.moments), None)
    if column is None:
        notes.append("No column of times: when the requests came is not known.")
        return np.full(len(table), np.nan)
    may_lack = any(one in table for one in (*_SESSIONS, "chat_id"))
    absent = np.isnan(table[column])
    if not may_lack and absent.any():
        place = f"{table.unit} {table.places[np.argmax(absent)]}"
        raise wrong(table.path, place, table.names[column], "" if table.is_text else None, A_MOMENT)
    usual, whose = ("s", "Qwen-Bailian") if "parent_chat_id" in table else (form.unit, form.whose)
    seconds, note = table.moments[column].seconds(table.path, table[column], usual, whose)
    notes += [note] if note else []
    return seconds


def _pauses(table: Table, notes: list[str]) -> Floats | None:
    """The pause before each request, s, where a column of delays tells it."""
    column = next((column for column in _DELAYS if column in table), None)
    if column is None:
        return None
    unit, word = span_unit(table.names[column], "ms")
    hint = "" if column != "delay" else ", as AIPerf writes them; a column delay_s would hold seconds"
    notes.append(f"Numbers in {table.names[column]} are taken for {word}{hint}: the pauses before turns.")
    return table[column] * unit
