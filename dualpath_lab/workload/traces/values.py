"""What a value in a trace may be, whatever the file's form, and how one that may not is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError

MOST_TOKENS = 999_999_999
LONGEST_GAP_S = 1e9
MOST_TURNS = 2_000_000
LONGEST_NAME = 500
A_NAME = f"a name of at most {LONGEST_NAME} characters"
A_COUNT = f"a whole number from 0 to {MOST_TOKENS}"
SOME_SECONDS = f"empty or a number of seconds from 0 to {LONGEST_GAP_S:g}"
A_MOMENT = "a number of seconds or a date and time"

_LONGEST_SHOWN = 80
_EPOCH = datetime(1970, 1, 1)


class BadValueError(Exception):
    """The value at ``index`` is not what is ``allowed``."""

    def __init__(self, index: int, allowed: str) -> None:
        super().__init__(index, allowed)
        self.index, self.allowed = index, allowed


def shortened(text: str) -> str:
    """Text as errors show it."""
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def wrong(path: Path, place: str, field: str, value: Any, allowed: str) -> ScenarioError:
    """The error for one value of a trace."""
    shown = repr(shortened(value)) if isinstance(value, str) else shortened(repr(value))
    return ScenarioError(f"Trace {str(path)!r}, {place}: {field} = {shown} is not allowed: it should be {allowed}.")


def too_many(path: Path) -> ScenarioError:
    """The error for a trace beyond ``MOST_TURNS``."""
    return ScenarioError(f"Trace {str(path)!r} has too many turns: it should have at most {MOST_TURNS:,}.")


def counts(texts: Sequence[str]) -> NDArray[np.int64]:
    """Read token counts; all at once where they are right.

    Raises
    ------
    BadValueError
        For the first that is not.
    """
    together = "".join(texts)
    longest = len(str(MOST_TOKENS))
    if not (together.isascii() and together.isdigit() and "" not in texts and max(map(len, texts)) <= longest):
        for index, text in enumerate(texts):
            if not (text.isascii() and text.isdigit() and len(text) <= longest):
                raise BadValueError(index, A_COUNT)
    return np.array(list(map(int, texts)), np.int64)


def gaps(texts: Sequence[str]) -> NDArray[np.float64]:
    """Read seconds; an empty one is 0.

    Raises
    ------
    BadValueError
        For the first that is not a number of seconds.
    """
    found = np.array([_number(text) if text else 0.0 for text in texts])
    allowed = (found >= 0) & (found <= LONGEST_GAP_S)
    if not allowed.all():
        raise BadValueError(int(np.argmin(allowed)), SOME_SECONDS)
    return found


def moments(texts: Sequence[str]) -> NDArray[np.float64]:
    """Read times, in seconds from any origin.

    Raises
    ------
    BadValueError
        For the first that is neither a number nor a date and time.
    """
    found = np.array([_moment(text) for text in texts])
    if not np.isfinite(found).all():
        raise BadValueError(int(np.argmin(np.isfinite(found))), A_MOMENT)
    return found


def _number(text: str) -> float:
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def _moment(text: str) -> float:
    number = _number(text)
    if not math.isnan(number):
        return number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return ((moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment) - _EPOCH).total_seconds()
