"""Broken, truncated and hostile traces: one sentence with the place, and bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import read_trace
from dualpath_lab.workload.traces import files, tables

PLAIN = "session,turn,appended,generated,gap_s"
MEGABYTE = 2**20


def told(path: Path) -> str:
    with pytest.raises(ScenarioError) as error:
        read_trace(path)
    sentence = str(error.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 900
    return sentence


def written(folder: Path, *lines: str | dict[str, Any], name: str = "t") -> Path:
    path = folder / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([PLAIN, "a,0,-1,5,0"], ["line 2", "appended = '-1'", "from 0"]),
        ([PLAIN, "a,0,nan,5,0"], ["line 2", "appended = 'nan'"]),
        ([PLAIN, "a,0,1,5,nan"], ["line 2", "gap_s = 'nan'", "seconds"]),
        ([PLAIN, "a,0,1,5,inf"], ["line 2", "gap_s = 'inf'", "seconds"]),
        ([PLAIN, "a,0,0,5,0"], ["line 2", "appended = '0'", "at least 1"]),
        ([PLAIN, "a,0,1,5,0", "a,2,1,5,0"], ["line 3", "turn = '2'", "1, as turns"]),
        ([PLAIN, "a,0,1,5,0", "a,0,1,5,0"], ["turn = '0'", "1, as turns"]),
        ([PLAIN, *(f"a,{i},999999999,0,0" for i in range(2))], ["line 3", "appended = '999999999'", "at most 999999999 tokens"]),
        ([PLAIN, "x" * 600 + ",0,1,5,0"], ["line 2", "session = 'xxx", "at most 500 characters"]),
        ([PLAIN + ",colour", "a,0,1,5,0,red"], ["unknown column 'colour'", "context"]),
        ([PLAIN + ",turn", "a,0,1,5,0,1"], ["'turn' twice"]),
        ([PLAIN + ",context", "a,0,1,5,0,3"], ["line 2", "context = '3'", "at most 0"]),
        (["session,turn,append,generate", "a,0,1,5"], ["lacks the column appended, generated"]),
        (["colour,shape", "red,3"], ["unknown header 'colour,shape'", "session, turn, appended"]),
        (
            ["session,turn,input_tokens,output_tokens,hit_tokens_incl_output", "a,0,1,5,0"],
            ["lacks a column", "gap_before_s", "cycle_time_s"],
        ),
        (["Timestamp,timestamp,input_tokens,output_tokens", "1,1,1,1"], ["'timestamp' twice"]),
        (["1,2,3", "4,5,6"], ["no line of column names", "'1,2,3'"]),
        (["0,0,0,,0,0", "600,0,0,,0,0"], ["no line of column names", "ServeGen generates"]),
        (["TIMESTAMP,ContextTokens,GeneratedTokens", "soon,1,2"], ["line 2", "TIMESTAMP = 'soon'", "date"]),
        (["timestamp,input_tokens,output_tokens", "1,0,2"], ["no turns", "at least 1 in input_tokens"]),
        (["timestamp,input_tokens,output_tokens", "-1,1,2"], ["line 2", "timestamp = '-1'", "from 0"]),
        (["timestamp,input_tokens,output_tokens", "1,1,2", "2024-05-12,1,2"], ["line 3", "timestamp = '2024-05-12'", "a number, as"]),
        (["TIMESTAMP,ContextTokens,GeneratedTokens", "2024-05-12,1,2", "1,1,2"], ["line 3", "TIMESTAMP = '1'", "a date and time, as"]),
        (["TIMESTAMP,ContextTokens,GeneratedTokens", ",1,2"], ["line 2", "TIMESTAMP = ''", "a date"]),
        (["timestamp,input_tokens,output_tokens", "0,1,2", "99999999999,1,2"], ["ten years", "of which unit", "timestamp_ms"]),
        (["{"], ["is not JSON", "line 1"]),
        (["[]"], ["no turns"]),
        (["[1]"], ["JSON objects", "entry 1"]),
        (["[" * 100_000], ["is not JSON"]),
        (['{"input_length": 1, "output_length": 1, "input_length": 9}'], ["'input_length' twice"]),
        ([{"colour": 1}], ["unknown first object", "'colour'"]),
        ([{"conversations": [{"from": "human", "value": "hi"}]}], ["ShareGPT", "without token counts", "would be usable"]),
        ([{"session_id": "a", "turns": [{"text": "hi"}]}], ["AIPerf's multi-turn", "without token counts"]),
        ([{"prompt": "hi", "output_tokens": 5}], ["prompts in words", "without token counts"]),
        ([{"requests": []}], ["no turns"]),
        ([{"requests": 3}], ["line 1", "requests = 3", "a list"]),
        ([{"requests": [3]}], ["line 1: requests[0] = 3", "an object"]),
        ([{"requests": [{"type": "x"}]}], ["line 1, requests[0]: type = 'x'", "'subagent'"]),
        ([{"requests": [{"type": "n", "in": -5}]}], ["requests[0]: in = -5", "from 1"]),
        ([{"requests": [{"type": "n", "in": 64}]}], ["requests[0]", "'out' is missing"]),
        ([{"requests": [{"type": "n", "in": 64, "out": 1, "hash_ids": []}]}], ["hash_ids = []", "a list of 1"]),
        ([{"requests": [{"type": "n", "in": 64, "out": 1, "hash_ids": [[]]}]}], ["hash_ids = [[]]", "whole numbers"]),
        (['{"requests": [{"type": "n", "in": 1, "out": 1, "hash_ids": [], "think_time": NaN}]}'], ["think_time = nan", "seconds"]),
        ([{"messages": [{"role": "assistant", "extra": 1}]}], ["messages[0]: extra = 1", "an object"]),
        ([{"messages": [{"role": "assistant"}]}], ["messages in words", "line 1", "would be usable"]),
        ([{"messages": [{"role": "user", "content": "hi"}], "output_length": 5}], ["messages in words", "line 1"]),
        ([{"messages": [{"extra": {"response": {"usage": {"prompt_tokens": 0}}}}]}], ["usage: prompt_tokens = 0", "from 1"]),
        ([{"messages": [{"object": "response", "usage": {"input_tokens": 9}}]}], ["usage", "'completion_tokens' is missing"]),
        ([{"hash_ids": [1], "input_length": 4}], ["lacks the column output_length"]),
        ([{"input_length": 1, "output_length": 4}, {"input_length": 1}], ["line 2", "output_length = None"]),
        ([{"hash_ids": [1], "input_length": True, "output_length": 1}], ["input_length = True", "whole number"]),
        ([{"hash_ids": [1, 2], "input_length": 5, "output_length": 1}], ["hash_ids = a list of 2", "a list of 1"]),
        (
            [{"hash_ids": [1] * n, "input_length": p, "output_length": 1} for n, p in ((3, 1500), (3, 1400), (2, 1500))],
            ["line 3", "hash_ids = a list of 2", "a list of 3", "512 tokens of a prompt of 1500"],
        ),
        ([{"hash_ids": [1] * 9, "block_size": 8, "input_length": 99, "output_length": 1}], ["hash_ids = a list of 9", "a list of 13"]),
        (
            [{"hash_ids": [1], "block_size": size, "input_length": 9, "output_length": 1} for size in (16, 32)],
            ["line 1", "block_size = 16", "32, as in the other rows"],
        ),
        ([{"hash_ids": ["a"], "input_length": 5, "output_length": 1}], ["hash_ids = ['a']", "whole numbers"]),
        ([{"hash_ids": [1], "input_length": 5, "output_length": 1, "timestamp": "x"}], ["timestamp = 'x'", "a date"]),
        ([{"hash_ids": [1], "input_length": 5, "output_length": 1, "timestamp": 0}, "{"], ["is not JSON", "line 2"]),
        ([{"timestamp": None, "input_tokens": 1, "output_tokens": 1}], ["timestamp = None", "date"]),
        ([{"timestamp": 1, "input_tokens": 1.5, "output_tokens": 1}], ["input_tokens = 1.5", "whole number"]),
        (["\0" * 100], ["unknown header"]),
        ([{"requests": [{"type": "n", "in": 9, "out": 1, "hash_ids": []}], "block_size": 0}], ["block_size = 0", "from 1"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, lines: list[str | dict[str, Any]], words: list[str]) -> None:
    sentence = told(written(tmp_path, *lines))
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"appended": [1, -2]}, ["row 2", "appended = -2", "from 0"]),
        ({"appended": [1.0, 2.5]}, ["row 2", "appended = 2.5", "whole number"]),
        ({"appended": [1, None]}, ["row 2", "appended = None"]),
        ({"gap_s": [0.0, float("nan")]}, ["row 2", "gap_s = nan", "seconds"]),
        ({"session": [1.5, 1.5]}, ["row 1", "session = 1.5", "a name"]),
        ({"turn": ["x", "y"]}, ["row 1", "turn = 'x'"]),
        ({"turn": [0, 2]}, ["row 2", "turn = 2", "1, as turns"]),
        ({"colour": [1, 2]}, ["unknown column 'colour'"]),
    ],
)
def test_parquet_is_told_by_the_row(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    columns: dict[str, Any] = {"session": ["a", "a"], "turn": [0, 1], "appended": [1, 1], "generated": [1, 1]}
    parquet.write_table(pa.table(columns | changes), tmp_path / "t.parquet")
    sentence = told(tmp_path / "t.parquet")
    for word in words:
        assert word in sentence


def test_parquet_that_is_cut_or_of_another_table_is_told(tmp_path: Path) -> None:
    whole, cut = tmp_path / "t.parquet", tmp_path / "cut.parquet"
    parquet.write_table(pa.table({"a": [1]}), whole)
    assert "unknown columns 'a'" in told(whole)
    cut.write_bytes(whole.read_bytes()[:-20])
    assert "whole Parquet file" in told(cut)
    parquet.write_table(pa.table({"session": pa.array([], pa.string()), "turn": pa.array([], pa.int64())}), whole)
    assert "no turns" in told(whole)


def test_packed_files_that_are_not_whole_are_told(tmp_path: Path) -> None:
    text = "\n".join([PLAIN, *(f"{i},0,1,1,0" for i in range(10_000))]).encode()
    for name, packed in (("t.csv.gz", gzip.compress(text)), ("t.csv.xz", lzma.compress(text))):
        path = tmp_path / name
        for content in (packed[:-9], packed[: len(packed) // 2], packed[:12], text, b"", packed[:40] + b"?" * 40 + packed[80:]):
            path.write_bytes(content)
            assert "not a whole" in told(path)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("t.csv", text)
    path = tmp_path / "t.csv"
    path.write_bytes(archive.getvalue())
    assert "zip archive" in told(path)
    assert "not a file" in told(Path("/dev/zero"))


def test_xz_may_not_ask_for_gigabytes(tmp_path: Path) -> None:
    """Mutant: the dictionary that the header asks for is allocated."""
    path = tmp_path / "t.xz"
    path.write_bytes(lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**30}]))
    assert "more than 128 MiB to unpack" in told(path)


def test_text_beyond_the_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a bound that is never looked at."""
    good = [PLAIN, *(f"{i},0,1,1,0" for i in range(50_000))]
    path = written(tmp_path, *good)
    assert read_trace(path).turns == 50_000
    with monkeypatch.context() as patch:
        patch.setattr(files, "MOST_BYTES", 500_000)
        assert "too long" in told(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "MOST_LINES", 40_000)
        assert "at most 40,000 lines" in told(path)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "MOST_TURNS", 40_000)
        assert "too many turns" in told(path)
    assert "line 2 has more than 65,536 characters" in told(written(tmp_path, PLAIN, "a" * 70_000))


BOMBS = """
import gzip, lzma, resource, sys
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import read_trace
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
for path in sys.argv[1:]:
    try:
        read_trace(path)
    except ScenarioError as error:
        print(error)
with open("/proc/self/status") as status:  # what getrusage tells counts the process that started this one
    print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


def test_bombs_and_endless_lines_stay_in_bounded_memory(tmp_path: Path) -> None:
    """10 GB in a line, and 10 GB unpacked from a few kilobytes. Mutant: a file, a line or a row is read whole."""
    nothing, rows, blank = bytes(16 * MEGABYTE), b"1,1,1\n" * 2_000_000, b"\n" * (16 * MEGABYTE)
    (tmp_path / "line.csv").touch()
    with (tmp_path / "line.csv").open("r+b") as file:
        file.truncate(10 * 10**9)
    (tmp_path / "zeros.csv.gz").write_bytes(gzip.compress(nothing, 6) * 600)
    (tmp_path / "zeros.jsonl.xz").write_bytes(lzma.compress(nothing, preset=0) * 600)
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"timestamp,input_tokens,output_tokens\n") + gzip.compress(rows, 6) * 800)
    (tmp_path / "blank.jsonl.xz").write_bytes(lzma.compress(b'{"hash_ids": []}\n') + lzma.compress(blank, preset=0) * 600)
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([sys.executable, "-c", BOMBS, *paths], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    *sentences, megabytes = done.stdout.splitlines()
    assert len(sentences) == len(paths)
    for path, sentence in zip(paths, sentences, strict=True):
        assert path in sentence
    assert int(megabytes) < 800


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("trace") / "any"
    for head in (b"", b"\x1f\x8b", b"\xfd7zXZ\x00", b"PAR1", b"{", f"{PLAIN}\n".encode()):
        path.write_bytes(head + content)
        told(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["in", "out", "type", "role", "extra", "usage"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(["requests", "messages", "hash_ids", "timestamp"]), json_values, json_values)
def test_any_json_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, field: str, value: Any, other: Any) -> None:
    path = tmp_path_factory.mktemp("trace") / "any.jsonl"
    path.write_text(json.dumps({field: value, "input_length": other, "output_length": 1}), encoding="utf-8")
    with contextlib.suppress(ScenarioError):
        read_trace(path)
