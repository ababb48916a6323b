"""JSON objects of a trace, one a line or one file, and their fields; what is missing or wrong is told with its place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces.files import LONGEST_LINE, failure
from dualpath_lab.workload.traces.values import A_COUNT, LONGEST_GAP_S, MOST_TOKENS, wrong

_MISSING = object()


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


def read_records(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """Yield the objects of a file: one a line, or where the first line is no JSON by itself, the file's only one or those of its list.

    Raises
    ------
    ScenarioError
        If it is not JSON, or holds something else.
    """
    lines = iter(lines)
    for position, (number, text) in enumerate(lines):
        if not text.strip():
            continue
        place, value = f"line {number}", _parsed(text)
        if value is _MISSING and position == 0:
            place, value = "line 1", _parsed(_whole(path, text, lines))
        if value is _MISSING:
            raise failure(path, f"is not JSON: {place} cannot be read")
        if isinstance(value, list) and position == 0:
            yield from (_record(path, f"entry {index}", one) for index, one in enumerate(value, start=1))
        else:
            yield _record(path, place, value)


def _record(path: Path, place: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise failure(path, f"should hold JSON objects, and {place} is none")
    return Record(path, place, value)


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
