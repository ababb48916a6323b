"""What the agents do: trajectories of turns, held flat in numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_TOKENS = 64
"""Tokens of one KV-cache block (reference section 3)."""


@dataclass(frozen=True)
class Workload:
    """Trajectories of turns; turn ``k`` of trajectory ``i`` is row ``first_turn[i] + k``.

    A turn's prompt is ``context + append`` tokens: ``context`` was seen in earlier turns of the same trajectory and can be found in
    storage, ``append`` is new. It then generates ``generate`` tokens. A first turn's context is a prefix that it shares with other
    trajectories, and storage holds that from the start.

    Attributes
    ----------
    name : str
        Where it comes from.
    first_turn : int64 array, shape (trajectories + 1,)
        Row of each trajectory's first turn; the last entry is the number of rows.
    context, append, generate : int64 arrays, shape (turns,)
        Tokens.
    gap_s : float64 array, shape (turns,)
        Pause between the previous turn's end and this turn's start (tool or human); zero for a first turn.
    max_tokens : int
        Length at which the source truncates a trajectory.
    hit_block : int
        Tokens of the blocks in which the source counts contexts.
    notes : mapping
        What a trace's reader found that the arrays do not hold, under ``notes`` a list of sentences about what was assumed or left out;
        :func:`~dualpath_lab.workload.statistics` reports it.
    """

    name: str
    first_turn: NDArray[np.int64]
    context: NDArray[np.int64]
    append: NDArray[np.int64]
    generate: NDArray[np.int64]
    gap_s: NDArray[np.float64]
    max_tokens: int
    hit_block: int = BLOCK_TOKENS
    notes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_frame(cls, frame: Any, name: str = "DataFrame") -> Workload:
        """Trajectories from a table in memory, a turn a row: the form that a trace of one's own has.

        Parameters
        ----------
        frame : DataFrame or mapping of str to sequence
            Columns ``session`` (text or whole number), ``turn`` (0, 1, 2, ... in each session), ``appended`` and ``generated`` (tokens),
            and maybe ``gap_s`` (pause before the turn, s; none where missing) and ``context`` (tokens that earlier turns left; all of
            them where the column is left out). Rows may come in any order.
        name : str
            What results and errors call it.

        Raises
        ------
        ScenarioError
            If a column is missing or unknown, or a row breaks these rules; names the row, counted from 1.
        """
        from dualpath_lab.workload.frames import read_frame

        return read_frame(frame, name)

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.first_turn) - 1

    @property
    def turns(self) -> int:
        """Number of turns of all trajectories together."""
        return len(self.context)

    @property
    def told(self) -> list[str]:
        """What was assumed or left out, a sentence each."""
        return list(self.notes.get("notes", ()))

    def noting(self, sentence: str) -> Workload:
        """The same with one sentence more."""
        return replace(self, notes={**self.notes, "notes": [*self.told, sentence]})

    def take(self, chosen: NDArray[np.int64]) -> Workload:
        """The chosen trajectories in their order, one maybe several times."""
        turns = np.diff(self.first_turn)[chosen]
        first_turn = np.concatenate([[0], np.cumsum(turns)])
        rows = np.arange(first_turn[-1]) + np.repeat(self.first_turn[chosen] - first_turn[:-1], turns)
        arrays = {name: getattr(self, name)[rows] for name in ("context", "append", "generate", "gap_s")}
        return replace(self, first_turn=first_turn, **arrays)
