"""mini-SWE-agent trajectories: one JSON object a session, its messages with the usage that the provider reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.trajectories import Workload


def read_mini_swe(path: Path, records: Iterable[Record]) -> Workload:
    """Read trajectories; each assistant message with ``extra.response.usage`` is a turn.

    Histories only grow: the context is the previous prompt with its visible output, which leaves out reasoning. Prompts that come out
    a little shorter, as providers count differently, are context throughout; the note ``clipped_turns`` counts them. Gaps are 0, as
    only the time from call to call is known, the model's own included.

    Raises
    ------
    ScenarioError
        If a field is missing or wrong.
    """
    sessions, clipped = Sessions(path), 0
    for trajectory in records:
        sessions.start()
        left = 0
        for message in trajectory.records("messages"):
            if message.value("role") != "assistant":
                continue
            usage = message.inner("extra").inner("response").inner("usage")
            prompt, generated = usage.count("prompt_tokens", smallest=1), usage.count("completion_tokens")
            clipped += prompt < left
            sessions.add(min(left, prompt), prompt, generated)
            left = prompt + max(0, generated - _reasoning(usage))
    return sessions.workload({"clipped_turns": clipped})


def _reasoning(usage: Record) -> int:
    """Some providers count it apart, so that it may exceed the completion."""
    if usage.fields.get("completion_tokens_details") is None:
        return 0
    return usage.inner("completion_tokens_details").optional_count("reasoning_tokens")
