"""What a workload looks like in a few numbers: the columns of the published table and the hit rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.trajectories import Workload


def statistics(workload: Workload) -> dict[str, str | int | float]:
    """Describe a workload.

    Returns
    -------
    dict
        ``name``; ``sessions``; ``turns`` (mean per session); ``append``, ``generated`` and ``context`` (tokens a turn: mean over
        sessions of each session's mean); ``total`` (tokens: mean over sessions of the longest prompt with its output, which is the final
        length unless the session was compacted); ``hit_rate`` (context tokens / prompt tokens of all turns together);
        ``loaded_tokens_per_session`` (context summed over a session's turns, mean); ``turns_total``.

    Notes
    -----
    Source: reference section 9; the first turn counts, with no context.
    """
    start = workload.first_turn[:-1]
    turns = np.diff(workload.first_turn)
    length = workload.context + workload.append + workload.generate

    def mean_of_means(values: NDArray[np.int64]) -> float:
        return float(np.mean(np.add.reduceat(values, start) / turns))

    prompt_tokens = int(workload.context.sum() + workload.append.sum())
    return {
        "name": workload.name,
        "sessions": workload.trajectories,
        "turns": float(np.mean(turns)),
        "append": mean_of_means(workload.append),
        "generated": mean_of_means(workload.generate),
        "total": float(np.mean(np.maximum.reduceat(length, start))),
        "context": mean_of_means(workload.context),
        "hit_rate": int(workload.context.sum()) / prompt_tokens,
        "loaded_tokens_per_session": int(workload.context.sum()) / workload.trajectories,
        "turns_total": workload.turns,
    }
