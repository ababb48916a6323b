"""One validated description of a run; YAML, ``--set``, the URL and Python all go through it.

Keys carry the units in which people speak (Gb/s, GB); :class:`Scenario` converts nothing itself.
The core asks for SI values through the properties whose names end in the unit.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from dualpath_lab.cluster_presets import CLUSTERS
from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.schema_keys import Key
from dualpath_lab.settings import Part, Settings
from dualpath_lab.units import gbps_to_bytes_per_s, gbytes_to_bytes

__all__ = [
    "SYSTEMS",
    "Cluster",
    "Mechanisms",
    "Role",
    "Scenario",
    "ScenarioError",
    "Side",
    "Slo",
    "Traffic",
    "WorkloadSpec",
    "keys",
    "load_scenario",
]

SYSTEMS = ("basic", "layerwise", "roundrobin", "dualpath", "split", "oracle")

_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def _system(value: Any) -> str:
    """A system by its name, or a policy by that of its class; nothing is imported."""
    if isinstance(value, type):
        return _name_of(value)
    if isinstance(value, str) and (value in SYSTEMS or _CLASS.fullmatch(value)):
        return value
    names = ", ".join(map(repr, SYSTEMS))
    raise ValueError(f"should be one of {names}, or the package.module:Class of a policy of your own")


def _name_of(policy: type) -> str:
    name = f"{policy.__module__}:{policy.__qualname__}"
    found: object = sys.modules.get(policy.__module__)
    for part in policy.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not policy:
        raise ValueError(f"should be a class that {name} leads to: the latest of its name, at the top level of its module or notebook")
    return name


System = Annotated[
    str,
    BeforeValidator(_system),
    Field(json_schema_extra={"allowed": f"one of {', '.join(SYSTEMS)}, or the package.module:Class of a policy of your own"}),
]

Role = Literal["prefill", "decode"]

Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]

Gpu = Annotated[Name, Field(json_schema_extra={"allowed": "a GPU of hardware.py, or the path of a hardware file"})]


class Cluster(Part):
    """Hardware: ``prefill_nodes`` P and ``decode_nodes`` D of ``gpus_per_node`` GPUs each (reference section 2).

    A ``preset`` stands for the keys of one of ``cluster_presets.CLUSTERS``, which keys beside it replace.
    """

    prefill_nodes: int = Field(default=2, ge=1, le=1024, description="Number of nodes whose GPUs prefill (P).")
    decode_nodes: int = Field(default=4, ge=1, le=1024, description="Number of nodes whose GPUs decode (D).")
    gpus_per_node: int = Field(default=8, ge=1, le=64, description="Number of GPUs of a node (g), each with a compute NIC of its own.")
    storage_gbps: float = Field(default=400.0, ge=1e-3, le=1e6, description="Bandwidth of a node's storage NIC, each direction.")
    compute_gbps: float = Field(default=400.0, ge=1e-3, le=1e6, description="Bandwidth of one GPU's compute NIC, each direction.")
    dram_gbytes_per_s: float = Field(
        default=500.0, ge=1e-3, le=1e6, description="Bandwidth of a node's DRAM, reads and writes together (M)."
    )
    hbm_gbytes: float | None = Field(
        default=None, ge=1e-3, le=1e5, description="HBM of a GPU, weights included; null takes the hardware's."
    )
    buffer_gbytes: float | None = Field(
        default=None, ge=1e-3, le=1e6, description="DRAM of a node that buffers KV-cache in transit; null follows from the model."
    )
    copy_method: Literal["rdma", "copy_engine"] = Field(
        default="rdma", description="How KV-cache crosses between DRAM and HBM: RDMA by the compute NIC, or the GPU's copy engine."
    )
    hardware: Gpu = Field(default="h200", description="The GPU, which sets the speed of computation, HBM bandwidth and HBM.")

    @property
    def storage_bytes_per_s(self) -> float:
        """Bandwidth of a node's storage NIC, each direction."""
        return gbps_to_bytes_per_s(self.storage_gbps)

    @property
    def compute_bytes_per_s(self) -> float:
        """Bandwidth of one GPU's compute NIC, each direction."""
        return gbps_to_bytes_per_s(self.compute_gbps)

    @property
    def dram_bytes_per_s(self) -> float:
        """Bandwidth of a node's DRAM, reads and writes together."""
        return gbytes_to_bytes(self.dram_gbytes_per_s)

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, values: Any) -> Any:
        if isinstance(values, dict) and "preset" in values:
            return _preset(values["preset"]) | {key: value for key, value in values.items() if key != "preset"}
        return values


class Side(Part):
    """What the nodes of one role have where it is not what the cluster has."""

    hardware: Gpu | None = Field(default=None, description="The GPU of this role's nodes; null takes cluster.hardware.")
    storage_gbps: float | None = Field(
        default=None, ge=1e-3, le=1e6, description="Bandwidth of this role's storage NICs, each direction; null takes cluster.storage_gbps."
    )
    compute_gbps: float | None = Field(
        default=None, ge=1e-3, le=1e6, description="Bandwidth of this role's compute NICs, each direction; null takes cluster.compute_gbps."
    )
    dram_gbytes_per_s: float | None = Field(
        default=None, ge=1e-3, le=1e6, description="Bandwidth of the DRAM of this role's nodes; null takes cluster.dram_gbytes_per_s."
    )
    hbm_gbytes: float | None = Field(default=None, ge=1e-3, le=1e5, description="HBM of this role's GPUs; null takes cluster.hbm_gbytes.")
    buffer_gbytes: float | None = Field(
        default=None, ge=1e-3, le=1e6, description="DRAM for KV-cache of this role's nodes; null takes cluster.buffer_gbytes."
    )


class WorkloadSpec(Part):
    """Which trajectories run, how many, when they start and how they are bent (reference section 9).

    Pauses between turns are exponential with the mean ``tool_gap_s``, or the trace's own where that is None. ``sessions`` of the source
    are drawn with the seed for the agents to take; all of a trace's, or 500 of a paper's dataset, where that is None.
    """

    source: Name = Field(
        default="paper-64k",
        description="Where the trajectories come from: the statistics of a published dataset, or a trace.",
        json_schema_extra={"allowed": "one of paper-32k, paper-48k, paper-64k, or the path of a trace"},
    )
    sessions: int | None = Field(
        default=None, ge=1, le=2_000_000, description="Number of the trace's sessions to draw with the seed; null takes all of them."
    )
    agents: int = Field(default=1024, ge=1, le=1_000_000, description="Number of trajectories to run, each by one agent.")
    arrival_rate: float | None = Field(
        default=None, gt=0, le=1e6, description="Rate of the Poisson process by which agents start; null starts all at once (offline)."
    )
    hit_rate: float | None = Field(
        default=None, ge=0, le=1, description="Fraction of each turn's context that storage holds; null holds what the source says."
    )
    append_scale: float = Field(default=1.0, gt=0, le=1000, description="Factor on the appended tokens of every turn.")
    generate_scale: float = Field(default=1.0, gt=0, le=1000, description="Factor on the generated tokens of every turn.")
    tool_gap_s: float | None = Field(
        default=0.0, ge=0, le=1e6, description="Mean of the exponential pause between an agent's turns; null takes the pauses of the trace."
    )


class Traffic(Part):
    """High-priority load on the compute network."""

    model_share: float | None = Field(
        default=None, ge=0, le=0.99, description="Mean share of each compute NIC that model traffic takes; null follows from the model."
    )


class Mechanisms(Part):
    """Switches for the ablation: turns one mechanism of the system on or off; None leaves it as the system has it.

    ``forward_tokens`` is what a prefill engine without compute quota puts into one forward.
    """

    layerwise: bool | None = Field(
        default=None, description="Layer-wise prefill, with transfers beside the computation; null is the system's."
    )
    dual_path: bool | None = Field(default=None, description="Reads through the decode side too; null is the system's.")
    adaptive: bool | None = Field(default=None, description="The adaptive scheduler in place of round robin; null is the system's.")
    compute_quota: bool | None = Field(
        default=None, description="Forwards filled up to a compute quota in place of a number of tokens; null is the system's."
    )
    forward_tokens: int | None = Field(
        default=None, ge=1, le=1_000_000, description="New tokens of a forward without compute quota; null is 2,048."
    )


class Slo(Part):
    """Service-level objective of online serving."""

    ttft_s: float = Field(default=4.0, gt=0, description="Objective for the mean TTFT, time to first token.")
    tpot_s: float = Field(default=0.05, gt=0, description="Objective for the mean TPOT, time per output token after the first.")


class Scenario(Settings):
    """Everything that decides a run's result; equal scenarios give equal results.

    Parameters
    ----------
    model : str
        A preset's name or the path of a Hugging Face style ``config.json``.
    kv_dtype : {"fp8", "bf16", "fp16"}, optional
        Storage type of the KV-cache; the model's own when left out.
    system : str or class
        One of ``SYSTEMS`` (reference section 10), or a policy of your own: its class, or ``package.module:Class``. A scenario keeps the
        name; whoever simulates it imports the module, which runs it.
    cluster, prefill, decode, workload, mechanisms, traffic, slo
        The parts; mappings are validated into them.
    horizon_s : float, optional
        Stop after this much simulated time.
    seed : int
        Seed of every random draw.
    """

    model: Name = Field(
        default="ds-660b",
        description="The model that is served.",
        json_schema_extra={"allowed": "a preset such as ds-660b, ds-27b or qwen-32b, or the path of a Hugging Face style config.json"},
    )
    kv_dtype: Literal["fp8", "bf16", "fp16"] | None = Field(
        default=None, description="Type in which KV-cache is kept; null is the model's own."
    )
    system: System = Field(
        default="dualpath", description="Who decides where a turn is prefilled, decoded and read: a system, or a policy."
    )
    cluster: Cluster = Cluster()
    prefill: Side = Side()
    decode: Side = Side()
    workload: WorkloadSpec = WorkloadSpec()
    mechanisms: Mechanisms = Mechanisms()
    traffic: Traffic = Traffic()
    slo: Slo = Slo()
    horizon_s: float | None = Field(
        default=None, gt=0, description="Simulated time at which the run stops; null runs until the last agent is done."
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Seed of every random draw.")

    if TYPE_CHECKING:  # a checker without pydantic's plugin would refuse a mapping for a part, and a class for the system

        def __init__(self, /, **values: Any) -> None: ...

    def side(self, role: Role) -> Cluster:
        """The cluster as the nodes of one role have it."""
        own: Side = getattr(self, role)
        return self.cluster.model_copy(update=own.model_dump(exclude_none=True))

    @classmethod
    def _assign(cls, values: dict[str, Any], key: str, value: Any) -> None:
        assigned = {f"cluster.{name}": each for name, each in _preset(value).items()} if key == "cluster.preset" else {key: value}
        for name, each in assigned.items():
            super()._assign(values, name, each)


def _preset(name: Any) -> dict[str, Any]:
    if not isinstance(name, str) or name not in CLUSTERS:
        raise ScenarioError(f"cluster.preset = {shown(name)} is not allowed: it should be one of {', '.join(CLUSTERS)}.")
    return CLUSTERS[name].values


def load_scenario(path: str | Path | None = None, assignments: Iterable[str] = ()) -> Scenario:
    """Read a scenario file and apply ``KEY=VALUE`` assignments on top.

    Raises
    ------
    ScenarioError
        If the file is missing or not YAML, or a key or value is not allowed.
    """
    return Scenario.load(path, assignments)


def keys() -> list[Key]:
    """All scenario keys, dotted, in the schema's order."""
    return Scenario.keys()
