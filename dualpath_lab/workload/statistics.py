"""What a workload looks like in a few numbers: the columns of the published table and the hit rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.trajectories import Workload


def statistics(workload: Workload) -> dict[str, Any]:
    """Describe a workload.

    Returns
    -------
    dict
        ``name``; ``sessions``; ``turns`` (mean per session); ``append``, ``generated`` and ``context`` (tokens a turn: mean over
        sessions of each session's mean); ``total`` (tokens: mean over sessions of the longest prompt with its output, which is the final
        length unless the session was compacted); ``hit_rate`` (context tokens / prompt tokens of all turns together);
        ``loaded_tokens_per_session`` (context summed over a session's turns, mean); ``turns_total``; ``later_hit_rate`` (the same from a
        session's second turn on; None if there is none); ``shared_hit_rate`` (the part of ``hit_rate`` that first turns find, of prefixes
        that sessions share); ``shrunk_turns`` (prompts shorter than the one before, as after a compaction); ``edited_turns`` (prompts that
        do not go on from the whole previous one, the shrunk ones included); ``pooled``, mean, median and 95th percentile over all turns:
        of ``turns`` and ``total`` a session, of ``generated`` and ``prompt``, and from the second turn on of ``append`` and ``gap_s``
        (where there is a pause); ``notes``, a sentence each about what was assumed or left out; and what else the reader of a trace found.

    Notes
    -----
    Source: reference section 9; the first turn counts.
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
        **_reuse(workload, prompt_tokens),
        "pooled": _pooled(workload),
        "notes": [],
        **workload.notes,
    }


def _reuse(workload: Workload, prompt_tokens: int) -> dict[str, Any]:
    later = _later(workload)
    prompt = workload.context + workload.append
    previous = np.roll(prompt, 1)
    shrunk = later & (prompt < previous)
    edited = later & (workload.context < previous // workload.hit_block * workload.hit_block)
    return {
        "later_hit_rate": int(workload.context[later].sum()) / int(prompt[later].sum()) if later.any() else None,
        "shared_hit_rate": int(workload.context[~later].sum()) / prompt_tokens,
        "shrunk_turns": int(np.count_nonzero(shrunk)),
        "edited_turns": int(np.count_nonzero(edited | shrunk)),
    }


def _pooled(workload: Workload) -> dict[str, dict[str, float] | None]:
    later = _later(workload)
    lengths = workload.context + workload.append + workload.generate
    return {
        "turns": spread(np.diff(workload.first_turn)),
        "append": spread(workload.append[later]),
        "generated": spread(workload.generate),
        "prompt": spread(workload.context + workload.append),
        "total": spread(np.maximum.reduceat(lengths, workload.first_turn[:-1])),
        "gap_s": _pauses(workload, later),
    }


def _later(workload: Workload) -> NDArray[np.bool_]:
    later = np.ones(workload.turns, bool)
    later[workload.first_turn[:-1]] = False
    return later


def spread(values: NDArray[Any]) -> dict[str, float] | None:
    """Mean, median and 95th percentile; None of nothing."""
    if not len(values):
        return None
    middle, high = np.percentile(values, [50, 95]).tolist()
    return {"mean": float(np.mean(values)), "p50": middle, "p95": high}


def gap_spreads(workload: Workload, after_tool: NDArray[np.bool_]) -> dict[str, Any]:
    """Gaps of later turns apart: ``tool_gap_s`` and ``human_gap_s``."""
    later = _later(workload)
    return {
        "tool_gap_s": _pauses(workload, later & after_tool),
        "human_gap_s": _pauses(workload, later & ~after_tool),
    }


def _pauses(workload: Workload, turns: NDArray[np.bool_]) -> dict[str, float] | None:
    gaps = workload.gap_s[turns]
    return spread(gaps[gaps > 0])


def arrivals(times_s: Sequence[float]) -> dict[str, float]:
    """How sessions arrive: ``arrivals_per_s``, and ``interarrival_cv``, the standard deviation of the gaps over their mean (Poisson 1)."""
    gaps = np.diff(np.sort(np.array(times_s, np.float64)))
    mean = float(np.mean(gaps)) if len(gaps) else 0.0
    return {"arrivals_per_s": 1 / mean, "interarrival_cv": float(np.std(gaps)) / mean} if mean > 0 else {}
