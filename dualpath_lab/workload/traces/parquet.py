"""A table or JSON-like objects in a Parquet file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from dualpath_lab.workload.traces.files import MOST_BYTES, MOST_LINES, failure
from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.tables import Batch
from dualpath_lab.workload.traces.times import SinceEpoch

MAGIC = b"PAR1"
_BATCH_ROWS = 65_536
_BATCH_BYTES = 2**24


class ParquetFile:
    """An open file: its header first, its columns on demand.

    Raises
    ------
    ScenarioError
        If it is broken or too large.
    """

    unit, is_text = "row", False

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path = path
        self._broken = (pa.ArrowException, OSError, MemoryError, ValueError, UnicodeDecodeError)
        try:
            self._file = parquet.ParquetFile(path)
            self.names: list[str] = list(self._file.schema_arrow.names)
        except self._broken:
            raise failure(path, "is not a whole Parquet file") from None
        metadata = self._file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if size > MOST_BYTES or metadata.num_rows > MOST_LINES:
            raise failure(path, f"is too long: it should have at most {MOST_BYTES / 2**30:.0f} GiB, unpacked, and {MOST_LINES:,} rows")
        if metadata.num_rows == 0:
            raise failure(path, "holds no turns: it should have at least one row")
        self._batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * metadata.num_rows // max(size, 1)))

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """Yield row numbers and values as Python has them; moments in seconds since 1970.

        Raises
        ------
        ScenarioError
            If the file is broken.
        """
        first = 1
        try:
            for batch in self._file.iter_batches(self._batch_rows, columns=list(columns)):
                yield range(first, first + batch.num_rows), {column: _values(batch.column(column)) for column in columns}
                first += batch.num_rows
        except self._broken:
            raise failure(self.path, "is not a whole Parquet file") from None

    def records(self) -> Iterator[Record]:
        """Yield the rows as objects."""
        for rows, columns in self.batches(self.names):
            for index, row in enumerate(rows):
                yield Record(self.path, f"row {row}", {name: found[index] for name, found in columns.items()})


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        found: list[Any] = column.to_pylist()
        return found
    microseconds = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return [None if value is None else SinceEpoch(value / 1e6) for value in microseconds.to_pylist()]
