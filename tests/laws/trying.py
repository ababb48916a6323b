"""How many scenarios a law is tried on: a number of its own, times what the profile asks for."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def tried(scenarios: int, **more: Any) -> settings:
    """Settings of a law that the usual profile tries on this many scenarios; ``--hypothesis-profile=long`` on eight times as many."""
    return settings(max_examples=scenarios * settings.default.max_examples // 100, **more)
