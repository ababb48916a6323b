"""What the Explore page gives away besides its table: the heat map as a figure, and its curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from dualpath_lab.dashboards.explore_curves import MARKERS, ExploreCurves, looks
from dualpath_lab.dashboards.explore_plan import Plan
from dualpath_lab.dashboards.explore_state import ExploreState
from dualpath_lab.dashboards.prints import INK, Key, Plotted

HEIGHT = 320
EMPTY = "#E3E6E8"
"""Of a cell without a value."""
HALF = 0.46
"""From the middle of a cell to its edge; its place goes to 0.5."""
_EDGES = {"t": (-1, 1, 1, 1), "b": (-1, -1, 1, -1), "l": (-1, -1, -1, 1), "r": (1, -1, 1, 1)}


def explore_plots(plan: Plan, grid: Mapping[str, Any], curves: ExploreCurves) -> list[Plotted]:
    """The heat map, drawn from its grid, and the curves."""
    systems = f"A {plan.systems['a']}, B {plan.systems['b']}" if plan.measure.both else f"B {plan.systems['b']}"
    title = f"{plan.measure.axis}: {systems}"
    signs = [marker for marker, _ in MARKERS]
    keys = [
        Key(plan.y.text(y), colour, marker=signs[place % len(signs)])
        for place, (y, (colour, _, _)) in enumerate(zip(plan.ys, looks(len(plan.ys)), strict=True))
    ]
    outline = (Key("free of bottlenecks by the closed form", INK),) if any(cell.bottleneck_free() for cell in plan) else ()
    return [Plotted(title, heat_figure(grid), outline), Plotted(title, curves.figure, tuple(reversed(keys)))]


def explore_words(state: ExploreState) -> list[str]:
    """What tells one sweep from another."""
    return [state.model, state.source, f"{state.measure} by {state.x} and {state.y}", f"{state.system_a} vs {state.system_b}"]


def heat_figure(grid: Mapping[str, Any]) -> Any:
    """The cells of a heat map as Bokeh draws them."""
    columns, rows = grid["columns"], grid["rows"]
    plotted = figure(
        height=HEIGHT,
        x_range=Range1d(start=-0.6, end=len(columns) - 0.4),
        y_range=Range1d(start=-0.6, end=len(rows) - 0.4),
        x_axis_label=grid["x_title"],
        y_axis_label=grid["y_title"],
        tools="",
        toolbar_location=None,
        outline_line_color=None,
    )
    cells = [(column, row, cell) for row, line in enumerate(grid["cells"]) for column, cell in enumerate(line)]
    source = ColumnDataSource(
        {
            "x": [column for column, _, _ in cells],
            "y": [row for _, row, _ in cells],
            "colour": [cell.get("colour", EMPTY) for _, _, cell in cells],
            "ink": [cell.get("ink", INK) for _, _, cell in cells],
            "text": [cell["text"] for _, _, cell in cells],
            "says": [cell["says"] for _, _, cell in cells],
        }
    )
    drawn = plotted.rect("x", "y", 2 * HALF, 2 * HALF, source=source, fill_color="colour", line_color=None)
    plotted.text("x", "y", "text", source=source, text_color="ink", text_align="center", text_baseline="middle", text_font_size="13px")
    lines = [(column, row, _EDGES[side]) for column, row, cell in cells for side in cell["edges"]]
    plotted.segment(
        x0=[column + edge[0] / 2 for column, _, edge in lines],
        y0=[row + edge[1] / 2 for _, row, edge in lines],
        x1=[column + edge[2] / 2 for column, _, edge in lines],
        y1=[row + edge[3] / 2 for _, row, edge in lines],
        line_color=INK,
        line_width=2,
    )
    plotted.add_tools(HoverTool(renderers=[drawn], tooltips="@says"))
    for axis, names in ((plotted.xaxis[0], columns), (plotted.yaxis[0], rows)):
        axis.ticker = FixedTicker(ticks=list(range(len(names))))
        axis.major_label_overrides = dict(enumerate(names))
    plotted.grid.grid_line_color = None
    return plotted
