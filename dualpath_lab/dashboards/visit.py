"""What all pages do for the visitor of one: they speak to him, keep his settings in the address, and stop when he leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import panel as pn
from panel.io.callbacks import PeriodicCallback
from panel_material_ui.template.base import Page

from dualpath_lab.dashboards import tour
from dualpath_lab.dashboards.address import Address
from dualpath_lab.dashboards.cards import notice
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.shell import build
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.dashboards.viewport import Viewport

State = TypeVar("State", bound=LinkedState)
Opened = TypeVar("Opened", bound="Visit")


class Visit:
    """Base of the pages.

    Attributes
    ----------
    state : LinkedState
        What the visitor can set.
    message : HTML
        What is wrong with the settings, beside them; hidden while nothing is.
    notice : HTML
        The line that speaks to him.
    viewport : Viewport
        To be placed somewhere on the page.
    root : Page
    """

    root: Page

    def __init__(self, state: LinkedState) -> None:
        self.state = state
        self.message = pn.pane.HTML("", visible=False, sizing_mode="stretch_width", margin=(10, 16), stylesheets=[CSS])
        self.notice = pn.pane.HTML("", margin=(2, 0, 6, 0), min_height=24, sizing_mode="stretch_width", stylesheets=[CSS])
        self.viewport = Viewport()

    def build(self, sidebar: list[Any], main: Any, export: Export) -> None:
        """Put the page together."""
        self.root = build(self.state.PAGE, sidebar, main, export)
        self.viewport.param.watch(lambda _: pn.state.onload(self._fold), "narrow")  # what is changed before the page is loaded gets lost

    def say(self, text: str, kind: str = "info") -> None:
        """Say a sentence; see :func:`cards.notice`."""
        self.notice.object = notice(text, kind)

    def refuse(self, sentence: str, shown: str) -> None:
        """Say what is wrong with the settings, and what the picture is of instead."""
        self.message.param.update(object=notice(sentence, "error"), visible=True)
        self.say(f"Not run: {sentence} {shown}".rstrip(), "error")

    def uncover(self) -> None:
        """Close the drawer of the controls where it covers the page."""
        if self.viewport.narrow:
            self.root.sidebar_open = False

    def _fold(self) -> None:
        """The controls start as a closed drawer where they would cover the page."""
        self.root.sidebar_open = not self.viewport.narrow


def visited(state: State, page: Callable[[State, list[str]], Opened]) -> Opened:
    """Open a page with what the link says, told of what that gets wrong; from then on link and settings follow each other."""
    location = pn.state.location
    visit = page(state, state.take_query(location.search if location else ""))
    number, _ = tour.step_asked_for(pn.state.session_args)

    def query() -> str:
        theme = "&theme=dark" if visit.root.dark_theme else ""
        return state.to_query() + theme + (f"&{tour.KEY}={number}" if number else "")

    def went(link: str) -> None:
        if problems := state.go_to(link):
            visit.say(" ".join(problems), "warning")
        address.say(query())

    address = Address(query(), went)
    state.param.watch(lambda *_: address.say(query()), list(state.KEYS))
    visit.root.param.watch(lambda _: address.say(query(), step=False), "dark_theme")
    visit.root.main.append(address)
    return visit


def while_open(period_ms: int, tick: Callable[[], None], stop: Callable[[], None]) -> None:
    """Do something again and again while anybody looks at the page, and something else at the end."""
    document: Any = pn.state.curdoc
    session: Any = document.session_context.session if document and document.session_context else None

    def tick_if_seen() -> None:
        if session is None or session.connection_count:
            tick()

    ticking = PeriodicCallback(callback=tick_if_seen, period=period_ms, background=True)
    pn.state.onload(ticking.start)

    def ended(_: Any) -> None:
        ticking.stop()
        stop()

    pn.state.on_session_destroyed(ended)
