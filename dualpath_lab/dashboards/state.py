"""What the page's controls are set to: units, defaults, bounds, help, and the link that carries them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import param

from dualpath_lab.core.live_change import CHANGEABLE
from dualpath_lab.dashboards.bounds import check
from dualpath_lab.dashboards.cluster_state import ClusterState
from dualpath_lab.scenario import SYSTEMS, Scenario

SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

KEYS = {
    "model": "model",
    "source": "workload.source",
    "system_a": "system_a",
    "system_b": "system_b",
    "prefill_nodes": "cluster.prefill_nodes",
    "decode_nodes": "cluster.decode_nodes",
    "storage_gbps": "cluster.storage_gbps",
    "compute_gbps": "cluster.compute_gbps",
    "agents": "workload.agents",
    "arrival_rate": "workload.arrival_rate",
    "hit_rate": "workload.hit_rate",
    "model_share": "traffic.model_share",
    "speed": "speed",
}
"""Parameter -> key in the link; scenario keys wherever there is one."""
SCENARIO_KEYS = {name: key for name, key in KEYS.items() if "." in key or key == "model"}
SETTINGS = tuple(name for name in KEYS if name != "speed")
"""Parameters that the runs are of."""
LIVE = tuple(name for name in SETTINGS if KEYS[name] in CHANGEABLE)
"""Those of them that act on runs under way; for the others both runs begin anew."""
UNITS = {
    **ClusterState.UNITS,
    "compute_gbps": "Gb/s",
    "arrival_rate": "agents/s",
    "speed": "simulated s per s",
}
"""Units of the parameters that have one."""
_SHORT = {
    "storage_gbps": "Storage",
    "compute_gbps": "Compute",
    "arrival_rate": "Arrivals",
    "hit_rate": "Hit rate",
    "model_share": "VL share",
}
"""What a change of a live parameter is called in a plot."""


class LabState(ClusterState):
    """Everything that a visitor can set; ``None`` has the meaning it has in a scenario."""

    KEYS: ClassVar[Mapping[str, str]] = KEYS
    UNITS: ClassVar[Mapping[str, str]] = UNITS

    system_a: Any = param.Selector(
        default="basic", objects=list(SYSTEMS), label="System A", doc="Drawn solid; what speed-ups are measured from."
    )
    system_b: Any = param.Selector(
        default="dualpath", objects=list(SYSTEMS), label="System B", doc="Drawn dashed; runs the same turns as A."
    )
    compute_gbps = param.Number(
        default=400.0, bounds=(50, 1600), step=50, label="Compute bandwidth", doc="Speed of each GPU's compute NIC, each direction."
    )
    agents = param.Integer(
        default=64, bounds=(8, 2048), step=8, label="Agents", doc="How many agents replay their turns, one after the other."
    )
    arrival_rate = param.Number(
        default=None,
        bounds=(0.05, 5),
        step=0.05,
        allow_None=True,
        label="Arrival rate",
        doc="Agents that start in a second, at random times.",
    )
    hit_rate = param.Number(
        default=None,
        bounds=(0, 1),
        step=0.01,
        allow_None=True,
        label="Hit rate",
        doc="Part of each turn's context whose KV-cache storage still has; the rest is computed again.",
    )
    model_share = param.Number(
        default=None,
        bounds=(0, 0.99),
        step=0.01,
        allow_None=True,
        label="VL share of model traffic",
        doc="Part of each compute NIC that the virtual lane of the model's own traffic takes while engines run.",
    )
    speed: Any = param.Selector(default=20, objects=list(SPEEDS), label="Speed", doc="Simulated seconds that pass in a second of yours.")

    def scenarios(self) -> tuple[Scenario, Scenario]:
        """A's and B's scenario, alike but for the system.

        Raises
        ------
        ScenarioError
            If a value is not allowed, or the run would take more than a visitor may.
        """
        values = {key: getattr(self, name) for name, key in SCENARIO_KEYS.items()}
        base = Scenario().with_values(values | self.source_values)
        check(base)
        return base.with_values({"system": self.system_a}), base.with_values({"system": self.system_b})


def changes(before: Mapping[str, Any], state: LabState) -> str:
    """Say what is different from ``before``: each label with old -> new."""
    return state.differences(before, SETTINGS)


def mark(before: Mapping[str, Any], state: LabState) -> str:
    """What is different from ``before`` in few words, for a mark in a plot: a line for each, with its unit."""
    different = [name for name in LIVE if getattr(state, name) != before[name]]
    return "\n".join(f"{_SHORT[name]} {state.old_and_new(before, name)} {UNITS.get(name, '')}".rstrip() for name in different)


def live_values(before: Mapping[str, Any], state: LabState) -> dict[str, Any] | None:
    """What is different from ``before``, by scenario key; None if runs under way can't take it.

    Agents that start all at once and agents that arrive at a rate are two different runs.
    """
    different = [name for name in SETTINGS if getattr(state, name) != before[name]]
    begins_or_ends = (state.arrival_rate is None) != (before["arrival_rate"] is None)
    if begins_or_ends or not set(different) <= set(LIVE):
        return None
    return {KEYS[name]: getattr(state, name) for name in different}
