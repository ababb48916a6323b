"""Agent sessions as a table, one turn a row: our own form, and those made of Claude Code and mini-SWE-agent sessions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.statistics import gap_spreads
from dualpath_lab.workload.traces.tables import Draw, Rows, Table, read_table, spelled
from dualpath_lab.workload.traces.values import MOST_TOKENS, shortened
from dualpath_lab.workload.trajectories import Workload

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PLAIN = ("session", "turn", "appended", "generated")
"""Columns of our own form; ``gap_s`` and ``context`` may be left out."""
PLAIN_OPTIONAL = ("gap_s", "context")
REQUIRED = ("session", "turn", "input_tokens", "output_tokens", "hit_tokens_incl_output")
"""Columns that both recorded forms have."""
GAP = "gap_before_s"
"""Column that makes a Claude Code trace."""
CYCLE = "cycle_time_s"
"""Column that makes a mini-SWE-agent trace."""
KIND = "gap_kind"
"""Column of a Claude Code trace, ``tool`` or ``user``, that splits the gaps in the statistics."""


def is_plain(names: Collection[str]) -> bool:
    """Whether these are the columns of our own form."""
    return set(PLAIN) <= set(names)


def is_recorded(names: Collection[str]) -> bool:
    """Whether these are columns of a recorded form."""
    return set(REQUIRED) <= set(names)


def read_plain(rows: Rows, draw: Draw | None = None) -> Workload:
    """Read our own form: ``session, turn, appended, generated`` and maybe ``gap_s, context``; rows in any order.

    Turns of a session are numbered 0, 1, 2, ... A turn's prompt is ``context + appended`` tokens; ``context``, tokens that earlier
    turns left, is all of them when the column is left out, and fewer after an edit or a compaction. ``gap_s`` is the pause before the
    turn, 0 when empty; a first turn's is not looked at.

    Raises
    ------
    ScenarioError
        If a column is unknown or a row breaks these rules.
    """
    names = spelled(rows)
    unknown = next((name for one, name in names.items() if one not in PLAIN + PLAIN_OPTIONAL), None)
    if unknown is not None:
        raise ScenarioError(
            f"Trace {str(rows.path)!r} has an unknown column {shortened(unknown)!r}: it should have {', '.join(PLAIN)} "
            f"and may have {' and '.join(PLAIN_OPTIONAL)}."
        )
    optional = {column: kind for column, kind in (("gap_s", "gap"), ("context", "count")) if column in names}
    table = read_table(rows, {"session": "session"} | dict.fromkeys(PLAIN[1:], "count") | optional, draw)
    table = table.taken(np.lexsort((table["turn"], table["session"])))
    first_turn = _numbered(table)
    lengths = table["appended"] + table["generated"]
    before = _within(np.cumsum(lengths) - lengths, first_turn)
    context = before if "context" not in optional else table["context"]
    if "context" in optional:
        _check_context(table, "context", table["appended"], table["generated"], first_turn)
    table.refuse(context + lengths > MOST_TOKENS, "appended", f"such that a session has at most {MOST_TOKENS} tokens")
    table.refuse((context + table["appended"]) < 1, "appended", "at least 1, as the prompt holds nothing else")
    gap_s = table["gap_s"].copy() if "gap_s" in optional else np.zeros(len(table))
    return _workload(table, first_turn, context, table["appended"], table["generated"], gap_s)


def read_recorded(rows: Rows, draw: Draw | None = None) -> Workload:
    """Read a table made of Claude Code sessions (with ``gap_before_s``) or mini-SWE-agent ones (with ``cycle_time_s``).

    A turn's context is ``hit_tokens_incl_output`` (generated tokens are cached too), its append ``input_tokens`` less that, possibly 0,
    and it generates ``output_tokens``, possibly 0. Other columns are not looked at, and a note names them.

    ``gap_before_s`` (tool or human; 0 where empty) is the pause before a turn. mini-SWE-agent records no such pause, its cycle time
    includes the model's own latency, so gaps are 0.

    Sessions may come in any order, but the rows of one stand together, turns numbered 0, 1, 2, ... A hit cannot be longer than the
    longest prompt with its output earlier in the session.

    Raises
    ------
    ScenarioError
        If a row breaks these rules, or neither column of times is there.
    """
    names = spelled(rows)
    if not {GAP, CYCLE} & set(names):
        raise ScenarioError(
            f"Trace {str(rows.path)!r} lacks a column: beside {', '.join(REQUIRED)} it should have {GAP}, the pause before a turn in "
            f"seconds, or {CYCLE} where no pauses are known."
        )
    gap = {column: kind for column, kind in ((GAP, "gap"), (KIND, "tool")) if column in names}
    table = read_table(rows, {"session": "session"} | dict.fromkeys(REQUIRED[1:], "count") | gap, draw)
    session = table["session"]
    table.refuse(np.maximum.accumulate(session) > session, "session", "a new session, as the rows of one session stand together")
    first_turn = _numbered(table)
    prompt, generate, context = (table[column] for column in REQUIRED[2:])
    table.refuse(prompt == 0, "input_tokens", "at least 1")
    table.refuse(context > prompt, REQUIRED[4], lambda row: f"at most input_tokens, {prompt[row]}")
    _check_context(table, REQUIRED[4], prompt - context, generate, first_turn)
    gap_s = table[GAP].copy() if GAP in gap else np.zeros(len(table))
    workload = _workload(table, first_turn, context, prompt - context, generate, gap_s)
    return replace(workload, notes={**workload.notes, **gap_spreads(workload, table[KIND])}) if len(gap) == 2 else workload


def _numbered(table: Table) -> Ints:
    """First row of each session, once turns are seen to be numbered in order."""
    session = table["session"]
    starts = np.flatnonzero(np.diff(session, prepend=-1))
    first_turn = np.append(starts, len(session))
    position = np.arange(len(session)) - np.repeat(starts, np.diff(first_turn))
    table.refuse(
        table["turn"] != position, "turn", lambda row: f"{position[row]}, as turns of a session are numbered 0, 1, 2, ... in order"
    )
    return first_turn


def _check_context(table: Table, column: str, append: Ints, generate: Ints, first_turn: Ints) -> None:
    """A session's contexts are no longer than what its earlier turns left."""
    context = table[column]
    lengths = context + append + generate
    longest = np.zeros_like(lengths)
    for start, end in zip(first_turn[:-1].tolist(), first_turn[1:].tolist(), strict=True):
        longest[start + 1 : end] = np.maximum.accumulate(lengths[start : end - 1])
    table.refuse(
        context > longest, column, lambda row: f"at most {longest[row]}, the longest prompt with its output earlier in the session"
    )


def _within(running: Ints, first_turn: Ints) -> Ints:
    """A running sum started anew in each session."""
    return running - np.repeat(running[first_turn[:-1]], np.diff(first_turn))


def _workload(table: Table, first_turn: Ints, context: Ints, append: Ints, generate: Ints, gap_s: Floats) -> Workload:
    gap_s[first_turn[:-1]] = 0
    longest = int((context + append + generate).max())
    return Workload(table.path.name, first_turn, context, append, generate, gap_s, longest, notes={"notes": list(table.notes)})
