"""The course of a long run in windows: prompt tokens a second and TTFT, their plateau, and TTFT's peak at the start.

Times are those of the published run, scaled with the length of ours: what is read of it between 900 and 2,400 of its 3,201 s is read of
ours in the same part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

PUBLISHED_LENGTH_S = 3201.0
PUBLISHED_WINDOW_S = 150.0
"""Published (section 9) of latencies online; assumed of the run whose course is drawn."""
PUBLISHED_PLATEAU_S = (900.0, 2400.0)


def over_time(columns: Mapping[str, NDArray[Any]], length_s: float) -> dict[str, Any]:
    """What happened in each window of a run.

    Parameters
    ----------
    columns : mapping of str to array, shape (turns,)
        Of :meth:`TurnLog.columns`; a turn counts in the window of its first token.
    length_s : float
        Of the run.

    Returns
    -------
    dict
        ``window_s``; ``prompt_tokens_per_s``, hits included, of each window; ``ttft_s``, means, None in a window without a first token.
    """
    window_s = PUBLISHED_WINDOW_S * length_s / PUBLISHED_LENGTH_S
    windows = int(np.ceil(PUBLISHED_LENGTH_S / PUBLISHED_WINDOW_S))
    window = np.minimum((columns["first_token"] / window_s).astype(int), windows - 1)
    tokens = np.bincount(window, columns["hit"] + columns["computed"], windows)
    ttft_s, turns = np.bincount(window, columns["ttft"], windows), np.bincount(window, minlength=windows)
    return {
        "window_s": window_s,
        "prompt_tokens_per_s": (tokens / window_s).tolist(),
        "ttft_s": [total / number if number else None for total, number in zip(ttft_s.tolist(), turns.tolist(), strict=True)],
    }


def plateau_s(outcome: Mapping[str, Any]) -> tuple[float, float]:
    """Where a run's plateau begins and ends, s."""
    scale = outcome["over_time"]["window_s"] / PUBLISHED_WINDOW_S
    return PUBLISHED_PLATEAU_S[0] * scale, PUBLISHED_PLATEAU_S[1] * scale


def plateau_prompt_tokens_per_s(outcome: Mapping[str, Any]) -> float:
    """Median over the windows of the plateau."""
    return float(median(_of_plateau(outcome["over_time"]["prompt_tokens_per_s"])))


def plateau_ttft_s(outcome: Mapping[str, Any]) -> float:
    """Median over the windows of the plateau; 0 where no turn falls into any."""
    return median(_known(_of_plateau(outcome["over_time"]["ttft_s"])) or [0.0])


def peak_ttft_s(outcome: Mapping[str, Any]) -> float:
    """Largest of the windows before the plateau; 0 where no turn falls into any."""
    return max(_known(outcome["over_time"]["ttft_s"][: _first_and_last()[0]]), default=0.0)


def _of_plateau(values: list[Any]) -> list[Any]:
    first, last = _first_and_last()
    return values[first:last]


def _first_and_last() -> tuple[int, int]:
    return round(PUBLISHED_PLATEAU_S[0] / PUBLISHED_WINDOW_S), round(PUBLISHED_PLATEAU_S[1] / PUBLISHED_WINDOW_S)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
