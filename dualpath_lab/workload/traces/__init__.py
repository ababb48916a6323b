"""Recorded sessions and requests of all the forms that are known, read into a workload."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload.traces import parquet, requests, turn_tables
from dualpath_lab.workload.traces.claude_code import read_claude_code
from dualpath_lab.workload.traces.files import begins_with, failure, read_lines
from dualpath_lab.workload.traces.mini_swe import read_mini_swe
from dualpath_lab.workload.traces.mooncake import read_mooncake
from dualpath_lab.workload.traces.records import read_records
from dualpath_lab.workload.traces.tables import read_csv, read_header
from dualpath_lab.workload.traces.values import shortened
from dualpath_lab.workload.trajectories import Workload

__all__ = ["read_trace"]

_SESSIONS = {"requests": read_claude_code, "messages": read_mini_swe, "hash_ids": read_mooncake}
"""Readers of JSON by the field that tells the form."""


def read_trace(path: str | Path) -> Workload:
    """Read a trace: CSV, JSON lines or Parquet; text may be packed with gzip or xz.

    The form is told by the columns, or by the fields of the first JSON object:

    - our own table, CSV or Parquet: ``session, turn, appended, generated`` and maybe ``gap_s, context``;
    - Claude Code sessions as kv-cache-tester publishes them (``requests``), and the table of turns made of them;
    - mini-SWE-agent trajectories (``messages``), and the table of turns made of them;
    - Mooncake's requests (``timestamp, input_length, output_length, hash_ids``), chained into sessions;
    - single requests, each a session of one turn: ``TIMESTAMP, ContextTokens, GeneratedTokens`` (Azure), ``Timestamp, Request tokens,
      Response tokens`` (BurstGPT), ``timestamp, input_tokens, output_tokens`` (ServeGen), as CSV or JSON lines.

    How each is understood stands with its reader.

    Returns
    -------
    Workload
        One trajectory a session, in the file's order; ``max_tokens`` is the longest prompt with its output of any turn (sessions that
        were compacted end shorter than they once were).

    Raises
    ------
    ScenarioError
        If the file cannot be read, is of no known form, holds no turns or a value that is not allowed, or is too large: a line above
        16 MiB, 2 GiB of text or 2,000,000 turns.
    """
    path = Path(path)
    if begins_with(path, parquet.MAGIC):
        file = parquet.ParquetFile(path)
        if not turn_tables.is_plain(file.header):
            raise _unknown(path, "columns", ",".join(file.header))
        return turn_tables.read_plain(path.name, file.header, file.read)
    lines = read_lines(path)
    first = next(lines, None)
    if first is None:
        raise failure(path, "is empty: it should begin with a line of column names or a JSON object")
    if first[1].lstrip()[:1] in ("{", "["):
        return _read_json(path, chain([first], lines))
    return _read_csv(path, first[1], lines)


def _read_csv(path: Path, line: str, lines: Iterator[tuple[int, str]]) -> Workload:
    header = read_header(path, line)
    read = partial(read_csv, path, header, lines)
    if turn_tables.is_plain(header):
        return turn_tables.read_plain(path.name, header, read)
    if turn_tables.is_recorded(header):
        return turn_tables.read_recorded(path.name, header, read)
    if form := requests.form_of(header):
        return requests.read_requests(path, form, read)
    raise _unknown(path, "header", line)


def _read_json(path: Path, lines: Iterator[tuple[int, str]]) -> Workload:
    records = read_records(path, lines)
    first = next(records, None)
    if first is None:
        raise failure(path, "holds no turns: it should have at least one JSON object")
    records = chain([first], records)
    for field, read in _SESSIONS.items():
        if field in first.fields:
            return read(path, records)
    if form := requests.form_of(first.fields):
        return requests.read_request_records(path, form, records)
    raise _unknown(path, "first object with the fields", ",".join(first.fields))


def _unknown(path: Path, what: str, names: str) -> ScenarioError:
    forms = [", ".join(columns) for columns in (turn_tables.PLAIN, turn_tables.REQUIRED, *requests.FORMS)]
    return ScenarioError(
        f"Trace {str(path)!r} has an unknown {what} {shortened(names)!r}: it should name the columns {'; or '.join(forms)}; "
        f"or in JSON one of the fields {', '.join(_SESSIONS)}."
    )
