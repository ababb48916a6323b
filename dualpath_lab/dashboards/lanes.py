"""The page of the virtual lanes: two ports under the same traffic, packet by packet."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.events import DoubleTap, RangesUpdate

from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.lane_cards import lane_card
from dualpath_lab.dashboards.lane_export import lane_plots, lane_words, packet_table
from dualpath_lab.dashboards.lane_state import NARROWEST_US, RUNNING, LaneState
from dualpath_lab.dashboards.lane_views import LaneViews
from dualpath_lab.dashboards.locking import together
from dualpath_lab.dashboards.shell import PAIR
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.visit import Visit, visited
from dualpath_lab.lane_scenario import LaneScenario
from dualpath_lab.scenario import ScenarioError
from dualpath_lab.studies.lanes import LaneResult, lanes

WIDTHS_US = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
"""Windows to choose from, where the run is that long; a zoom in the plots takes any."""
INTRODUCTION = "Drag in a plot to zoom in, down to single packets; double-click for the whole run."


@lru_cache(maxsize=8)
def _run(scenario_json: str) -> LaneResult:
    return lanes(LaneScenario.model_validate_json(scenario_json))


class LaneLab(Visit):
    """Everything that one session shows; ``root`` is its page."""

    def __init__(self, state: LaneState, problems: list[str]) -> None:
        super().__init__(state)
        self.state: LaneState = state
        self.views = LaneViews()
        self.results: dict[str, LaneResult] = {}
        self._ran = {name: getattr(state, name) for name in RUNNING}
        self._cards = {side: pn.pane.HTML("", sizing_mode="stretch_width", margin=0, stylesheets=[CSS]) for side in "ab"}
        self._from = Controls(state, "Acts at once.").slider("start_us", when="value")
        self._width = pmui.DiscreteSlider(
            label="Window width (µs)",
            options=[state.width_us],
            value=state.width_us,
            description=f"{state.param['width_us'].doc} Default: {state.param['width_us'].default:g} µs. Acts at once.",
            sizing_mode="stretch_width",
            margin=(4, 22, 2, 16),
            size="small",
        )
        export = Export(
            "lanes",
            lambda: lane_words(state),
            lambda: packet_table(self.results, state.start_us, state.start_us + state.width_us),
            lambda: lane_plots(self.results, self.views),
            self.say,
        )
        self.build(self._sidebar(), self._main(), export)
        self._width.param.watch(lambda event: state.param.update(width_us=event.new), "value_throttled")
        for plotted in self.views.figures:
            plotted.on_event(RangesUpdate, self._zoomed)
            plotted.on_event(DoubleTap, lambda _: state.param.update(start_us=0.0, width_us=self._longest_us))
        state.param.watch(self._changed, list(RUNNING))
        state.param.watch(self._moved, ["start_us", "width_us"])
        self._start(INTRODUCTION)
        if problems:
            self.say(" ".join(problems), "warning")

    @property
    def _longest_us(self) -> float:
        return 1e3 * self.results["a"].scenario.duration_ms

    def _start(self, text: str) -> None:
        """Run both ports; what was there stays if the settings are refused."""
        with together():
            try:
                self.results = {side: _run(scenario.model_dump_json()) for side, scenario in self.state.scenarios().items()}
            except ScenarioError as error:
                self._refuse(str(error))
                return
            self.message.visible = False
            self.say(text)
            self._show()

    def _refuse(self, sentence: str) -> None:
        shown = "the settings before"
        if not self.results:
            self.results = {side: _run(scenario.model_dump_json()) for side, scenario in LaneState().scenarios().items()}
            self._show()
            shown = "the default settings"
        self.refuse(sentence, f"The picture is of {shown}.")

    def _show(self) -> None:
        for side, card in self._cards.items():
            card.object = lane_card(side.upper(), self.results[side])
        self._from.end = self._longest_us
        self._moved()

    def _changed(self, *_: Any) -> None:
        text = f"Ran again with {self.state.differences(self._ran, RUNNING)}."
        self._ran = {name: getattr(self.state, name) for name in RUNNING}
        self.uncover()
        self._start(text)

    def _moved(self, *_: Any) -> None:
        """Show the window, moved to where the run is."""
        state = self.state
        width = min(state.width_us, self._longest_us)
        start = min(state.start_us, self._longest_us - width)
        if (start, width) != (state.start_us, state.width_us):
            state.param.update(start_us=start, width_us=width)
            return
        with together():
            options = sorted({*(each for each in WIDTHS_US if each < self._longest_us), self._longest_us, width})
            self._width.param.update(options={f"{each:,g}": each for each in options}, value=width)
            self.views.show(self.results, start, start + width)

    def _zoomed(self, event: RangesUpdate) -> None:
        """Take over what a visitor zoomed to in a plot."""
        if event.x0 is None or event.x1 is None:
            return
        width = max(event.x1 - event.x0, NARROWEST_US)
        self.state.param.update(start_us=round(max(event.x0, 0.0), 3), width_us=round(width, 3))

    def _sidebar(self) -> list[Any]:
        controls = Controls(self.state, "Runs both ports again.", {"high_limit": "the preset's"}, {"high_limit": 240})
        return [
            self.message,
            pn.pane.HTML(_ABOUT, stylesheets=[CSS], margin=(8, 16, 0, 16), sizing_mode="stretch_width"),
            title("Port"),
            controls.select("preset"),
            controls.select("versus"),
            *controls.optional("high_limit"),
            controls.select("mtu_bytes"),
            title("Traffic"),
            controls.slider("load"),
            controls.slider("period_us"),
            controls.slider("outstanding"),
            title("Run"),
            controls.slider("duration_ms"),
        ]

    def _main(self) -> Any:
        cards = pn.Column(*self._cards.values(), sizing_mode="stretch_width", margin=0, stylesheets=[PAIR])
        window = pn.Column(self._from, self._width, sizing_mode="stretch_width", margin=0, stylesheets=[PAIR])
        return pn.Column(self.notice, cards, window, self.views.root, self.viewport, sizing_mode="stretch_width", margin=(10, 16, 12, 16))


_ABOUT = (
    '<span class="quiet">One output port of a switch or NIC. The model\'s bursts and KV-cache transfers share it; '
    "the port decides which packet is next.</span>"
)


def lanes_page() -> Any:
    """Build the page for the session that asks for it."""
    return visited(LaneState(), LaneLab).root
