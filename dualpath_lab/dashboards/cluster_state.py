"""What the controls of every page that simulates a cluster have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import param

from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.models import PRESETS
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.workload import DATASETS, read_trace

DATA_FOLDER = "DUALPATH_LAB_DATA"
"""Environment variable that names a folder of recorded traces."""


class ClusterState(LinkedState):
    """A model, a workload and a cluster."""

    UNITS: ClassVar[Mapping[str, str]] = {
        "prefill_nodes": "nodes",
        "decode_nodes": "nodes",
        "storage_gbps": "Gb/s",
        "agents": "agents",
    }

    model: Any = param.Selector(default="qwen-32b", objects=list(PRESETS), label="Model", doc="The model that is served.")
    source: Any = param.Selector(
        default="paper-64k",
        objects=list(DATASETS),
        label="Workload",
        doc="Whose turns are replayed: published statistics, without pauses between turns, or a recorded trace, with the pauses it has.",
    )
    prefill_nodes = param.Integer(
        default=1, bounds=(1, 12), label="Prefill nodes P", doc="Each has 8 GPUs and one storage NIC; new tokens are computed here."
    )
    decode_nodes = param.Integer(
        default=2, bounds=(1, 12), label="Decode nodes D", doc="Each has 8 GPUs and one storage NIC; answers are generated here."
    )
    storage_gbps = param.Number(
        default=400.0, bounds=(25, 1600), step=25, label="Storage bandwidth", doc="Speed of each node's storage NIC, each direction."
    )

    def __init__(self, **values: Any) -> None:
        self._traces = _traces(os.environ.get(DATA_FOLDER, ""))
        self.param["source"].objects = [*DATASETS, *self._traces]
        super().__init__(**values)

    @property
    def source_values(self) -> dict[str, Any]:
        """The scenario's keys for the workload's source: of a recorded trace its own pauses, too."""
        trace = self._trace()
        return {"workload.source": str(trace or self.source), "workload.tool_gap_s": None if trace else 0.0}

    def _trace(self) -> Path | None:
        return self._traces.get(self.source)


@cache
def _traces(folder: str) -> dict[str, Path]:
    """Find the traces in a folder that can be replayed, by file name; none where the folder's name is empty."""
    found = {}
    for path in sorted(Path(folder).glob("*.csv*")) if folder else ():
        with suppress(ScenarioError):
            read_trace(path)
            found[path.name] = path
    return found
