"""Recorded sessions: what is read, and how a broken file is told."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import Workload, load, read_trace, statistics

CLAUDE = "session,turn,t_s,input_tokens,output_tokens,hit_tokens_input_only,hit_tokens_incl_output,gap_before_s,gap_kind,api_time_s"
MINISWE = (
    "session,turn,created_rel_s,input_tokens,output_tokens,reasoning_tokens,provider_cached_tokens,"
    "hit_tokens_input_only,hit_tokens_incl_output,cycle_time_s"
)
GOOD = ["a,0,0,100,10,0,0,,user,1", "a,1,9,130,0,64,64,2.5,tool,1", "a,2,9,130,7,128,130,0,tool,1", "b,0,0,5,5,0,0,,user,1"]


def written(folder: Path, *lines: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def told(path: Path) -> str:
    with pytest.raises(ScenarioError) as error:
        read_trace(path)
    sentence = str(error.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_claude_code_rows_are_read(tmp_path: Path) -> None:
    workload = read_trace(written(tmp_path, CLAUDE, *GOOD))
    assert workload.name == "trace.csv"
    assert workload.first_turn.tolist() == [0, 3, 4]
    assert workload.context.tolist() == [0, 64, 130, 0]
    assert workload.append.tolist() == [100, 66, 0, 5]
    assert workload.generate.tolist() == [10, 0, 7, 5]
    assert workload.gap_s.tolist() == [0, 2.5, 0, 0]
    assert workload.max_tokens == 137


def test_mini_swe_rows_have_no_gap(tmp_path: Path) -> None:
    workload = read_trace(written(tmp_path, MINISWE, "x,0,0,1662,106,68,0,0,0,", "x,1,4,5614,500,0,0,1662,1700,4"))
    assert workload.context.tolist() == [0, 1700]
    assert workload.append.tolist() == [1662, 3914]
    assert workload.gap_s.tolist() == [0, 0]


def test_gzip_and_plain_files_say_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, CLAUDE, *GOOD)
    packed = tmp_path / "trace.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = read_trace(plain), read_trace(packed)
    for array in ("first_turn", "context", "append", "generate", "gap_s"):
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array))


@given(st.permutations(["a", "b", "c"]))
def test_sessions_may_come_in_any_order(tmp_path_factory: pytest.TempPathFactory, order: list[str]) -> None:
    length = {"a": 10, "b": 20, "c": 30}
    workload = read_trace(written(tmp_path_factory.mktemp("trace"), CLAUDE, *(f"{s},0,0,{length[s]},1,0,0,,user,1" for s in order)))
    assert workload.append.tolist() == [length[s] for s in order]


@pytest.mark.parametrize(
    ("rows", "line", "column", "value", "allowed"),
    [
        (["a,0,0,ten,10,0,0,,user,1"], 2, "input_tokens", "ten", "a whole number from 0"),
        (["a,0,0,1.5,10,0,0,,user,1"], 2, "input_tokens", "1.5", "a whole number from 0"),
        (["a,0,0,1_000,10,0,0,,user,1"], 2, "input_tokens", "1_000", "a whole number from 0"),
        (["a,0,0,10000000000,10,0,0,,user,1"], 2, "input_tokens", "10000000000", "to 999999999"),
        (["a,0,0,0,10,0,0,,user,1"], 2, "input_tokens", "0", "at least 1"),
        (["a,0,0,10,-1,0,0,,user,1"], 2, "output_tokens", "-1", "a whole number from 0"),
        (["a,0,0,10,,0,0,,user,1"], 2, "output_tokens", "", "a whole number from 0"),
        (["a,0,0,10,1,0,5,,user,1"], 2, "hit_tokens_incl_output", "5", "at most 0"),
        ([*GOOD[:1], "a,1,0,10,1,0,11,1,user,1"], 3, "hit_tokens_incl_output", "11", "at most input_tokens, 10"),
        ([*GOOD[:1], "a,1,0,200,1,0,111,1,user,1"], 3, "hit_tokens_incl_output", "111", "at most 110"),
        (["a,1,0,10,1,0,0,,user,1"], 2, "turn", "1", "0, as turns"),
        ([*GOOD[:2], "a,3,0,200,1,0,0,1,user,1"], 4, "turn", "3", "2, as turns"),
        ([*GOOD, "a,3,0,200,1,0,0,1,user,1"], 6, "session", "a", "a new session"),
        ([",0,0,10,1,0,0,,user,1"], 2, "session", "", "a name"),
        ([*GOOD[:1], "a,1,0,110,1,0,0,-3,user,1"], 3, "gap_before_s", "-3", "seconds from 0"),
        ([*GOOD[:1], "a,1,0,110,1,0,0,nan,user,1"], 3, "gap_before_s", "nan", "seconds from 0"),
        ([*GOOD[:1], "a,1,0,110,1,0,0,soon,user,1"], 3, "gap_before_s", "soon", "seconds from 0"),
    ],
)
def test_a_broken_value_is_told_with_its_place(tmp_path: Path, rows: list[str], line: int, column: str, value: str, allowed: str) -> None:
    sentence = told(written(tmp_path, CLAUDE, *rows))
    assert f"line {line}: {column} = {value!r} is not allowed: it should be " in sentence
    assert allowed in sentence


@pytest.mark.parametrize("row", ["a,0,0,10", "a,0,0,10,1,0,0,,user,1,1", "a"])
def test_a_wrong_number_of_columns_is_told(tmp_path: Path, row: str) -> None:
    columns = len(row.split(","))
    assert f"line 6: {columns} columns are not allowed: it should have 10" in told(written(tmp_path, CLAUDE, *GOOD, row))


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    assert "No such file" in told(tmp_path / "none.csv")
    assert "cannot be read" in told(tmp_path)
    not_gzip = written(tmp_path, CLAUDE, *GOOD, name="trace.csv.gz")
    assert "gzip" in told(not_gzip)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress("\n".join([CLAUDE, *GOOD]).encode())[:-12])
    assert "gzip" in told(cut)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    assert "UTF-8" in told(binary)


def test_files_without_turns_are_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert "empty" in told(empty)
    assert "no turns" in told(written(tmp_path, CLAUDE))
    assert "lacks the column GeneratedTokens" in told(written(tmp_path, "TIMESTAMP,ContextTokens", "1,2"))


@given(st.text(alphabet='ab,01-.\n"é\x00', max_size=60))
def test_any_text_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("trace") / "any.csv"
    path.write_text(f"{CLAUDE}\n{text}", encoding="utf-8")
    told(path)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("paper-62k", "did you mean 'paper-64k'?"),
        ("Paper-32K", "did you mean 'paper-32k'?"),
        ("zzz.csv", ""),
        ("x" * 5_000, ""),
        ("a\0b", ""),
    ],
)
def test_an_unknown_source_is_told_with_the_known_ones(source: str, hint: str) -> None:
    with pytest.raises(ScenarioError, match="paper-32k, paper-48k, paper-64k or the path of a trace file") as error:
        load(source)
    assert hint in str(error.value)
    assert ("did you mean" in str(error.value)) == bool(hint)


def later_turns(workload: Workload) -> np.ndarray:
    later = np.ones(workload.turns, bool)
    later[workload.first_turn[:-1]] = False
    return later


@pytest.mark.parametrize(
    ("file", "sessions", "turns", "mean_turns", "hit_rate", "later_hit_rate", "append", "generated", "prompt", "total"),
    [
        ("claude_code_turns.csv.gz", 329, 21_502, 65.4, 0.966, 0.978, 2_608, 428, 118.7e3, 186e3),
        ("miniswe_gemini3_turns.csv.gz", 250, 10_259, 41.0, 0.979, 0.982, 315, 277, 16.8e3, 25.4e3),
    ],
)
def test_recorded_sessions_have_their_published_figures(
    shared_data: Path,
    file: str,
    sessions: int,
    turns: int,
    mean_turns: float,
    hit_rate: float,
    later_hit_rate: float,
    append: float,
    generated: float,
    prompt: float,
    total: float,
) -> None:
    workload = read_trace(shared_data / file)
    found = statistics(workload)
    later = later_turns(workload)
    prompts = workload.context + workload.append
    assert (found["sessions"], found["turns_total"]) == (sessions, turns)
    assert found["turns"] == pytest.approx(mean_turns, abs=0.05)
    assert found["hit_rate"] == pytest.approx(hit_rate, abs=0.0005)
    assert workload.context[later].sum() / prompts[later].sum() == pytest.approx(later_hit_rate, abs=0.0005)
    assert workload.append[later].mean() == pytest.approx(append, abs=0.5)
    assert workload.generate.mean() == pytest.approx(generated, abs=0.5)
    assert prompts.mean() == pytest.approx(prompt, rel=0.005)
    assert found["total"] == pytest.approx(total, rel=0.003)


def test_recorded_zero_outputs_and_gaps_are_kept(shared_data: Path) -> None:
    claude = read_trace(shared_data / "claude_code_turns.csv.gz")
    assert np.count_nonzero(claude.generate == 0) == 19
    assert claude.gap_s[later_turns(claude)].mean() > 1
    assert not claude.gap_s[claude.first_turn[:-1]].any()
    assert not read_trace(shared_data / "miniswe_gemini3_turns.csv.gz").gap_s.any()
