from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario

Session = Sequence[tuple[int, int, int]]
"""Prompt, answer and hit of each turn."""
Traces = Callable[[int], str]

_tried: set[int] = set()


@pytest.fixture(scope="session", autouse=True)
def _counted() -> Iterator[None]:
    """Count the scenarios that are simulated."""
    set_up = Simulation.__init__

    def counting(simulation: Simulation, scenario: Scenario, **more: Any) -> None:
        _tried.add(hash(scenario.model_dump_json()))
        set_up(simulation, scenario, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulation, "__init__", counting)
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _tried:
        terminalreporter.write_line(f"laws: {len(_tried):,} different scenarios were simulated")


def write(path: Path, sessions: Sequence[Session]) -> str:
    rows = ["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"]
    for name, turns in enumerate(sessions):
        rows += [f"s{name},{turn},{prompt},{answer},{hit},0" for turn, (prompt, answer, hit) in enumerate(turns)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def branching_trace(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """The path of a trace by its number."""
    folder = tmp_path_factory.mktemp("traces")

    @cache
    def path(number: int) -> str:
        return write(folder / f"branching-{number}.csv", branching_sessions(number))

    return path


def branching_sessions(seed: int) -> list[Session]:
    """Ten short sessions with edits, returns to earlier branches, empty appends, and answers of no, one or many tokens."""
    rng = np.random.default_rng(seed)
    sessions: list[Session] = []
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
    return sessions


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
