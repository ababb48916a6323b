"""Settings worth seeing, each with the sentence that it shows."""

from __future__ import annotations

from typing import Any, NamedTuple

from dualpath_lab.dashboards.state import SETTINGS, LabState


class Preset(NamedTuple):
    """What to look at, and the settings that are not the defaults."""

    sentence: str
    values: dict[str, Any]


PRESETS = {
    "The storage wall": Preset(
        "Basic reads everything through the prefill nodes: their storage NICs are full while the decode nodes' idle. "
        "The second path makes use of those.",
        {},
    ),
    "Too few decode nodes": Preset(
        "One decode node for four prefill nodes: turns wait in the scheduler's queue for room in decode memory, and a second path to "
        "storage cannot help.",
        {"prefill_nodes": 4, "decode_nodes": 1, "agents": 256},
    ),
    "Compute bound: dual path cannot help": Preset(
        "Storage is four times as fast and a tenth of each context is computed again: prefill compute is what is short, and dualpath "
        "gains less than a fifth, by its scheduler.",
        {"storage_gbps": 1600.0, "hit_rate": 0.9},
    ),
    "Too little hit rate": Preset(
        "Storage has only a fifth of each context: the rest is computed again, throughput falls by about half, and dualpath "
        "gains less than a fifth.",
        {"hit_rate": 0.2},
    ),
    "Online, near capacity": Preset(
        "Agents arrive at a rate that basic cannot take: its time to first token outgrows the SLO of 4 s, while dualpath's does not.",
        {"arrival_rate": 0.3, "agents": 256},
    ),
    "Model traffic crowds out KV": Preset(
        "The model's own traffic takes 95 % of each compute NIC while engines run: KV-cache waits there, on either path.",
        {"model_share": 0.95},
    ),
}

OWN = "Your own settings"
"""What the list says where the settings are no preset's."""


def settings_of(name: str) -> dict[str, Any]:
    """Every setting of a preset, by parameter."""
    return {setting: LabState.param[setting].default for setting in SETTINGS} | PRESETS[name].values


def preset_of(state: LabState) -> str:
    """Name of the preset that a state is, or ``OWN``."""
    own = {setting: getattr(state, setting) for setting in SETTINGS}
    return next((name for name in PRESETS if settings_of(name) == own), OWN)
