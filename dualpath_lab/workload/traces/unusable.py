"""Forms that are known and hold no trace: what they are, and what would make one of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.files import failure

_HINT = (
    "it would be usable with their token counts, as a table session, turn, appended, generated, "
    "or with the usage of each answer, as mini-SWE-agent keeps it in extra.response.usage"
)
_WORDS = {
    "messages": "messages",
    "conversations": "conversations (as ShareGPT)",
    "conversation": "conversations",
    "turns": "turns (as AIPerf's multi-turn input)",
    "text_input": "prompts (as AIPerf's input)",
    "text": "texts",
    "prompt": "prompts",
    "body": "requests (as OpenAI's batches)",
}
"""Fields that hold words."""


def only_words(path: Path, place: str, what: str = "messages") -> ScenarioError:
    """The error for a conversation without token counts."""
    return failure(path, f"holds {what} in words, without token counts ({place}): {_HINT}")


def known_but_unusable(path: Path, names: Collection[str], place: str) -> ScenarioError | None:
    """The error for objects that hold words and no counts."""
    words = next((what for name, what in _WORDS.items() if name in names), None)
    return only_words(path, place, words) if words else None
