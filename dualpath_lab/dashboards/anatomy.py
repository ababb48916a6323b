"""The page of a turn's anatomy: a small run, one of its turns taken apart, and the whole run as a trace file."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dualpath_lab.core.simulation import Simulation
from dualpath_lab.dashboards.anatomy_cards import ANATOMY_CSS, seen_table, turn_card
from dualpath_lab.dashboards.anatomy_export import turn_plots, turn_table, turn_words
from dualpath_lab.dashboards.anatomy_state import NUMBER, RUNNING, AnatomyState
from dualpath_lab.dashboards.anatomy_views import AnatomyViews
from dualpath_lab.dashboards.controls import Controls, title
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.locking import together
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.visit import Visit, visited
from dualpath_lab.scenario import Scenario, ScenarioError
from dualpath_lab.studies.anatomy import Turns
from dualpath_lab.studies.perfetto import trace_lines

INTRODUCTION = "Click on a turn to take it apart; drag in a plot to zoom in, double-click for the whole."
TRACE_FILE = "dualpath-trace.json"


@lru_cache(maxsize=4)
def _run(scenario_json: str) -> Turns:
    simulation = Simulation(Scenario.model_validate_json(scenario_json))
    simulation.run()
    return Turns(simulation)


class AnatomyLab(Visit):
    """Everything that one session shows; ``root`` is its page."""

    turns: Turns

    def __init__(self, state: AnatomyState, problems: list[str]) -> None:
        super().__init__(state)
        self.state: AnatomyState = state
        self.views = AnatomyViews(self._take)
        self.turn = 0
        self._ran = {name: getattr(state, name) for name in RUNNING}
        self._card = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 6, 0), stylesheets=[CSS, ANATOMY_CSS])
        self._seen = pn.pane.HTML("", sizing_mode="stretch_width", margin=0, stylesheets=[CSS, ANATOMY_CSS])
        choices = Controls(state, "Acts at once.")
        self._choices = [choices.select("pick"), self._number(choices), choices.select("scale")]
        self._download = pmui.FileDownload(
            callback=self.trace,
            filename=TRACE_FILE,
            label="Trace for Perfetto",
            size="small",
            margin=(10, 16),
        )
        export = Export(
            "anatomy",
            lambda: turn_words(state),
            lambda: turn_table(self.turns),
            lambda: turn_plots(self.turns, self.turn, self.views),
            self.say,
        )
        self.build(self._sidebar(), self._main(), export)
        self.views.scale(state.scale)
        state.param.watch(self._changed, list(RUNNING))
        state.param.watch(self._picked, ["pick", "turn"])
        state.param.watch(lambda event: self.views.scale(event.new), "scale")
        self._start(" ".join(problems) or INTRODUCTION, "warning" if problems else "info")

    def _take(self, turn: int) -> None:
        """Show a turn by its number."""
        self.state.param.update(pick=NUMBER, turn=turn)

    def trace(self) -> BytesIO:
        """The whole run as a file for Perfetto."""
        return BytesIO(b"".join(trace_lines(self.turns.simulation)))

    def _start(self, text: str, kind: str = "info") -> None:
        """Run the cluster; what was there stays if the settings are refused."""
        with together():
            try:
                self.turns = _run(self.state.scenario().model_dump_json())
            except ScenarioError as error:
                self._refuse(str(error))
                return
            self.message.visible = False
            self.say(text, kind)
            self._show()

    def _refuse(self, sentence: str) -> None:
        shown = "the settings before"
        if not hasattr(self, "turns"):
            self.turns = _run(AnatomyState().scenario().model_dump_json())
            self._show()
            shown = "the default settings"
        self.refuse(sentence, f"The picture is of {shown}.")

    def _show(self) -> None:
        self.views.show_run(self.turns)
        self._show_turn()

    def _show_turn(self) -> None:
        """Show the turn that was asked for, and have its number follow; the median one where there is no such turn."""
        state, turns = self.state, self.turns
        try:
            if state.pick == NUMBER:
                turns.check(state.turn)
            self.turn = state.turn if state.pick == NUMBER else turns.pick(state.pick)
        except ScenarioError as error:
            self.turn = turns.pick("median")
            self.say(f"{error} The picture is of the median turn.", "error")
        if state.pick != NUMBER:
            state.turn = self.turn
        self.views.show_turn(turns, self.turn)
        self._card.object = turn_card(turns, self.turn)
        self._seen.object = seen_table(turns, self.turn)

    def _changed(self, *_: Any) -> None:
        text = f"Ran again with {self.state.differences(self._ran, RUNNING)}."
        self._ran = {name: getattr(self.state, name) for name in RUNNING}
        self.uncover()
        self._start(text)

    def _picked(self, *events: Any) -> None:
        if all(event.name == "turn" and event.new == self.turn for event in events):
            return  # the number follows the picture
        with together():
            self.say("")
            self._show_turn()

    def _number(self, choices: Controls) -> Any:
        """Where the number of a turn is put in, which picks that turn."""
        state = self.state
        low, high = state.param["turn"].bounds
        number = pmui.IntInput(
            label="Turn number",
            value=state.turn,
            start=low,
            end=high,
            step=1,
            description=choices.help_text("turn"),
            sizing_mode="stretch_width",
            margin=(6, 16),
            size="small",
        )

        def entered(event: Any) -> None:
            if event.new is not None and event.new != state.turn:
                self._take(event.new)

        number.param.watch(entered, "value")
        state.param.watch(lambda event: number.param.update(value=event.new), "turn")
        return number

    def _sidebar(self) -> list[Any]:
        controls = Controls(self.state, "Runs the cluster again.")
        return [
            self.message,
            pn.pane.HTML(_ABOUT, stylesheets=[CSS], margin=(8, 16, 0, 16), sizing_mode="stretch_width"),
            title("Run"),
            controls.select("model"),
            controls.select("system"),
            controls.select("source"),
            controls.slider("agents"),
            title("Cluster"),
            controls.slider("prefill_nodes"),
            controls.slider("decode_nodes"),
            controls.slider("storage_gbps"),
            title("Trace"),
            self._download,
            pn.pane.HTML(_OPEN, stylesheets=[CSS], margin=(0, 16, 8, 16), sizing_mode="stretch_width"),
        ]

    def _main(self) -> Any:
        seen = pn.Column(
            pn.pane.HTML(f'<div class="heading">{titled("What the scheduler saw")}</div>', margin=(6, 0, 0, 0), stylesheets=[CSS]),
            self._seen,
            sizing_mode="stretch_width",
            margin=0,
        )
        views = self.views
        return pn.Column(
            self.notice,
            pn.Column(*self._choices, sizing_mode="stretch_width", margin=0, stylesheets=[_THREE]),
            self._card,
            pn.Column(views.everyone, views.stages, views.links, seen, sizing_mode="stretch_width", margin=0, stylesheets=[_TWO]),
            views.forwards,
            self.viewport,
            sizing_mode="stretch_width",
            margin=(10, 16, 12, 16),
        )


_ABOUT = '<span class="quiet">One turn of one agent, from its submission to its last token: where its time goes and its bytes.</span>'
_OPEN = '<span class="quiet">Every turn and forward of the run. Open it in ui.perfetto.dev or chrome://tracing.</span>'
_TWO = """
:host { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); grid-auto-rows: max-content; }
:host { gap: 4px 14px; max-height: none !important; }
"""
_THREE = ":host { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin-bottom: 6px; }"


def anatomy_page() -> Any:
    """Build the page for the session that asks for it."""
    return visited(AnatomyState(), AnatomyLab).root
