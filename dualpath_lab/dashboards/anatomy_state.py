"""What the controls of the anatomy page are set to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import param

from dualpath_lab.dashboards.bounds import check
from dualpath_lab.dashboards.cluster_state import ClusterState
from dualpath_lab.scenario import SYSTEMS, Scenario, ScenarioError
from dualpath_lab.workload import build_workload

MOST_TURNS = 10_000
"""Turns of a run of the page: a few seconds of work, so that no visitor waits for another for long."""
NUMBER = "number"
"""The choice of a turn by its number."""


class AnatomyState(ClusterState):
    """Everything that a visitor of the page can set."""

    PAGE: ClassVar[str] = "anatomy"
    KEYS: ClassVar[Mapping[str, str]] = {
        "model": "model",
        "source": "workload.source",
        "agents": "workload.agents",
        "system": "system",
        "prefill_nodes": "cluster.prefill_nodes",
        "decode_nodes": "cluster.decode_nodes",
        "storage_gbps": "cluster.storage_gbps",
        "pick": "pick",
        "turn": "turn",
        "scale": "scale",
    }
    agents = param.Integer(default=32, bounds=(8, 512), step=8, label="Agents", doc="How many agents replay their turns, all at once.")
    system: Any = param.Selector(
        default="dualpath", objects=list(SYSTEMS), label="System", doc="Who schedules, which side reads, and how KV-cache moves."
    )
    pick: Any = param.Selector(
        default="median",
        objects=["slowest", "median", NUMBER],
        label="Which turn",
        doc="The turn of the longest TTFT, of the median one, or any by its number; a click on a point takes that one.",
    )
    turn = param.Integer(default=0, bounds=(0, MOST_TURNS - 1), label="Turn number", doc="In the order in which the turns finish, from 0.")
    scale: Any = param.Selector(default="log", objects=["log", "linear"], label="TTFT axis", doc="Of the picture of all turns.")

    def scenario(self) -> Scenario:
        """What is run.

        Raises
        ------
        ScenarioError
            If a value is not allowed, or the run would have more turns than ``MOST_TURNS``.
        """
        values = {self.KEYS[name]: getattr(self, name) for name in RUNNING} | self.source_values
        scenario = Scenario().with_values(values)
        check(scenario)
        turns = build_workload(scenario.workload, scenario.seed)[0].turns
        if turns > MOST_TURNS:
            raise ScenarioError(
                f"workload.agents = {self.agents} is not allowed with {self.source}: the run would have {turns:,} turns, "
                f"and this page takes {MOST_TURNS:,}; it should be at most about {self.agents * MOST_TURNS // turns}."
            )
        return scenario


RUNNING = tuple(name for name in AnatomyState.KEYS if name not in ("pick", "turn", "scale"))
"""Parameters that the cluster runs again for."""
