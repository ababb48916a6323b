from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

Session = Sequence[tuple[int, int, int]]
"""Prompt, answer and hit of each turn."""


def write(path: Path, sessions: Sequence[Session]) -> str:
    rows = ["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"]
    for name, turns in enumerate(sessions):
        rows += [f"s{name},{turn},{prompt},{answer},{hit},0" for turn, (prompt, answer, hit) in enumerate(turns)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def branching_trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten short sessions with edits, returns to earlier branches, empty appends, and answers of no, one or many tokens."""
    rng = np.random.default_rng(1)
    sessions = []
    for _ in range(10):
        turns: list[tuple[int, int, int]] = []
        longest = 0
        for _ in range(rng.integers(1, 9)):
            hit = int(longest * rng.choice([0, 0.3, 1, 1, 1]))
            append = int(rng.choice([0, 1, 63, 64, 400, 9000])) if hit else int(rng.integers(1, 20_000))
            answer = int(rng.choice([0, 1, 2, 65, 300]))
            turns.append((hit + append, answer, hit))
            longest = max(longest, hit + append + answer)
        sessions.append(turns)
    return write(tmp_path_factory.mktemp("traces") / "branching.csv", sessions)


@pytest.fixture(scope="session")
def equal_trace(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Sessions that are all alike, append-only: ``equal_trace(sessions, turns, first, append, answer)`` is the path."""
    folder = tmp_path_factory.mktemp("equal")

    def make(sessions: int, turns: int, first: int, append: int, answer: int) -> str:
        session, length = [], 0
        for turn in range(turns):
            prompt = length + (append if turn else first)
            session.append((prompt, answer, length))
            length = prompt + answer
        return write(folder / f"{sessions}-{turns}-{first}-{append}-{answer}.csv", [session] * sessions)

    return make
