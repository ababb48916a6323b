"""What the page of the virtual lanes gives away: every packet of the window, and its plots."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dualpath_lab.dashboards.lane_cards import port_name
from dualpath_lab.dashboards.lane_spans import spans
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.lane_views import SOURCES, LaneViews
from dualpath_lab.dashboards.prints import DASHED, Key, Plotted
from dualpath_lab.picture.style import KV, MODEL
from dualpath_lab.studies.lanes import LaneResult


def packet_table(results: Mapping[str, LaneResult], start_us: float, end_us: float) -> pd.DataFrame:
    """A row for each packet that a window shows, those at its edges whole; ``held_us`` is how long its lane had been ready to send it."""
    return pd.concat([_packets(side, result, start_us, end_us) for side, result in results.items()], ignore_index=True)


def _packets(side: str, result: LaneResult, start_us: float, end_us: float) -> pd.DataFrame:
    shown = spans(result, 1e-6 * start_us, 1e-6 * end_us, most=2 * len(result.record.sent_s) + 2)
    return pd.DataFrame(
        {
            "side": side,
            "port": result.scenario.port.preset,
            "source": [SOURCES[source][0] for source in shown.source.tolist()],
            "begin_us": 1e6 * shown.begin_s,
            "length_us": 1e6 * (shown.end_s - shown.begin_s),
            "size_bytes": shown.size_bytes,
            "held_us": 1e6 * shown.longest_hold_s,
        }
    )


def lane_plots(results: Mapping[str, LaneResult], views: LaneViews) -> list[Plotted]:
    """Both ports on the wire, and what they carried."""
    sources = (Key("model", MODEL), Key("KV", KV))
    wire = (
        *sources,
        Key("a burst waits or is being sent", MODEL, alpha=0.3),
        Key("a burst comes", MODEL, marker="inverted_triangle"),
    )
    *packets, carried = views.figures
    return [
        *(
            Plotted(f"{side.upper()} {port_name(result.scenario.port)}: on the wire (height: share of the link)", drawn, wire)
            for (side, result), drawn in zip(results.items(), packets, strict=True)
        ),
        Plotted("Bytes carried, from the left edge on", carried, (*sources, Key("A"), Key("B", dash=DASHED))),
    ]


def lane_words(state: LaneState) -> list[str]:
    """What tells one picture from another."""
    return [f"{state.preset} vs {state.versus}", f"from {state.start_us:g} us", f"{state.width_us:g} us"]
