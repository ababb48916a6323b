"""One validated description of a run; YAML, ``--set``, the URL and Python all go through it.

Keys carry the units in which people speak (Gb/s, GB); :class:`Scenario` converts nothing itself.
The core asks for SI values through the properties whose names end in the unit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dualpath_lab.units import gbps_to_bytes_per_s, gbytes_to_bytes

System = Literal["basic", "layerwise", "roundrobin", "dualpath", "split", "oracle"]
SYSTEMS: tuple[str, ...] = get_args(System)

_NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises: its own error, and what its constructors let through for impossible dates, numbers, tags and nesting."""

Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class ScenarioError(ValueError):
    """Bad input, told in one sentence: the field, its value and what is allowed."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cluster(_Part):
    """Hardware: ``prefill_nodes`` P and ``decode_nodes`` D of ``gpus_per_node`` GPUs each (reference section 2)."""

    prefill_nodes: int = Field(2, ge=1, le=1024)
    decode_nodes: int = Field(4, ge=1, le=1024)
    gpus_per_node: int = Field(8, ge=1, le=64)
    storage_gbps: float = Field(400.0, ge=1e-3, le=1e6)
    compute_gbps: float = Field(400.0, ge=1e-3, le=1e6)
    dram_gbytes_per_s: float = Field(500.0, ge=1e-3, le=1e6)
    hbm_gbytes: float = Field(141.0, ge=1e-3, le=1e5)
    buffer_gbytes: float | None = Field(None, ge=1e-3, le=1e6)
    copy_method: Literal["rdma", "copy_engine"] = "rdma"

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

    @property
    def hbm_bytes(self) -> int:
        """Memory of one GPU."""
        return int(gbytes_to_bytes(self.hbm_gbytes))


class WorkloadSpec(_Part):
    """Which trajectories run, how many, when they start and how they are bent (reference section 9)."""

    source: Name = "paper-64k"
    agents: int = Field(1024, ge=1, le=1_000_000)
    arrival_rate: float | None = Field(None, gt=0, le=1e6)
    hit_rate: float | None = Field(None, ge=0, le=1)
    append_scale: float = Field(1.0, gt=0, le=1000)
    generate_scale: float = Field(1.0, gt=0, le=1000)
    tool_gap_s: float = Field(0.0, ge=0, le=1e6)


class Traffic(_Part):
    """High-priority load on the compute network."""

    model_share: float | None = Field(None, ge=0, le=0.99)


class Mechanisms(_Part):
    """Switches for the ablation: turns one mechanism of the system on or off; None leaves it as the system has it."""

    layerwise: bool | None = None
    dual_path: bool | None = None
    adaptive: bool | None = None
    compute_quota: bool | None = None


class Slo(_Part):
    """Service-level objective of online serving."""

    ttft_s: float = Field(4.0, gt=0)
    tpot_s: float = Field(0.05, gt=0)


class Scenario(_Part):
    """Everything that decides a run's result; equal scenarios give equal results.

    Parameters
    ----------
    model : str
        A preset's name or the path of a Hugging Face style ``config.json``.
    kv_dtype : {"fp8", "bf16", "fp16"}, optional
        Storage type of the KV-cache; the model's own when left out.
    system : str
        One of ``SYSTEMS`` (reference section 10).
    cluster, workload, mechanisms, traffic, slo
        The parts; mappings are validated into them.
    horizon_s : float, optional
        Stop after this much simulated time.
    seed : int
        Seed of every random draw.
    """

    model: Name = "ds-660b"
    kv_dtype: Literal["fp8", "bf16", "fp16"] | None = None
    system: System = "dualpath"
    cluster: Cluster = Cluster()
    workload: WorkloadSpec = WorkloadSpec()
    mechanisms: Mechanisms = Mechanisms()
    traffic: Traffic = Traffic()
    slo: Slo = Slo()
    horizon_s: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0, le=2**32 - 1)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ScenarioError(_sentence(error)) from None

    def with_values(self, changes: Mapping[str, Any]) -> Scenario:
        """A copy with dotted keys replaced, validated anew.

        Parameters
        ----------
        changes : mapping
            For instance ``{"cluster.prefill_nodes": 4, "system": "basic"}``.

        Raises
        ------
        ScenarioError
            If a key or value is not allowed.
        """
        values = self.model_dump()
        for key, value in changes.items():
            _assign(values, key, value)
        return Scenario(**values)


def load_scenario(path: str | Path | None = None, assignments: Iterable[str] = ()) -> Scenario:
    """Read a scenario file and apply ``KEY=VALUE`` assignments on top.

    Raises
    ------
    ScenarioError
        If the file is missing or not YAML, or a key or value is not allowed.
    """
    values = _read_yaml(Path(path)) if path is not None else {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise ScenarioError(f"--set takes KEY=VALUE, got {assignment!r}.")
        try:
            value = yaml.safe_load(text)
        except _NOT_YAML:
            value = text
        _assign(values, key.strip(), value)
    return Scenario(**values)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"Scenario file {str(path)!r} cannot be read: {error.strerror}.") from None
    except _NOT_YAML as error:
        raise ScenarioError(f"Scenario file {str(path)!r} is not YAML: {' '.join(str(error).split())}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ScenarioError(f"Scenario file {str(path)!r} must hold a mapping of scenario keys.")
    return values


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise _unknown_key(key)
        values = inner
    values[leaf] = value


def keys() -> list[str]:
    """All scenario keys, dotted, in the schema's order."""
    found: list[str] = []
    for name, field in Scenario.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, _Part):
            found += [f"{name}.{inner}" for inner in part.model_fields]
        else:
            found.append(name)
    return found


def _unknown_key(key: str) -> ScenarioError:
    near = difflib.get_close_matches(key, keys(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(keys())}."
    return ScenarioError(f"Unknown scenario key {key!r}; {hint}")


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return str(_unknown_key(key))
    allowed = problem["msg"].removeprefix("Input ")
    if problem["type"] == "literal_error":
        allowed = f"should be one of {problem['ctx']['expected']}"
    elif problem["type"] == "model_type":
        allowed = "should be a mapping of keys to values"
    return f"{key} = {problem['input']!r} is not allowed: it {allowed}."
