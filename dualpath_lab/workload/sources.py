"""From the name of a source to its trajectories."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.paper import DATASETS, generate
from dualpath_lab.workload.traces import Draw, read_trace
from dualpath_lab.workload.traces.values import MOST_TURNS
from dualpath_lab.workload.trajectories import Workload


def load(source: str, trajectories: int = 2_000, rng: np.random.Generator | None = None, sessions: int | None = None) -> Workload:
    """Fetch the trajectories of a source, as they are.

    Of a trace with more than 2,000,000 turns, sessions are drawn until it has no more; a note says how many.

    Parameters
    ----------
    source : str
        ``paper-32k``, ``paper-48k``, ``paper-64k`` or the path of a trace.
    trajectories : int
        How many to draw from a paper source.
    rng : numpy Generator, optional
        Draws the trajectories of a paper source, and which sessions of a trace are kept; of seed 0 when left out.
    sessions : int, optional
        How many sessions to draw from a trace, each as likely as another, instead of all; of a paper source, instead of
        ``trajectories``.

    Raises
    ------
    ScenarioError
        If the source is neither, or the trace is broken.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    if source in DATASETS:
        return generate(source, sessions or trajectories, rng)
    if not source or not _exists(source):
        near = difflib.get_close_matches(source.lower(), DATASETS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ScenarioError(
            f"workload.source = {source!r} is not allowed: it should be one of {', '.join(DATASETS)} or the path of a trace file{hint}"
        )
    return _drawn(read_trace(source, Draw(rng)), rng, sessions)


def _drawn(workload: Workload, rng: np.random.Generator, sessions: int | None) -> Workload:
    """As many sessions as are asked for, if there are so many, and no more turns than are allowed."""
    if sessions is None and workload.turns <= MOST_TURNS:
        return workload
    chosen = rng.permutation(workload.trajectories)[:sessions]
    turns = np.cumsum(np.diff(workload.first_turn)[chosen])
    chosen = np.sort(chosen[: max(1, int(np.searchsorted(turns, MOST_TURNS, "right")))])
    if sessions is not None and sessions > workload.trajectories:
        return workload.noting(f"workload.sessions = {sessions:,}, and the trace gives {workload.trajectories:,} sessions: all are taken.")
    return workload.take(chosen).noting(
        f"{len(chosen):,} of {workload.trajectories:,} sessions are taken, drawn with the seed"
        f"{'' if len(chosen) == sessions else f', as at most {MOST_TURNS:,} turns are simulated'}."
    )


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than a file name may be
        return False
