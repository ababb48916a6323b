"""The workload of a run: who runs, how lengths are bent, when agents start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.scenario import WorkloadSpec
from dualpath_lab.workload import BLOCK_TOKENS, Workload, build_workload, statistics
from dualpath_lab.workload.scaling import scale

ARRAYS = ("first_turn", "context", "append", "generate", "gap_s")


def built(seed: int = 0, **settings: Any) -> tuple[Workload, np.ndarray]:
    return build_workload(WorkloadSpec(**{"agents": 60, "source": "paper-32k"} | settings), seed)


def lengths(workload: Workload) -> np.ndarray:
    return workload.context + workload.append + workload.generate


def sessions(workload: Workload) -> list[tuple[tuple[int, int, int], ...]]:
    """Each trajectory as its (context, append, generate) turns."""
    turns = list(zip(workload.context.tolist(), workload.append.tolist(), workload.generate.tolist(), strict=True))
    return [tuple(turns[a:b]) for a, b in zip(workload.first_turn[:-1], workload.first_turn[1:], strict=True)]


def assert_same(one: Workload, other: Workload, arrays: tuple[str, ...] = ARRAYS) -> None:
    for array in arrays:
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array))


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Twelve sessions, the i-th of i + 1 turns; every third turn forgets half a block of what went before."""
    rows = ["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s"]
    for session in range(12):
        length = 0
        for turn in range(session + 1):
            hit = length - 32 * (turn % 3 == 2)
            prompt = hit + 100 + session
            rows.append(f"s{session},{turn},{prompt},{10 + turn},{hit},{5.0 if turn else ''}")
            length = prompt + 10 + turn
    path = tmp_path / "turns.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return str(path)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Trajectories with edits, returns to earlier branches, empty appends and empty outputs."""
    first_turn, context, append, generate = [0], [], [], []
    for _ in range(draw(st.integers(1, 4))):
        longest = 0
        for _ in range(draw(st.integers(1, 6))):
            context.append(draw(st.integers(0, longest)))
            append.append(draw(st.integers(0 if context[-1] else 1, 3_000)))
            generate.append(draw(st.integers(0, 300)))
            longest = max(longest, context[-1] + append[-1] + generate[-1])
        first_turn.append(len(context))
    tokens = [np.array(values, np.int64) for values in (first_turn, context, append, generate)]
    longest_of_all = int(max(tokens[1] + tokens[2] + tokens[3]))
    return Workload("drawn", *tokens, np.arange(len(context), dtype=float), longest_of_all)


def test_same_seed_same_workload_other_seed_another() -> None:
    settings = {"tool_gap_s": 2, "arrival_rate": 1}
    (one, start), (other, other_start) = built(3, **settings), built(3, **settings)
    assert_same(one, other)
    np.testing.assert_array_equal(start, other_start)
    different, different_start = built(4, **settings)
    assert not np.array_equal(one.first_turn, different.first_turn)
    assert not np.array_equal(start, different_start)


def test_changing_one_setting_leaves_the_other_draws_alone(trace: str) -> None:
    for source in ("paper-32k", trace):
        plain, _ = built(source=source)
        paced, starts = built(source=source, tool_gap_s=3, arrival_rate=2)
        assert_same(plain, paced, ARRAYS[:-1])
        _, starts_alone = built(source=source, arrival_rate=2, append_scale=3)
        np.testing.assert_array_equal(starts, starts_alone)
        cut, _ = built(source=source, tool_gap_s=3, append_scale=2)
        for agent in range(cut.trajectories):
            gaps = cut.gap_s[cut.first_turn[agent] : cut.first_turn[agent + 1]]
            np.testing.assert_array_equal(gaps, paced.gap_s[paced.first_turn[agent] :][: len(gaps)])


@pytest.mark.parametrize(("fewer", "more"), [(5, 9), (9, 12), (12, 13), (20, 40), (15, 300)])
def test_an_agent_does_not_depend_on_how_many_follow(trace: str, fewer: int, more: int) -> None:
    for source in ("paper-32k", trace):
        few, few_starts = built(source=source, agents=fewer, tool_gap_s=1, arrival_rate=1)
        many, many_starts = built(source=source, agents=more, tool_gap_s=1, arrival_rate=1)
        assert few.trajectories == len(few_starts) == fewer
        assert sessions(few) == sessions(many)[:fewer]
        np.testing.assert_array_equal(few_starts, many_starts[:fewer])
        np.testing.assert_array_equal(few.gap_s, many.gap_s[: few.turns])


def test_few_agents_are_an_unbiased_sample_of_the_sessions(trace: str) -> None:
    """Session i has i + 1 turns, 6.5 on average, whichever comes first in the file."""
    mean_turns = np.mean([built(seed, source=trace, agents=4)[0].turns / 4 for seed in range(300)])
    assert mean_turns == pytest.approx(6.5, abs=0.4)
    everyone, _ = built(source=trace, agents=12)
    assert sorted(np.diff(everyone.first_turn).tolist()) == list(range(1, 13))


def test_agents_beyond_the_sessions_repeat_one_behind_a_whole_block(trace: str) -> None:
    workload, _ = built(source=trace, agents=50)
    recorded = sessions(workload)[:12]
    repeats = sessions(workload)[12:]
    for turns in repeats:
        assert turns[0] == (0, BLOCK_TOKENS - 1, 1)
        assert tuple((context - BLOCK_TOKENS, append, generate) for context, append, generate in turns[1:]) in recorded
    assert len({turns[1:] for turns in repeats}) > 6
    assert lengths(workload).max() <= workload.max_tokens


def test_offline_agents_start_together_and_never_pause(trace: str) -> None:
    workload, starts = built(source=trace)
    assert starts.dtype == np.float64
    assert starts.tolist() == [0.0] * 60
    assert not workload.gap_s.any()


def test_arrivals_are_poisson() -> None:
    _, starts = built(source="paper-32k", agents=4_000, arrival_rate=0.5)
    gaps = np.diff(starts, prepend=0)
    assert gaps.min() > 0
    assert gaps.mean() == pytest.approx(2, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.05)
    assert np.exp(-gaps / 2).mean() == pytest.approx(0.5, abs=0.02)


def test_arrivals_and_gaps_are_drawn_apart() -> None:
    workload, starts = built(tool_gap_s=1, arrival_rate=1)
    assert not np.intersect1d(workload.gap_s.round(9), np.diff(starts).round(9)).size


def test_tool_gaps_replace_those_of_the_trace(trace: str) -> None:
    workload, _ = built(source=trace, agents=2_000, tool_gap_s=7)
    later = np.ones(workload.turns, bool)
    later[workload.first_turn[:-1]] = False
    assert not workload.gap_s[~later].any()
    assert workload.gap_s[later].min() > 0
    assert workload.gap_s[later].mean() == pytest.approx(7, rel=0.05)
    assert workload.gap_s[later].std() == pytest.approx(7, rel=0.05)


@given(workloads(), st.floats(0.01, 20), st.floats(0.01, 20))
def test_scaled_workloads_stay_possible(workload: Workload, append_scale: float, generate_scale: float) -> None:
    scaled = scale(workload, append_scale, generate_scale)
    assert scaled.trajectories == workload.trajectories
    turns, turns_before = np.diff(scaled.first_turn), np.diff(workload.first_turn)
    assert (turns >= 1).all()
    assert (turns <= turns_before).all()
    assert lengths(scaled).max() <= workload.max_tokens
    assert (scaled.context + scaled.append).min() >= 1
    for turns_of_one, before in zip(sessions(scaled), sessions(workload), strict=True):
        longest = 0
        for position, ((context, append, generate), (_, old_append, old_generate)) in enumerate(zip(turns_of_one, before, strict=False)):
            assert 0 <= context <= longest
            longest = max(longest, context + append + generate)
            if position:
                for new, old, factor in ((append, old_append, append_scale), (generate, old_generate, generate_scale)):
                    assert new == (max(1, round(old * factor)) if old else 0)


@given(workloads())
def test_scale_one_changes_nothing_whichever_way_it_is_computed(workload: Workload) -> None:
    assert scale(workload, 1, 1) is workload
    assert_same(scale(workload, 1, 1 + 1e-12), workload)


@given(workloads(), st.integers(2, 5))
def test_whole_factors_multiply_every_length_where_nothing_is_cut(workload: Workload, factor: int) -> None:
    roomy = Workload(workload.name, *(getattr(workload, array) for array in ARRAYS), workload.max_tokens * factor)
    scaled = scale(roomy, factor, factor)
    for array in ("context", "append", "generate"):
        np.testing.assert_array_equal(getattr(scaled, array), getattr(workload, array) * factor)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 8), st.floats(0.05, 8))
def test_append_only_trajectories_stay_append_only(append_scale: float, generate_scale: float) -> None:
    workload, _ = built(append_scale=append_scale, generate_scale=generate_scale, agents=20)
    expected = np.roll(lengths(workload), 1)
    expected[workload.first_turn[:-1]] = 0
    np.testing.assert_array_equal(workload.context, expected)


def test_a_trajectory_ends_before_the_first_turn_that_is_too_long() -> None:
    whole, _ = built(agents=100)
    cut, _ = built(agents=100, append_scale=2)
    assert cut.turns < whole.turns
    for kept, before in zip(sessions(cut), sessions(whole), strict=True):
        length = sum(kept[-1])
        assert length <= cut.max_tokens
        if len(kept) < len(before):
            _, append, generate = before[len(kept)]
            assert length + 2 * append + generate > cut.max_tokens


def test_a_first_turn_that_alone_is_too_long_is_cut() -> None:
    arrays = [np.array(values, np.int64) for values in ([0, 2], [0, 70], [60, 5], [10, 5])]
    workload = Workload("two turns", *arrays, np.zeros(2), 100)
    assert sessions(scale(workload, 1.5, 2)) == [((0, 90, 10),)]
    assert sessions(scale(workload, 9, 1)) == [((0, 99, 1),)]
    assert sessions(scale(workload, 1, 9)) == [((0, 60, 40),)]


def test_statistics_are_means_of_per_session_means() -> None:
    arrays = [np.array(values, np.int64) for values in ([0, 1, 4], [0, 0, 12, 20], [30, 10, 6, 4], [2, 2, 2, 5])]
    found = statistics(Workload("four turns", *arrays, np.zeros(4), 100))
    assert found == {
        "name": "four turns",
        "sessions": 2,
        "turns": 2.0,
        "append": pytest.approx((30 + 20 / 3) / 2),
        "generated": pytest.approx((2 + 3) / 2),
        "total": pytest.approx((32 + 29) / 2),
        "context": pytest.approx((0 + 32 / 3) / 2),
        "hit_rate": pytest.approx(32 / 82),
        "loaded_tokens_per_session": 16.0,
        "turns_total": 4,
        "later_hit_rate": pytest.approx(32 / 42),
        "shared_hit_rate": 0.0,
        "shrunk_turns": 0,
        "edited_turns": 0,
        "pooled": {
            "turns": {"mean": 2.0, "p50": 2.0, "p95": pytest.approx(2.9)},
            "append": {"mean": 5.0, "p50": 5.0, "p95": pytest.approx(5.9)},
            "generated": {"mean": 2.75, "p50": 2.0, "p95": pytest.approx(4.55)},
            "prompt": {"mean": 20.5, "p50": 21.0, "p95": pytest.approx(29.1)},
            "total": {"mean": 30.5, "p50": 30.5, "p95": pytest.approx(31.85)},
            "gap_s": None,
        },
        "notes": [],
    }


def test_statistics_tell_edits_compactions_and_shared_prefixes() -> None:
    """In blocks of 64: turn 1 goes on, turn 2 forgets a block, turn 3 is compacted. Mutant: an edit passes for a compaction."""
    arrays = [np.array(values, np.int64) for values in ([0, 4, 5], [0, 128, 128, 64, 100], [130, 80, 90, 36, 200], [9, 9, 9, 9, 9])]
    found = statistics(Workload("edits", *arrays, np.zeros(5), 400, notes={"left_out": 3}))
    assert (found["edited_turns"], found["shrunk_turns"], found["left_out"]) == (2, 1, 3)
    prompts = 130 + 208 + 218 + 100 + 300
    assert found["shared_hit_rate"] == pytest.approx(100 / prompts)
    assert found["later_hit_rate"] == pytest.approx(320 / 526)


def test_a_shared_prefix_stays_with_scaling_and_goes_behind_a_round_of_ones_own(tmp_path: Path) -> None:
    """Contexts of first turns. Mutant: the prefix is scaled, lost, or shared by agents whose prompts differ from the first block on."""
    arrays = [np.array(values, np.int64) for values in ([0, 2], [512, 700], [100, 50], [10, 10])]
    workload = Workload("shared", *arrays, np.zeros(2), 10_000)
    assert sessions(scale(workload, 2, 1)) == [((512, 200, 10), (813, 100, 10))]
    trace = tmp_path / "m.jsonl"
    rows = [{"timestamp": t, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3 + t]} for t in range(2)]
    trace.write_text("\n".join(map(json.dumps, rows)))
    few, _ = built(source=str(trace), agents=2)
    assert sorted(sessions(few)) == [((0, 1100, 5),), ((1024, 76, 5),)]
    many, _ = built(source=str(trace), agents=40)
    assert {turns[1:] for turns in sessions(many)[2:]} == {((64, 1100, 5),)}


def test_a_traces_own_gaps_are_kept_where_none_are_given(tmp_path: Path) -> None:
    """Mutant: the gaps are drawn, of another turn, or before an agent's first."""
    rows = [f"s{session},{turn},200,10,{10 * session + turn if turn else 5}" for session in range(3) for turn in range(4)]
    path = tmp_path / "paused.csv"
    path.write_text("\n".join(["session,turn,appended,generated,gap_s", *rows]) + "\n")
    workload, _ = built(source=str(path), agents=3, tool_gap_s=None)
    gaps = [tuple(part) for part in np.split(workload.gap_s, workload.first_turn[1:-1])]
    assert sorted(gaps) == [(0, 10 * session + 1, 10 * session + 2, 10 * session + 3) for session in range(3)]
    assert not built(source=str(path), agents=3)[0].gap_s.any()
    assert not built(tool_gap_s=None)[0].gap_s.any(), "the published statistics have none"
