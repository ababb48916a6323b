"""One figure for each published figure that the rows stand for (reference section 11), from the stored results alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import holoviews as hv

from dualpath_lab.dashboards.paper_offline import (
    ablation,
    append_scale,
    append_speedup,
    attention_balance,
    large_throughput,
    large_ttft,
    offline_jct,
    offline_speedup,
    scale,
    small_model,
    small_pairs,
)
from dualpath_lab.dashboards.paper_online import batch_throughput, online_ttft, ttft_breakdown
from dualpath_lab.studies.forward_throughput import CACHED_TOKENS, NEW_TOKENS
from dualpath_lab.studies.reproduce.jobs import START
from dualpath_lab.studies.reproduce.results import Results
from dualpath_lab.studies.reproduce.runs import ABLATION_AGENTS, SCALED_AGENTS


class Figure(NamedTuple):
    """What a figure is called, what one sees in it, and how it is drawn; an empty overlay where none of its runs was made."""

    title: str
    caption: str
    draw: Callable[[Results], hv.Overlay]


FIGURES: dict[str, Figure] = {
    "offline_jct": Figure("DS 660B 2P4D, offline: JCT", "Time until all agents are done, at MaxLen 64K.", offline_jct),
    "offline_speedup": Figure(
        "DS 660B 2P4D, offline: speed-up",
        "JCT of basic over that of dualpath, for each MaxLen; published is the best of all.",
        offline_speedup,
    ),
    "ablation": Figure(
        "DS 660B 2P4D: what each mechanism brings",
        f"JCT reduction against basic at MaxLen 64K, mean of {' and '.join(f'{agents:,}' for agents in ABLATION_AGENTS)} agents.",
        ablation,
    ),
    "online_ttft": Figure(
        "DS 660B 2P4D, online: TTFT and capacity",
        "Every arrival rate that the search for the capacities (dashed) tried; a run stops once TTFT leaves the objective.",
        online_ttft,
    ),
    "ttft_breakdown": Figure(
        "DS 660B 2P4D, online: what TTFT is made of",
        "Means by stage; in the published break-down time before prefill grows with the rate for basic, and stays for dualpath.",
        ttft_breakdown,
    ),
    "append_scale": Figure(
        "DS 660B 2P4D: longer appends, JCT",
        f"{SCALED_AGENTS:,} agents; as trajectories end at MaxLen, longer appends make fewer turns.",
        append_scale,
    ),
    "append_speedup": Figure(
        "DS 660B 2P4D: longer appends, speed-up", f"JCT of basic over that of dualpath, {SCALED_AGENTS:,} agents.", append_speedup
    ),
    "small_model": Figure(
        "DS 27B 1P1D, offline",
        "JCT of basic over dualpath's, and of dualpath over that of an oracle that moves nothing, at MaxLen 64K.",
        small_model,
    ),
    "small_pairs": Figure("DS 27B: pairs with equal storage bandwidth", "Two neighbours can read equally fast from storage.", small_pairs),
    "attention_balance": Figure(
        "DS 27B 1P1D: balance of attention",
        f"Attention time of the slowest engine over the mean, first {START:.0%} of the turns; only dualpath packs forwards by a compute "
        "quota.",
        attention_balance,
    ),
    "batch_throughput": Figure(
        "Prefill: requests in a forward",
        f"Tokens a second with several requests in a forward over those with one; each has {CACHED_TOKENS:,} cached and {NEW_TOKENS} new "
        "tokens.",
        batch_throughput,
    ),
    "scale": Figure("DS 660B: from 48 to 1,152 GPUs", "JCT with 24 times the machines and 24 times the agents, at MaxLen 48K.", scale),
    "large_throughput": Figure(
        "DS 660B 48P96D: prompt tokens over time", "Hits included; a turn counts when its first token comes.", large_throughput
    ),
    "large_ttft": Figure(
        "DS 660B 48P96D: TTFT over time",
        "Mean over the turns whose first token comes in a window; the published peak stands over ours.",
        large_ttft,
    ),
}
"""All figures, in the order of the report."""
