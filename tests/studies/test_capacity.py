"""The search for the arrival rate that a cluster bears, on minutes of simulated time in place of hours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies import capacity as module
from dualpath_lab.studies.capacity import OnlineRun, capacity, serve_online

CALM, FLOOD = 0.2, 20.0
"""Agents/s that ``scenario`` bears, and that it can't."""


@pytest.fixture(autouse=True)
def _minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"WINDOW_S": 10.0, "LOOK_BACK_S": 30.0, "LONGEST_S": 90.0, "_STEP_S": 2.0}.items():
        monkeypatch.setattr(module, name, seconds)


def scenario(system: str = "dualpath", changes: dict[str, Any] | None = None) -> Scenario:
    """Short trajectories on two GPUs: long appends, short answers."""
    cluster = {"prefill_nodes": 1, "decode_nodes": 1, "gpus_per_node": 1, "storage_gbps": 20}
    workload = {"source": "paper-32k", "append_scale": 3, "generate_scale": 0.3}
    return Scenario(model="ds-27b", system=system, cluster=cluster, workload=workload).with_values(changes or {})


@pytest.mark.parametrize("system", ["basic", "dualpath", "oracle"])
def test_a_low_rate_meets_the_objective_and_an_absurd_one_does_not(system: str) -> None:
    """Section 9. Mutant: the comparison the wrong way round; latencies of the run's start; a run that no queue ends."""
    calm, flood = (serve_online(scenario(system), rate) for rate in (CALM, FLOOD))
    assert (calm.slo_met, flood.slo_met) == (True, False)
    assert calm.ttft_s <= 4 < flood.ttft_s
    assert 0 < calm.tpot_s <= 0.05
    assert flood.simulated_s < calm.simulated_s <= 90
    assert calm.turns > 0


@pytest.mark.parametrize("key", ["slo.ttft_s", "slo.tpot_s"])
def test_both_parts_of_the_objective_count(key: str) -> None:
    """Mutant: TPOT is not looked at, or the default objective is."""
    run = serve_online(scenario(changes={key: 1e-5}), CALM)
    assert not run.slo_met
    assert min(run.ttft_s, run.tpot_s) > 1e-5


@pytest.mark.parametrize(("growth", "steady"), [(1, True), (1.003, True), (0.997, True), (1.004, False), (0.995, False)], ids=str)
def test_a_run_is_steady_when_ttft_is_what_it_was_one_look_back_before(
    monkeypatch: pytest.MonkeyPatch, growth: float, steady: bool
) -> None:
    """Section 9, closed form: 15 steps of so much growth are within 5 % or not; known as soon as window and look-back are over.

    Mutant: it compares with the step before, in one direction only, or needs no window.
    """
    monkeypatch.setattr(module, "_window", lambda simulation, *_: module.Latencies(0.1 * growth ** (simulation.now / 2), 0.01, 0.01))
    run = serve_online(scenario("oracle"), CALM)
    assert run.steady is steady
    assert run.slo_met
    assert run.simulated_s == 40 if steady else run.simulated_s > 60


def test_latencies_are_means_over_the_turns_of_the_last_window() -> None:
    """As the log has them, those without a second token aside. Mutant: the whole run's; NaN where a turn has one token; two swapped."""
    run = serve_online(scenario(), CALM)
    simulation = Simulation(scenario(changes={"workload.arrival_rate": CALM, "workload.agents": 18, "horizon_s": 90.0}))
    simulation.advance(run.simulated_s)
    columns = simulation.log.columns()
    late = columns["finished"] >= run.simulated_s - module.WINDOW_S
    means = [float(np.nanmean(columns[name][late])) for name in ("ttft", "ttst", "tpot")]
    assert [run.ttft_s, run.ttst_s, run.tpot_s] == pytest.approx(means)


def test_serving_is_deterministic() -> None:
    """Law 8. Mutant: a random draw that the seed does not decide."""
    assert serve_online(scenario(), 1.0) == serve_online(scenario(), 1.0)
    assert serve_online(scenario(), 1.0) != serve_online(scenario(changes={"seed": 1}), 1.0)


def test_agents_and_horizon_of_the_scenario_do_not_matter() -> None:
    """Mutant: a run that stops when the scenario's few agents are done."""
    assert serve_online(scenario(), 1.0) == serve_online(scenario(changes={"workload.agents": 1, "horizon_s": 1.0}), 1.0)


def test_capacity_lies_between_a_rate_that_met_and_one_that_did_not() -> None:
    """Law of bisection, on real runs. Mutant: the rate that failed is returned, or one outside the bounds is tried."""
    rate, runs = capacity(scenario(), CALM, FLOOD, resolution=0.3)
    assert [run.arrival_rate for run in runs[:2]] == [CALM, FLOOD]
    assert all(CALM <= run.arrival_rate <= FLOOD for run in runs)
    assert rate == max(run.arrival_rate for run in runs if run.slo_met)
    too_much = min(run.arrival_rate for run in runs if not run.slo_met)
    assert rate < too_much <= rate * 1.3
    assert (rate, runs) == capacity(scenario(), CALM, FLOOD, resolution=0.3)


def test_more_storage_paths_bear_more() -> None:
    """Row D3's shape where storage decides. Mutant: every search ends at the same rate."""
    basic, dualpath = (capacity(scenario(system, {"cluster.storage_gbps": 10}), 0.02, FLOOD, 0.2)[0] for system in ("basic", "dualpath"))
    assert 1.3 * basic < dualpath < 3 * basic


@settings(max_examples=100)
@given(
    low=st.floats(1e-3, 10),
    wider=st.floats(1.001, 1e4),
    place=st.floats(-0.5, 1.5),
    resolution=st.floats(1e-3, 1),
)
def test_bisection_finds_the_threshold(low: float, wider: float, place: float, resolution: float) -> None:
    """Closed form: of a cluster that bears just so much, within the resolution. Mutant: a bound moves the wrong way, or is not tried."""
    high, threshold = low * wider, low * wider**place

    def bears(_: Scenario, rate: float, *__: Any) -> OnlineRun:
        return OnlineRun(rate, 0.0, 0.0, 0.0, rate <= threshold, True, 0.0, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "serve_online", bears)
        rate, runs = capacity(Scenario(), low, high, resolution)
    tried = [run.arrival_rate for run in runs]
    assert tried[0] == low
    assert all(low <= one <= high for one in tried)
    if threshold < low:
        assert (rate, tried) == (0, [low])
    elif threshold >= high:
        assert (rate, tried) == (high, [low, high])
    else:
        assert rate in tried
        assert rate <= threshold < rate * (1 + resolution) * (1 + 1e-9)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (1, 1), (2, 1), (0.1, float("nan")), (float("nan"), 1), (0.1, float("inf"))])
def test_bounds_out_of_order_are_refused_in_a_sentence(low: float, high: float) -> None:
    """Bad input, before anything runs. Mutant: a bound is clamped, or the search never ends."""
    with pytest.raises(ScenarioError) as error:
        capacity(scenario(), low, high)
    sentence = str(error.value)
    assert f"high = {high}" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("resolution", [0.0, -0.1, float("nan")])
def test_a_resolution_that_no_search_can_reach_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, resolution: float) -> None:
    """Bad input. Mutant: the search never ends."""
    patience = iter(range(200))

    def bears(_: Scenario, rate: float, *__: Any) -> OnlineRun:
        assert next(patience, None) is not None, "the search goes on and on"
        return OnlineRun(rate, 0.0, 0.0, 0.0, rate < 1, True, 0.0, 0)

    monkeypatch.setattr(module, "serve_online", bears)
    with pytest.raises(ScenarioError, match="resolution"):
        capacity(Scenario(), 0.1, 10.0, resolution)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_that_are_none_are_refused_in_a_sentence(rate: float) -> None:
    """Bad input. Mutant: no agents, or endlessly many."""
    with pytest.raises(ScenarioError, match="arrival_rate") as error:
        serve_online(scenario(), rate)
    assert "\n" not in str(error.value)


def test_turns_that_never_get_through_are_not_within_the_objective() -> None:
    """Section 9: where a read takes minutes, all second turns wait for ever. Mutant: only those count that did get through: first turns."""
    run = serve_online(scenario("basic", {"cluster.storage_gbps": 0.001}), 1.0)
    assert not run.slo_met
