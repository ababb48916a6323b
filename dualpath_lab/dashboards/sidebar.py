"""The controls: a widget for every parameter of the state, each with its unit, default and help."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dualpath_lab.dashboards.ratio import ratio_html
from dualpath_lab.dashboards.state import UNITS, LabState
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.scenario import Cluster

_FIRST = {"arrival_rate": 0.5, "hit_rate": 0.95}
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
        self.message = pn.pane.HTML("", visible=False, sizing_mode="stretch_width", margin=(10, 16), stylesheets=[CSS])
        self._ratio = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 16, 8, 16), stylesheets=[CSS])
        state.param.watch(self._show_ratio, ["prefill_nodes", "decode_nodes", "storage_gbps", "compute_gbps"])
        self._show_ratio()
        self.root = [
            self.message,
            pn.pane.HTML('<span class="quiet">Every change restarts both runs.</span>', stylesheets=[CSS], margin=(8, 16, 0, 16)),
            _title("Cluster"),
            self._slider("prefill_nodes"),
            self._slider("decode_nodes"),
            self._ratio,
            self._slider("storage_gbps"),
            self._slider("compute_gbps"),
            _title("Workload"),
            self._select("source"),
            self._slider("agents"),
            *self._optional("arrival_rate"),
            *self._optional("hit_rate"),
            _title("Model and systems"),
            self._select("model"),
            self._select("system_a"),
            self._select("system_b"),
        ]

    def _slider(self, name: str, value: Any = None) -> Any:
        """A slider that sets the state once it is let go."""
        parameter: Any = self._state.param[name]
        low, high = parameter.bounds
        kind = pmui.IntSlider if isinstance(parameter, param.Integer) else pmui.FloatSlider
        unit = UNITS.get(name, "")
        slider = kind(
            label=_label(parameter.label, unit),
            start=low,
            end=high,
            step=parameter.step or 1,
            value=getattr(self._state, name) if value is None else value,
            description=help_text(self._state, name),
            sizing_mode="stretch_width",
            margin=(4, 22, 2, 16),
            size="small",
        )
        slider.param.watch(lambda event: self._state.param.update({name: event.new}), "value_throttled")
        self._state.param.watch(lambda event: event.new is None or slider.param.update(value=event.new), name)
        return slider

    def _select(self, name: str) -> Any:
        parameter = self._state.param[name]
        select = pmui.Select(
            label=parameter.label,
            options=parameter.objects,
            value=getattr(self._state, name),
            description=help_text(self._state, name),
            sizing_mode="stretch_width",
            margin=(6, 16),
            size="small",
        )
        select.param.watch(lambda event: self._state.param.update({name: event.new}), "value")
        self._state.param.watch(lambda event: select.param.update(value=event.new), name)
        return select

    def _optional(self, name: str) -> tuple[Any, Any]:
        """A switch for None, and a slider for everything else."""
        value = getattr(self._state, name)
        label = f"{self._state.param[name].label}: {NONE_MEANS[name]}"
        switch = pmui.Checkbox(
            label=label,
            value=value is None,
            description=help_text(self._state, name),
            sizing_mode="stretch_width",
            margin=(0, 10),
            size="small",
        )
        slider = self._slider(name, _FIRST[name] if value is None else value)
        slider.visible = value is not None

        def switched(event: param.parameterized.Event) -> None:
            self._state.param.update({name: None if event.new else slider.value})

        def changed(event: param.parameterized.Event) -> None:
            switch.value = event.new is None
            slider.visible = event.new is not None

        switch.param.watch(switched, "value")
        self._state.param.watch(changed, name)
        return switch, slider

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


def help_text(state: LabState, name: str) -> str:
    """What a control does, its default with the unit, and that it restarts."""
    parameter: Any = state.param[name]
    if name in NONE_MEANS:
        default = NONE_MEANS[name]
    else:
        default = f"{parameter.default:g} {UNITS[name]}" if name in UNITS else str(parameter.default)
    return f"{parameter.doc} Default: {default}. Restarts both runs."


def _label(text: str, unit: str) -> str:
    return text if unit in text.lower() else f"{text} ({unit})"


def _title(text: str) -> Any:
    return pmui.Typography(text, variant="subtitle2", margin=(12, 16, 0, 16), sizing_mode="stretch_width")
