"""What of a scenario may change while its run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualpath_lab.scenario import Scenario, ScenarioError

CHANGEABLE = ("cluster.storage_gbps", "cluster.compute_gbps", "workload.arrival_rate", "workload.hit_rate", "traffic.model_share")
"""Scenario keys that may."""


def changed(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with other values for some of its keys.

    Raises
    ------
    ScenarioError
        If a key is not one of ``CHANGEABLE``, a value is not allowed, or the arrival rate would begin or cease to be.
    """
    after = scenario.with_values(values)
    for key in values:
        if key not in CHANGEABLE:
            raise ScenarioError(f"{key} = {values[key]!r} is not allowed while a run goes on: only {', '.join(CHANGEABLE)} may change.")
    old, new = scenario.workload.arrival_rate, after.workload.arrival_rate
    if (old is None) != (new is None):
        raise ScenarioError(
            f"workload.arrival_rate = {new!r} is not allowed while a run goes on with {old!r}: "
            "agents that start all at once and agents that arrive at a rate are two different runs."
        )
    return after


def hit_rate_of(scenario: Scenario) -> float:
    """Fraction of a turn's context that storage still has."""
    return 1.0 if scenario.workload.hit_rate is None else scenario.workload.hit_rate
