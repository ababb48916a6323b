"""Every form of trace: what is read, that packings and forms agree, and the published statistics."""

from __future__ import annotations

import gzip
import json
import lzma
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from dualpath_lab.workload import Workload, read_trace, statistics

ARRAYS = ("first_turn", "context", "append", "generate", "gap_s")
PLAIN = "session,turn,appended,generated,gap_s"


def assert_same(one: Workload, other: Workload) -> None:
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array), array)
    assert one.max_tokens == other.max_tokens


def written(folder: Path, name: str, *lines: str | dict[str, Any]) -> Path:
    path = folder / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


def test_our_own_table(tmp_path: Path) -> None:
    """A prompt is all that was before and what is appended. Mutant: sums run on across sessions; the first gap is kept."""
    workload = read_trace(written(tmp_path, "t.csv", PLAIN, "a,0,100,10,5", "a,1,20,0,2.5", "a,2,0,7,", "b,0,3,4,1"))
    assert workload.first_turn.tolist() == [0, 3, 4]
    assert workload.context.tolist() == [0, 110, 130, 0]
    assert workload.append.tolist() == [100, 20, 0, 3]
    assert workload.generate.tolist() == [10, 0, 7, 4]
    assert workload.gap_s.tolist() == [0, 2.5, 0, 0]
    assert workload.max_tokens == 137


def test_our_own_table_with_contexts_that_shrink(tmp_path: Path) -> None:
    header = "turn,context,session,generated,appended"
    workload = read_trace(written(tmp_path, "t.csv", header, "0,0,a,10,100", "1,40,a,5,10", "2,110,a,5,1"))
    assert workload.context.tolist() == [0, 40, 110]
    found = statistics(workload)
    assert (found["shrunk_turns"], found["edited_turns"]) == (1, 1)


@given(st.permutations(range(6)))
def test_rows_of_our_own_table_may_stand_in_any_order(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    rows = [f"{session},{turn},{10 * turn + 1},{turn},{turn}" for session in "ab" for turn in range(3)]
    workload = read_trace(written(tmp_path_factory.mktemp("t"), "t.csv", PLAIN, *(rows[index] for index in order)))
    assert workload.append.tolist() == [1, 11, 21] * 2
    assert workload.context.tolist() == [0, 1, 13] * 2


def test_packings_and_parquet_say_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, "t.csv", PLAIN, *(f"s{i // 4},{i % 4},{i + 1},{i},{i / 2}" for i in range(40)))
    text = plain.read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text[:50]) + gzip.compress(text[50:]))
    (tmp_path / "t.csv.xz").write_bytes(lzma.compress(text[:50]) + bytes(8) + lzma.compress(text[50:]))
    (tmp_path / "unnamed").write_bytes(lzma.compress(text))
    columns = {"session": [f"s{i // 4}" for i in range(40)], "turn": [i % 4 for i in range(40)]}
    columns |= {"appended": list(range(1, 41)), "generated": list(range(40)), "gap_s": [i / 2 for i in range(40)]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    for name in ("t.csv.gz", "t.csv.xz", "unnamed", "t.parquet"):
        assert_same(read_trace(plain), read_trace(tmp_path / name))


CLAUDE = {
    "id": "a",
    "tool_tokens": 90,
    "system_tokens": 20,
    "requests": [
        {"type": "n", "in": 130, "out": 70, "hash_ids": [1, 2], "think_time": 3},
        {"type": "subagent", "requests": []},
        {"type": "s", "in": 260, "out": 9, "hash_ids": [1, 2, 3, 4], "think_time": 2.5, "input_types": ["tool_result"]},
        {"type": "n", "in": 140, "out": 9, "hash_ids": [1, 7], "think_time": 60, "input_types": ["text"]},
        {"type": "n", "in": 200, "out": 0, "hash_ids": [1, 7, 3], "think_time": None},
    ],
}


def test_claude_code_sessions(tmp_path: Path) -> None:
    """Hits by hashes; an output that goes on is cached in whole blocks. Mutant: an edit keeps what stands behind it."""
    workload = read_trace(written(tmp_path, "t.jsonl", CLAUDE))
    assert workload.context.tolist() == [0, 192, 64, 192]
    assert (workload.context + workload.append).tolist() == [130, 260, 140, 200]
    assert workload.gap_s.tolist() == [0, 2.5, 60, 0]
    found = statistics(workload)
    assert (found["subagents_left_out"], found["shared_prefix_tokens"], found["shrunk_turns"]) == (1, 110, 1)
    assert (found["tool_gap_s"]["mean"], found["human_gap_s"]["mean"]) == (2.5, 60)
    assert any("Left out: 1 request of sub-agents" in note for note in found["notes"])


def test_claude_code_sessions_may_have_other_blocks_and_share_them(tmp_path: Path) -> None:
    """Mutant: blocks of 64 whatever the session says; a global hash means nothing elsewhere."""
    first = {"type": "n", "in": 70, "out": 30, "hash_ids": [1, 2]}
    session = {"block_size": 32, "requests": [first, {**first, "in": 110, "hash_ids": [1, 2, 3]}]}
    for scope, shared in (("local", 0), ("global", 64)):
        workload = read_trace(written(tmp_path, "t.jsonl", *[session | {"hash_id_scope": scope}] * 2))
        assert workload.context.tolist() == [0, 96, shared, 96]
    assert any("32 tokens" in note for note in workload.told)
    assert any("Pauses between turns are not known" in note for note in workload.told)


def test_a_session_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    lines = read_trace(written(tmp_path, "t.jsonl", CLAUDE, {**CLAUDE, "id": "b"}))
    assert_same(lines, read_trace(written(tmp_path, "t.json", json.dumps([CLAUDE, CLAUDE], indent=2))))
    one = read_trace(written(tmp_path, "one.json", json.dumps(CLAUDE, indent=2)))
    assert one.context.tolist() == lines.context.tolist()[:4]


def test_mini_swe_trajectories(tmp_path: Path) -> None:
    """Mutant: reasoning is sent back; a prompt that shrinks is refused, or gives a negative append."""

    def call(prompt: int, completion: int, reasoning: int | None) -> dict[str, Any]:
        details = None if reasoning is None else {"reasoning_tokens": reasoning}
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "completion_tokens_details": details}
        return {"role": "assistant", "extra": {"response": {"usage": usage}}}

    messages = [{"role": "system"}, call(100, 30, 10), {"role": "user"}, call(150, 5, 40), call(140, 7, None), {"role": "user"}]
    workload = read_trace(written(tmp_path, "t.jsonl", {"messages": messages}, {"messages": [call(9, 1, 0)]}))
    assert workload.context.tolist() == [0, 120, 140, 0]
    assert workload.append.tolist() == [100, 30, 0, 9]
    assert workload.generate.tolist() == [30, 5, 7, 1]
    assert statistics(workload)["clipped_turns"] == 1


def test_both_ways_in_which_mini_swe_reports_usage(tmp_path: Path) -> None:
    """Chat completions and the responses API; a call that could not be parsed is a turn, and its answer is not sent back."""

    def chat(prompt: int, output: int, reasoning: int) -> dict[str, Any]:
        return {"prompt_tokens": prompt, "completion_tokens": output, "completion_tokens_details": {"reasoning_tokens": reasoning}}

    def responses(prompt: int, output: int, reasoning: int) -> dict[str, Any]:
        return {"input_tokens": prompt, "output_tokens": output, "output_tokens_details": {"reasoning_tokens": reasoning}}

    failed = {"interrupt_type": "FormatError"}
    one = [
        {"role": "system", "content": "s"},
        {"role": "assistant", "extra": {"response": {"usage": chat(3000, 100, 40)}}},
        {"role": "tool", "extra": {}},
        {"role": "user", "extra": failed | {"response": {"usage": chat(3300, 900, 0)}}},
        {"role": "assistant", "extra": {"response": {"usage": chat(3400, 120, 0)}}},
    ]
    other = [
        {"role": "system", "content": "s"},
        {"object": "response", "output": [], "usage": responses(3000, 100, 40), "extra": {"cost": 0.1}},
        {"type": "function_call_output", "output": "x"},
        {"role": "user", "extra": failed | {"response": {"usage": responses(3300, 900, 0)}}},
        {"object": "response", "output": [], "usage": responses(3400, 120, 0), "extra": None},
    ]
    found = [read_trace(written(tmp_path, "t.json", {"messages": messages})) for messages in (one, other)]
    for workload in found:
        assert workload.context.tolist() == [0, 3060, 3300]
        assert workload.append.tolist() == [3000, 240, 100]
        assert workload.generate.tolist() == [100, 900, 120]


def test_mini_swe_calls_that_are_not_found_are_told(tmp_path: Path) -> None:
    call = {"role": "assistant", "extra": {"response": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}}}}
    trajectory = {"info": {"model_stats": {"api_calls": 3}}, "messages": [call, {"role": "assistant", "content": "typed by hand"}, call]}
    workload = read_trace(written(tmp_path, "t.json", trajectory))
    assert workload.turns == 2
    assert any("counts 3 calls in api_calls, and 2 have usage" in note for note in workload.told)
    assert any("Left out: 1 answer without usage" in note for note in workload.told)


SINGLE = [
    ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:17:03.9799600,48,10", "2023-11-16 18:17:05.9799600,31,8"],
    ["Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type", "5,GPT-4,48,10,58,API log", "7,GPT-4,31,8,39,API log"],
    ["timestamp,input_tokens,output_tokens", "0.5,48,10", "2.5,31,8"],
    ["request_id,timestamp,input_tokens,output_tokens,data", '1,0.5,48,10,"a,b"', "2,2.5,31,8,"],
    [json.dumps({"timestamp": 2 * i, "input_tokens": p, "output_tokens": g}) for i, (p, g) in enumerate([(48, 10), (31, 8)])],
    [json.dumps({"timestamp": 2000 * i, "input_length": p, "output_length": g}) for i, (p, g) in enumerate([(48, 10), (31, 8)])],
]


@pytest.mark.parametrize("lines", SINGLE, ids=lambda lines: lines[0][:20])
def test_single_requests(tmp_path: Path, lines: list[str]) -> None:
    workload = read_trace(written(tmp_path, "t", *lines))
    assert workload.first_turn.tolist() == [0, 1, 2]
    assert workload.append.tolist() == [48, 31]
    assert workload.generate.tolist() == [10, 8]
    assert not workload.context.any()
    assert statistics(workload)["arrivals_per_s"] == pytest.approx(0.5)


def test_failed_requests_are_left_out_and_counted(tmp_path: Path) -> None:
    workload = read_trace(written(tmp_path, "t.csv", "Timestamp,Request tokens,Response tokens", "1,0,3", "2,5,0", "3,6,1"))
    assert workload.append.tolist() == [6]
    found = statistics(workload)
    assert (found["empty_left_out"], found["failed_left_out"]) == (1, 1)
    assert any("Left out: 1 request without an output" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("column", "marks", "kept"),
    [
        ("status", ["ok", "failed", "200", "503", "timeout"], [1, 3]),
        ("status", ["completed", "purple", "cancelled", "stop", ""], [1, 2, 4, 5]),
        ("success", ["true", "False", "1", "0", ""], [1, 3, 5]),
        ("error", ["", "None", "connection reset", "false", "1"], [1, 2, 4]),
    ],
)
def test_marks_of_failure_are_understood_and_counted(tmp_path: Path, column: str, marks: list[str], kept: list[int]) -> None:
    rows = [f"{i},{i},0,{mark}" for i, mark in enumerate(marks, start=1)]
    workload = read_trace(written(tmp_path, "t.csv", f"timestamp,input_tokens,output_tokens,{column}", *rows))
    assert workload.append.tolist() == kept
    assert statistics(workload)["failed_left_out"] == len(marks) - len(kept)
    assert any("that failed by a mark" in note for note in workload.told)
    assert any("not understood" in note for note in workload.told) == ("purple" in marks)


def test_columns_that_are_not_understood_are_named(tmp_path: Path) -> None:
    """Mutant: they are dropped in silence."""
    rows = written(tmp_path, "t.csv", "Timestamp,Request tokens,Response tokens,Colour,Log Type", "1,2,3,red,x")
    assert "Columns that are not used: Colour, Log Type." in read_trace(rows).told
    objects = written(tmp_path, "t.jsonl", {"input_length": 9, "output_length": 1}, {"input_length": 9, "output_length": 1, "shape": 3})
    assert "Columns that are not used: shape." in read_trace(objects).told
    session = {"id": "a", "requests": [{"type": "n", "in": 9, "out": 1, "hash_ids": [], "smell": 1}]}
    assert any("smell" in note for note in read_trace(written(tmp_path, "c.jsonl", session)).told)


@pytest.mark.parametrize("name", ["claude_code", "miniswe_gemini3"])
def test_raw_sessions_say_the_same_as_their_tables(shared_data: Path, name: str) -> None:
    """21,502 and 10,259 turns, derived apart. Mutant: any other rule for hits, outputs or gaps."""
    assert_same(read_trace(shared_data / f"{name}_sessions.jsonl.xz"), read_trace(shared_data / f"{name}_turns.csv.gz"))


PUBLISHED = {
    "claude_code_turns.csv.gz": {
        "sessions": 329,
        "turns": (65.4, 41, 208),
        "append": (2608, 363, 7396),
        "generated": (428, 223, 1426),
        "prompt": (118_700, 100_000, 317_000),
        "total": (186_000, 149_000, 502_000),
        "tool_gap_s": (None, 9, 157),
        "human_gap_s": (None, 152, 2970),
        "hit_rate": 0.966,
        "later_hit_rate": 0.978,
    },
    "miniswe_gemini3_turns.csv.gz": {
        "sessions": 250,
        "turns": (41.0, 37, 84),
        "append": (315, 94, 1411),
        "generated": (277, 88, 1059),
        "prompt": (16_800, 14_600, 38_800),
        "total": (25_400, 22_900, 49_200),
        "hit_rate": 0.979,
        "later_hit_rate": 0.982,
    },
    "mooncake_synthetic_trace.jsonl.gz": {
        "sessions": 3331,
        "turns": (1.2, 1, 2),
        "generated": (149, 69, 519),
        "prompt": (15_300, 11_600, 48_900),
        "hit_rate": 0.654,
    },
    "AzureLLMInferenceTrace_code.csv.gz": {
        "sessions": 8819,
        "generated": (28, 13, 90),
        "prompt": (2048, 1469, 7303),
        "interarrival_cv": 13,
        "hit_rate": 0,
    },
}


@pytest.mark.parametrize(("file", "published"), PUBLISHED.items())
def test_statistics_are_the_published_ones(shared_data: Path, file: str, published: dict[str, Any]) -> None:
    """The table of the data's README. Mooncake's chains come out 0.3 % more, as a prefix that is shared begins none."""
    found = statistics(read_trace(shared_data / file))
    for key, expected in published.items():
        values = found["pooled"].get(key) or found[key] if isinstance(expected, tuple) else found[key]
        if not isinstance(expected, tuple):
            assert values == pytest.approx(expected, rel=0.005 if key != "interarrival_cv" else 0.02), key
            continue
        for which, value in zip(("mean", "p50", "p95"), expected, strict=True):
            assert value is None or values[which] == pytest.approx(value, rel=0.01), (key, which)


def test_recorded_compactions_and_edits_are_counted(shared_data: Path) -> None:
    """Published: 93 % of the turns reuse the whole previous prompt, 0.9 % shrink."""
    found = statistics(read_trace(shared_data / "claude_code_turns.csv.gz"))
    assert found["edited_turns"] / found["turns_total"] == pytest.approx(0.07, abs=0.01)
    assert found["shrunk_turns"] / found["turns_total"] == pytest.approx(0.009, abs=0.001)


def test_a_hundred_thousand_turns_load_in_three_seconds(tmp_path: Path) -> None:
    """Processor time, so that a busy machine does not decide. Mutant: work per turn that grows with the file."""
    rows = (f"s{i // 50},{i % 50},{i % 900 + 1},{i % 300},1.25" for i in range(100_000))
    path = written(tmp_path, "t.csv", PLAIN, *rows)
    before = time.process_time()
    assert read_trace(path).turns == 100_000
    assert time.process_time() - before < 3
