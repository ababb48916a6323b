"""Claude Code sessions as kv-cache-tester publishes them: one JSON object a session, its requests with the hashes of their blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dualpath_lab.workload.statistics import gap_spreads
from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.traces.values import counted, shortened_list
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload

_MAIN = ("n", "s")
_OTHER = "subagent"
_USED = frozenset(("type", "in", "out", "hash_ids", "think_time", "input_types"))
_LARGEST_BLOCK = 2**20


def read_claude_code(path: Path, records: Iterable[Record]) -> Workload:
    """Read sessions; one JSON object each, ``requests`` in order.

    A turn is a plain or streamed request (``type`` ``n`` or ``s``); those of sub-agents are left out and counted. Its context is the
    longest leading run of ``hash_ids`` (one for each full block of ``block_size`` tokens, 64 if the session does not say) that the
    session has seen, or any session of the file before it where ``hash_id_scope`` is ``global``; where that covers the previous
    prompt, the previous output is cached too, in whole blocks. Its gap is ``think_time``, of a tool or a human.

    The instructions and tool descriptions with which all sessions of a client begin are counted as new in each; the note
    ``shared_prefix_tokens`` is their mean length.

    Raises
    ------
    ScenarioError
        If a field is missing or wrong.
    """
    sessions, left_out = Sessions(path), 0
    shared: list[int] = []
    tool: list[bool] = []
    everywhere: set[int] = set()
    sizes: set[int] = set()
    unused: dict[str, None] = {}
    paused = False
    for session in records:
        sessions.start()
        before = _Seen(_block_size(session), everywhere if session.fields.get("hash_id_scope") == "global" else set())
        sizes.add(before.size)
        for request in session.records("requests"):
            kind = request.value("type")
            if kind == _OTHER:
                left_out += 1
                continue
            if kind not in _MAIN:
                raise request.wrong("type", "'n', 's' or 'subagent'")
            unused |= dict.fromkeys(request.fields.keys() - _USED)
            paused |= request.fields.get("think_time") is not None
            if not before.prompt:
                prefix = session.optional_count("tool_tokens") + session.optional_count("system_tokens")
                shared.append(min(prefix, request.count("in", smallest=1)))
            context = before.context(request)
            sessions.add(context, before.prompt, before.output, request.seconds("think_time"))
            tool.append(_after_tool(request))
    workload = sessions.workload({}, max(sizes, default=BLOCK_TOKENS))
    notes: dict[str, Any] = {"subagents_left_out": left_out, "shared_prefix_tokens": float(np.mean(shared)), "notes": []}
    notes["notes"].append(f"Blocks of hash_ids are taken for {' and '.join(map(str, sorted(sizes)))} tokens, as block_size says or 64.")
    if left_out:
        notes["notes"].append(f"Left out: {counted(left_out, 'request')} of sub-agents.")
    if not paused:
        notes["notes"].append("Pauses between turns are not known, as no request has think_time: they are taken for 0.")
    if unused:
        notes["notes"].append(f"Fields of requests that are not used: {shortened_list(sorted(unused))}.")
    return replace(workload, notes=notes | gap_spreads(workload, np.array(tool)))


def _block_size(session: Record) -> int:
    if session.fields.get("block_size") is None:
        return BLOCK_TOKENS
    size = session.count("block_size", smallest=1)
    if size > _LARGEST_BLOCK:
        raise session.wrong("block_size", f"a whole number from 1 to {_LARGEST_BLOCK}")
    return size


def _after_tool(request: Record) -> bool:
    types = request.fields.get("input_types")
    return isinstance(types, list) and "tool_result" in types


class _Seen:
    """What a session finds in the cache, and its last request."""

    def __init__(self, size: int, known: set[int]) -> None:
        self.size, self.prompt, self.output = size, 0, 0
        self._ids: list[int] = []
        self._known = known

    def context(self, request: Record) -> int:
        """Take the next request; tells how much of its prompt is in the cache."""
        prompt, output = request.count("in", smallest=1), request.count("out")
        ids = request.items("hash_ids")
        if len(ids) != prompt // self.size:
            raise request.wrong("hash_ids", f"a list of {prompt // self.size}, one for each full block of {self.size} tokens")
        extends = bool(self.prompt) and ids[: len(self._ids)] == self._ids
        new = ids[len(self._ids) :] if extends else ids
        if not set(map(type, new)) <= {int}:
            raise request.wrong("hash_ids", "a list of whole numbers")
        run = (len(self._ids) if extends else 0) + _leading(new, self._known)
        context = run * self.size
        if extends:
            context = max(context, min(prompt, self.prompt + self.output) // self.size * self.size)
        self._known.update(new)
        self._ids, self.prompt, self.output = ids, prompt, output
        return context


def _leading(ids: list[int], known: set[int]) -> int:
    return next((position for position, one in enumerate(ids) if one not in known), len(ids))
