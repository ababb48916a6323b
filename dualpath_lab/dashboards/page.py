"""The live page of one visitor: controls, race and views, and what happens between them."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.io.callbacks import PeriodicCallback

from dualpath_lab.dashboards import cards
from dualpath_lab.dashboards.cluster_frame import cluster_frame
from dualpath_lab.dashboards.cluster_view import ClusterView
from dualpath_lab.dashboards.curves import Curves
from dualpath_lab.dashboards.player import FRAME_S, Player
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.shell import PAIR, build, keep_in_link, together
from dualpath_lab.dashboards.sidebar import Sidebar
from dualpath_lab.dashboards.state import RESTARTING, SPEEDS, LabState, changes
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.viewport import Viewport
from dualpath_lab.scenario import ScenarioError

TEXT_EVERY = 4
"""Frames between two updates of the text, which the eye cannot follow faster."""


HEAD_START_S = 15.0
HEAD_START_BUDGET_S = 0.1
"""What is simulated before anything is shown, so that no plot is empty, and the wall time that this may take."""


class LivePage:
    """Everything that one session shows; ``root`` is its page."""

    def __init__(self, state: LabState, problems: list[str]) -> None:
        self.state = state
        self.player = Player()
        self._frames = 0
        self._shown = {name: getattr(state, name) for name in RESTARTING}
        self.curves = Curves()
        self.sidebar = Sidebar(state)
        self._cards = [pn.pane.HTML("", sizing_mode="stretch_width", margin=0, stylesheets=[CSS]) for _ in "ab"]
        self._pictures = [ClusterView(label=side) for side in "AB"]
        self._clock = pn.pane.HTML("", margin=(10, 6), stylesheets=[CSS])
        self._notice = pn.pane.HTML("", margin=(4, 6), min_width=260, styles={"flex": "1 1 260px"}, stylesheets=[CSS])
        self._play = pmui.Button(label="Pause", icon="pause", size="small", margin=4, width=104)
        self._reset = pmui.Button(label="Reset", icon="replay", variant="outlined", size="small", margin=4, width=104)
        self._speed = pmui.Select(
            label="Speed",
            options={f"×{speed}": speed for speed in SPEEDS},
            value=state.speed,
            description=f"{state.param['speed'].doc} Default: ×20. Acts at once.",
            size="small",
            width=120,
            margin=(4, 8),
        )
        self._viewport = Viewport()
        self.root = self._page()
        self._play.on_click(self._toggle)
        self._reset.on_click(lambda _: self._start("Both runs began anew."))
        self._speed.param.watch(lambda event: state.param.update(speed=event.new), "value")
        self._viewport.param.watch(lambda _: pn.state.onload(self._fold), "narrow")  # what is changed before the page is loaded gets lost
        state.param.watch(lambda event: self._speed.param.update(value=event.new), "speed")
        state.param.watch(self._changed, list(RESTARTING))
        self._start()
        if problems:
            self._say(" ".join(problems), "warning")

    def frame(self) -> None:
        """One frame: simulate for a moment, then show it."""
        if not self.player.step(self.state.speed):
            return
        race = self.player.race
        assert race is not None  # step had something to advance
        self._frames += 1
        with together():
            self.curves.update(race)
            if race.finished:
                self._finish()
            elif self._frames % TEXT_EVERY == 0:
                self._show_text()

    def stop(self) -> None:
        """Let go of everything that runs."""
        self.player.pause()
        self.player.race = None

    def _fold(self) -> None:
        """The controls start as a closed drawer where they would cover the page."""
        self.root.sidebar_open = not self._viewport.narrow

    def _start(self, notice: str = "") -> None:
        """Both runs from the beginning; what was there stays if the settings are refused."""
        with together():
            try:
                race = Race(*self.state.scenarios())
                race.advance(HEAD_START_S, HEAD_START_BUDGET_S)
            except ScenarioError as error:
                self._refuse(str(error))
                return
            self.sidebar.message.visible = False
            self.player.race = race
            self.curves.restart(race)
            self._run(True)
            self._show_text()
            self._say(notice)
            if race.finished:
                self._finish()

    def _refuse(self, sentence: str) -> None:
        self._run(False)
        self.sidebar.message.param.update(object=cards.notice(sentence, "error"), visible=True)
        before = " The picture is of the settings before." if self.player.race else ""
        self._say(f"Not run: {sentence}{before}", "error")

    def _changed(self, *_: Any) -> None:
        notice = f"Began anew with {changes(self._shown, self.state)}."
        self._shown = {name: getattr(self.state, name) for name in RESTARTING}
        if self._viewport.narrow:
            self.root.sidebar_open = False
        self._start(notice)

    def _toggle(self, _: Any) -> None:
        race = self.player.race
        if race is None or race.finished:
            self._start()
        else:
            self._run(not self.player.playing)
            self._show_text()

    def _run(self, playing: bool) -> None:
        if playing:
            self.player.play()
        else:
            self.player.pause()
        for picture in self._pictures:
            picture.playing = playing
        self._play.param.update(label="Pause" if playing else "Play", icon="pause" if playing else "play_arrow")

    def _finish(self) -> None:
        race = self.player.race
        assert race is not None  # only a race can finish
        self._run(False)
        self._show_text()
        self._say(cards.ending(race.frame()))

    def _show_text(self) -> None:
        race = self.player.race
        assert race is not None  # shown only once there is one
        frame = race.frame()
        self._cards[0].object = cards.card("A", frame.a)
        self._cards[1].object = cards.card("B", frame.b, frame.speedup)
        for picture, side in zip(self._pictures, (race.a, race.b), strict=True):
            picture.draw(cluster_frame(side.simulation))
        self._clock.object = cards.clock(frame, self.state.speed, self.player.speed_reached if self.player.playing else None)

    def _say(self, text: str, kind: str = "info") -> None:
        self._notice.object = cards.notice(text, kind)

    def _page(self) -> Any:
        transport = pn.FlexBox(
            self._play,
            self._reset,
            self._speed,
            self._clock,
            self._notice,
            align_items="center",
            sizing_mode="stretch_width",
            margin=0,
            min_height=62,
        )
        sides = [pn.Column(*parts, sizing_mode="stretch_width", margin=0) for parts in zip(self._cards, self._pictures, strict=True)]
        both = pn.Column(*sides, sizing_mode="stretch_width", margin=0, stylesheets=[PAIR])
        main = pn.Column(transport, both, self.curves.root, self._viewport, sizing_mode="stretch_width", margin=(6, 16, 12, 16))
        return build("", self.sidebar.root, main)


def open_page() -> Any:
    """Build the page for the session that asks for it, have it run, and stop it when the session ends."""
    state = LabState()
    location = pn.state.location
    document: Any = pn.state.curdoc
    session: Any = document.session_context.session if document and document.session_context else None
    problems = state.take_query(location.search if location else "")
    page = LivePage(state, problems)
    keep_in_link(state, page.root)

    def tick() -> None:
        if session is None or session.connection_count:
            page.frame()

    ticking = PeriodicCallback(callback=tick, period=round(1000 * FRAME_S), background=True)
    pn.state.onload(ticking.start)

    def ended(_: Any) -> None:
        ticking.stop()
        page.stop()

    pn.state.on_session_destroyed(ended)
    return page.root
