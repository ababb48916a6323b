"""What a value in a trace may be, whatever file it stands in, and how one that may not is told."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.errors import shown as describe
from dualpath_lab.scenario import ScenarioError

MOST_TOKENS = 999_999_999
LONGEST_GAP_S = 1e9
MOST_TURNS = 2_000_000
LONGEST_NAME = 500
A_NAME = f"a name of at most {LONGEST_NAME} characters"
A_COUNT = f"a whole number from 0 to {MOST_TOKENS}"
SOME_SECONDS = f"empty or a number of seconds from 0 to {LONGEST_GAP_S:g}"
SOME_IDS = "a list of whole numbers"

_LONGEST_SHOWN = 80
_WHOLE = re.compile(r"\+?0*(\d{1,9})(?:\.0*)?", re.ASCII)
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_PASSED = ("ok", "success", "succeeded", "successful", "completed", "complete", "done", "finished", "stop", "length")
_FAILED = ("error", "errored", "failed", "failure", "fail", "timeout", "timed_out", "cancelled", "canceled", "aborted", "rejected")


class BadValueError(Exception):
    """The value at ``index`` is not what is ``allowed``."""

    def __init__(self, index: int, allowed: str) -> None:
        super().__init__(index, allowed)
        self.index, self.allowed = index, allowed


def shortened(text: str) -> str:
    """Text as errors show it."""
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def wrong(path: Path, place: str, field: str, value: Any, allowed: str) -> ScenarioError:
    """The error for one value of a trace."""
    shown = repr(shortened(value)) if isinstance(value, str) else shortened(describe(value))
    return ScenarioError(f"Trace {str(path)!r}, {place}: {field} = {shown} is not allowed: it should be {allowed}.")


def too_many(path: Path) -> ScenarioError:
    """The error for a trace beyond ``MOST_TURNS`` where none may be left out."""
    return ScenarioError(f"Trace {str(path)!r} has too many turns: it should have at most {MOST_TURNS:,}.")


def absent(value: Any) -> bool:
    """Whether nothing is said: an empty cell or null."""
    return value is None or (isinstance(value, str) and not value.strip())


def missing(value: Any) -> bool:
    """Whether nothing is said, or what tables of numbers put for nothing."""
    return absent(value) or (isinstance(value, float) and math.isnan(value))


def counts(values: Sequence[Any]) -> NDArray[np.int64]:
    """Read token counts; all at once where they are right.

    Raises
    ------
    BadValueError
        For the first that is not.
    """
    kinds = set(map(type, values))
    if kinds == {int} and min(values) >= 0 and max(values) <= MOST_TOKENS:
        return np.array(values, np.int64)
    if kinds == {str}:
        together = "".join(values)
        if together.isascii() and together.isdigit() and "" not in values and max(map(len, values)) <= len(str(MOST_TOKENS)):
            return np.array(list(map(int, values)), np.int64)
    found = [_count(value) for value in values]
    if None in found:
        raise BadValueError(found.index(None), A_COUNT)
    return np.array(found, np.int64)


def _count(value: Any) -> int | None:
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value.strip())
        return int(match[1]) if match else None
    if type(value) not in (int, float) or not 0 <= value <= MOST_TOKENS or value != int(value):
        return None
    return int(value)


def optional_counts(values: Sequence[Any]) -> NDArray[np.int64]:
    """Read counts that may be absent, which gives -1.

    Raises
    ------
    BadValueError
        For the first that is neither.
    """
    given = [index for index, value in enumerate(values) if not missing(value)]
    found = np.full(len(values), -1, np.int64)
    try:
        found[given] = counts([values[index] for index in given])
    except BadValueError as bad:
        raise BadValueError(given[bad.index], bad.allowed) from None
    return found


def gaps(values: Sequence[Any]) -> NDArray[np.float64]:
    """Read seconds; an absent one is 0.

    Raises
    ------
    BadValueError
        For the first that is not a number of seconds.
    """
    found = np.array([0.0 if absent(value) else number(value) for value in values], np.float64)
    allowed = (found >= 0) & (found <= LONGEST_GAP_S)
    if not allowed.all():
        raise BadValueError(int(np.argmin(allowed)), SOME_SECONDS)
    return found


def number(value: Any) -> float:
    """A number or the text of one; not a number for anything else."""
    if isinstance(value, str):
        try:
            return float(value) if value.isascii() and "_" not in value else math.nan
        except ValueError:
            return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def name(value: Any) -> str | None:
    """What a session or a request is called; None for what is no name."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int:
        value = str(value) if value.bit_length() < 128 else ""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME else None


def ids(values: Sequence[Any], numbers: dict[int, int]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Read lists of hashes.

    Parameters
    ----------
    values : sequence
        Lists, texts of lists such as ``[1, 2]``, or absent.
    numbers : dict
        Of each hash seen; new ones are added, numbered from 0.

    Returns
    -------
    lengths : int64 array, shape (rows,)
    flat : uint32 array, shape (sum of lengths,)
        The numbers of the hashes, row after row.

    Raises
    ------
    BadValueError
        For the first that is none of these.
    """
    lengths, flat = np.zeros(len(values), np.int64), []
    for index, value in enumerate(values):
        if absent(value):
            continue
        found = _texts(value) if isinstance(value, str) else value
        if not isinstance(found, list):
            raise BadValueError(index, "a list")
        if not set(map(type, found)) <= {int}:
            raise BadValueError(index, SOME_IDS)
        lengths[index] = len(found)
        flat.extend([numbers.setdefault(one, len(numbers)) for one in found])
    return lengths, np.array(flat, np.uint32)


def _texts(value: str) -> list[Any]:
    parts = re.split(r"[\s,;|]+", value.strip().strip("[]()").strip())
    return [int(part) if part.isascii() and part.isdigit() and len(part) < 40 else part for part in parts if part]


def marks(values: Sequence[Any], failed_if: bool) -> NDArray[np.int8]:
    """Read marks of failure: 1 for a failed request, 0 for another, -1 where the mark is not understood.

    Parameters
    ----------
    values : sequence
    failed_if : bool
        What a mark of ``true`` means: failed (a column ``error``) or not (``success``, ``status``).
    """
    known: dict[Any, int] = {}
    found = np.zeros(len(values), np.int8)
    for index, value in enumerate(values):
        key = value if isinstance(value, str | int | float | bool) else str(value) if value else None
        if key not in known:
            known[key] = _mark(key, failed_if)
        found[index] = known[key]
    return found


def _mark(value: Any, failed_if: bool) -> int:
    text = "" if value is None else str(value).strip().lower().replace(" ", "_").removesuffix(".0")
    if text in ("", "none", "null", "nan"):
        return 0
    if re.fullmatch(r"[1-5]\d\d", text):  # of HTTP
        return int(not text.startswith("2"))
    if text in _YES or text in _NO:
        return int((text in _YES) == failed_if)
    if text in _PASSED or text in _FAILED:
        return int(text in _FAILED)
    return 1 if failed_if else -1


def counted(number: int, what: str) -> str:
    """So many of something that is named in the singular."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shortened_list(names: Sequence[str]) -> str:
    """Names in a sentence; of many the first ones and how many more there are."""
    shown, more = names[:12], len(names) - 12
    return ", ".join(shortened(one) for one in shown) + (f" and {more} more" if more > 0 else "")
