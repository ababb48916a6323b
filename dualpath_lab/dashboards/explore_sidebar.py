"""The controls of the Explore page: two axes, a measure, and what stays fixed."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.explore_state import ENDS, ExploreState
from dualpath_lab.dashboards.sidebar import FIRST, NONE_MEANS
from dualpath_lab.dashboards.style import CSS

EFFECT = "Runs what is not known yet."
SLIDERS = ("agents", "prefill_nodes", "decode_nodes", "storage_gbps", "compute_gbps")
"""Settings that an axis can take over, which hides their sliders."""


class ExploreSidebar:
    """Widgets tied to a state in both directions.

    Attributes
    ----------
    root : list of panel objects
        What stands in the sidebar, from top to bottom.
    """

    def __init__(self, state: ExploreState) -> None:
        self._state = state
        self._controls = controls = Controls(state, EFFECT, NONE_MEANS | dict.fromkeys(ENDS, "the usual one"), FIRST)
        self._fixed = {name: controls.slider(name) for name in SLIDERS}
        self._fixed["hit_rate"] = pn.Column(*controls.optional("hit_rate"), sizing_mode="stretch_width", margin=0)
        self._ends = {name: self._end(name) for name in ENDS}
        state.param.watch(self._follow, ["x", "y", *ENDS])
        self._follow()
        self.root = [
            pn.pane.HTML(_ABOUT, stylesheets=[CSS], margin=(8, 16, 8, 16), sizing_mode="stretch_width"),
            controls.select("measure"),
            *self._axis("x"),
            *self._axis("y"),
            title("Model and systems"),
            controls.select("model"),
            controls.select("system_a"),
            controls.select("system_b"),
            title("Workload and cluster"),
            controls.select("source"),
            *controls.optional("arrival_rate"),
            *self._fixed.values(),
        ]

    def _axis(self, axis: str) -> list[Any]:
        ends = pn.Row(self._ends[f"{axis}_low"], self._ends[f"{axis}_high"], sizing_mode="stretch_width", margin=(4, 10))
        select = self._controls.select(axis, lambda quantity: self._state.choose(axis, quantity))
        return [title(f"{axis.upper()} axis"), select, ends, self._controls.slider(f"{axis}_steps")]

    def _end(self, name: str) -> Any:
        """A field for one end of a range; emptied it shows the usual one."""
        field = pmui.FloatInput(
            label=self._state.param[name].label,
            description=self._controls.help_text(name),
            format="0[.]0[00]",
            size="small",
            sizing_mode="stretch_width",
            margin=6,
            min_width=100,
        )
        field.param.watch(lambda event: self._typed(name, event.new), "value")
        return field

    def _typed(self, name: str, value: float | None) -> None:
        if value != self._shown(name):
            self._state.param.update({name: value})
            self._follow()

    def _shown(self, name: str) -> float:
        axis, end = name.split("_")
        return self._state.range(axis)[end == "high"]

    def _follow(self, *_: Any) -> None:
        """Show the ranges, with steps that suit them, and the settings that no axis takes over."""
        state = self._state
        swept = {state.quantity(axis).name for axis in "xy"}
        for name, control in self._fixed.items():
            control.visible = name not in swept
        for name, field in self._ends.items():
            step = state.param[state.quantity(name[0]).name].step or 1
            field.param.update(step=step, value=self._shown(name))


_ABOUT = '<span class="quiet">Every change runs at once what is not known yet. Press a cell for its numbers.</span>'
