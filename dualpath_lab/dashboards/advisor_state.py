"""What the controls of the Advisor page are set to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import param

from dualpath_lab.dashboards.cluster_state import ClusterState
from dualpath_lab.hardware import GPUS
from dualpath_lab.scenario import Scenario
from dualpath_lab.studies.advise import SYSTEMS_COMPARED

SCENARIO_KEYS = {
    "model": "model",
    "source": "workload.source",
    "agents": "workload.agents",
    "hardware": "cluster.hardware",
    "storage_gbps": "cluster.storage_gbps",
    "compute_gbps": "cluster.compute_gbps",
    "hit_rate": "workload.hit_rate",
    "slo_ttft_s": "slo.ttft_s",
    "slo_tpot_s": "slo.tpot_s",
}
OFFLINE, ONLINE = "offline", "offline and online"


class AdvisorState(ClusterState):
    """Everything that a visitor of the page can ask about; ``None`` has the meaning it has in a scenario."""

    PAGE: ClassVar[str] = "advisor"
    KEYS: ClassVar[Mapping[str, str]] = SCENARIO_KEYS | {"gpus": "gpus", "seeds": "seeds", "question": "question"}
    UNITS: ClassVar[Mapping[str, str]] = {**ClusterState.UNITS, "compute_gbps": "Gb/s", "gpus": "GPUs", "seeds": "seeds"} | dict.fromkeys(
        ("slo_ttft_s", "slo_tpot_s"), "s"
    )

    hardware: Any = param.Selector(default="h200", objects=list(GPUS), label="GPU", doc="Of all nodes; 8 in each.")
    compute_gbps = param.Number(
        default=400.0, bounds=(50, 1600), step=50, label="Compute bandwidth", doc="Speed of each GPU's compute NIC, each direction."
    )
    agents = param.Integer(default=48, bounds=(8, 512), step=8, label="Agents", doc="How many agents replay their turns, all at once.")
    source: Any = param.Selector(default="paper-32k")
    hit_rate = param.Number(
        default=None,
        bounds=(0, 1),
        step=0.01,
        allow_None=True,
        label="Hit rate",
        doc="Part of each turn's context whose KV-cache storage still has; the rest is computed again.",
    )
    gpus = param.Integer(
        default=24, bounds=(16, 128), step=8, label="GPU budget", doc="All of them are used; how many prefill is what is looked for."
    )
    question: Any = param.Selector(
        default=OFFLINE,
        objects=[OFFLINE, ONLINE],
        label="Question",
        doc="Offline: how soon all agents are done. Online, too: how many new agents a second are served within the objective, "
        "which takes minutes.",
    )
    slo_ttft_s = param.Number(
        default=4.0, bounds=(0.5, 60), step=0.5, label="TTFT, mean", doc="Objective: the mean time to a turn's first token, at most."
    )
    slo_tpot_s = param.Number(
        default=0.05, bounds=(0.005, 0.5), step=0.005, label="TPOT, mean", doc="Objective: the mean time of each further token, at most."
    )
    seeds = param.Integer(default=1, bounds=(1, 5), step=1, label="Repeats", doc="Runs with different seeds behind each interval.")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._uploaded: dict[str, dict[str, Path]] = {"model": {}, "source": {}}

    def offer(self, name: str, path: Path) -> None:
        """Add an uploaded file to what ``model`` or ``source`` may be, and choose it."""
        uploaded = self._uploaded[name]
        uploaded[path.name] = path
        objects = self.param[name].objects
        if path.name not in objects:
            self.param[name].objects = [*objects, path.name]
        self.param.update({name: path.name})
        self.param.trigger(name)

    def scenario(self) -> Scenario:
        """What is asked about; its P, D and system are to be replaced.

        Raises
        ------
        ScenarioError
            If a value is not allowed.
        """
        values: dict[str, Any] = {key: getattr(self, name) for name, key in SCENARIO_KEYS.items()}
        values["model"] = str(self._uploaded["model"].get(self.model, self.model))
        return Scenario().with_values(values | self.source_values)

    def _trace(self) -> Path | None:
        return self._uploaded["source"].get(self.source) or super()._trace()

    def shown(self, sentence: str) -> str:
        """A sentence without the places where uploaded files lie."""
        for uploaded in self._uploaded.values():
            for name, path in uploaded.items():
                sentence = sentence.replace(str(path), name)
        return sentence


SYSTEMS = SYSTEMS_COMPARED
"""What is compared."""
