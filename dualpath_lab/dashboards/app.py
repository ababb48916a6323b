"""The web app, for ``dualpath-lab serve`` and for plain ``panel serve`` of this file."""

from __future__ import annotations

from typing import Any

import panel as pn

from dualpath_lab.dashboards.explore import explore_page
from dualpath_lab.dashboards.lanes import lanes_page
from dualpath_lab.dashboards.leaving import expect_visitors_to_leave
from dualpath_lab.dashboards.page import open_page
from dualpath_lab.dashboards.shell import page_asked_for


def app() -> Any:
    """Open the page that a new session asks for."""
    pn.extension()
    expect_visitors_to_leave()
    pathname = (pn.state.location.pathname if pn.state.location else None) or "/"
    return OPEN[page_asked_for(pathname, pn.state.session_args)]()


OPEN = {"": open_page, "explore": explore_page, "lanes": lanes_page}
"""What builds each page."""


if pn.state.served:
    app().servable(title="DualPath Lab")
