"""How many more tokens a second a prefill forward does with more requests in it (reference section 11, A5)."""

from __future__ import annotations

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.scenario import Scenario

CACHED_TOKENS, NEW_TOKENS = 30_000, 300
"""Published: of each request."""


def relative_throughput(scenario: Scenario, requests: int) -> float:
    """Tokens a second of a forward with so many like requests on every engine, over those of a forward with one.

    Parameters
    ----------
    scenario : Scenario
        Its model, prefill nodes and hardware count.
    requests : int
        At least 1.

    Raises
    ------
    ScenarioError
        If the scenario's parts don't go together.
    """
    return requests * _forward_s(scenario, 1) / _forward_s(scenario, requests)


def _forward_s(scenario: Scenario, requests: int) -> float:
    group = Simulation(scenario.with_values({"workload.agents": 1})).cluster.prefill_groups[0]
    attention_s = requests * group.time.attention_s(CACHED_TOKENS, NEW_TOKENS)
    return group.time.forward_s(attention_s, requests * NEW_TOKENS * len(group.engines))
