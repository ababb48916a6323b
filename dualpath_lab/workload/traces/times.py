"""Moments of a trace: dates or numbers, and of which unit the numbers are."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.values import BadValueError, missing, number

Floats = NDArray[np.float64]

A_MOMENT = "a number from 0 or a date and time such as 2024-05-12T00:00:00.25+00:00"
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""By the ending of a column's name, such as ``timestamp_ms``."""
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_SINCE_1970 = (("ns", 1e17), ("us", 1e14), ("ms", 1e11), ("s", 1e8))
"""From which size on all of a column's numbers are moments since 1970: after 1973 each unit is a thousand times the next."""
_LONGEST_S = 10 * 365.25 * 86400
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)


class SinceEpoch(float):
    """Seconds since 1970, known to be that."""


class Moments:
    """Reads a column of moments batch by batch; what the numbers mean is settled at the end.

    Parameters
    ----------
    column : str
        Its name in the file.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self._dated: bool | None = None
        self._zones: set[bool] = set()
        self._whole = True

    def read(self, values: Sequence[Any]) -> Floats:
        """Read dates to seconds since 1970, and numbers as they are; absent ones are not numbers.

        Raises
        ------
        BadValueError
            For the first that is neither, or that is a date among numbers or a number among dates.
        """
        found = np.full(len(values), np.nan)
        for index, value in enumerate(values):
            if missing(value):
                continue
            dated = bool(self._dated) or isinstance(value, SinceEpoch)
            moment = self._date(value) if dated else number(value)
            if math.isnan(moment):
                dated = not dated
                moment = self._date(value) if dated else number(value)
            if not math.isfinite(moment) or (moment < 0 and not dated):
                raise BadValueError(index, A_MOMENT)
            if self._dated is None:
                self._dated = dated
            if self._dated != dated:
                raise BadValueError(index, "a date and time, as those before" if self._dated else "a number, as those before")
            found[index] = moment
        given = found[~np.isnan(found)]
        self._whole &= bool((given == np.floor(given)).all())
        return found

    def _date(self, value: Any) -> float:
        if isinstance(value, SinceEpoch):
            return float(value)
        if isinstance(value, str):
            value = _parsed(value) or _parsed(re.sub(r"\s*(UTC|GMT)$", "Z", re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", value.strip())))
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            return math.nan
        self._zones.add(value.tzinfo is not None)
        try:
            return (value - (_EPOCH if value.tzinfo is None else _EPOCH_UTC)).total_seconds()
        except OverflowError:
            return math.nan

    def seconds(self, path: Path, moments: Floats, usual: str, whose: str) -> tuple[Floats, str]:
        """Settle the unit.

        Parameters
        ----------
        path : Path
            For errors.
        moments : float64 array
            All that was read.
        usual : str
            The unit of numbers that say nothing else, a key of ``UNITS``.
        whose : str
            Who writes that unit.

        Returns
        -------
        seconds : float64 array
        note : str
            What was taken for what, a sentence; empty where nothing was to be assumed.

        Raises
        ------
        ScenarioError
            If the moments would lie more than ten years apart.
        """
        given = moments[~np.isnan(moments)]
        if not len(given):
            return moments, ""
        if self._dated:
            self._check(path, given, "s")
            return moments, f"Times without a zone in {self.column} are taken for UTC." if len(self._zones) > 1 else ""
        smallest, named = float(given.min()), re.search(r"_(s|ms|us|ns)$", self.column.lower())
        since_1970 = next((unit for unit, least in _SINCE_1970 if smallest >= least), None)
        if named:
            unit, why = named[1], "by its name"
        elif since_1970:
            unit, why = since_1970, "since 1970, by their size"
        elif usual == "ms" and not self._whole:
            unit, why = "s", "as they are no whole numbers"
        else:
            unit, why = usual, f"as {whose} writes them"
        self._check(path, given * UNITS[unit], unit)
        other = "ms" if unit != "ms" else "s"
        hint = "" if named else f"; of another unit, the column's name should say so, such as {self.column}_{other}"
        return moments * UNITS[unit], f"Numbers in {self.column} are taken for {_WORDS[unit]}, {why}{hint}."

    def _check(self, path: Path, seconds: Floats, unit: str) -> None:
        if seconds.max() - seconds.min() > _LONGEST_S:
            raise ScenarioError(
                f"Trace {str(path)!r} has moments more than ten years apart in {self.column}, taken for {_WORDS[unit]}: "
                f"of which unit are they? The column's name should say so: {', '.join(f'timestamp_{each}' for each in UNITS)}."
            )


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def span_unit(column: str, usual: str) -> tuple[float, str]:
    """Seconds in the unit of a column of spans, and what it is called: by the ending of its name, else as usual."""
    named = re.search(r"_(s|ms|us|ns)$", column.lower())
    unit = named[1] if named else usual
    return UNITS[unit], _WORDS[unit]
