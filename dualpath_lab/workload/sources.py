"""From the name of a source to its trajectories."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.paper import DATASETS, generate
from dualpath_lab.workload.traces import read_trace
from dualpath_lab.workload.trajectories import Workload


def load(source: str, trajectories: int = 2_000, rng: np.random.Generator | None = None) -> Workload:
    """Fetch the trajectories of a source, as they are.

    Parameters
    ----------
    source : str
        ``paper-32k``, ``paper-48k``, ``paper-64k`` or the path of a trace.
    trajectories : int
        How many to draw from a paper source; a trace always gives all its sessions.
    rng : numpy Generator, optional
        Draws the trajectories of a paper source; of seed 0 when left out.

    Raises
    ------
    ScenarioError
        If the source is neither, or the trace is broken.
    """
    if source in DATASETS:
        return generate(source, trajectories, np.random.default_rng(0) if rng is None else rng)
    if not source or not _exists(source):
        near = difflib.get_close_matches(source.lower(), DATASETS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ScenarioError(
            f"workload.source = {source!r} is not allowed: it should be one of {', '.join(DATASETS)} or the path of a trace file{hint}"
        )
    return read_trace(source)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than a file name may be
        return False
