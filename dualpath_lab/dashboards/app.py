"""The web app, for ``dualpath-lab serve`` and for plain ``panel serve`` of this file."""

from __future__ import annotations

from typing import Any

import panel as pn

from dualpath_lab.dashboards.leaving import expect_visitors_to_leave
from dualpath_lab.dashboards.page import open_page


def app() -> Any:
    """Open the page for a new session."""
    pn.extension()
    expect_visitors_to_leave()
    return open_page()


if pn.state.served:
    app().servable(title="DualPath Lab")
