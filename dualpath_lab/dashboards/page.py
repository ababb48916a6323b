"""The live page of one visitor: controls, race and views, and what happens between them."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import panel as pn

from dualpath_lab.core.network import warm_up
from dualpath_lab.dashboards import cards, sessions
from dualpath_lab.dashboards.cluster_view import ClusterView
from dualpath_lab.dashboards.curves import Curves
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.keyboard import Keyboard
from dualpath_lab.dashboards.live_export import race_plots, race_table, race_words
from dualpath_lab.dashboards.locking import in_turn, together
from dualpath_lab.dashboards.player import FRAME_S, Player
from dualpath_lab.dashboards.putting import put_html
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.shell import PAIR
from dualpath_lab.dashboards.sidebar import Sidebar
from dualpath_lab.dashboards.state import SETTINGS, LabState, changes, live_values, mark
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.transport import Transport
from dualpath_lab.dashboards.visit import Visit, visited, while_open
from dualpath_lab.picture.frame import cluster_frame
from dualpath_lab.picture.seen import Seen
from dualpath_lab.scenario import ScenarioError

TEXT_EVERY = 4
"""Frames between two updates of the text, which the eye cannot follow faster."""


LEAST_BETWEEN_S = 0.2
"""Between two changes of settings while the runs go on, however fast a slider is dragged; more where one takes long, or many look on."""

HEAD_START_S = 15.0
HEAD_START_BUDGET_S = 0.3
"""What is simulated before anything is shown, so that no plot is empty, and the wall time that this may take."""


class LivePage(Visit):
    """Everything that one session shows; ``root`` is its page."""

    def __init__(self, state: LabState, problems: list[str]) -> None:
        super().__init__(state)
        self.state: LabState = state
        self.player = Player()
        self._frames = 0
        self._at_s: float | None = None
        self._changes_at = 0.0
        self._change_waits = False
        self._settings = {name: getattr(state, name) for name in SETTINGS}
        self.curves = Curves()
        self.sidebar = Sidebar(state)
        self._cards = [pn.pane.HTML("", sizing_mode="stretch_width", margin=0, stylesheets=[CSS]) for _ in "ab"]
        self._pictures = [ClusterView(label=side) for side in "AB"]
        self._seen = (Seen(), Seen())
        self.transport = Transport(state, self.notice)
        self._keyboard = Keyboard(self._pressed, self._copied)
        self._lay_out()
        self._connect()
        state.param.watch(self._changed, list(SETTINGS))
        self._start()
        if problems:
            self.say(" ".join(problems), "warning")

    def frame(self) -> None:
        """One frame: simulate for a moment, then show it."""
        if self._change_waits and perf_counter() >= self._changes_at:
            self._change()
        if not self.player.step(self.state.speed):
            return
        race = self.player.race
        assert race is not None  # step had something to advance
        self._frames += 1
        with together():
            if race.finished:
                self._finish()
                return
            self.curves.update(race, self._frames)
            if self._frames % TEXT_EVERY == 0:
                self._show_text()
            else:
                self._show_pictures([self._frames % 2])

    def _connect(self) -> None:
        transport = self.transport
        transport.play.on_click(in_turn(lambda _: self._toggle()))
        transport.step.on_click(in_turn(lambda _: self._step()))
        transport.reset.on_click(in_turn(lambda _: self._reset()))
        transport.live.on_click(in_turn(lambda _: self._show_at(None)))
        transport.share.on_click(in_turn(lambda _: self._keyboard.copy_link(self.state.to_query())))
        transport.on_scrub(self._show_at)

    def stop(self) -> None:
        """Let go of everything that runs."""
        self.player.pause()
        self.player.race = None

    def _start(self, notice: str = "") -> None:
        """Both runs from the beginning; what was there stays if the settings are refused."""
        with together():
            try:
                race = Race(*self.state.scenarios())
                warm_up()  # else the budget would go into it
                race.advance(HEAD_START_S, HEAD_START_BUDGET_S / max(1, sessions.shared().open.total() / 4))
            except ScenarioError as error:
                self._run(False)
                self.refuse(str(error), "The picture is of the settings before." if self.player.race else "")
                return
            self.message.visible = False
            self.player.race = race
            self.curves.restart(race)
            for seen in self._seen:
                seen.clear()
            self._at_s = None
            self._run(True)
            self._show_text()
            self.say(notice)
            if race.finished:
                self._finish()

    def _changed(self, *_: Any) -> None:
        """Act on the settings now, or in a later frame if they have changed a moment ago."""
        if self.player.playing and perf_counter() < self._changes_at:
            self._change_waits = True
        else:
            self._change()

    def _change(self) -> None:
        began, self._change_waits = perf_counter(), False
        self._act_on_settings()
        taken_s = perf_counter() - began
        self._changes_at = perf_counter() + max(LEAST_BETWEEN_S, taken_s * max(2, sessions.shared().open.total() / 2))

    def _act_on_settings(self) -> None:
        before, words = self._settings, changes(self._settings, self.state)
        self._settings = {name: getattr(self.state, name) for name in SETTINGS}
        self.uncover()
        race, values = self.player.race, live_values(before, self.state)
        if race is None or race.finished or values is None or self.message.visible:
            self._start(f"Began anew with {words}.")
            return
        with together():
            race.change(values, mark(before, self.state))
            self.curves.mark(race)
            self.say(f"Changed at t = {race.time_s:,.0f} s: {words}. The runs go on.")

    def _toggle(self) -> None:
        race = self.player.race
        if race is None or race.finished:
            self._start()
        else:
            self._run(not self.player.playing)
            self._show_text()

    def _reset(self) -> None:
        self._start("Both runs began anew.")

    def _step(self) -> None:
        """One bin on: of the history if that is shown, else of the runs."""
        race = self.player.race
        if race is None:
            return
        if self._at_s is not None:
            self._show_at(self._at_s + race.bin_s)
            return
        with together():
            self.player.step_on()
            self._run(False)
            if race.finished:
                self._finish()
            else:
                self._show_text()

    def _back(self) -> None:
        race = self.player.race
        if race is not None:
            self._show_at(max((race.bins * race.bin_s if self._at_s is None else self._at_s) - race.bin_s, 0))

    def _show_at(self, time_s: float | None) -> None:
        """Show the past; or, from its end on, where the runs stand."""
        race = self.player.race
        if race is None:
            return
        with together():
            self._at_s = time_s if time_s is not None and time_s < race.bins * race.bin_s else None
            self.curves.point_at(self._at_s)
            self._show_text()

    def _pressed(self, key: str) -> None:
        actions = {
            " ": self._toggle,
            "ArrowRight": self._step,
            "ArrowLeft": self._back,
            "End": lambda: self._show_at(None),
            "r": self._reset,
            "?": self.transport.toggle_keys,
        }
        actions[key]()

    def _copied(self, done: bool, link: str) -> None:
        self.say("The link to these settings is copied." if done else f"The browser does not let the page copy; the link is {link}")

    def _run(self, playing: bool) -> None:
        if playing:
            self.player.play()
        else:
            self.player.pause()
            if self.player.race:
                self.curves.update(self.player.race)
        for picture in self._pictures:
            picture.playing = playing
        self.transport.show_playing(playing)

    def _finish(self) -> None:
        race = self.player.race
        assert race is not None  # only a race can finish
        self._run(False)
        self._show_text()
        self.say(cards.ending(race.frame()))

    def _show_text(self) -> None:
        race = self.player.race
        assert race is not None  # shown only once there is one
        at_bin = None if self._at_s is None else int(self._at_s / race.bin_s)
        frame = race.frame(at_bin)
        put_html(self._cards[0], cards.card("A", frame.a))
        put_html(self._cards[1], cards.card("B", frame.b, frame.speedup))
        self._show_pictures()
        reached = self.player.speed_reached if self.player.playing else None
        put_html(self.transport.clock, cards.clock(frame, self.state.speed, reached, self._at_s is not None))
        self.transport.show_time(race.bins, race.bin_s, at_bin)

    def _show_pictures(self, sides: Sequence[int] = (0, 1)) -> None:
        race = self.player.race
        assert race is not None  # shown only once there is one
        for side in sides:
            if self._at_s is None:
                self._seen[side].add(race.bins * race.bin_s, cluster_frame((race.a, race.b)[side].simulation))
            self._pictures[side].draw(self._seen[side].at(self._at_s))

    def _lay_out(self) -> None:
        sides = [pn.Column(*parts, sizing_mode="stretch_width", margin=0) for parts in zip(self._cards, self._pictures, strict=True)]
        both = pn.Column(*sides, sizing_mode="stretch_width", margin=0, stylesheets=[PAIR])
        unseen = pn.Row(self.viewport, self._keyboard, margin=0)
        main = pn.Column(self.transport.root, both, self.curves.root, unseen, sizing_mode="stretch_width", margin=(6, 16, 12, 16))
        export = Export(
            "live",
            lambda: race_words(self.state),
            lambda: race_table(self.player.race),
            lambda: race_plots(self.player.race, self.curves),
            self.say,
        )
        self.build([self.message, *self.sidebar.root], main, export)


def open_page() -> Any:
    """Build the page for the session that asks for it, have it run, and stop it when the session ends."""
    page = visited(LabState(), LivePage)
    while_open(round(1000 * FRAME_S), page.frame, page.stop)
    return page.root
