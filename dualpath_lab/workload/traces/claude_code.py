"""Claude Code sessions as kv-cache-tester publishes them: one JSON object a session, its requests with the hashes of their blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from dualpath_lab.workload.statistics import gap_spreads
from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload

_MAIN = ("n", "s")
_OTHER = "subagent"


def read_claude_code(path: Path, records: Iterable[Record]) -> Workload:
    """Read sessions; one JSON object each, ``requests`` in order.

    A turn is a plain or streamed request (``type`` ``n`` or ``s``); those of sub-agents are left out and counted. Its context is the
    longest leading run of ``hash_ids`` (one for each full block of 64 tokens) that the session has seen; where that covers the previous
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
    for session in records:
        sessions.start()
        before = _Seen()
        for request in session.records("requests"):
            kind = request.value("type")
            if kind == _OTHER:
                left_out += 1
                continue
            if kind not in _MAIN:
                raise request.wrong("type", "'n', 's' or 'subagent'")
            if not before.prompt:
                prefix = session.optional_count("tool_tokens") + session.optional_count("system_tokens")
                shared.append(min(prefix, request.count("in", smallest=1)))
            context = before.context(request)
            sessions.add(context, before.prompt, before.output, request.seconds("think_time"))
            tool.append(_after_tool(request))
    workload = sessions.workload({})
    notes = {"subagents_left_out": left_out, "shared_prefix_tokens": float(np.mean(shared))}
    return replace(workload, notes=notes | gap_spreads(workload, np.array(tool)))


def _after_tool(request: Record) -> bool:
    types = request.fields.get("input_types")
    return isinstance(types, list) and "tool_result" in types


class _Seen:
    """What a session has in the cache, and its last request."""

    def __init__(self) -> None:
        self.prompt, self.output = 0, 0
        self._ids: list[int] = []
        self._known: set[int] = set()

    def context(self, request: Record) -> int:
        """Take the next request; tells how much of its prompt is in the cache."""
        prompt, output = request.count("in", smallest=1), request.count("out")
        ids = request.items("hash_ids")
        if len(ids) != prompt // BLOCK_TOKENS:
            raise request.wrong("hash_ids", f"a list of {prompt // BLOCK_TOKENS}, one for each full block of {BLOCK_TOKENS} tokens")
        extends = bool(self.prompt) and ids[: len(self._ids)] == self._ids
        new = ids[len(self._ids) :] if extends else ids
        if not set(map(type, new)) <= {int}:
            raise request.wrong("hash_ids", "a list of whole numbers")
        run = (len(self._ids) if extends else 0) + _leading(new, self._known)
        context = run * BLOCK_TOKENS
        if extends:
            context = max(context, min(prompt, self.prompt + self.output) // BLOCK_TOKENS * BLOCK_TOKENS)
        self._known.update(new)
        self._ids, self.prompt, self.output = ids, prompt, output
        return context


def _leading(ids: list[int], known: set[int]) -> int:
    return next((position for position, one in enumerate(ids) if one not in known), len(ids))
