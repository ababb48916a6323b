"""Memory and time follow events: a run of a year is recorded in as many bins as one of hours, only wider ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab import Scenario, ScenarioError
from dualpath_lab.core import network as network_module
from dualpath_lab.core import observer, recorder
from dualpath_lab.core.network import MOST_AMOUNTS
from dualpath_lab.core.recorder import BIN_S, MOST_BINS, Series
from dualpath_lab.core.simulation import LATEST_START_S, Simulation
from dualpath_lab.result import result_of
from dualpath_lab.studies.run import simulate

SMALL = Scenario(
    model="qwen-32b",
    cluster={"prefill_nodes": 1, "decode_nodes": 1, "storage_gbps": 100},
    workload={"source": "paper-32k", "agents": 3},
)
FEW = 64
"""Bins in place of ``MOST_BINS``, so that runs of minutes need wider ones."""


def trace(folder: Path, *gaps_s: float) -> str:
    path = folder / "paused.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["session", "turn", "appended", "generated", "gap_s"])
        rows.writerows(["a", turn, 100, 10, gap_s] for turn, gap_s in enumerate(gaps_s))
    return str(path)


def run(**values: Any) -> Simulation:
    simulation = Simulation(SMALL.with_values({key.replace("__", "."): value for key, value in values.items()}))
    simulation.run()
    return simulation


def recorded_series(simulation: Simulation) -> list[Series]:
    cluster = simulation.cluster
    return [group.compute for group in cluster.prefill_groups] + [
        group.traffic.series for group in (*cluster.prefill_groups, *cluster.decode_groups)
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_BINS", FEW)
    monkeypatch.setattr(network_module, "MOST_BINS", FEW)


@pytest.mark.parametrize(
    "values",
    [
        {"workload__tool_gap_s": 1e6, "workload__agents": 2},
        {"workload__arrival_rate": 1e-8, "workload__agents": 8},
        {"cluster__storage_gbps": 1e-3},
        {"horizon_s": 1e12, "workload__arrival_rate": 1e-9},
    ],
)
def test_bins_are_no_more_however_long_it_takes(values: dict[str, Any]) -> None:
    """Mutants: a bin for every second; one part of the record that still has one; readers that make them."""
    simulation = run(**values)
    assert simulation.now > 10 * MOST_BINS * BIN_S
    assert simulation.bin_s > BIN_S
    assert all(len(series.bins) <= MOST_BINS for series in recorded_series(simulation))
    assert simulation.network._arrays.bins.size <= min(MOST_AMOUNTS, MOST_BINS * 2 * len(simulation.network.links))
    curves = [*observer.utilization(simulation).values(), *observer.latency(simulation).values(), observer.prefill_compute(simulation)]
    assert all(len(curve) == int(simulation.now / simulation.bin_s) <= MOST_BINS for curve in curves)


def test_a_pause_of_a_year_changes_nothing_but_the_clock(tmp_path: Path) -> None:
    """The turns' own times agree with those of a pause of a minute, and so do the bytes. Mutant: booked bytes are lost in wide bins."""
    year, minute = (
        run(workload__source=trace(tmp_path, 0, gap_s, gap_s), workload__agents=1, workload__tool_gap_s=None) for gap_s in (3.2e7, 60.0)
    )
    assert year.now - minute.now == pytest.approx(2 * (3.2e7 - 60))
    for name in ("ttft", "ttst", "tpot"):
        np.testing.assert_allclose(year.log.columns()[name], minute.log.columns()[name], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(year.network.carried_bytes(year.now), minute.network.carried_bytes(minute.now), rtol=1e-9)
    every_bin = int(year.now / year.bin_s) + 1
    np.testing.assert_allclose(year.network.carried(0, every_bin, year.bin_s).sum(axis=1), year.network.carried_bytes(year.now), rtol=1e-9)


def test_links_may_be_many_without_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: only bins are counted, not bins of links."""
    monkeypatch.setattr(network_module, "MOST_AMOUNTS", 2_000)
    simulation = run(workload__tool_gap_s=10)
    assert simulation.network._arrays.bins.size <= 2_000
    assert simulation.network.most_bins == 16, "of 38 links, with room for 64"
    assert len(observer.prefill_compute(simulation)) <= 16
    total = simulation.network.carried_bytes(simulation.now)
    booked = simulation.network.carried(0, int(simulation.now / simulation.bin_s) + 1, simulation.bin_s).sum(axis=1)
    np.testing.assert_allclose(booked, total, rtol=1e-9)


def test_wide_bins_are_narrow_ones_together(request: pytest.FixtureRequest) -> None:
    """Also where looked at on the way. Mutants: pairs are merged from the wrong end; the mean is taken of what has to be added."""
    narrow = run(workload__tool_gap_s=5)
    fine = {**observer.utilization(narrow), "compute": observer.prefill_compute(narrow)}
    turns = observer.latency(narrow)["turns"]
    request.getfixturevalue("few")
    watched = Simulation(narrow.scenario)
    while not watched.finished:
        watched.advance(17.3)
        observer.utilization(watched)
    assert watched.bin_s >= 4 * BIN_S
    assert watched.now == narrow.now
    times = round(watched.bin_s)
    wide = {**observer.utilization(watched), "compute": observer.prefill_compute(watched)}
    for name, curve in wide.items():
        np.testing.assert_allclose(curve, fine[name][: len(curve) * times].reshape(-1, times).mean(axis=1), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(observer.latency(watched)["turns"], turns[: len(turns) // times * times].reshape(-1, times).sum(axis=1))
    asked = observer.utilization(narrow, 0, watched.bin_s)
    for family, curve in observer.utilization(watched).items():
        np.testing.assert_allclose(asked[family], curve, rtol=1e-6, atol=1e-9, err_msg="a reader may ask for wider bins")


def test_a_result_does_not_depend_on_the_bins(request: pytest.FixtureRequest) -> None:
    before = result_of(run(workload__tool_gap_s=5), 0.0).to_dict()
    request.getfixturevalue("few")
    assert result_of(run(workload__tool_gap_s=5), 0.0).to_dict() == before


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e8), st.floats(0, 1e9)), min_size=1, max_size=8))
def test_a_series_conserves_amounts_as_it_widens(parts: list[tuple[float, float, float]]) -> None:
    """Law 2, whatever the order in which times come. Mutant: what was there is not merged; the width is not that of the bins."""
    series = Series()
    for start_s, length_s, amount in parts:
        series.add(start_s, start_s + length_s, amount)
        assert len(series.bins) <= MOST_BINS
    latest = max(start_s + length_s for start_s, length_s, _ in parts)
    assert series.bin_s == BIN_S or latest >= MOST_BINS * series.bin_s / 2, "no wider than it has to be"
    total = sum(amount for *_, amount in parts)
    assert sum(series.bins) == pytest.approx(total, rel=1e-6, abs=1e-3)
    assert series.values(0, MOST_BINS, 8 * series.bin_s).sum() == pytest.approx(total, rel=1e-6, abs=1e-3)


def test_ordinary_runs_have_bins_of_a_second() -> None:
    series = Series()
    series.add(0.0, MOST_BINS * BIN_S - 0.5, 1.0)
    assert (series.bin_s, len(series.bins)) == (BIN_S, MOST_BINS)
    series.add(MOST_BINS * BIN_S, MOST_BINS * BIN_S, 1.0)
    assert (series.bin_s, len(series.bins)) == (2 * BIN_S, MOST_BINS // 2 + 1)


def test_progress_is_told_by_events_and_not_by_seconds(tmp_path: Path) -> None:
    """Mutant: a look for every five seconds of a pause of thirty years."""
    looks: list[float] = []
    values = {"workload.source": trace(tmp_path, 0, 1e9), "workload.agents": 1, "workload.tool_gap_s": None}
    result = simulate(SMALL.with_values(values), lambda simulation: looks.append(simulation.now))
    assert result.values["jct_s"] > 1e9
    assert len(looks) < 100


@pytest.mark.parametrize(
    ("values", "named"), [({"workload.arrival_rate": 1e-18}, "arrival_rate"), ({"workload.tool_gap_s": None}, "tool_gap_s")]
)
def test_times_that_the_clock_would_round_are_refused(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    """Mutant: TTFTs of 0 ms."""
    pauses = trace(tmp_path, 0, *[1e9] * 9)
    assert LATEST_START_S < 9e9
    scenario = SMALL.with_values({"workload.source": pauses, "workload.agents": 8} | values)
    with pytest.raises(ScenarioError, match=named):
        Simulation(scenario)
    Simulation(scenario.with_values({"horizon_s": 7200}))
