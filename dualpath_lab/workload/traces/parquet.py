"""Columns of a Parquet file, in the same hands as those of CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dualpath_lab.workload.traces.files import MOST_BYTES, failure
from dualpath_lab.workload.traces.tables import Array, Table
from dualpath_lab.workload.traces.values import (
    A_COUNT,
    A_NAME,
    LONGEST_GAP_S,
    LONGEST_NAME,
    MOST_TOKENS,
    MOST_TURNS,
    SOME_SECONDS,
    too_many,
    wrong,
)

MAGIC = b"PAR1"
_BATCH_ROWS = 65_536


class ParquetFile:
    """An open file: its header first, its columns on demand.

    Raises
    ------
    ScenarioError
        If it is broken or too large.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path = path
        self._broken = (pa.ArrowException, OSError, MemoryError, ValueError)
        try:
            self._file = parquet.ParquetFile(path)
        except self._broken:
            raise failure(path, "is not a whole Parquet file") from None
        metadata = self._file.metadata
        if metadata.num_rows > MOST_TURNS:
            raise too_many(path)
        if sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)) > MOST_BYTES:
            raise failure(path, f"is too long: it should have at most {MOST_BYTES / 2**30:.0f} GiB, unpacked")
        if metadata.num_rows == 0:
            raise failure(path, "holds no turns: it should have at least one row")
        self.header: list[str] = list(self._file.schema_arrow.names)

    def read(self, kinds: dict[str, str]) -> Table:
        """Columns by name, each of kind ``session``, ``count`` or ``gap``."""
        names: dict[str, int] = {}
        parts: dict[str, list[Array]] = {column: [] for column in kinds}
        first = 0
        for batch in self._batches(list(kinds)):
            for column, kind in kinds.items():
                parts[column].append(self._array(column, kind, batch[column], first, names))
            first += len(batch["turn"])
        columns = {column: np.concatenate(part) for column, part in parts.items()}
        return Table(self.path, columns, np.arange(1, first + 1), list(names), "row")

    def _batches(self, columns: list[str]) -> Iterator[dict[str, list[Any]]]:
        try:
            for batch in self._file.iter_batches(_BATCH_ROWS, columns=columns):
                yield {column: batch.column(column).to_pylist() for column in columns}
        except self._broken:
            raise failure(self.path, "is not a whole Parquet file") from None

    def _array(self, column: str, kind: str, values: Sequence[Any], first: int, names: dict[str, int]) -> Array:
        good, allowed = _KINDS[kind]
        for index, value in enumerate(values):
            if not good(value):
                raise wrong(self.path, f"row {first + index + 1}", column, value, allowed)
        if kind == "session":
            return np.array([names.setdefault(str(value), len(names)) for value in values], np.int64)
        return np.array(values, np.int64) if kind == "count" else np.array([value or 0.0 for value in values], np.float64)


def _is_name(value: Any) -> bool:
    return (isinstance(value, str) and 0 < len(value) <= LONGEST_NAME) or type(value) is int


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_TOKENS


def _is_gap(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= LONGEST_GAP_S)


_KINDS = {"session": (_is_name, A_NAME), "count": (_is_count, A_COUNT), "gap": (_is_gap, SOME_SECONDS)}
