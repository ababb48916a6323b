"""The controls: a widget for every parameter of the state, each with its unit, default and help."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.presets import OWN, PRESETS, preset_of, settings_of
from dualpath_lab.dashboards.ratio import ratio_html
from dualpath_lab.dashboards.state import LIVE, SETTINGS, LabState
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.scenario import Cluster

FIRST = {"arrival_rate": 0.5, "hit_rate": 0.95, "model_share": 0.5}
"""Where the slider of a parameter that is None by default begins."""
NONE_MEANS = {"arrival_rate": "all at once (offline)", "hit_rate": "as the trace has it", "model_share": "as the model's exchange needs"}
"""What such a parameter's None means."""


class Sidebar:
    """Widgets tied to a state in both directions; a slider acts when it is let go.

    Attributes
    ----------
    root : list of panel objects
        What stands in the sidebar, from top to bottom.
    """

    def __init__(self, state: LabState) -> None:
        self._state = state
        controls = Controls(state, effect, NONE_MEANS, FIRST)
        self._ratio = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 16, 8, 16), stylesheets=[CSS])
        state.param.watch(self._show_ratio, ["prefill_nodes", "decode_nodes", "storage_gbps", "compute_gbps"])
        self._show_ratio()
        self.root = [
            *self._presets(),
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
            title("Virtual lanes"),
            *controls.optional("model_share"),
            title("Model and systems"),
            controls.select("model"),
            controls.select("system_a"),
            controls.select("system_b"),
        ]

    def _presets(self) -> tuple[Any, Any]:
        """A list of settings worth seeing, and the sentence of the one that is set."""
        state = self._state
        choice = pmui.Select(
            label="Preset",
            options=[*PRESETS, OWN],
            description="Sets every control but the speed. Restarts both runs where it changes what cannot change while they run.",
            sizing_mode="stretch_width",
            margin=(12, 16, 4, 16),
            size="small",
        )
        sentence = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 16), stylesheets=[CSS])

        def show(*_: Any) -> None:
            choice.value = name = preset_of(state)
            sentence.object = f'<span class="quiet">{PRESETS[name].sentence}</span>' if name in PRESETS else ""

        def chosen(event: Any) -> None:
            if event.new in PRESETS:
                state.param.update(**settings_of(event.new))
            show()

        show()
        choice.param.watch(chosen, "value")
        state.param.watch(show, list(SETTINGS))
        return choice, sentence

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


def effect(name: str) -> str:
    """What a change of a parameter does to the runs, in a sentence or two."""
    if name == "arrival_rate":
        return "Another rate acts at once; between a rate and all at once, both runs begin anew."
    return "Acts at once." if name in LIVE else "Restarts both runs."
