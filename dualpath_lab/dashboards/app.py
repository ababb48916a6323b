"""The web app, for ``dualpath-lab serve`` and for plain ``panel serve`` of this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from panel.io import location

from dualpath_lab.dashboards import sessions
from dualpath_lab.dashboards.advisor import advisor_page
from dualpath_lab.dashboards.anatomy import anatomy_page
from dualpath_lab.dashboards.cards import notice
from dualpath_lab.dashboards.dragging import let_the_pointer_rest
from dualpath_lab.dashboards.explore import explore_page
from dualpath_lab.dashboards.lanes import lanes_page
from dualpath_lab.dashboards.leaving import expect_visitors_to_leave, tell_of_a_lost_connection
from dualpath_lab.dashboards.pace import has_left
from dualpath_lab.dashboards.page import open_page
from dualpath_lab.dashboards.paper import paper_page
from dualpath_lab.dashboards.shell import page_asked_for

_OPEN: dict[str, Callable[[], Any]] = {
    "": open_page,
    "explore": explore_page,
    "anatomy": anatomy_page,
    "paper": paper_page,
    "lanes": lanes_page,
    "advisor": advisor_page,
}
"""What opens each of ``shell.PAGES``."""


# The library makes a number of all that looks like one, and fails where Python does. Nothing asks it for them: `linked` reads links.
location.parse_query = lambda _: {}  # type: ignore[attr-defined,assignment]  # a name of the library's own


def app() -> Any:
    """Open the page that a new session asks for."""
    pn.extension()
    expect_visitors_to_leave()
    if pn.state.curdoc:
        let_the_pointer_rest(pn.state.curdoc)
        tell_of_a_lost_connection(pn.state.curdoc)
    pathname = (pn.state.location.pathname if pn.state.location else None) or "/"
    page = page_asked_for(pathname, pn.state.session_args)
    if pn.state.curdoc and has_left(pn.state.curdoc.session_context):
        return pn.pane.HTML("")
    here = sessions.shared()
    if not here.enter(page):
        return pn.pane.HTML(notice(sessions.full_text(here), "warning"))
    pn.state.on_session_destroyed(lambda _: here.leave(page))
    return _OPEN[page]()


if pn.state.served:
    app().servable(title="DualPath Lab")
