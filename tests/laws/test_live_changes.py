"""The laws hold through changes while a run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualpath_lab.core import observer
from dualpath_lab.core.live_change import CHANGEABLE
from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.core.simulation import Simulation
from dualpath_lab.result import result_of
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError

from .conftest import Traces
from .test_laws import cases, expected_bytes, scenario_of, without_wall
from .trying import tried

EIGHTH = 0.125
"""Times are whole eighths of a second, which add up without rounding."""

Changes = list[tuple[float, dict[str, Any]]]


@st.composite
def changes(draw: st.DrawFn, online: bool) -> Changes:
    """Some changes, each with the time to the one before."""
    values = {
        "cluster.storage_gbps": st.sampled_from([2.0, 60.0, 1600.0]),
        "cluster.compute_gbps": st.sampled_from([20.0, 90.0, 1600.0]),
        "workload.hit_rate": st.one_of(st.none(), st.floats(0, 1)),
        "traffic.model_share": st.sampled_from([None, 0.0, 0.3, 0.95]),
    }
    if online:
        values["workload.arrival_rate"] = st.sampled_from([0.05, 0.7, 20.0])
    each = st.sampled_from(sorted(values)).flatmap(lambda key: values[key].map(lambda value: {key: value}))
    return draw(st.lists(st.tuples(st.integers(0, 60).map(lambda eighths: eighths * EIGHTH), each), min_size=1, max_size=4))


@st.composite
def changed_cases(draw: st.DrawFn, systems: tuple[str, ...] = SYSTEMS) -> tuple[dict[str, Any], Changes]:
    case = draw(cases(systems))
    return case, draw(changes(case["workload"]["arrival_rate"] is not None))


def ran(scenario: Scenario, planned: Changes) -> Simulation:
    simulation = Simulation(scenario)
    for wait_s, values in planned:
        simulation.advance(wait_s)
        simulation.change(values)
    simulation.run()
    return simulation


def outcome(simulation: Simulation) -> dict[str, Any]:
    return without_wall(result_of(simulation, 0.0))


@tried(40)
@given(drawn=changed_cases(), eighths=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_law_8_neither_steps_nor_onlookers_matter_to_a_change(
    branching_trace: Traces, drawn: tuple[dict[str, Any], Changes], eighths: list[int]
) -> None:
    """Law 8. Mutant: a change acts at the last event, or at the next, instead of at its own time."""
    case, planned = drawn
    scenario = scenario_of(case, branching_trace)
    watched = Simulation(scenario)
    steps = 0
    for wait_s, values in planned:
        until = watched.now + wait_s
        while watched.now < until and not watched.finished:
            watched.advance(min(eighths[steps % len(eighths)] * EIGHTH, until - watched.now))
            steps += 1
            observer.utilization(watched)
            observer.latency(watched)
            watched.snapshot()
        watched.change(values)
    watched.run()
    assert outcome(watched) == outcome(ran(scenario, planned))


@tried(40)
@given(drawn=changed_cases())
def test_law_4_no_link_carries_more_than_it_can_at_the_time(branching_trace: Traces, drawn: tuple[dict[str, Any], Changes]) -> None:
    """Law 4. Mutant: flows under way, or the exchange of a forward under way, keep the rate that they had on a faster link."""
    case, planned = drawn
    simulation = ran(scenario_of(case, branching_trace), planned)
    bins = int(simulation.now) + 2
    moved = simulation.network.carried(0, bins)
    for link in simulation.cluster.links():
        carried = moved[link.number] + (link.model.series.values(0, bins) if link.model else 0)
        could = np.diff([link.could_carry(edge * BIN_S) for edge in range(bins + 1)])
        assert (carried <= could * (1 + 1e-9) + 1e-3).all()
    for family, values in observer.utilization(simulation).items():
        assert (values <= 1 + 1e-9).all(), family
    assert all(0 <= link["utilization"] <= 1 + 1e-6 for link in result_of(simulation, 0.0).values["links"])


@tried(40)
@given(drawn=changed_cases(tuple(system for system in SYSTEMS if system != "oracle")))
def test_law_2_bytes_are_those_of_the_paths_through_changes(branching_trace: Traces, drawn: tuple[dict[str, Any], Changes]) -> None:
    """Law 2. Mutant: what a flow has moved is lost, or moved again, when its link changes; someone is left waiting for ever."""
    case, planned = drawn
    simulation = ran(scenario_of(case, branching_trace), planned)
    expected = expected_bytes(simulation)
    assert not simulation.network.moving()
    carried = simulation.network.carried_bytes(simulation.now)
    for link in simulation.cluster.links():
        assert carried[link.number] == pytest.approx(expected[link.name, link.direction], rel=1e-6, abs=1)
        assert simulation.network.used(link) == pytest.approx(0, abs=1)
    assert all(group.traffic.rate == 0 for group in (*simulation.cluster.prefill_groups, *simulation.cluster.decode_groups))


@tried(30)
@given(drawn=changed_cases(), step_s=st.floats(0.05, 3))
def test_rates_are_fair_at_any_moment(branching_trace: Traces, drawn: tuple[dict[str, Any], Changes], step_s: float) -> None:
    """Laws 4 and 5. Mutant: flows that a link held back stay slow when it becomes faster."""
    case, planned = drawn
    simulation = Simulation(scenario_of(case, branching_trace))
    for wait_s, values in planned:
        simulation.advance(wait_s)
        simulation.change(values)
        for _ in range(3):
            network = simulation.network
            for flow in network.moving():
                full = any(network.used(link) >= network.kv_capacity(link) * (1 - 1e-6) for link in flow.route)
                assert full or flow.rate == pytest.approx(flow.top_rate, rel=1e-6)
            for link in simulation.cluster.links():
                assert network.kv_capacity(link) == link.capacity - (link.model.rate if link.model else 0)
                assert network.used(link) <= network.kv_capacity(link) * (1 + 1e-6)
            simulation.advance(step_s)


@tried(20)
@given(case=cases(), eighths=st.integers(0, 60))
def test_a_change_to_what_is_already_so_changes_no_bit(branching_trace: Traces, case: dict[str, Any], eighths: int) -> None:
    """Mutant: a change books, rates or draws anew although nothing is different."""
    scenario = scenario_of(case, branching_trace)
    same = {key: getattr(getattr(scenario, key.split(".")[0]), key.split(".")[1]) for key in CHANGEABLE}
    assert outcome(ran(scenario, [(eighths * EIGHTH, same)])) == outcome(ran(scenario, []))


SMALL = Scenario(
    model="qwen-32b",
    cluster={"prefill_nodes": 1, "decode_nodes": 1, "storage_gbps": 100},
    workload={"source": "paper-32k", "agents": 12},
)


@pytest.mark.parametrize("system", ["basic", "dualpath"])
def test_faster_storage_ends_a_run_earlier_and_slower_later(system: str) -> None:
    """Mutant: a new bandwidth never reaches the links."""
    jct = {gbps: ran(SMALL.with_values({"system": system}), [(8.0, {"cluster.storage_gbps": gbps})]).now for gbps in (25.0, 100.0, 400.0)}
    assert jct[400.0] < jct[100.0] < jct[25.0]


def test_a_hit_rate_acts_on_turns_submitted_from_then_on() -> None:
    """Mutant: turns under way lose their hits; later ones keep them."""
    simulation = ran(SMALL, [(8.0, {"workload.hit_rate": 0.0})])
    table = simulation.log.columns()
    before = table["submitted"] < 8
    context = simulation.workload.context[table["row"]]
    assert (table["hit"][~before] == 0).all()
    assert (table["hit"][before & (context >= 128)] > 0).all()
    assert (before & (context >= 128)).any()


@pytest.mark.parametrize("rate", [0.1, 2.0])
def test_an_arrival_rate_scales_the_time_left_to_each_arrival(rate: float) -> None:
    """Mutant: agents that are already there arrive again, or gaps are scaled from the beginning of the run."""
    online = SMALL.with_values({"workload.arrival_rate": 0.5})

    def starts(planned: Changes) -> np.ndarray[Any, Any]:
        simulation = ran(online, planned)
        table = simulation.log.columns()
        by_row = dict(zip(table["row"].tolist(), table["submitted"].tolist(), strict=True))
        return np.array([by_row[row] for row in simulation.workload.first_turn[:-1].tolist()])

    as_drawn, changed = starts([]), starts([(10.0, {"workload.arrival_rate": rate})])
    there = as_drawn <= 10
    assert 0 < there.sum() < len(there)
    assert changed[there].tolist() == as_drawn[there].tolist()
    np.testing.assert_allclose(changed[~there] - 10, (as_drawn[~there] - 10) * 0.5 / rate)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cluster.prefill_nodes": 2}, "only cluster.storage_gbps, cluster.compute_gbps, workload.arrival_rate"),
        ({"cluster.storage_gbps": -1}, "cluster.storage_gbps = -1 is not allowed"),
        ({"workload.arrival_rate": 1.0}, "workload.arrival_rate = 1.0 is not allowed while a run goes on"),
        ({"cluster.storage_gpbs": 1}, "did you mean 'cluster.storage_gbps'"),
    ],
)
def test_what_may_not_change_is_refused_in_a_sentence_and_the_run_goes_on(values: dict[str, Any], said: str) -> None:
    simulation = Simulation(SMALL)
    simulation.advance(5.0)
    with pytest.raises(ScenarioError, match=said):
        simulation.change({"workload.hit_rate": 0.5} | values)
    assert simulation.scenario == SMALL
    simulation.run()
    assert outcome(simulation) == outcome(ran(SMALL, []))
