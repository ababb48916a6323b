"""What a turn costs, counted in events: a core that steps by token, block or layer would show here, on any machine."""

from __future__ import annotations

import pytest

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import SYSTEMS, Scenario

MOST_EVENTS = 15


def events_per_turn(scenario: Scenario, warm_up_s: float, window_s: float) -> float:
    """In the steady state, which a run is in after its first prompts."""
    simulation = Simulation(scenario)
    simulation.advance(warm_up_s)
    events, turns = simulation.events, len(simulation.log)
    simulation.advance(window_s)
    assert len(simulation.log) - turns > 1000, "enough turns to count by"
    return (simulation.events - events) / (len(simulation.log) - turns)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_turn_takes_few_events(system: str) -> None:
    """Mutant: an event for each token decoded, or for each layer loaded."""
    workload = {"agents": 256}
    assert events_per_turn(Scenario(system=system, workload=workload), 120, 60) <= MOST_EVENTS


def test_longer_turns_take_no_more_events() -> None:
    """Work of a turn does not grow with its tokens, engines by themselves or together. Mutant: an event for each hundred tokens."""

    def events(append_scale: float) -> float:
        workload = {"agents": 128, "append_scale": append_scale}
        cluster = {"prefill_nodes": 2, "decode_nodes": 2}
        return events_per_turn(Scenario(model="qwen-32b", cluster=cluster, workload=workload), 120, 120)

    assert events(4) <= 1.2 * events(1) <= 1.2 * MOST_EVENTS
