"""The numbers of a run, flat: a name, a type and a unit each, as sweeps, comparisons and tables have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dualpath_lab.result import PERCENTILES, STAGES
from dualpath_lab.schema_keys import Key, unit_of

FIGURES: dict[str, type] = {
    "jct_s": float,
    "simulated_s": float,
    "agents_finished": int,
    "turns": int,
    **{f"tokens.{name}": int for name in ("appended", "generated", "hit", "computed")},
    "hit_rate": float,
    **{f"latency_s.{name}.{figure}": float for name in ("ttft", "ttst", "tpot", "trajectory") for figure in ("mean", *PERCENTILES)},
    **{f"ttft_breakdown_s.{stage}": float for stage in STAGES},
    **{f"storage_bytes.{name}": int for name in ("read", "written")},
    "kv_bytes_per_token": int,
    "working_set_bytes": float,
    **{f"balance.{name}": float for name in ("snic_max_over_mean", "attention_max_over_mean")},
    "slo_met": bool,
    "bottleneck": str,
    "events": int,
}
"""A run's JSON, flat, but for its scenario and its links: the same to the last bit wherever the scenario runs."""

NUMBERS = tuple(name for name, kind in FIGURES.items() if kind in (int, float))
"""Those that have a mean."""

_UNITS = {"agents_finished": "agents", "turns": "turns", "tokens": "tokens", "kv_bytes_per_token": "bytes/token", "events": "events"}
_SHARES = ("hit_rate", "balance")


def unit_of_figure(name: str) -> str:
    """The unit of a figure, as xarray and Parquet carry it: ``1`` for a ratio, empty for a text or a truth."""
    whole, _, _ = name.partition(".")
    return "1" if whole in _SHARES else _UNITS.get(whole, unit_of(whole))


def unit_of_key(key: Key) -> str:
    """The unit of a scenario key, as xarray and Parquet carry it."""
    return "1" if key.unit == "of 1" else key.unit


def figures_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """:data:`FIGURES` of a run's JSON; None where it has none."""
    return {name: at(values, name) for name in FIGURES}


def at(values: Any, key: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for name in key.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values
