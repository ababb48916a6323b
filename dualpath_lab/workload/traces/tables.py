"""A table's columns: read in batches, so that text never fills the memory, and each value found again when it is wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.files import failure
from dualpath_lab.workload.traces.values import A_NAME, LONGEST_NAME, MOST_TURNS, BadValueError, counts, gaps, moments, too_many, wrong

Array = NDArray[Any]
Reader = Callable[[Sequence[str]], Array]

_BATCH_ROWS = 20_000
_LONGEST_ROW = 65_536


@dataclass(frozen=True)
class Table:
    """Columns as arrays.

    Attributes
    ----------
    path : Path
    columns : dict
        Those asked for.
    places : array
        Line or row of each entry in the file.
    sessions : sequence of str
        Names behind the numbers in the column ``session``, in the order in which they come.
    unit : str
        What places are called: ``line`` or ``row``.
    """

    path: Path
    columns: dict[str, Array]
    places: Array
    sessions: Sequence[str] = ()
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    def sorted(self, order: Array) -> Table:
        """The same rows in another order."""
        columns = {name: column[order] for name, column in self.columns.items()}
        return Table(self.path, columns, self.places[order], self.sessions, self.unit)

    def refuse(self, bad: Array, column: str, allowed: str | Callable[[int], str]) -> None:
        """Raise for the first row that is bad, if any is, and tell what is allowed there."""
        if bad.any():
            row = int(np.argmax(bad))
            value = self.columns[column][row].item()
            shown = self.sessions[value] if column == "session" else str(value) if self.unit == "line" else value
            raise wrong(self.path, f"{self.unit} {self.places[row]}", column, shown, allowed if isinstance(allowed, str) else allowed(row))


def read_csv(path: Path, header: Sequence[str], lines: Iterable[tuple[int, str]], kinds: dict[str, str]) -> Table:
    """Read columns of a CSV file.

    Parameters
    ----------
    path : Path
    header : sequence of str
        Names of all columns.
    lines : iterable of (int, str)
        The lines after the header.
    kinds : dict
        For each column to read ``session``, ``count``, ``gap``, ``moment``, or ``tool`` for whether it says so.

    Raises
    ------
    ScenarioError
        If a row has another number of columns or a value is not of its kind.
    """
    names: dict[str, int] = {}
    readers: dict[str, Reader] = {"count": counts, "gap": gaps, "moment": moments, "session": lambda texts: _numbered(texts, names)}
    readers["tool"] = lambda texts: np.array([text == "tool" for text in texts])
    parts: dict[str, list[Array]] = {column: [] for column in kinds}
    places: list[Array] = []
    rows = _rows(path, len(header), [header.index(column) for column in kinds], lines)
    while batch := list(islice(rows, _BATCH_ROWS)):
        places.append(np.array([line for line, _ in batch]))
        for position, (column, kind) in enumerate(kinds.items()):
            texts = [cells[position] for _, cells in batch]
            try:
                parts[column].append(readers[kind](texts))
            except BadValueError as bad:
                raise wrong(path, f"line {batch[bad.index][0]}", column, texts[bad.index], bad.allowed) from None
        if len(places) * _BATCH_ROWS > MOST_TURNS:
            raise too_many(path)
    if not places:
        raise ScenarioError(f"Trace {str(path)!r} holds no turns: at least one row should follow the header.")
    return Table(path, {column: np.concatenate(part) for column, part in parts.items()}, np.concatenate(places), list(names))


def read_header(path: Path, line: str) -> list[str]:
    """Names of the columns."""
    try:
        header = [name.strip() for name in next(csv.reader([line]), [])]
    except csv.Error:
        raise failure(path, "is not CSV text") from None
    twice = next((name for name in header if header.count(name) > 1), None) if len(header) < 1000 else None
    if twice is not None:
        raise failure(path, f"names the column {twice!r} twice")
    return header


def _rows(path: Path, columns: int, wanted: Sequence[int], lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and wanted cells; a quoted cell may hold ends of lines."""
    number = 1

    def texts() -> Iterator[str]:
        nonlocal number
        for line, text in lines:
            number = line
            if len(text) > _LONGEST_ROW:
                raise failure(path, f"is not a table of turns: line {line} has more than {_LONGEST_ROW:,} characters")
            yield text + "\n"

    try:
        for cells in csv.reader(texts()):
            if len(cells) != columns:
                raise ScenarioError(
                    f"Trace {str(path)!r}, line {number}: {len(cells)} columns are not allowed: it should have {columns}, as the header."
                )
            yield number, [cells[position] for position in wanted]
    except csv.Error:
        raise failure(path, f"is not CSV text: line {number} cannot be read") from None


def _numbered(texts: Sequence[str], names: dict[str, int]) -> Array:
    for index, text in enumerate(texts):
        if not 0 < len(text) <= LONGEST_NAME:
            raise BadValueError(index, A_NAME)
    return np.array([names.setdefault(text, len(names)) for text in texts], np.int64)
