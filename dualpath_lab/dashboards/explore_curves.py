"""The numbers of a heat map as curves: a line for each of its rows, over the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isnan
from typing import Any

import panel as pn
from bokeh.models import BasicTicker, ColumnDataSource, FixedTicker, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Span
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import STRUCTURE, step_above

HEIGHT = 300
MARKERS = (("circle", "●"), ("square", "■"), ("triangle", "▲"), ("inverted_triangle", "▼"), ("hex", "⬢"), ("star", "★"))
"""Of the rows, one after the other: as the figure calls it, and as a sign."""
POINT_COLUMNS = ("x", "y", "colour", "marker", "says")
SHADES = Viridis256[60:200]
"""Part of the palette that can be read on white and on black."""


class ExploreCurves:
    """The figure and its key; ``root`` holds both."""

    def __init__(self) -> None:
        self.lines = ColumnDataSource(data={"xs": [], "ys": [], "colour": []})
        self.points = ColumnDataSource(data={name: [] for name in POINT_COLUMNS})
        self._key = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 0, 0, 0), stylesheets=[CSS])
        self._no_gain = Span(location=1, dimension="width", line_color=STRUCTURE, line_dash="dotted", line_width=1.5)
        self.figure = self._figure()
        pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0)
        self.root = pn.Column(self._key, pane, sizing_mode="stretch_width", margin=0)

    def name(self, x_title: str, y_title: str, columns: Sequence[str], rows: Sequence[str], no_gain: bool) -> None:
        """Name the axes, the columns and the rows; ``no_gain`` draws a line at 1."""
        axis = self.figure.xaxis[0]
        axis.axis_label, self.figure.yaxis[0].axis_label = x_title, y_title
        axis.ticker = FixedTicker(ticks=list(range(len(columns))))
        axis.major_label_overrides = dict(enumerate(columns))
        self.figure.x_range.update(start=-0.25, end=len(columns) - 0.75)
        self._no_gain.visible = no_gain
        keys = [
            f'<span class="key mark"><span style="color:{colour}">{sign}</span> {escape(name)}</span>'
            for name, (colour, _, sign) in zip(rows, looks(len(rows)), strict=True)
        ]
        self._key.object = f'<div class="heading">{titled("Curves")}{"".join(reversed(keys))}</div>'

    def show(self, values: Sequence[Sequence[float]], says: Sequence[Sequence[str]]) -> None:
        """Draw rows of values, NaN where there is none, and what is said about each."""
        row_looks = looks(len(values))
        self.lines.data = {
            "xs": [list(range(len(row))) for row in values],
            "ys": [list(row) for row in values],
            "colour": [colour for colour, _, _ in row_looks],
        }
        points = [
            (column, value, colour, marker, says[row][column])
            for row, (colour, marker, _) in enumerate(row_looks)
            for column, value in enumerate(values[row])
            if not isnan(value)
        ]
        self.points.data = {name: [point[place] for point in points] for place, name in enumerate(POINT_COLUMNS)}
        known = [point[1] for point in points]
        low = 0.9 if self._no_gain.visible and min(known, default=1.0) >= 0.9 else 0.0
        self.figure.y_range.update(start=low, end=step_above(1.02 * max(known, default=1.0)))

    def _figure(self) -> Any:
        plotted = figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            x_range=Range1d(start=0, end=1),
            y_range=Range1d(start=0, end=1),
            tools="",
            toolbar_location=None,
            output_backend="canvas",
            min_border_left=64,
            min_border_right=18,
            min_border_top=8,
        )
        plotted.add_layout(self._no_gain)
        plotted.multi_line("xs", "ys", source=self.lines, color="colour", line_width=2)
        drawn = plotted.scatter("x", "y", source=self.points, color="colour", marker="marker", size=9)
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips="@says"))
        plotted.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
        plotted.yaxis.ticker = BasicTicker(desired_num_ticks=6)
        plotted.xgrid.grid_line_color = None
        plotted.background_fill_alpha = plotted.border_fill_alpha = 0
        plotted.outline_line_color = None
        return plotted


def looks(rows: int) -> list[tuple[str, str, str]]:
    """Colour, marker and sign of each row; the colours go from dark to light."""
    shades = [SHADES[round(place * (len(SHADES) - 1) / max(rows - 1, 1))] for place in range(rows)]
    return [(shade, *MARKERS[place % len(MARKERS)]) for place, shade in enumerate(shades)]
