"""What a page shows, to take away: its data as a table, its plots as pictures or as a page of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from dualpath_lab.dashboards.download import Download
from dualpath_lab.dashboards.locking import in_turn
from dualpath_lab.dashboards.prints import Plotted, as_html, as_item
from dualpath_lab.scenario import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

KINDS = {
    "csv": ("Data as CSV", "table_view"),
    "parquet": ("Data as Parquet", "dataset"),
    "png": ("Plots as PNG", "image"),
    "svg": ("Plots as SVG", "polyline"),
    "html": ("Plots as a page (HTML)", "web"),
}
"""Ending of a file -> what it is called in the menu, and its icon."""
PICTURES = ("png", "svg")
_MENU = {
    "light": {"palette": {"background": {"paper": "#ffffff"}, "text": {"primary": "#222222"}}},
    "dark": {"palette": {"background": {"paper": "#2b363d"}, "text": {"primary": "#ffffff"}}},
}
"""The menu drops out of the header, whose colours it would have otherwise."""
_MIME = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "html": "text/html"}


class Export:
    """The menu of a page; everything is made when it is asked for.

    Parameters
    ----------
    page : str
        What the page is called.
    scenario : callable
        Words that tell what is shown from everything else that the page can show.
    table : callable
        The data, with units in the names of columns.
    plots : callable
        The plots. This and the table may raise a ScenarioError where there is nothing to take away.
    say : callable
        Told of a sentence for the visitor and its kind.

    Attributes
    ----------
    root : panel layout
    """

    def __init__(
        self,
        page: str,
        scenario: Callable[[], Sequence[object]],
        table: Callable[[], pd.DataFrame],
        plots: Callable[[], list[Plotted]],
        say: Callable[[str, str], None],
    ) -> None:
        self._page, self._scenario, self._table, self._plots, self._say = page, scenario, table, plots, say
        self._download = Download(self._done)
        self._menu = pmui.MenuButton(
            label="Export",
            icon="download",
            items=[{"label": label, "icon": icon} for label, icon in KINDS.values()],
            size="small",
            variant="outlined",
            color="light",
            margin=0,
            theme_config=_MENU,
        )
        self._menu.on_click(in_turn(lambda item: self.give(_kind(item))))
        self.root = pn.Row(self._menu, self._download, margin=(0, 8), styles={"margin-left": "auto"})

    def give(self, kind: str) -> None:
        """Have the visitor's browser keep one of ``KINDS``."""
        try:
            name = self.file_name(kind)
            if kind in PICTURES:
                self._download.draw(name, as_item(self._plots()), kind)
            else:
                self._download.give(name, self.content(kind), _MIME[kind])
            self._menu.loading = True
        except ScenarioError as error:
            self._say(f"Not exported: {error}", "error")

    def content(self, kind: str) -> bytes:
        """A file that needs no browser to be made: csv, parquet or html."""
        if kind == "html":
            return as_html(self._plots(), f"DualPath Lab: {self._page}, {', '.join(map(str, self._scenario()))}")
        table, file = self._table(), BytesIO()
        if kind == "csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)
        return file.getvalue()

    def file_name(self, kind: str) -> str:
        """Page and scenario, in letters that every file system takes."""
        words = ["dualpath", self._page, *map(str, self._scenario())]
        return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-.") for word in words) + f".{kind}"

    def _done(self, problem: str) -> None:
        self._menu.loading = False
        if problem:
            self._say(f"Not exported: {problem.rstrip('.')}.", "error")


def _kind(item: Any) -> str:
    return next(kind for kind, (label, _) in KINDS.items() if label == item["label"])
