"""What every page of the app stands in: the header with the way to the other pages, the sidebar, the theme and the link."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import panel as pn
from panel.util.parameters import edit_readonly
from panel_material_ui.template.base import Page

from dualpath_lab.dashboards import tour
from dualpath_lab.dashboards.cards import notice
from dualpath_lab.dashboards.export import Export
from dualpath_lab.dashboards.names import Names
from dualpath_lab.dashboards.style import CSS

PAGES = {"": "Live", "explore": "Explore", "anatomy": "Anatomy", "paper": "Paper", "lanes": "Virtual lanes"}
"""Name of a page, as its route and its link have it, and what the header calls it."""


def page_asked_for(pathname: str, query: dict[str, list[bytes]]) -> str:
    """Name of the page: the route's, or what ``?page=`` says where a file is served under its own name."""
    route = _route(pathname)
    asked = query.get("page", [b""])[0].decode(errors="replace")
    return route if route in PAGES and route else asked if asked in PAGES else ""


def href(page: str, pathname: str) -> str:
    """Address of a page as seen from another: its route, or a query where a file is served under its own name."""
    if _route(pathname) in PAGES:
        return page or "./"
    return f"?page={page}" if page else "?"


def _route(pathname: str) -> str:
    """Last part; a session that had to be made anew for a socket has the socket's path."""
    return pathname.removesuffix("/ws").rsplit("/", 1)[-1]


def build(here: str, sidebar: list[Any], main: Any, export: Export) -> Page:
    """Put a page together; ``here`` is its name."""
    pathname = (pn.state.location.pathname if pn.state.location else None) or "/"
    links = [
        f'<a href="{href(name, pathname)}"{_HERE if name == here else ""}>{label.replace(" ", "&nbsp;")}</a>'
        for name, label in PAGES.items()
    ]
    start = f'<a href="{escape(tour.address(1, partial(href, pathname=pathname)))}">Tour</a>'
    nav = f'<nav aria-label="Pages">{"".join(links)}{start}</nav>'
    folded = pn.pane.HTML(nav, margin=(4, 12, 0, 12), sizing_mode="stretch_width", stylesheets=[_NAV, _NARROW])
    page = Page(
        title="DualPath Lab",
        site_url="",
        header=[pn.pane.HTML(nav, margin=(0, 0, 0, 16), stylesheets=[_NAV, _WIDE]), export.root],
        sidebar=sidebar,
        sidebar_width=310,
        main=[folded, *_tour(pathname), main, Names()],
        theme_config=_THEME,
        busy_indicator="linear",
    )
    show_busy(page, False)
    return page


def show_busy(page: Page, busy: bool) -> None:
    """Show whether the page is at work.

    By itself it would follow every event of every visitor of the process, and look through all of its models each time.
    """
    with edit_readonly(page):
        page.busy = busy


def _tour(pathname: str) -> list[Any]:
    """The step of the tour that the link names, if it names one."""
    number, problem = tour.step_asked_for(pn.state.session_args)
    html = tour.strip(number, partial(href, pathname=pathname)) if number else notice(problem, "warning") if problem else ""
    return [pn.pane.HTML(html, sizing_mode="stretch_width", margin=(10, 16, 0, 16), stylesheets=[tour.CSS, CSS])] if html else []


PAIR = """
:host { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 8px 14px; }
:host { margin-bottom: 10px; max-height: none !important; }
"""
"""Style of a column whose parts stand side by side where there is room."""

_HERE = ' aria-current="page"'
_NAV = """
:host { font-family: Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 15px; }
nav { display: flex; flex-wrap: wrap; gap: 4px; }
a { color: inherit; opacity: 0.8; text-decoration: none; padding: 6px 8px; border-bottom: 2px solid transparent; }
a:hover, a:focus-visible { opacity: 1; border-bottom-color: color-mix(in srgb, currentColor 60%, transparent); }
a[aria-current] { opacity: 1; border-bottom-color: currentColor; }
"""
_WIDE = ":host { color: #fff; } @media (max-width: 800px) { :host { display: none !important; } }"
_NARROW = "@media (min-width: 801px) { :host { display: none !important; } }"
"""The links stand in the header where it has room for them, else at the top of the page."""
_THEME = {
    "light": {"palette": {"primary": {"main": "#44525b"}}},
    "dark": {
        "palette": {"primary": {"main": "#9fb1bb"}},
        "components": {"MuiAppBar": {"styleOverrides": {"root": {"backgroundColor": "#2b363d", "color": "#fff"}}}},
    },
}
