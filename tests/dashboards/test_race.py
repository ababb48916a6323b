"""Two systems on one clock: the race is fair, and watching it changes nothing (law 8)."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from dualpath_lab import Result, Scenario, ScenarioError, simulate
from dualpath_lab.core import network, recorder
from dualpath_lab.core.observer import LATENCIES
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.dashboards.player import BUDGET_S, Player
from dualpath_lab.dashboards.race import CURVES, QUEUES, SMOOTH_BINS, Race, Side

BASE = Scenario(
    model="qwen-32b",
    cluster={"prefill_nodes": 1, "decode_nodes": 1, "storage_gbps": 100},
    workload={"source": "paper-32k", "agents": 12},
)


def race_of(**changes: Any) -> Race:
    base = BASE.with_values({key.replace("__", "."): value for key, value in changes.items()})
    return Race(base.with_values({"system": "basic"}), base.with_values({"system": "dualpath"}))


@pytest.fixture(scope="module")
def ended() -> Race:
    """A race run to its end in uneven frames, looked at in between."""
    race = race_of()
    for frame in range(10_000):
        race.advance(0.1 + 3.7 * (frame % 5), budget_s=0.0 if frame % 7 == 0 else 1.0)
        race.frame()
        race.rows(frame % 3, stride=1 + frame % 4)
        if race.finished:
            return race
    raise AssertionError("the race does not end")


def without_wall_time(result: Result) -> dict[str, Any]:
    return {key: value for key, value in result.to_dict().items() if key != "wall_s"}


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_watched_run_is_the_unwatched_one_to_the_last_bit(ended: Race, side: str) -> None:
    watched: Side = getattr(ended, side)
    alone = simulate(watched.simulation.scenario)
    assert without_wall_time(watched.result) == without_wall_time(alone)
    for name, column in alone.columns.items():
        np.testing.assert_array_equal(watched.result.columns[name], column)


def test_both_sides_replay_the_same_turns() -> None:
    race = race_of(workload__arrival_rate=0.5)
    a, b = race.a.simulation.workload, race.b.simulation.workload
    for name in ("first_turn", "context", "append", "generate", "gap_s"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_both_sides_stand_at_the_clock_until_they_end() -> None:
    race = race_of()
    while not race.finished:
        race.advance(3.3)
        for side in (race.a, race.b):
            assert side.simulation.now == race.time_s or side.simulation.finished
    assert race.time_s >= max(race.a.simulation.now, race.b.simulation.now)


def test_the_clock_stands_still_after_the_end(ended: Race) -> None:
    before = ended.time_s
    ended.advance(100.0)
    assert ended.time_s == before
    assert ended.frame().finished


def test_a_frame_keeps_to_its_budget_and_still_moves_on() -> None:
    race = race_of(workload__agents=400)
    started = perf_counter()
    race.advance(1e6, budget_s=0.0)
    assert perf_counter() - started < 1.0
    assert 0 < race.time_s < 1e6
    assert not race.finished


def test_speedup_ends_as_the_ratio_of_jcts(ended: Race) -> None:
    frame = ended.frame()
    assert frame.a.jct_s is not None
    assert frame.b.jct_s is not None
    assert frame.speedup == pytest.approx(frame.a.jct_s / frame.b.jct_s)
    assert frame.speedup > 1.2, "storage decides here, so two paths must win"


def test_a_frame_does_not_change_once_it_is_taken() -> None:
    race = race_of()
    race.advance(20.0)
    frame = race.frame()
    turns = frame.a.turns
    race.advance(20.0)
    assert frame.a.turns == turns
    assert race.frame().a.turns > turns


@pytest.mark.parametrize("side", ["a", "b"])
def test_the_area_under_a_utilisation_curve_is_the_bytes_carried(ended: Race, side: str) -> None:
    rows = ended.rows(0)
    for role in ("prefill", "decode"):
        links = [
            link
            for link in getattr(ended, side).result.values["links"]
            if (link["kind"], link["role"], link["direction"]) == ("snic", role, "rx")
        ]
        capacity = sum(link["capacity_bytes_per_s"] for link in links)
        carried = np.nansum(rows[f"{side}_{role}_snic"]) * capacity * BIN_S
        total = sum(link["bytes"] for link in links)
        assert total - capacity * BIN_S <= carried <= total * (1 + 1e-9), "all but what moved in the last, unfinished bin"


def test_utilisation_is_a_share_and_latencies_and_queues_are_not_negative(ended: Race) -> None:
    rows = ended.rows(0)
    for side in "ab":
        for name in CURVES:
            values = rows[f"{side}_{name}"][~np.isnan(rows[f"{side}_{name}"])]
            assert len(values)
            assert values.min() >= 0
            if name not in QUEUES and name not in LATENCIES:
                assert values.max() <= 1 + 1e-9


def test_a_curve_of_latency_is_the_mean_of_the_turns_that_have_one(tmp_path: Path) -> None:
    """Mutant: answers of one token count as turns of an infinitely short TTST or TPOT, or as many of the bin's mean one."""
    answers = [1, 2, 40, 1, 9]
    rows = [f"s{agent},{turn},{4000 + 700 * turn},{answers[(agent + turn) % 5]},{700 * turn},0" for agent in range(4) for turn in range(40)]
    trace = tmp_path / "short.csv"
    trace.write_text("\n".join(["session,turn,input_tokens,output_tokens,hit_tokens_incl_output,gap_before_s", *rows]), encoding="utf-8")
    race = race_of(workload__source=str(trace), workload__agents=4)
    while not race.finished:
        race.advance(5.0)
    side, curves = race.a, race.rows(0)
    columns = side.simulation.log.columns()
    bins = (columns["finished"] / BIN_S).astype(int)
    assert side.bins > 2 * SMOOTH_BINS
    mixed = 0
    for place in range(side.bins):
        lately = (bins > place - SMOOTH_BINS) & (bins <= place)
        for name in LATENCIES:
            known = columns[name][lately & ~np.isnan(columns[name])]
            shown = curves[f"a_{name}"][place]
            assert shown == pytest.approx(known.mean()) if len(known) else np.isnan(shown)
            mixed += 0 < len(known) < lately.sum()
    assert mixed


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_wider_rows_are_means_of_narrow_ones(ended: Race, stride: int) -> None:
    narrow, wide = ended.rows(0), ended.rows(0, stride)
    number = len(wide["t"])
    assert number == len(narrow["t"]) // stride
    for name in ("t", "a_prefill_snic", "a_prefill_read_tokens"):
        expected = narrow[name][: number * stride].reshape(-1, stride).mean(axis=1)
        np.testing.assert_allclose(wide[name][: len(expected)], expected)


def test_rows_read_piece_by_piece_are_the_rows_read_at_once(ended: Race) -> None:
    race = race_of()
    pieces = []
    while not race.finished:
        race.advance(17.3)
        pieces.append(race.rows(sum(len(piece["t"]) for piece in pieces)))
    whole = ended.rows(0)
    for name in whole:
        np.testing.assert_allclose(np.concatenate([piece[name] for piece in pieces]), whole[name], rtol=1e-9, err_msg=name)


def test_the_side_that_has_ended_has_no_curve_any_more(ended: Race) -> None:
    first_out = min((ended.a, ended.b), key=lambda side: side.simulation.now)
    label = "a" if first_out is ended.a else "b"
    after = ended.rows(0)["t"] > first_out.simulation.now + BIN_S
    assert after.any()
    assert np.isnan(ended.rows(0)[f"{label}_prefill_snic"][after]).all()


def test_a_scenario_that_does_not_go_together_is_refused() -> None:
    with pytest.raises(ScenarioError, match="hbm_gbytes"):
        race_of(cluster__hbm_gbytes=10)


def test_a_player_keeps_to_its_speed_and_pauses() -> None:
    player = Player()
    player.race = race_of()
    player.play()
    while player.race.time_s < 2:
        player.step(speed=10.0)
    assert player.playing
    player.pause()
    before = player.race.time_s
    assert not player.step(speed=10.0)
    assert player.race.time_s == before


def test_a_player_never_runs_ahead_of_the_wall_clock() -> None:
    player = Player()
    player.race = race_of()
    started = perf_counter()
    player.play()
    for _ in range(20):
        player.step(speed=5.0)
    assert player.race.time_s <= 5.0 * (perf_counter() - started) + 0.1
    assert BUDGET_S < 1 / 15, "a frame leaves time for the views"
    player.pause()


def test_the_past_is_told_as_it_was_when_it_was_now() -> None:
    """Mutant: a frame of the past counts turns, agents or bins of later."""
    race = race_of()
    seen = []
    while not race.finished:
        race.advance(BIN_S)
        if race.time_s % BIN_S == 0 and not (race.a.simulation.finished or race.b.simulation.finished):
            seen.append(race.frame())
    assert len(seen) > 20
    for frame in seen:
        assert repr(race.frame(round(frame.time_s / BIN_S))) == repr(frame)
    assert repr(race.frame(race.bins + 5)) != repr(seen[-1])


def test_the_beginning_is_told_too() -> None:
    race = race_of()
    race.advance(20.0)
    frame = race.frame(0)
    assert (frame.time_s, frame.a.turns, frame.b.agents_finished, frame.speedup) == (0.0, 0, 0, None)


def test_a_change_reaches_both_sides_at_one_time() -> None:
    """Mutant: one side goes on as before; a share of utilisation above 1 is drawn where the capacity changed within a bin."""
    race = race_of()
    race.advance(10.3)
    race.change({"cluster.storage_gbps": 25.0}, "Storage 100 → 25 Gb/s")
    assert race.changes == [(race.time_s, "Storage 100 → 25 Gb/s")]
    assert race.a.simulation.now == race.b.simulation.now == race.time_s
    race.advance(30.0)
    rows = race.rows(0)
    assert np.nanmax(rows["a_prefill_snic"]) <= 1 + 1e-9
    for side in (race.a, race.b):
        assert side.simulation.scenario.cluster.storage_gbps == 25.0


def test_a_long_race_has_wider_bins_and_the_same_past(ended: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: of the queues the first of each pair is kept; what was read before is not read anew; the sides have widths of their own."""
    monkeypatch.setattr(recorder, "MOST_BINS", 32)
    monkeypatch.setattr(network, "MOST_BINS", 32)
    race = race_of()
    while not race.finished:
        race.advance(2.7)
        assert race.a.bin_s == race.b.bin_s == race.bin_s
        assert race.bins <= 32
    times = round(race.bin_s / BIN_S)
    assert times >= 4
    rows, narrow = race.rows(0), ended.rows(0, times)
    np.testing.assert_array_equal(rows["t"], narrow["t"][: len(rows["t"])])
    for label, side in (("a", race.a), ("b", race.b)):
        ends_s = np.arange(1, side.bins + 1) * race.bin_s
        for name in QUEUES:
            before: Side = getattr(ended, label)
            at_ends = before.curve(name, 0, before.bins)[times - 1 :: times][: side.bins]
            np.testing.assert_array_equal(rows[f"{label}_{name}"][: side.bins], at_ends)
        np.testing.assert_allclose(
            rows[f"{label}_prefill_snic"][: side.bins], narrow[f"{label}_prefill_snic"][: side.bins], rtol=1e-6, atol=1e-9
        )
        for place, end_s in enumerate(ends_s):
            wide, fine = race.frame(place + 1), ended.frame(round(end_s))
            if not getattr(fine, label).finished:
                assert getattr(wide, label).turns == getattr(fine, label).turns
                assert getattr(wide, label).agents_finished == getattr(fine, label).agents_finished
