"""Recorded agent sessions, one model call a row of CSV, read into a workload."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.trajectories import Workload

REQUIRED = ("session", "turn", "input_tokens", "output_tokens", "hit_tokens_incl_output")
"""Columns that both forms have."""
GAP = "gap_before_s"
"""Column that makes a Claude Code trace."""
CYCLE = "cycle_time_s"
"""Column that makes a mini-SWE-agent trace."""
MOST_TOKENS = 999_999_999
LONGEST_GAP_S = 1e9


def read_trace(path: str | Path) -> Workload:
    """Read a Claude Code or mini-SWE-agent turn table, ``.csv`` or ``.csv.gz``.

    The form is told by the header: both have ``REQUIRED``; Claude Code adds ``gap_before_s``, mini-SWE-agent ``cycle_time_s``. Other
    columns are not looked at. A turn's context is ``hit_tokens_incl_output`` (generated tokens are cached too), its append
    ``input_tokens`` less that, possibly 0, and it generates ``output_tokens``, possibly 0.

    ``gap_before_s`` (tool or human; 0 where empty) is the pause before a turn. mini-SWE-agent records no such pause, its cycle time
    includes the model's own latency, so gaps are 0.

    Sessions may come in any order, but the rows of one stand together, turns numbered 0, 1, 2, ... A hit cannot be longer than the
    longest prompt with its output earlier in the session.

    Returns
    -------
    Workload
        One trajectory a session, in the file's order; ``max_tokens`` is the longest prompt with its output of any turn (sessions that
        were compacted end shorter than they once were).

    Raises
    ------
    ScenarioError
        If the file cannot be read, has an unknown header, no turns, or a row that breaks the rules above.
    """
    path = Path(path)
    lines = _lines(path)
    _, header = next(lines, (0, []))
    if not header:
        raise ScenarioError(f"Trace {str(path)!r} is empty: it should begin with a line of column names.")
    if not set(REQUIRED) <= set(header) or not {GAP, CYCLE} & set(header):
        raise ScenarioError(
            f"Trace {str(path)!r} has an unknown header {_shortened(','.join(header))!r}: "
            f"it should name the columns {', '.join(REQUIRED)} and either {GAP} or {CYCLE}."
        )
    sessions = _Sessions()
    for number, cells in lines:
        sessions.add(_Row(path, number, header, cells))
    if not sessions.turns:
        raise ScenarioError(f"Trace {str(path)!r} holds no turns: at least one row should follow the header.")
    return sessions.workload(path.name)


@dataclass(frozen=True)
class _Row:
    path: Path
    line: int
    header: Sequence[str]
    cells: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.cells) != len(self.header):
            raise ScenarioError(
                f"Trace {str(self.path)!r}, line {self.line}: {len(self.cells)} columns are not allowed: "
                f"it should have {len(self.header)}, as the header."
            )

    def text(self, column: str) -> str:
        return self.cells[self.header.index(column)]

    def tokens(self, column: str) -> int:
        text = self.text(column)
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_TOKENS))):
            raise self.wrong(column, f"a whole number from 0 to {MOST_TOKENS}")
        return int(text)

    def gap_s(self) -> float:
        if GAP not in self.header or not self.text(GAP):
            return 0.0
        try:
            gap_s = float(self.text(GAP))
        except ValueError:
            gap_s = math.nan
        if not 0 <= gap_s <= LONGEST_GAP_S:
            raise self.wrong(GAP, f"empty or a number of seconds from 0 to {LONGEST_GAP_S:g}")
        return gap_s

    def wrong(self, column: str, allowed: str) -> ScenarioError:
        value = _shortened(self.text(column))
        return ScenarioError(f"Trace {str(self.path)!r}, line {self.line}: {column} = {value!r} is not allowed: it should be {allowed}.")


@dataclass
class _Sessions:
    """Turns read so far; the last session is open."""

    turns: list[tuple[int, int, int, float]] = field(default_factory=list)
    first_turn: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    current: str | None = None
    longest: int = 0
    max_tokens: int = 0

    def add(self, row: _Row) -> None:
        self._enter(row)
        position = len(self.turns) - self.first_turn[-1]
        if row.tokens("turn") != position:
            raise row.wrong("turn", f"{position}, as turns of a session are numbered 0, 1, 2, ... in order")
        prompt, generated, context = (row.tokens(column) for column in ("input_tokens", "output_tokens", "hit_tokens_incl_output"))
        if prompt == 0:
            raise row.wrong("input_tokens", "at least 1")
        if context > prompt:
            raise row.wrong("hit_tokens_incl_output", f"at most input_tokens, {prompt}")
        if context > self.longest:
            raise row.wrong("hit_tokens_incl_output", f"at most {self.longest}, the longest prompt with its output earlier in the session")
        gap_s = row.gap_s() if position else 0.0
        self.turns.append((context, prompt - context, generated, gap_s))
        self.longest = max(self.longest, prompt + generated)
        self.max_tokens = max(self.max_tokens, self.longest)

    def _enter(self, row: _Row) -> None:
        name = row.text("session")
        if name == self.current:
            return
        if not name:
            raise row.wrong("session", "a name")
        if name in self.names:
            raise row.wrong("session", "a new session, as the rows of one session stand together")
        self.names.add(name)
        self.current, self.longest = name, 0
        self.first_turn.append(len(self.turns))

    def workload(self, name: str) -> Workload:
        context, append, generate, gap_s = zip(*self.turns, strict=True)
        return Workload(
            name,
            np.array([*self.first_turn, len(self.turns)], np.int64),
            np.array(context, np.int64),
            np.array(append, np.int64),
            np.array(generate, np.int64),
            np.array(gap_s, np.float64),
            self.max_tokens,
        )


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and cells of each row, the header included."""
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            rows = csv.reader(file)
            for cells in rows:
                yield rows.line_num, cells
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise ScenarioError(f"Trace {str(path)!r} is not a whole gzip file, as its name says it should be.") from None
    except OSError as error:
        raise ScenarioError(f"Trace {str(path)!r} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise ScenarioError(f"Trace {str(path)!r} is not CSV text in UTF-8.") from None


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
