"""A table's columns, whatever file they stand in: read in batches, each value found again when it is wrong, too many rows thinned out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces import values
from dualpath_lab.workload.traces.files import failure
from dualpath_lab.workload.traces.times import Moments
from dualpath_lab.workload.traces.values import A_NAME, MOST_TURNS, BadValueError, missing, too_many, wrong

Array = NDArray[Any]
Batch = tuple[Sequence[int], dict[str, Sequence[Any]]]
"""Places of some rows in the file, and of each column that was asked for what stands there."""

MOST_IDS = 50_000_000
"""Hashes of all rows together."""
_MOST_DISTINCT = 10_000_000
MOST_LINKED = 4_000_000
"""Rows that only together tell the sessions, and so are all kept."""


class Rows(Protocol):
    """An open file that holds a table.

    Attributes
    ----------
    path : Path
    unit : str
        What places are called: ``line``, ``row`` or ``entry``.
    is_text : bool
        Whether values are texts, as in CSV.
    """

    path: Path
    unit: str
    is_text: bool

    @property
    def names(self) -> list[str]:
        """All columns."""

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """Yield all rows, once."""


def canonical(column: str) -> str:
    """A column's name in one spelling: ``Session ID``, ``sessionId`` and ``session_id`` are one."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    return re.sub(r"[\s_-]+", "_", split).lower()


def spelled(rows: Rows) -> dict[str, str]:
    """The columns by their canonical names.

    Raises
    ------
    ScenarioError
        If two are the same.
    """
    found: dict[str, str] = {}
    for name in rows.names:
        if (one := canonical(name)) in found:
            raise failure(rows.path, f"names the column {values.shortened(name)!r} twice")
        found[one] = name
    return found


class Draw:
    """Draws which sessions of a file with too many turns are kept: each has a number from 0 to 1, and the smallest stay.

    Parameters
    ----------
    rng : numpy Generator
        The same generator keeps the same sessions.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.below = 1.0
        self._rng, self._key = rng, rng.bytes(16)

    def of_rows(self, rows: int) -> NDArray[np.float64]:
        """Numbers of rows that are sessions of their own."""
        return self._rng.random(rows)

    def of(self, session: str) -> float:
        """The number of a session by its name."""
        return int.from_bytes(blake2b(session.encode(errors="surrogatepass"), key=self._key, digest_size=6).digest()) / 2**48


@dataclass(frozen=True)
class Table:
    """Columns as arrays.

    Attributes
    ----------
    path : Path
    columns : dict
        Those asked for, by their canonical names. One of ids is a pair: where each row's begin, and all of them, flat.
    names : dict
        What the file calls them.
    places : array
        Line or row of each entry in the file.
    sessions : sequence of str
        Names behind the numbers in a column of sessions, in the order in which they come.
    unit : str
        What places are called: ``line``, ``row`` or ``entry``.
    is_text : bool
        Whether errors show values as texts.
    moments : dict
        Of each column of moments, what settles their unit.
    notes : tuple of str
        What was left out or not looked at.
    """

    path: Path
    columns: dict[str, Array]
    names: Mapping[str, str]
    places: Array
    sessions: Sequence[str] = ()
    unit: str = "line"
    is_text: bool = True
    moments: Mapping[str, Moments] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def taken(self, rows: Array) -> Table:
        """Some rows, by number or by mask, in another order or not."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Table(self.path, columns, self.names, self.places[rows], self.sessions, self.unit, self.is_text, self.moments, self.notes)

    def refuse(self, bad: Array, column: str, allowed: str | Callable[[int], str]) -> None:
        """Raise for the first row that is bad, if any is, and tell what is allowed there."""
        if bad.any():
            row = int(np.argmax(bad))
            value = self.columns[column][row].item()
            shown = self.sessions[value] if column == "session" else str(value) if self.is_text else value
            what = allowed if isinstance(allowed, str) else allowed(row)
            raise wrong(self.path, f"{self.unit} {self.places[row]}", self.names[column], shown, what)


def read_table(rows: Rows, kinds: Mapping[str, str], draw: Draw | None = None, whole: bool = False) -> Table:
    """Read columns.

    Parameters
    ----------
    rows : Rows
    kinds : mapping
        For each canonical name that the file has ``session``, ``maybe session`` (an absent one is a session of its own), ``name`` (of a
        request, maybe absent), ``count``, ``maybe count``, ``gap``, ``moment``, ``ids``, ``passed`` or ``failed`` for marks of how a
        request ended, or ``tool`` for whether it says so.
    draw : Draw, optional
        Thins out sessions beyond ``MOST_TURNS`` rows; without it, so many are refused.
    whole : bool
        Whether all rows must be kept, as only together they tell the sessions.

    Raises
    ------
    ScenarioError
        If a value is not of its kind, nothing is there, or too much.
    """
    return _Reading(rows, kinds, draw, whole).table()


class _Reading:
    def __init__(self, rows: Rows, kinds: Mapping[str, str], draw: Draw | None, whole: bool) -> None:
        self._rows, self._kinds, self._draw, self._whole = rows, kinds, draw, whole
        self._names = spelled(rows)
        self._sessions: dict[str, int] = {}
        self._chances: list[float] = []
        self._ids: dict[int, int] = {}
        self._ids_read = 0
        self._moments = {column: Moments(self._names[column]) for column, kind in kinds.items() if kind == "moment"}
        self._by_session = next((column for column, kind in kinds.items() if kind.endswith("session")), None)
        self._readers: dict[str, Callable[[Sequence[Any]], Array]] = {
            "count": values.counts,
            "maybe count": values.optional_counts,
            "gap": values.gaps,
            "passed": lambda found: values.marks(found, failed_if=False),
            "failed": lambda found: values.marks(found, failed_if=True),
            "tool": lambda found: np.array([value == "tool" for value in found]),
            "name": _optional_names,
        }

    def table(self) -> Table:
        parts: list[dict[str, Array]] = []
        kept = read = 0
        for places, found in self._rows.batches([self._names[column] for column in self._kinds]):
            read += len(places)
            part = self._thinned(self._part(places, found))
            kept += len(part[""])
            parts.append(part)
            if self._whole and kept > MOST_LINKED:
                raise failure(
                    self._rows.path, f"has too many requests: it should have at most {MOST_LINKED:,}, as they tell who goes on from whom"
                )
            if kept > MOST_TURNS and not (self._whole and self._draw):
                if self._draw is None:
                    raise too_many(self._rows.path)
                parts, kept = self._fewer(parts)
        if not read:
            raise ScenarioError(f"Trace {str(self._rows.path)!r} holds no turns: it should have at least one row.")
        columns = {column: np.concatenate([part.pop(column) for part in parts]) for column in list(parts[0])}
        places_read = columns.pop("")
        columns.pop("draw", None)
        table = Table(
            self._rows.path, columns, self._names, places_read, list(self._sessions), self._rows.unit, self._rows.is_text, self._moments
        )
        return Table(**(vars(table) | {"notes": tuple(self._notes(kept, read))}))

    def _notes(self, kept: int, read: int) -> Iterator[str]:
        if self._draw and self._draw.below < 1:
            yield (
                f"{kept:,} of {read:,} rows are kept, whole sessions drawn with the seed, as at most {MOST_TURNS:,} turns are simulated; "
                "workload.sessions draws fewer."
            )
        unused = [name for name in self._rows.names if canonical(name) not in self._kinds]
        if unused:
            yield f"Columns that are not used: {values.shortened_list(unused)}."

    def _part(self, places: Sequence[int], found: dict[str, Sequence[Any]]) -> dict[str, Array]:
        part: dict[str, Array] = {"": np.array(places, np.int64)}
        for column, kind in self._kinds.items():
            name = self._names[column]
            try:
                part[column] = self._array(kind, column, found[name], places)
            except BadValueError as bad:
                place = f"{self._rows.unit} {places[bad.index]}"
                raise wrong(self._rows.path, place, name, found[name][bad.index], bad.allowed) from None
        if self._draw and not self._whole:
            part["draw"] = (
                np.array([1.0, *self._chances])[part[self._by_session] + 1] if self._by_session else self._draw.of_rows(len(places))
            )
        return part

    def _array(self, kind: str, column: str, found: Sequence[Any], places: Sequence[int]) -> Array:
        if kind == "moment":
            return self._moments[column].read(found)
        if kind.endswith("session"):
            return self._numbered(found, places, kind.startswith("maybe"))
        if kind == "ids":
            return self._lists(found)
        return self._readers[kind](found)

    def _lists(self, found: Sequence[Any]) -> Array:
        """An array for each row, of an array of objects."""
        lengths, flat = values.ids(found, self._ids)
        self._ids_read += len(flat)
        if self._ids_read > MOST_IDS or len(self._ids) > _MOST_DISTINCT:
            raise failure(self._rows.path, f"has too many hash_ids: it should have at most {MOST_IDS:,}, {_MOST_DISTINCT:,} different ones")
        lists = np.empty(len(found), object)
        ends = np.cumsum(lengths)
        for index, (start, end) in enumerate(zip((ends - lengths).tolist(), ends.tolist(), strict=True)):
            lists[index] = flat[start:end]
        return lists

    def _numbered(self, found: Sequence[Any], places: Sequence[int], optional: bool) -> Array:
        """Numbers of sessions by their names; -1 for one that is not kept."""
        numbers = np.empty(len(found), np.int64)
        for index, value in enumerate(found):
            name = f"\0{places[index]}" if optional and missing(value) else values.name(value)
            if name is None:
                raise BadValueError(index, A_NAME)
            number = self._sessions.get(name)
            if number is None:
                chance = self._draw.of(name) if self._draw else 0.0
                number = -1
                if self._draw is None or chance < self._draw.below:
                    number = self._sessions[name] = len(self._sessions)
                    self._chances.append(chance)
            numbers[index] = number
        return numbers

    def _thinned(self, part: dict[str, Array]) -> dict[str, Array]:
        if self._draw is None or self._whole or self._draw.below == 1:
            return part
        kept = part["draw"] < self._draw.below
        return {column: array[kept] for column, array in part.items()}

    def _fewer(self, parts: list[dict[str, Array]]) -> tuple[list[dict[str, Array]], int]:
        assert self._draw is not None
        while (kept := sum(len(part[""]) for part in parts)) > MOST_TURNS:
            self._draw.below /= 2
            parts = [self._thinned(part) for part in parts]
        return parts, kept


def _optional_names(found: Sequence[Any]) -> Array:
    names = np.empty(len(found), object)
    for index, value in enumerate(found):
        names[index] = "" if missing(value) else values.name(value)
        if names[index] is None:
            raise BadValueError(index, A_NAME)
    return names
