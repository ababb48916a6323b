"""The published table (reference section 11), and a choice of its rows."""

from __future__ import annotations

from collections.abc import Sequence

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.reproduce import offline_rows, online_rows
from dualpath_lab.studies.reproduce.row import Row

SLOW = ("C2", "C3")
"""Rows that only run when they are asked for."""


def choose(names: Sequence[str], slow: bool = False) -> list[Row]:
    """The rows of these names; all where there is none, with or without the slow ones.

    Parameters
    ----------
    names : sequence of str
        ``B2`` is all of its parts, ``B2.basic`` is one.
    slow : bool
        Whether the slow rows are among all.

    Raises
    ------
    ScenarioError
        If a row is unknown.
    """
    table = all_rows()
    for name in names:
        _check(name, table)
    if names:
        return [row for row in table if row.row in names or row.number in names]
    return [row for row in table if slow or row.number not in SLOW]


def _check(name: str, table: Sequence[Row]) -> None:
    numbers = list(dict.fromkeys(row.number for row in table))
    parts = [row.row for row in table if row.number == name.partition(".")[0]]
    if name in numbers or name in parts:
        return
    known = f"{', '.join(parts)}, or {parts[0].partition('.')[0]} for all of them" if len(parts) > 1 else ", ".join(numbers)
    raise ScenarioError(f"row {name!r} is not known; it should be one of {known}.")


def all_rows() -> list[Row]:
    """The whole table."""
    return [
        *offline_rows.calibration_rows(),
        *online_rows.calibration_rows(),
        *offline_rows.size_rows(),
        *offline_rows.scale_rows(),
        *online_rows.rows(),
        *offline_rows.append_rows(),
        *offline_rows.small_model_rows(),
        offline_rows.balance_row(),
        online_rows.scheduler_row(),
    ]
