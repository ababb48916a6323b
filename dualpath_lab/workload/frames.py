"""A table in memory, read as one in a file is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.workload.traces import turn_tables
from dualpath_lab.workload.traces.tables import Batch, spelled
from dualpath_lab.workload.traces.values import MOST_TURNS, too_many
from dualpath_lab.workload.trajectories import Workload


class FrameRows:
    """The rows of a DataFrame; see :class:`tables.Rows`."""

    unit = "row"
    is_text = False

    def __init__(self, frame: Any, name: str) -> None:
        self.path = Path(name)
        try:
            self.names = [str(column) for column in frame]
            self._columns = {str(column): [_plain(value, str(column)) for value in frame[column]] for column in frame}
        except (TypeError, KeyError, IndexError):
            raise ScenarioError(f"frame = {shown(frame)} is not allowed: it should be a DataFrame, or columns by their names.") from None

    @property
    def lengths(self) -> set[int]:
        """Numbers of rows of the columns."""
        return {len(column) for column in self._columns.values()}

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """Yield all rows at once."""
        yield range(1, max(self.lengths) + 1), {column: self._columns[column] for column in columns}


def read_frame(frame: Any, name: str) -> Workload:
    """Read our own form from a DataFrame; see :meth:`Workload.from_frame`."""
    rows = FrameRows(frame, name)
    if not turn_tables.is_plain(spelled(rows)):
        raise ScenarioError(
            f"The frame {name!r} has the columns {shown(rows.names)}: it should have {', '.join(turn_tables.PLAIN)} and may have "
            f"{' and '.join(turn_tables.PLAIN_OPTIONAL)}."
        )
    if rows.lengths == {0} or len(rows.lengths) > 1:
        lengths = " and ".join(map(str, sorted(rows.lengths)))
        raise ScenarioError(f"The frame {name!r} has columns of {lengths} rows: it should have at least one, as many in each.")
    if max(rows.lengths) > MOST_TURNS:
        raise too_many(rows.path)
    return turn_tables.read_plain(rows)


def _plain(value: Any, column: str) -> Any:
    """A value in Python's own types; None for pandas' NA, and for NaN as a pause, which is how pandas reads an empty one."""
    if type(value).__name__ in ("NAType", "NaTType") or (column == "gap_s" and isinstance(value, float) and isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
