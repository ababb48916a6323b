"""Longer or shorter turns: appends and outputs scaled, contexts following, trajectories cut at the source's maximum length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.trajectories import Workload

Ints = NDArray[np.int64]


def scale(workload: Workload, append_scale: float, generate_scale: float) -> Workload:
    """Scale every turn's lengths and truncate the trajectories at ``workload.max_tokens``.

    A length is rounded, and stays at least 1 if it was. A turn keeps the fraction of the previous turn's prompt and output that it had
    as context: all of it in an append-only trajectory, less after an edit. Where the context was longer than that (return to an earlier
    branch), it keeps its fraction of the longest prompt with output so far. A prefix that a first turn shares with others stays as it is.

    A trajectory ends before the first turn that would make it longer than the maximum. A first turn that alone is longer is cut: its
    prompt to leave room for one token if it generates any, then its output to the room left.

    Parameters
    ----------
    append_scale, generate_scale : float
        Factors above 0; with both 1 the workload comes back as it is.
    """
    if append_scale == generate_scale == 1:
        return workload
    append, generate = _scaled(workload.append, append_scale), _scaled(workload.generate, generate_scale)
    start = workload.first_turn[:-1]
    room = workload.max_tokens - workload.context[start]
    append[start] = np.minimum(append[start], room - (generate[start] > 0))
    generate[start] = np.minimum(generate[start], room - append[start])
    context = _contexts(workload, append, generate)

    too_long = np.cumsum(context + append + generate > workload.max_tokens)
    kept = too_long == np.repeat(too_long[start], np.diff(workload.first_turn))
    first_turn = np.concatenate([[0], np.cumsum(np.add.reduceat(kept, start, dtype=np.int64))])
    arrays = {"context": context[kept], "append": append[kept], "generate": generate[kept], "gap_s": workload.gap_s[kept]}
    return replace(workload, first_turn=first_turn, **arrays)


def _scaled(tokens: Ints, factor: float) -> Ints:
    scaled: Ints = np.rint(tokens * factor).astype(np.int64)
    scaled[(scaled == 0) & (tokens > 0)] = 1
    return scaled


def _contexts(workload: Workload, append: Ints, generate: Ints) -> Ints:
    """Contexts for new appends and outputs: all trajectories together, turn by turn."""
    turns = np.diff(workload.first_turn)
    by_turns = np.argsort(-turns, kind="stable")
    length = workload.context + workload.append + workload.generate
    context, new_length = np.zeros_like(append), np.zeros_like(append)
    longest, new_longest = np.zeros_like(turns), np.zeros_like(turns)
    for position in range(turns.max()):
        running = by_turns[: np.count_nonzero(turns > position)]
        row = workload.first_turn[running] + position
        if position:
            follows = workload.context[row] <= length[row - 1]
            base = np.where(follows, length[row - 1], longest[running])
            new_base = np.where(follows, new_length[row - 1], new_longest[running])
            kept = np.rint(workload.context[row] / base * new_base).astype(np.int64)
            context[row] = np.maximum(kept, workload.context[row] > 0)
        else:
            context[row] = workload.context[row]
        new_length[row] = context[row] + append[row] + generate[row]
        longest[running] = np.maximum(longest[running], length[row])
        new_longest[running] = np.maximum(new_longest[running], new_length[row])
    return context
