"""A table as CSV text, with commas, semicolons or tabs."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.files import failure
from dualpath_lab.workload.traces.tables import Batch
from dualpath_lab.workload.traces.values import absent, number, shortened

_BATCH_ROWS = 20_000
_LONGEST_ROW = 65_536
_SERVEGEN_COLUMNS = 6


class CsvFile:
    """An open file: its header first, its rows on demand; empty lines are skipped.

    Parameters
    ----------
    path : Path
    header : str
        The first line that is not empty.
    lines : iterable of (int, str)
        What follows it.

    Raises
    ------
    ScenarioError
        If the header is none, or names a column twice.
    """

    unit, is_text = "line", True

    def __init__(self, path: Path, header: str, lines: Iterable[tuple[int, str]]) -> None:
        self.path, self._lines = path, lines
        self._delimiter = max(",;\t", key=header.count)
        try:
            self.names = [name.strip() for name in next(csv.reader([header], delimiter=self._delimiter), [])]
        except csv.Error:
            raise failure(path, "is not CSV text") from None
        if all(absent(name) or number(name) == number(name) for name in self.names):
            raise _no_header(path, header, len(self.names))
        self.names = [name or f"(column {position})" for position, name in enumerate(self.names, start=1)]
        twice = next((name for name in self.names if self.names.count(name) > 1), None) if len(self.names) < 1000 else None
        if twice is not None:
            raise failure(path, f"names the column {twice!r} twice")

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """Yield line numbers and cells.

        Raises
        ------
        ScenarioError
            If a row has another number of columns.
        """
        positions = [self.names.index(column) for column in columns]
        rows = self._rows()
        while batch := list(islice(rows, _BATCH_ROWS)):
            cells = [[row[position] for _, row in batch] for position in positions]
            yield [line for line, _ in batch], dict(zip(columns, cells, strict=True))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells; a quoted cell may hold ends of lines."""
        number, columns = 1, len(self.names)

        def texts() -> Iterator[str]:
            nonlocal number
            for line, text in self._lines:
                number = line
                if len(text) > _LONGEST_ROW:
                    raise failure(self.path, f"is not a table of turns: line {line} has more than {_LONGEST_ROW:,} characters")
                yield text + "\n"

        try:
            for cells in csv.reader(texts(), delimiter=self._delimiter):
                if len(cells) != columns:
                    if not any(map(str.strip, cells)):
                        continue
                    raise ScenarioError(
                        f"Trace {str(self.path)!r}, line {number}: {len(cells)} columns are not allowed: it should have {columns}, "
                        "as the header."
                    )
                if cells[0] or any(map(str.strip, cells)):
                    yield number, cells
        except csv.Error:
            raise failure(self.path, f"is not CSV text: line {number} cannot be read") from None


def _no_header(path: Path, line: str, columns: int) -> ScenarioError:
    what = f"has no line of column names: its first line is {shortened(line)!r}"
    if columns == _SERVEGEN_COLUMNS:
        what += (
            ", as in a chunk of ServeGen, which tells rates and distributions but no requests: ServeGen generates them from it, "
            "to be saved with the columns timestamp, input_tokens, output_tokens"
        )
    else:
        what += "; the names of the columns should stand there, such as timestamp, input_tokens, output_tokens"
    return failure(path, what)
