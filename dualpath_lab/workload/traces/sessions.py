"""Turns read one after another, made into a workload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.values import MOST_TURNS, too_many
from dualpath_lab.workload.trajectories import BLOCK_TOKENS, Workload


class Sessions:
    """A growing list of sessions; the last one is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first_turn: list[int] = []
        self._turns: list[tuple[int, int, int]] = []
        self._gaps: list[float] = []

    @property
    def turns(self) -> int:
        """How many there are so far."""
        return len(self._turns)

    def start(self) -> None:
        """Begin a session; one without turns leaves no trace."""
        if not self._first_turn or self._first_turn[-1] < len(self._turns):
            self._first_turn.append(len(self._turns))

    def add(self, context: int, prompt: int, generated: int, gap_s: float = 0.0) -> None:
        """Add a turn to the last session; a first turn has no gap."""
        self._gaps.append(gap_s if self._first_turn[-1] < len(self._turns) else 0.0)
        self._turns.append((context, prompt - context, generated))
        if len(self._turns) > MOST_TURNS:
            raise too_many(self._path)

    def workload(self, notes: Mapping[str, Any], hit_block: int = BLOCK_TOKENS) -> Workload:
        """All of them.

        Raises
        ------
        ScenarioError
            If there are none.
        """
        if not self._turns:
            raise ScenarioError(f"Trace {str(self._path)!r} holds no turns: it should have at least one.")
        context, append, generate = np.array(self._turns, np.int64).T.copy()
        ends = [len(self._turns)] if self._first_turn[-1] < len(self._turns) else []
        return Workload(
            self._path.name,
            np.array(self._first_turn + ends, np.int64),
            context,
            append,
            generate,
            np.array(self._gaps),
            int((context + append + generate).max()),
            hit_block,
            notes,
        )
