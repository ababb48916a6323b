"""JSON objects of a trace, one a line or one file: a table, or records with others inside; what is wrong is told with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.files import LONGEST_LINE, failure
from dualpath_lab.workload.traces.tables import Batch
from dualpath_lab.workload.traces.values import A_COUNT, LONGEST_GAP_S, MOST_TOKENS, shortened, wrong

_MISSING = object()
_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 2**24


class Record:
    """An object with a place in the file, such as ``line 3`` or ``line 3, requests[7]``."""

    def __init__(self, path: Path, place: str, fields: dict[str, Any]) -> None:
        self.path, self.place, self.fields = path, place, fields

    def wrong(self, field: str, allowed: str) -> ScenarioError:
        """The error for a field."""
        return wrong(self.path, self.place, field, self.fields.get(field), allowed)

    def value(self, field: str) -> Any:
        """A field that must be there."""
        value = self.fields.get(field, _MISSING)
        if value is _MISSING:
            raise ScenarioError(f"Trace {str(self.path)!r}, {self.place}: the field {field!r} is missing.")
        return value

    def count(self, field: str, smallest: int = 0) -> int:
        """A number of tokens."""
        value = self.value(field)
        if type(value) is not int or not smallest <= value <= MOST_TOKENS:
            raise self.wrong(field, A_COUNT if smallest == 0 else f"a whole number from {smallest} to {MOST_TOKENS}")
        return value

    def optional_count(self, field: str) -> int:
        """A number of tokens; 0 where it is missing or null."""
        return 0 if self.fields.get(field) is None else self.count(field)

    def optional(self, field: str) -> Record | None:
        """An object inside this one, if it is there and is one."""
        value = self.fields.get(field)
        return self._inner(value, field) if isinstance(value, dict) else None

    def seconds(self, field: str) -> float:
        """A span of time; 0 where it is missing or null."""
        value: Any = self.fields.get(field)
        if value is None:
            return 0.0
        if type(value) not in (int, float) or not 0 <= value <= LONGEST_GAP_S:
            raise self.wrong(field, f"a number of seconds from 0 to {LONGEST_GAP_S:g}")
        return float(value)

    def items(self, field: str) -> list[Any]:
        """A list."""
        value = self.value(field)
        if not isinstance(value, list):
            raise self.wrong(field, "a list")
        return value

    def inner(self, field: str) -> Record:
        """An object inside this one."""
        return self._inner(self.value(field), field)

    def records(self, field: str) -> Iterator[Record]:
        """The objects of a list inside this one."""
        for index, value in enumerate(self.items(field)):
            yield self._inner(value, f"{field}[{index}]")

    def _inner(self, value: Any, name: str) -> Record:
        if not isinstance(value, dict):
            raise wrong(self.path, self.place, name, value, "an object")
        return Record(self.path, f"{self.place}, {name}", value)


class JsonFile:
    """An open file: its first object, and all of them as records or as the rows of a table.

    Columns are the fields of the objects of a first batch; an object need not have them all.

    Raises
    ------
    ScenarioError
        If it is not JSON, or the first value is no object.
    """

    is_text = False

    def __init__(self, path: Path, lines: Iterable[tuple[int, str]]) -> None:
        self.path, self.unit = path, "line"
        self._lines = iter(lines)
        values = self._values()
        first = next(values, None)
        if first is None:
            raise failure(path, "holds no turns: it should have at least one JSON object")
        self.first: dict[str, Any] = first[1]
        self._objects = chain([first], values)
        self._batch: list[tuple[int, dict[str, Any]]] = []
        self._later: dict[str, None] = {}

    @property
    def names(self) -> list[str]:
        """All fields that were seen so far, at least those of the first batch."""
        if not self._batch:
            self._batch = self._next()
        return list(dict.fromkeys(chain.from_iterable(fields for _, fields in self._batch)) | self._later)

    def records(self) -> Iterator[Record]:
        """Yield the objects."""
        for place, fields in self._objects:
            yield Record(self.path, f"{self.unit} {place}", fields)

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """Yield places and the objects' fields; None for one that is not there."""
        first = self.names
        batch = self._batch
        while batch:
            yield [place for place, _ in batch], {column: [fields.get(column) for _, fields in batch] for column in columns}
            batch = self._next()
            self._later |= dict.fromkeys(name for _, fields in batch for name in fields if name not in first)

    def _next(self) -> list[tuple[int, dict[str, Any]]]:
        batch, size = [], 0
        for one in self._objects:
            batch.append(one)
            size += self._size
            if len(batch) == _BATCH_ROWS or size > _BATCH_CHARACTERS:
                break
        return batch

    def _values(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects: one a line, or where the first line is no JSON by itself, the file's only one or those of its list."""
        first = True
        for number, text in self._lines:
            if not text.strip():
                continue
            self._size, value = len(text), _parsed(text)
            if value is _MISSING and first:
                self._size, value = 0, _parsed(_whole(self.path, text, self._lines))
            if value is _MISSING:
                raise failure(self.path, f"is not JSON: line {number} cannot be read")
            if first:
                _refuse_twice(self.path, text)
            if isinstance(value, list) and first:
                self.unit, self._size = "entry", 0
                for entry, one in enumerate(value, start=1):
                    yield entry, self._checked(entry, one)
            else:
                yield number, self._checked(number, value)
            first = False

    def _checked(self, place: int, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise failure(self.path, f"should hold JSON objects, and {self.unit} {place} is none")
        return value


def _refuse_twice(path: Path, text: str) -> None:
    """Refuse a name that stands twice in an object, of which JSON would forget the first."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise failure(path, f"names the column {shortened(twice)!r} twice")
        return found

    try:
        json.loads(text, object_pairs_hook=once)
    except ScenarioError:
        raise
    except (ValueError, RecursionError):  # of a file printed over several lines, this is but the first
        return


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _MISSING


def _whole(path: Path, first: str, lines: Iterable[tuple[int, str]]) -> str:
    """A file printed over several lines, of no more than the longest line's length."""
    parts, size = [first], len(first)
    for _, text in lines:
        parts.append(text)
        size += len(text) + 1
        if size > LONGEST_LINE:
            raise failure(path, f"is not JSON, one object a line, nor one object of at most {LONGEST_LINE / 2**20:.0f} MiB")
    return "\n".join(parts)
