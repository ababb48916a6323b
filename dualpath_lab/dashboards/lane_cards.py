"""Headline figures of a port, as a card."""

from __future__ import annotations

from html import escape

import numpy as np

from dualpath_lab.core.lane_ports import KV as KV_SOURCE
from dualpath_lab.dashboards.cards import STAR, headline
from dualpath_lab.lane_scenario import PortSettings
from dualpath_lab.picture.style import KV, MODEL, NOTHING, STRUCTURE, microseconds, ratio, three_digits
from dualpath_lab.studies.lanes import LaneResult

STARVED = "starved"


def port_name(port: PortSettings) -> str:
    """The preset, and the limit where it is not the preset's own."""
    return port.preset if port.high_limit is None else f"{port.preset}, high limit {port.high_limit}"


def lane_card(label: str, result: LaneResult) -> str:
    """Headline figures of one side.

    Parameters
    ----------
    label : {"A", "B"}
    result : LaneResult
    """
    values = result.to_dict()
    bursts, port = values["burst_s"], result.scenario.port
    line = "solid" if label == "A" else "dashed"
    lasts = NOTHING if bursts["slowdown"] is None else microseconds(bursts["with_kv"]["mean"])
    goodput = f"{three_digits(8e-9 * values['kv']['goodput_bytes_per_s'])} <small>Gb/s</small>"
    return (
        f'<div class="card side-{label.lower()}"><div class="name"><span><b>{label} {escape(port_name(port))}</b> '
        f'<span class="key {line}" style="--ink:{STRUCTURE}"></span>'
        f'<span class="quiet">{port.link_gbps:g} Gb/s link, {1e3 * values["simulated_s"]:.3g} ms</span></span></div>'
        '<div class="figures four">'
        + headline(STAR + "Burst slow-down", ratio(bursts["slowdown"]), "Mean time of a burst over that on a link without KV traffic")
        + headline("Burst takes", lasts, "From handing it over to its last byte, mean")
        + headline("Longest KV wait", _longest_wait(result), "How long the KV lane was ready and others were sent, at most")
        + headline("KV goodput", goodput, "KV bytes carried over the run")
        + "</div>"
        + _shares(values["share"])
        + "</div>"
    )


def _longest_wait(result: LaneResult) -> str:
    """Of a KV packet for its turn; KV traffic that came to nothing after a time counts with the rest of the run."""
    if result.scenario.port.preset == "fifo":
        return f"{NOTHING} <small>one lane for all</small>"
    record = result.record
    mine = record.source == KV_SOURCE
    if not mine.any():
        return STARVED
    last = record.sent_s[mine][-1] + record.size_bytes[mine][-1] / result.port.rate_bytes_per_s
    since = record.ended_s - last if result.scenario.kv.pattern == "backlog" else 0.0
    return microseconds(max(float(np.max(record.held_s[mine])), since))


def _shares(share: dict[str, float]) -> str:
    """The link's time as a bar."""
    colours = {"model": MODEL, "KV": KV, "idle": "transparent"}
    percents = {name: max(100 * share[name.lower()], 0.0) for name in colours}
    bar = "".join(f'<i style="width:{percent:.2f}%;background:{colours[name]}"></i>' for name, percent in percents.items())
    text = ", ".join(f"{name} {percent:.1f} %" for name, percent in percents.items())
    return f'<div class="shares">{bar}</div><div class="quiet">Link: <span class="shared">{text}</span></div>'
