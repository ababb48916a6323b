"""Every form of table says the same in every file: CSV, JSON and Parquet, packed or not, however its text is written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import Workload, read_trace


@dataclass(frozen=True)
class Example:
    columns: list[str]
    rows: list[list[Any]]
    context: list[int]
    append: list[int]


def _ids(*ids: int) -> list[int]:
    return list(ids)


FORMS = {
    "plain": Example(
        ["session", "turn", "appended", "generated", "gap_s"],
        [["a", 0, 100, 10, None], ["b", 0, 5, 1, 0], ["a", 1, 20, 0, 2.5]],
        [0, 110, 0],
        [100, 20, 5],
    ),
    "claude": Example(
        ["session", "turn", "input_tokens", "output_tokens", "hit_tokens_incl_output", "gap_before_s", "gap_kind"],
        [["a", 0, 100, 10, 0, None, "user"], ["a", 1, 130, 0, 64, 2.5, "tool"]],
        [0, 64],
        [100, 66],
    ),
    "mini-SWE": Example(
        ["session", "turn", "input_tokens", "output_tokens", "hit_tokens_incl_output", "cycle_time_s"],
        [["a", 0, 100, 10, 0, None], ["a", 1, 130, 7, 110, 4.0]],
        [0, 110],
        [100, 20],
    ),
    "Azure": Example(
        ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
        [["2023-11-16 18:15:46.6805900", 374, 44], ["2023-11-16 18:15:50.9951690", 396, 109]],
        [0, 0],
        [374, 396],
    ),
    "BurstGPT": Example(
        ["Timestamp", "Session ID", "Elapsed time", "Model", "Request tokens", "Response tokens"],
        [[0, "s", 1, "GPT-4", 100, 10], [10, "s", 1, "GPT-4", 200, 20], [20, None, 1, "GPT-4", 50, 5], [30, "t", 1, "GPT-4", 60, 0]],
        [0, 110, 0],
        [100, 90, 50],
    ),
    "ServeGen": Example(["timestamp", "input_tokens", "output_tokens"], [[0.5, 48, 10], [2.5, 31, 8]], [0, 0], [48, 31]),
    "Mooncake": Example(
        ["timestamp", "input_length", "output_length", "hash_ids"],
        [[0, 1100, 10, _ids(1, 2, 3)], [1000, 700, 5, _ids(8, 9)], [2000, 1600, 5, _ids(1, 2, 4, 5)]],
        [0, 1024, 0],
        [1100, 576, 700],
    ),
    "AIPerf": Example(
        ["session_id", "timestamp", "delay", "input_length", "output_length"],
        [["s", 0, None, 600, 100], ["s", None, 2000, 50, 7]],
        [0, 700],
        [600, 50],
    ),
    "Bailian": Example(
        ["chat_id", "parent_chat_id", "timestamp", "input_length", "output_length", "hash_ids"],
        [[5, -1, 1.25, 40, 8, _ids(1, 2, 3)], [6, 5, 9.5, 70, 1, _ids(1, 2, 4, 5, 6)]],
        [0, 48],
        [40, 22],
    ),
}


def as_csv(example: Example, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    rows = [["" if value is None else json.dumps(value) if isinstance(value, list) else value for value in row] for row in example.rows]
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([example.columns, *rows])
    return text.getvalue().encode()


def as_objects(example: Example) -> list[dict[str, Any]]:
    """Without what is null, as publishers write it."""
    return [{name: value for name, value in zip(example.columns, row, strict=True) if value is not None} for row in example.rows]


def as_parquet(example: Example) -> bytes:
    sink = pa.BufferOutputStream()
    columns = {name: list(values) for name, values in zip(example.columns, zip(*example.rows, strict=True), strict=True)}
    parquet.write_table(pa.table(columns), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(content)
    packed_bytes: bytes = sink.getvalue().to_pybytes()
    return packed_bytes


def lines(example: Example) -> bytes:
    return "\n".join(map(json.dumps, as_objects(example))).encode()


def blank_lines(content: bytes) -> bytes:
    return b"\n" + content.replace(b"\n", b"\n\n \n") + b"\n\n\n"


FILES: dict[str, Callable[[Example], bytes]] = {
    "t.csv": as_csv,
    "tabs.csv": lambda example: as_csv(example, "\t"),
    "semicolons.csv": lambda example: as_csv(example, ";"),
    "bom_crlf.csv": lambda example: b"\xef\xbb\xbf" + as_csv(example).replace(b"\n", b"\r\n"),
    "blank.csv": lambda example: blank_lines(as_csv(example)).replace(b"\n \n", b"\n,,,\n"),
    "blank_crlf.csv": lambda example: blank_lines(as_csv(example)).replace(b"\n", b"\r\n"),
    "spaces.csv": lambda example: as_csv(example).replace(b",1", b", 1").replace(b"0,", b"0 ,"),
    "t.csv.gz": lambda example: gzip.compress(as_csv(example)),
    "t.csv.xz": lambda example: lzma.compress(as_csv(example)),
    "t.csv.zst": lambda example: zstd(as_csv(example)),
    "two_frames.csv.zst": lambda example: zstd(as_csv(example)[:30]) + zstd(as_csv(example)[30:]),
    "t.jsonl": lines,
    "bom_crlf_blank.jsonl": lambda example: b"\xef\xbb\xbf" + blank_lines(lines(example)).replace(b"\n", b"\r\n"),
    "t.jsonl.gz": lambda example: gzip.compress(lines(example)),
    "t.jsonl.xz": lambda example: lzma.compress(lines(example)),
    "t.jsonl.zst": lambda example: zstd(lines(example)),
    "list.json": lambda example: json.dumps(as_objects(example)).encode(),
    "printed.json": lambda example: json.dumps(as_objects(example), indent=2).encode(),
    "t.parquet": as_parquet,
    "unnamed": as_parquet,
    "unnamed_zstd": lambda example: zstd(lines(example)),
}


def read(folder: Path, name: str, content: bytes) -> Workload:
    path = folder / name
    path.write_bytes(content)
    return read_trace(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", FILES)
def test_every_form_in_every_file(tmp_path: Path, form: str, file: str) -> None:
    example = FORMS[form]
    if file == "blank.csv":
        example_bytes = FILES[file](example).replace(b"\n,,,\n", b"\n" + b"," * (len(example.columns) - 1) + b"\n")
    else:
        example_bytes = FILES[file](example)
    workload = read(tmp_path, file, example_bytes)
    assert workload.context.tolist() == example.context
    assert workload.append.tolist() == example.append
    usual = read(tmp_path, "usual.csv", as_csv(example))
    for array in ("first_turn", "generate", "gap_s"):
        np.testing.assert_array_equal(getattr(workload, array), getattr(usual, array))
    assert workload.told == usual.told


@pytest.mark.parametrize("form", FORMS)
def test_names_of_columns_may_be_spelled_another_way(tmp_path: Path, form: str) -> None:
    example = FORMS[form]
    others = [name.upper().replace("_", " ") if "Tokens" not in name else name for name in example.columns]
    workload = read(tmp_path, "t.csv", as_csv(Example(others, example.rows, [], [])))
    assert workload.context.tolist() == example.context


@pytest.mark.parametrize("field", ["requests", "messages"])
def test_sessions_with_records_inside_may_stand_in_parquet(tmp_path: Path, field: str) -> None:
    usage = {"prompt_tokens": 70, "completion_tokens": 3}
    inner: dict[str, list[dict[str, Any]]] = {
        "requests": [{"type": "n", "in": 70, "out": 3, "hash_ids": [1], "think_time": 1.0}],
        "messages": [{"role": "assistant", "extra": {"response": {"usage": usage}}}, {"role": "user", "extra": None}],
    }
    parquet.write_table(pa.table({"id": ["a", "b"], field: [inner[field]] * 2}), tmp_path / "t.parquet")
    workload = read_trace(tmp_path / "t.parquet")
    assert workload.append.tolist() == [70, 70]
    assert workload.generate.tolist() == [3, 3]


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_keeps_moments_as_such(tmp_path: Path, zone: str | None, unit: str) -> None:
    moments = pa.array([datetime(2024, 5, 12, second=second) for second in (0, 4, 8)], pa.timestamp("us")).cast(pa.timestamp(unit, zone))
    table = pa.table({"timestamp": moments, "input_tokens": [1, 2, 3], "output_tokens": [1, 1, 1]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read_trace(tmp_path / "t.parquet").notes["arrivals_per_s"] == pytest.approx(0.25)


def test_columns_of_pandas_with_holes_are_read(tmp_path: Path) -> None:
    """A missing name makes whole numbers floats."""
    table = pa.table({"Session ID": [1.0, float("nan"), 1.0], "Request tokens": [10.0, 20.0, 30.0], "Response tokens": [5, 6, 7]})
    parquet.write_table(table, tmp_path / "t.parquet")
    workload = read_trace(tmp_path / "t.parquet")
    assert workload.first_turn.tolist() == [0, 2, 3]
    assert workload.context.tolist() == [0, 15, 0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv.zst", zstd(as_csv(FORMS["plain"]))[:-5], "not a whole zstd file"),
        ("t.csv.zst", as_csv(FORMS["plain"]), "not a whole zstd file"),
        ("t.csv", as_csv(FORMS["plain"]).decode().encode("utf-16"), "UTF-16"),
        ("t.csv.bz2", b"BZh91AY&SY", "bzip2"),
        ("t.parquet.gz", gzip.compress(as_parquet(FORMS["plain"])), "packed Parquet file"),
        ("t.csv", as_csv(FORMS["plain"]).replace(b"a,", b"\xe4,"), "not text in UTF-8: line 2"),
    ],
    ids=["cut", "not zstd", "UTF-16", "bzip2", "packed Parquet", "Latin-1"],
)
def test_what_cannot_be_unpacked_or_decoded_is_told(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        read(tmp_path, name, content)
