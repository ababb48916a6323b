"""Columns of a table in memory, in the same hands as those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.workload.traces import turn_tables
from dualpath_lab.workload.traces.tables import Array, Table
from dualpath_lab.workload.traces.values import (
    A_COUNT,
    A_NAME,
    LONGEST_GAP_S,
    LONGEST_NAME,
    MOST_TOKENS,
    MOST_TURNS,
    SOME_SECONDS,
    BadValueError,
    too_many,
)
from dualpath_lab.workload.trajectories import Workload

_LARGEST_NUMBER = 2**63 - 1
"""Of a session."""


def read_frame(frame: Any, name: str) -> Workload:
    """Read our own form from a DataFrame; see :meth:`Workload.from_frame`."""
    try:
        header = [str(column) for column in frame]
        columns = {str(column): list(frame[column]) for column in frame}
    except (TypeError, KeyError, IndexError):
        raise ScenarioError(f"frame = {shown(frame)} is not allowed: it should be a DataFrame, or columns by their names.") from None
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise ScenarioError(f"The frame {name!r} names the column {shown(twice)} twice.")
    if not turn_tables.is_plain(header):
        raise ScenarioError(
            f"The frame {name!r} has the columns {shown(header)}: it should have {', '.join(turn_tables.PLAIN)} and may have "
            f"{' and '.join(turn_tables.PLAIN_OPTIONAL)}."
        )
    rows = {len(column) for column in columns.values()}
    if rows == {0} or len(rows) > 1:
        lengths = " and ".join(map(str, sorted(rows)))
        raise ScenarioError(f"The frame {name!r} has columns of {lengths} rows: it should have at least one, as many in each.")
    path = Path(name)
    if max(rows) > MOST_TURNS:
        raise too_many(path)
    return turn_tables.read_plain(name, header, lambda kinds: _table(path, columns, kinds))


def _table(path: Path, columns: dict[str, list[Any]], kinds: dict[str, str]) -> Table:
    names: dict[str, int] = {}
    read = {"session": lambda values: _sessions(values, names), "count": _counts, "gap": _gaps}
    found: dict[str, Array] = {}
    for column, kind in kinds.items():
        try:
            found[column] = read[kind](columns[column])
        except BadValueError as bad:
            value = shown(columns[column][bad.index])
            raise ScenarioError(
                f"Trace {str(path)!r}, row {bad.index + 1}: {column} = {value} is not allowed: it should be {bad.allowed}."
            ) from None
    return Table(path, found, np.arange(1, len(columns["turn"]) + 1), list(names), "row")


def _sessions(values: Sequence[Any], names: dict[str, int]) -> Array:
    for index, value in enumerate(values):
        if not (0 < len(value) <= LONGEST_NAME if isinstance(value, str) else _is_whole(value) and abs(value) <= _LARGEST_NUMBER):
            raise BadValueError(index, f"{A_NAME}, or a whole number of 64 bits")
    return np.array([names.setdefault(str(value), len(names)) for value in values], np.int64)


def _counts(values: Sequence[Any]) -> Array:
    for index, value in enumerate(values):
        if not (_is_number(value) and 0 <= value <= MOST_TOKENS and int(value) == value):
            raise BadValueError(index, A_COUNT)
    return np.array([int(value) for value in values], np.int64)


def _gaps(values: Sequence[Any]) -> Array:
    seconds = [0.0 if _is_missing(value) else value for value in values]
    for index, value in enumerate(seconds):
        if not _is_number(value) or not 0 <= value <= LONGEST_GAP_S:
            raise BadValueError(index, SOME_SECONDS)
    return np.array([float(value) for value in seconds])


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _is_missing(value: Any) -> bool:
    """None, NaN, or pandas' NA, which is neither equal to itself nor true."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and isnan(value))
