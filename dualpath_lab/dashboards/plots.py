"""What the live curves show: a figure for each step that a request goes through."""

from __future__ import annotations

from typing import NamedTuple

from dualpath_lab.picture.style import DECODE, KV, MODEL, PREFILL, STRUCTURE
from dualpath_lab.scenario import Slo


class Line(NamedTuple):
    """One curve of the race, drawn for both sides."""

    curve: str
    label: str
    colour: str


class Plot(NamedTuple):
    """One figure: what it shows, in which unit, and what a value of the race is times ``scale``."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    scale: float = 1.0
    look_here: bool = False
    top: float | None = None
    limit: tuple[str, float] | None = None


SLO = Slo()
PLOTS = (
    Plot("Scheduler queue", "turns waiting", (Line("scheduler_queue", "to be placed", STRUCTURE),)),
    Plot(
        "Read queue",
        "thousand tokens",
        (Line("prefill_read_tokens", "prefill", PREFILL), Line("decode_read_tokens", "decode", DECODE)),
        scale=1e-3,
    ),
    Plot(
        "Storage NICs (SNIC)",
        "utilisation (%)",
        (Line("prefill_snic", "prefill", PREFILL), Line("decode_snic", "decode", DECODE)),
        scale=100,
        look_here=True,
        top=100,
    ),
    Plot("DRAM", "utilisation (%)", (Line("prefill_dram", "prefill", PREFILL), Line("decode_dram", "decode", DECODE)), scale=100, top=100),
    Plot(
        "Compute NICs (CNIC), prefill",
        "utilisation (%)",
        (Line("prefill_cnic_kv", "KV", KV), Line("prefill_cnic_model", "model", MODEL)),
        scale=100,
        top=100,
    ),
    Plot("Prefill queue", "turns waiting", (Line("prefill_queue", "to be computed", PREFILL),)),
    Plot(
        "Compute NICs (CNIC), decode",
        "utilisation (%)",
        (Line("decode_cnic_kv", "KV", KV), Line("decode_cnic_model", "model", MODEL)),
        scale=100,
        top=100,
    ),
    Plot("First token", "latency (s)", (Line("ttft", "TTFT", PREFILL),), look_here=True, limit=("TTFT SLO", SLO.ttft_s)),
    Plot("Second token", "latency (ms)", (Line("ttst", "TTST", DECODE),), scale=1000),
    Plot("Time per output token", "latency (ms)", (Line("tpot", "TPOT", DECODE),), scale=1000, limit=("TPOT SLO", 1000 * SLO.tpot_s)),
)
"""In the order in which a request flows; a compute NIC counts with its busier direction."""
