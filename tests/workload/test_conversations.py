"""Which requests make a session: by name, by parent, by the hashes of their blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import Workload, read_trace, statistics

Row = dict[str, Any]


def read(folder: Path, rows: list[Row]) -> Workload:
    path = folder / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return read_trace(path)


def request(time: float, prompt: int, output: int, *ids: int, **others: Any) -> Row:
    return {"timestamp": time, "input_length": prompt, "output_length": output, "hash_ids": list(ids)} | others


def sessions(workload: Workload) -> list[int]:
    return [int(turns) for turns in workload.first_turn[1:] - workload.first_turn[:-1]]


def test_a_request_goes_on_from_the_one_whose_full_blocks_lead_its_own(tmp_path: Path) -> None:
    """Two conversations behind one system prompt, mixed. Mutant: the shared block alone is enough; answers are not cached."""
    rows = [
        request(0, 1100, 500, 0, 1, 2),
        request(1000, 1300, 5, 0, 10, 11),
        request(4000, 2000, 5, 0, 1, 3, 4),
        request(5000, 1800, 5, 0, 10, 12, 13),
        request(9000, 2600, 5, 0, 1, 3, 5, 6, 7),
    ]
    workload = read(tmp_path, rows)
    assert sessions(workload) == [3, 2]
    assert workload.context.tolist() == [0, 1536, 1536, 512, 1024]
    assert statistics(workload)["edited_turns"] == 0
    assert any("goes on from" in note for note in workload.told)


@pytest.mark.parametrize("times", [(0, 0, 0), (0, 10_000, 20_000)])
def test_a_block_that_all_requests_share_makes_no_session(tmp_path: Path, times: tuple[int, int, int]) -> None:
    rows = [request(times[0], 915, 5, 0, 1), request(times[1], 1846, 5, 0, 2, 3, 4), request(times[2], 1300, 5, 0, 5, 6)]
    workload = read(tmp_path, rows)
    assert sessions(workload) == [1, 1, 1]
    assert workload.context.tolist() == [0, 512, 512]


def test_a_prefix_that_some_requests_share_makes_no_session(tmp_path: Path) -> None:
    """Another application's requests do not make this one's instructions a conversation. Mutant: only what all share counts."""
    rows = [
        request(0, 1100, 5, 0, 1, 2),
        request(10_000, 2000, 5, 0, 1, 3, 4),
        request(20_000, 2000, 5, 0, 1, 5, 6),
        request(30_000, 700, 5, 8, 9),
    ]
    assert sessions(read(tmp_path, rows)) == [1, 1, 1, 1]


def test_one_block_is_not_enough_where_there_is_nobody_else(tmp_path: Path) -> None:
    assert sessions(read(tmp_path, [request(0, 915, 5, 0, 1), request(60_000, 1300, 5, 0, 2, 3)])) == [1, 1]
    assert sessions(read(tmp_path, [request(0, 1100, 5, 0, 1, 2), request(60_000, 1900, 5, 0, 1, 3, 4)])) == [2]


@pytest.mark.parametrize(("pause_ms", "goes_on"), [(0, False), (499, False), (500, True), (3000, True)])
def test_what_is_gone_on_from_can_have_ended(tmp_path: Path, pause_ms: int, goes_on: bool) -> None:
    """500 tokens take half a second at a thousand a second. Mutant: no time at all."""
    rows = [request(0, 1100, 500, 1, 2, 3), request(pause_ms, 2000, 5, 1, 2, 4, 5)]
    assert sessions(read(tmp_path, rows)) == ([2] if goes_on else [1, 1])


def test_rows_may_stand_in_any_order_of_time(tmp_path: Path) -> None:
    rows = [request(9000, 2600, 5, 1, 2, 3, 4, 5, 6), request(0, 1100, 5, 1, 2, 8), request(4000, 2000, 5, 1, 2, 3, 7)]
    workload = read(tmp_path, rows)
    assert sessions(workload) == [3]
    assert (workload.context + workload.append).tolist() == [1100, 2000, 2600]


def test_many_requests_alike_take_no_square_of_time(tmp_path: Path) -> None:
    workload = read(tmp_path, [request(index, 1024, 5, 1, 2) for index in range(20_000)])
    assert workload.trajectories == 20_000


@given(
    size=st.sampled_from([16, 32, 64, 128, 256, 512, 1024, 48, 100]),
    prompts=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
    full_only=st.booleans(),
)
def test_the_size_of_blocks_is_found_or_said(
    tmp_path_factory: pytest.TempPathFactory, size: int, prompts: list[int], full_only: bool
) -> None:
    """Whatever the lengths, the size that was taken agrees with them; with a prompt of many blocks, or a column, it is the true one."""
    prompts = [*prompts, size * 1000 - 1, size * 1000] if not full_only else [*prompts, size * 1000 - 1, size * 1000 + 1, size * 1000]
    rows = []
    for index, prompt in enumerate(prompts):
        blocks = prompt // size if full_only else -(-prompt // size)
        rows.append(request(index, prompt, 1, *range(index * 100_000, index * 100_000 + blocks)))
    for extra in ({}, {"block_size": size}):
        workload = read(tmp_path_factory.mktemp("t"), [row | extra for row in rows])
        assert workload.hit_block == size
        assert any(f"taken for {size} tokens" in note for note in workload.told)


def test_where_lengths_leave_the_size_open_it_is_mooncakes(tmp_path: Path) -> None:
    assert read(tmp_path, [request(0, 300, 1, 1), request(1, 100, 1, 2)]).hit_block == 512
    assert read(tmp_path, [request(0, 600, 1, 1), request(1, 100, 1, 2)]).hit_block == 1024


def session(name: str | None, prompt: int, output: int, **others: Any) -> Row:
    return {"session_id": name, "input_length": prompt, "output_length": output} | others


def test_rows_of_a_session_tell_what_is_new(tmp_path: Path) -> None:
    """AIPerf: prompts grow by the previous output and the row's own length. Mutant: lengths are taken for whole prompts."""
    rows = [session("a", 100, 10, timestamp=0), session("b", 7, 1, timestamp=50), session("a", 30, 5, delay=1500), session(None, 9, 1)]
    workload = read(tmp_path, [*rows, session("a", 0, 5, delay=250.5, timestamp=9000)])
    assert sessions(workload) == [2, 1, 1]
    assert workload.context.tolist() == [0, 110, 0, 0]
    assert workload.append.tolist() == [100, 30, 7, 9]
    assert workload.gap_s.tolist() == [0, 1.5, 0, 0]
    assert any("what is new" in note for note in workload.told)


def test_hashes_tell_whether_rows_are_whole_prompts(tmp_path: Path) -> None:
    whole = [session("a", 600, 100, hash_ids=[1, 2]), session("a", 1100, 100, hash_ids=[1, 3, 4])]
    assert read(tmp_path, whole).context.tolist() == [0, 512]
    new = [session("a", 600, 100, hash_ids=[1, 2]), session("a", 1100, 100, hash_ids=[3, 4, 5])]
    assert read(tmp_path, new).context.tolist() == [0, 700]


def test_hashes_may_stand_with_the_lengths_of_any_form(tmp_path: Path) -> None:
    rows = [{"session": "a", "input_tokens": 600, "output_tokens": 9, "hash_ids": ids} for ids in ([1, 2], [3, 4])]
    assert read(tmp_path, rows).context.tolist() == [0, 609]


def test_the_same_first_blocks_are_shared_between_sessions(tmp_path: Path) -> None:
    rows = [session(name, 1100, 1, hash_ids=[1, 2, 10 + index], timestamp=index) for index, name in enumerate("abc")]
    workload = read(tmp_path, rows)
    assert workload.context.tolist() == [0, 1024, 1024]


def test_the_delay_counts_where_there_is_a_time_too(tmp_path: Path) -> None:
    rows = [session("a", 9, 1, timestamp=0, delay=0), session("a", 9, 1, timestamp=60_000, delay=2000)]
    assert read(tmp_path, rows).gap_s.tolist() == [0, 2]
    assert any("delay are taken for milliseconds" in note for note in read(tmp_path, rows).told)
    seconds = [{("delay_s" if key == "delay" else key): value for key, value in row.items()} for row in rows]
    assert read(tmp_path, seconds).gap_s.tolist() == [0, 2000]


def test_a_delay_without_sessions_is_named(tmp_path: Path) -> None:
    assert "Columns that are not used: delay." in read(tmp_path, [request(0, 9, 1, 1, delay=5)]).told


def burst(name: str, time: float, prompt: int, output: int, **others: Any) -> Row:
    return {"Session ID": name, "Timestamp": time, "Request tokens": prompt, "Response tokens": output} | others


def test_whole_prompts_without_hashes(tmp_path: Path) -> None:
    """What was before is cached while prompts grow. Mutant: a prompt that was cut is taken for cached."""
    rows = [burst("s", 0, 100, 10), burst("s", 5, 150, 10), burst("s", 9, 155, 1), burst("s", 12, 80, 1)]
    workload = read(tmp_path, rows)
    assert workload.context.tolist() == [0, 110, 150, 0]
    assert workload.append.tolist() == [100, 40, 5, 80]
    assert any("of 1 later prompt shorter" in note for note in workload.told)
    assert any("Pauses between turns are not known" in note for note in workload.told)


def test_pauses_are_what_is_left_of_the_time_between_requests(tmp_path: Path) -> None:
    rows = [burst("s", time, 100 * (n + 1), 10, **{"Elapsed time": 4}) for n, time in enumerate((0, 10, 11))]
    assert read(tmp_path, rows).gap_s.tolist() == [0, 6, 0]


def test_turns_may_be_numbered(tmp_path: Path) -> None:
    rows = [{"session_id": "a", "turn": turn, "input_tokens": 100 * turn, "output_tokens": 1} for turn in (3, 1, 2)]
    assert (read(tmp_path, rows).context).tolist() == [0, 101, 201]


def chat(one: int, parent: Any, time: float, prompt: int, output: int = 8) -> Row:
    return {"chat_id": one, "parent_chat_id": parent, "timestamp": time, "input_length": prompt, "output_length": output}


@pytest.mark.parametrize("root", [-1, "-1", None, ""])
def test_parents_make_sessions(tmp_path: Path, root: Any) -> None:
    """The first child goes on, the second begins anew; a parent that is cut off or comes later is none."""
    rows = [chat(1, root, 0, 40), chat(2, 1, 5, 60), chat(3, 1, 6, 60), chat(4, 3, 9, 90), chat(5, 99, 10, 40), chat(6, 7, 11, 9)]
    workload = read(tmp_path, [*rows, chat(7, 6, 12, 50), chat(8, 8, 13, 50)])
    assert sessions(workload) == [2, 2, 1, 2, 1]
    assert workload.context.tolist() == [0, 48, 0, 68, 0, 0, 17, 0]
    told = " ".join(workload.told)
    assert "3 requests with a parent_chat_id that no earlier request has" in told
    assert "1 request with a parent from which another goes on" in told


def test_a_parent_without_names_is_named(tmp_path: Path) -> None:
    rows = [{"parent_chat_id": 1, "timestamp": 0, "input_length": 9, "output_length": 1}]
    assert "Columns that are not used: parent_chat_id." in read(tmp_path, rows).told


def test_a_session_that_grows_beyond_all_bounds_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"line 2: input_length = 1 is not allowed.*at most 999999999 tokens"):
        read(tmp_path, [session("a", 999_999_999, 999_999_999), session("a", 1, 1)])
