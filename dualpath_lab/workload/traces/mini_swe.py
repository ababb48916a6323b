"""mini-SWE-agent trajectories: one JSON object a session, its messages with the usage that the provider reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.traces.unusable import only_words
from dualpath_lab.workload.traces.values import counted
from dualpath_lab.workload.trajectories import Workload

_PROMPT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_DETAILS = ("completion_tokens_details", "output_tokens_details")
"""As chat completions report usage, and as the responses API does."""


def read_mini_swe(path: Path, records: Iterable[Record]) -> Workload:
    """Read trajectories; each message with the usage of a response is a turn.

    Usage stands in ``extra.response`` (version 1, and version 2 with chat completions) or in the message itself, which then is the
    response (version 2 with the responses API). A call whose answer could not be parsed has its usage in the user message that says so;
    its answer is not sent back.

    Histories only grow: the context is the previous prompt with its visible output, which leaves out reasoning. Prompts that come out
    a little shorter, as providers count differently, are context throughout; the note ``clipped_turns`` counts them. Gaps are 0, as
    only the time from call to call is known, the model's own included.

    Raises
    ------
    ScenarioError
        If a field is missing or wrong, or messages have no usage at all.
    """
    sessions, clipped, silent, words = Sessions(path), 0, 0, ""
    notes = ["Pauses between turns are not known, as the time from call to call has the model's own in it: they are taken for 0."]
    for trajectory in records:
        sessions.start()
        left = calls = answers = 0
        for message in trajectory.records("messages"):
            is_answer = message.fields.get("role") == "assistant" or message.fields.get("object") == "response"
            usage = _usage(message)
            answers += is_answer
            silent += is_answer and usage is None
            if usage is None:
                continue
            calls += 1
            prompt, generated = usage.count(_named(usage, _PROMPT), smallest=1), usage.count(_named(usage, _OUTPUT))
            clipped += prompt < left
            sessions.add(min(left, prompt), prompt, generated)
            left = prompt + (max(0, generated - _reasoning(usage)) if is_answer else 0)
        if not calls and trajectory.items("messages"):
            words = words or trajectory.place
            if answers:
                raise only_words(path, words)
        notes += _counted(trajectory, calls)
    if words and not sessions.turns:
        raise only_words(path, words)
    if silent:
        notes.append(f"Left out: {counted(silent, 'answer')} without usage.")
    return sessions.workload({"clipped_turns": clipped, "notes": notes})


def _usage(message: Record) -> Record | None:
    extra = None if message.fields.get("extra") is None else message.inner("extra")
    for holder in (extra and extra.optional("response"), message, extra):
        if holder and (usage := holder.optional("usage")):
            return usage
    return None


def _named(usage: Record, names: tuple[str, str]) -> str:
    return names[1] if names[1] in usage.fields and names[0] not in usage.fields else names[0]


def _reasoning(usage: Record) -> int:
    """Some providers count it apart, so that it may exceed the completion."""
    details = next((found for name in _DETAILS if (found := usage.optional(name))), None)
    return details.optional_count("reasoning_tokens") if details else 0


def _counted(trajectory: Record, calls: int) -> list[str]:
    """A sentence if the trajectory itself counts other calls than were found."""
    info = trajectory.optional("info")
    stats = info and info.optional("model_stats")
    told = stats.fields.get("api_calls") if stats else None
    if type(told) is not int or told == calls:
        return []
    return [f"The trajectory of {trajectory.place} counts {counted(told, 'call')} in api_calls, and {calls:,} have usage."]
