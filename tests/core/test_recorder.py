"""Series keep amounts; the turn log keeps rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.recorder import BIN_S, ForwardLog, Series, TurnLog
from dualpath_lab.core.turn import Turn

additions = st.tuples(st.floats(0, 30), st.one_of(st.just(0.0), st.floats(1e-6, 12)), st.floats(0, 1e9))


@settings(max_examples=150)
@given(st.lists(additions, max_size=12))
def test_amounts_are_conserved_and_lie_where_they_belong(parts: list[tuple[float, float, float]]) -> None:
    """Law 2: each bin holds the share of its overlap. Mutant: the first or last bin of a span gets a whole bin's worth."""
    series = Series()
    expected = np.zeros(50)
    starts = np.arange(50) * BIN_S
    for start, length, amount in parts:
        end = start + length
        series.add(start, end, amount)
        if length:
            overlap = np.minimum(starts + BIN_S, end) - np.maximum(starts, start)
            expected += amount * np.clip(overlap, 0, None) / (end - start)
        else:
            expected[int(start / BIN_S)] += amount
    total = sum(amount for *_, amount in parts)
    assert series.total == pytest.approx(total)
    assert sum(series.bins) == pytest.approx(total)
    np.testing.assert_allclose(series.values(0, 50), expected, rtol=1e-6, atol=1e-5 * max(total, 1))


def test_values_are_a_window_with_zeros_beyond_the_end() -> None:
    """Mutant: the window is counted from the series' start, or is shorter where nothing was added."""
    series = Series()
    series.add(1.5, 3.0, 3.0)
    assert series.values(1, 5).tolist() == pytest.approx([1, 2, 0, 0])
    assert series.values(7, 9).tolist() == [0, 0]
    assert series.values(4, 2).tolist() == []


def test_values_are_a_copy() -> None:
    """Law 8: looking changes nothing. Mutant: the view hands out the array itself."""
    series = Series()
    series.add(0, 2, 4.0)
    series.values(0, 2)[:] = 99
    assert series.values(0, 2).tolist() == [2, 2]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 600), max_size=4))
def test_every_row_of_a_log_comes_once_and_in_order(runs: list[int]) -> None:
    """Whoever looks in between. Mutants: the row for which room is made is lost; rows that were looked at come again."""
    log, added = ForwardLog(), 0
    for rows in runs:
        for number in range(added, added + rows):
            log.add(number / 2, number / 2 + 1, 0.25, number, 3)
        added += rows
        assert len(log) == added
        assert log.columns()["tokens"].tolist() == list(range(added))
        assert list(log.times["start"]) == [number / 2 for number in range(added)]


def logged(generate: int) -> Turn:
    turn = Turn(agent=3, row=7, hit=64, computed=36, generate=generate, kv_bytes_per_token=10)
    prefill_node, decode_node = (SimpleNamespace(reads=SimpleNamespace(tokens=tokens)) for tokens in (13, 14))
    turn.pe = SimpleNamespace(index=1, tokens=11, node=prefill_node)  # type: ignore[assignment]
    turn.de = SimpleNamespace(index=2, tokens=12, node=decode_node)  # type: ignore[assignment]
    turn.prefill_read = 0
    turn.prefill_reloaded, turn.decode_reloaded = 15, 16
    turn.submitted, turn.first_token, turn.finished = 2.0, 5.0, 8.0
    if generate > 1:
        turn.second_token = 5.5
    return turn


def test_latencies_of_the_log() -> None:
    """Mutant: columns mixed up; TPOT over all tokens, not those after the first; TTFT from the placement; TTST from submission."""
    log = TurnLog()
    for generate in (7, 1):
        turn = logged(generate)
        turn.logged = log.begun(turn, now=3.0)
        log.add(turn)
    columns = log.columns()
    assert len(log) == 2
    assert columns["ttft"].tolist() == [3, 3]
    assert columns["placed"].tolist() == [3, 3]
    assert columns["ttst"][0] == 0.5
    assert columns["tpot"][0] == 0.5
    assert all(np.isnan(columns[name][1]) for name in ("second_token", "ttst", "tpot"))
    expected = {"agent": 3, "row": 7, "hit": 64, "computed": 36, "generate": 7, "pe": 1, "de": 2, "prefill_read": 0}
    expected |= {"seen_pe": 11, "seen_de": 12, "seen_prefill_queue": 13, "seen_decode_queue": 14}
    expected |= {"prefill_reloaded": 15, "decode_reloaded": 16}
    assert {name: columns[name][0] for name in expected} == expected
    assert len(log.columns(first=1)["row"]) == 1
