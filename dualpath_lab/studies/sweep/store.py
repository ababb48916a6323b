"""Where results are kept while a sweep runs: a Parquet file that is whole at any time, and a journal of what is newer than it."""

from __future__ import annotations

import fcntl
import json
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.reproduce.results import write_whole
from dualpath_lab.studies.sweep.plan import Plan
from dualpath_lab.studies.sweep.rows import DONE, Row, as_arrow

if TYPE_CHECKING:
    import pyarrow as pa

FOLD_S = 3.0
"""The journal is folded into the Parquet file this often, or less often where that takes long."""

_FOLD_SHARE = 0.05
"""At most this share of the time goes into folding."""


class Results:
    """The rows of a plan, in memory; the last row of a key counts.

    Attributes
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._rows: dict[str, Row] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def add(self, row: Row) -> None:
        """Keep a row."""
        self._rows[row["key"]] = row

    def missing(self) -> list[str]:
        """Keys of the plan that have no result yet; a failure is none."""
        return [key for key in self.plan.scenarios if self._rows.get(key, {}).get("status") != DONE]

    def table(self, all_rows: bool = False) -> pa.Table:
        """The rows in the plan's order; with ``all_rows`` those of other plans behind them."""
        others = [key for key in self._rows if key not in self.plan.scenarios] if all_rows else []
        keys = [key for key in self.plan.scenarios if key in self._rows] + others
        return as_arrow([self._rows[key] for key in keys], self.plan.swept)


class StoredResults(Results):
    """Rows that are in a file as soon as they are added.

    A Parquet file can't grow, so each row goes into a journal beside it at once, a line of JSON, and every few seconds the Parquet file
    is replaced by one that holds everything. Whenever the process dies, the two together hold all rows but one that was being written.

    Parameters
    ----------
    plan : Plan
    path : Path
        Of the Parquet file. While a sweep runs, and after it died, ``<path>.part.jsonl`` stands beside it.
    resume : bool
        Begin with what the files hold, rows of other plans included; without it there may be none.

    Raises
    ------
    ScenarioError
        When entered, if a file is there and not to be resumed, can't be read or written, or belongs to a sweep that runs.
    """

    def __init__(self, plan: Plan, path: Path, resume: bool) -> None:
        super().__init__(plan)
        self.path = path
        self._journal_path = path.with_name(path.name + ".part.jsonl")
        self._resume = resume
        self._fold_at = 0.0
        self._unfolded = False

    def __enter__(self) -> Self:
        there = next((path for path in (self.path, self._journal_path) if path.exists()), None)
        if there and not self._resume:
            raise ScenarioError(f"{there} is there already: give --resume (resume=True) to go on with it, or another file.")
        try:
            self._journal: IO[str] = self._journal_path.open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise ScenarioError(f"{self.path} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for row in [*self._read_parquet(), *self._read_journal()]:
                super().add(row)
            self._unfolded |= bool(self._rows)  # this plan may have other columns and another order
            self._fold()
        except BlockingIOError:
            self._journal.close()
            raise ScenarioError(f"{self.path} belongs to a sweep that is running.") from None
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._fold()
        except OSError:
            if error is None:  # else that error is what there is to tell, and the journal holds the rows
                raise
        finally:
            self._close()

    def add(self, row: Row) -> None:
        """Keep a row, on the disk too."""
        super().add(row)
        self._journal.write(json.dumps(row, allow_nan=False) + "\n")
        self._journal.flush()
        self._unfolded = True
        if monotonic() >= self._fold_at:
            self._fold()

    def _read_parquet(self) -> list[Row]:
        if not self.path.exists():
            return []
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows: list[Row] = pq.ParquetFile(self.path).read().to_pylist()
            as_arrow(rows, ())
        except (OSError, ValueError, TypeError, KeyError, pa.ArrowException):
            raise ScenarioError(f"{self.path} is not a Parquet file of a sweep.") from None
        return rows

    def _read_journal(self) -> list[Row]:
        """The journal's rows; a line that was cut short is as if it were not there."""
        self._journal.seek(0)
        text = self._journal.read()
        self._unfolded = bool(text)
        rows: list[Row] = []
        for line in text.splitlines():
            try:
                row = json.loads(line)
                as_arrow([row], ())
            except (ValueError, TypeError, KeyError):
                continue
            rows.append(row)
        return rows

    def _fold(self) -> None:
        """Put everything into the Parquet file and begin an empty journal."""
        if not self._unfolded:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        began, buffer = monotonic(), pa.BufferOutputStream()
        pq.write_table(self.table(all_rows=True), buffer)
        write_whole(self.path, buffer.getvalue())
        self._journal.truncate(0)
        self._unfolded = False
        self._fold_at = monotonic() + max(FOLD_S, (monotonic() - began) / _FOLD_SHARE)

    def _close(self) -> None:
        """Drop the journal if the Parquet file holds all of it."""
        if not self._unfolded:
            self._journal_path.unlink(missing_ok=True)
        with suppress(OSError):  # a row that could not be written was told of when it was added
            self._journal.close()
