"""Recorded sessions and requests of all the forms that are known, read into a workload."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces import requests, turn_tables
from dualpath_lab.workload.traces.claude_code import read_claude_code
from dualpath_lab.workload.traces.csv_file import CsvFile
from dualpath_lab.workload.traces.files import begins_with, failure, read_lines
from dualpath_lab.workload.traces.mini_swe import read_mini_swe
from dualpath_lab.workload.traces.parquet import MAGIC, ParquetFile
from dualpath_lab.workload.traces.records import JsonFile, Record
from dualpath_lab.workload.traces.tables import Draw, Rows, canonical, spelled
from dualpath_lab.workload.traces.unusable import known_but_unusable
from dualpath_lab.workload.traces.values import shortened, shortened_list
from dualpath_lab.workload.trajectories import Workload

__all__ = ["Draw", "read_trace"]

_NESTED: dict[str, Callable[[Path, Iterable[Record]], Workload]] = {"requests": read_claude_code, "messages": read_mini_swe}
"""Readers of objects with others inside, by the field that tells the form."""


def read_trace(path: str | Path, draw: Draw | None = None) -> Workload:
    """Read a trace: CSV, JSON lines or Parquet; text may be packed with gzip, xz or zstd.

    The form is told by the columns, or by the fields of the JSON objects, however they are spelled (``Session ID`` is ``session_id``):

    - our own table: ``session, turn, appended, generated`` and maybe ``gap_s, context``;
    - Claude Code sessions as kv-cache-tester publishes them (``requests``), and the table of turns made of them;
    - mini-SWE-agent trajectories (``messages``), and the table of turns made of them;
    - requests, a row each: ``ContextTokens, GeneratedTokens`` (Azure), ``Request tokens, Response tokens`` (BurstGPT), ``input_tokens,
      output_tokens`` (ServeGen), ``input_length, output_length`` (Mooncake, AIPerf, Qwen-Bailian), and maybe ``timestamp``, names of
      sessions, ``delay``, ``hash_ids``, ``chat_id`` and ``parent_chat_id``, marks of failure.

    How each is understood stands with its reader. What was assumed, and which columns were not used, the workload's notes say.

    Parameters
    ----------
    path : str or Path
    draw : Draw, optional
        Draws which sessions of a table with more than 2,000,000 turns are kept; without it, so many are refused.

    Returns
    -------
    Workload
        One trajectory a session, in the file's order; ``max_tokens`` is the longest prompt with its output of any turn (sessions that
        were compacted end shorter than they once were).

    Raises
    ------
    ScenarioError
        If the file cannot be read, is of no known form, holds no turns or a value that is not allowed, or is too large: a line above
        16 MiB, 2 GiB of text or 30,000,000 lines.
    """
    path = Path(path)
    if begins_with(path, MAGIC):
        return _read_parquet(ParquetFile(path), draw)
    lines = read_lines(path)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise failure(path, "is empty: it should begin with a line of column names or a JSON object")
    if first[1].lstrip()[:1] in ("{", "["):
        return _read_json(JsonFile(path, _chained(first, lines)), draw)
    return _read_table(CsvFile(path, first[1], lines), draw)


def _chained(first: tuple[int, str], lines: Iterable[tuple[int, str]]) -> Iterable[tuple[int, str]]:
    yield first
    yield from lines


def _read_parquet(file: ParquetFile, draw: Draw | None) -> Workload:
    for field, read in _NESTED.items():
        if field in file.names:
            return read(file.path, file.records())
    return _read_table(file, draw)


def _read_json(file: JsonFile, draw: Draw | None) -> Workload:
    if not _has_lengths(file.first):
        for field, read in _NESTED.items():
            if field in file.first:
                return read(file.path, file.records())
    return _read_table(file, draw)


def _has_lengths(names: Iterable[str]) -> bool:
    return requests.form_of({canonical(name) for name in names}) is not None


def _read_table(rows: Rows, draw: Draw | None) -> Workload:
    names = spelled(rows)
    if turn_tables.is_plain(names):
        return turn_tables.read_plain(rows, draw)
    if turn_tables.is_recorded(names):
        return turn_tables.read_recorded(rows, draw)
    if form := requests.form_of(names):
        return requests.read_requests(rows, form, draw)
    raise _unknown(rows, names)


def _unknown(rows: Rows, names: dict[str, str]) -> ScenarioError:
    if not rows.is_text and (unusable := known_but_unusable(rows.path, names, f"the fields are {shortened_list(rows.names)}")):
        return unusable
    if near := requests.lacking(names):
        form, column = near
        return failure(rows.path, f"lacks the column {column}, without which it is no table of requests as {form.whose} writes them")
    for columns in (turn_tables.PLAIN, turn_tables.REQUIRED):
        if len(missing := [column for column in columns if column not in names]) < len(columns) - 1:
            return failure(rows.path, f"lacks the column {', '.join(missing)}: a table of turns should have {', '.join(columns)}")
    forms = [", ".join(columns) for columns in (turn_tables.PLAIN, turn_tables.REQUIRED, *(form.written for form in requests.FORMS))]
    what = "header" if rows.is_text else "columns" if rows.unit == "row" else "first object with the fields"
    return failure(
        rows.path,
        f"has an unknown {what} {shortened(','.join(rows.names))!r}: it should name the columns {'; or '.join(forms)}; "
        f"or in JSON one of the fields {', '.join(_NESTED)}",
    )
