"""The controls: a widget for every parameter of the state, each with its unit, default and help."""

from __future__ import annotations

from typing import Any

import panel as pn

from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.ratio import ratio_html
from dualpath_lab.dashboards.state import LabState
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.scenario import Cluster

FIRST = {"arrival_rate": 0.5, "hit_rate": 0.95}
"""Where the slider of a parameter that is None by default begins."""
NONE_MEANS = {"arrival_rate": "all at once (offline)", "hit_rate": "as the trace has it"}
"""What such a parameter's None means."""


class Sidebar:
    """Widgets tied to a state in both directions; a slider acts when it is let go.

    Attributes
    ----------
    root : list of panel objects
        What stands in the sidebar, from top to bottom.
    message : HTML
        What is wrong with the settings; hidden while nothing is.
    """

    def __init__(self, state: LabState) -> None:
        self._state = state
        controls = Controls(state, "Restarts both runs.", NONE_MEANS, FIRST)
        self.message = pn.pane.HTML("", visible=False, sizing_mode="stretch_width", margin=(10, 16), stylesheets=[CSS])
        self._ratio = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 16, 8, 16), stylesheets=[CSS])
        state.param.watch(self._show_ratio, ["prefill_nodes", "decode_nodes", "storage_gbps", "compute_gbps"])
        self._show_ratio()
        self.root = [
            self.message,
            pn.pane.HTML('<span class="quiet">Every change restarts both runs.</span>', stylesheets=[CSS], margin=(8, 16, 0, 16)),
            title("Cluster"),
            controls.slider("prefill_nodes"),
            controls.slider("decode_nodes"),
            self._ratio,
            controls.slider("storage_gbps"),
            controls.slider("compute_gbps"),
            title("Workload"),
            controls.select("source"),
            controls.slider("agents"),
            *controls.optional("arrival_rate"),
            *controls.optional("hit_rate"),
            title("Model and systems"),
            controls.select("model"),
            controls.select("system_a"),
            controls.select("system_b"),
        ]

    def _show_ratio(self, *_: Any) -> None:
        state = self._state
        self._ratio.object = ratio_html(
            Cluster(
                prefill_nodes=state.prefill_nodes,
                decode_nodes=state.decode_nodes,
                storage_gbps=state.storage_gbps,
                compute_gbps=state.compute_gbps,
            )
        )
