"""Two ports on one time line: who is on the wire, packet by packet, and the bytes that this comes to."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import BasicTicker, ColumnDataSource, FixedTicker, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from dualpath_lab.core.lane_ports import KV as KV_SOURCE
from dualpath_lab.core.lane_ports import MODEL as MODEL_SOURCE
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.lane_cards import port_name
from dualpath_lab.dashboards.lane_spans import carried_bytes, handed_over_s, spans, under_way
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import DASHES, KV, MODEL, STRUCTURE, step_above
from dualpath_lab.studies.lanes import LaneResult

SOURCES = {MODEL_SOURCE: ("model", MODEL), KV_SOURCE: ("KV", KV)}
"""Name and colour of each source."""
ROWS = {MODEL_SOURCE: 1.0, KV_SOURCE: 0.0}
"""Where the row of each source stands."""
ROW_HEIGHT = 0.8
PACKETS_HEIGHT, BYTES_HEIGHT = 148, 200
POINTS = 600
"""Of a curve."""
LEAST_HEIGHT = 0.08
"""What a rectangle is high at least, for an eye to see it."""
FEW = 150
"""Packets with room for a gap between them, and the part of a packet that it takes."""
GAP = 0.12
MOST_MARKS = 200
"""Marks that a row has room for."""


class LaneViews:
    """The figures of two results, A and B.

    Attributes
    ----------
    figures : list of figure
        A's packets, B's packets and the bytes of both, on one time axis in us.
    root : panel layout
    """

    def __init__(self) -> None:
        self._time_range = Range1d(start=0, end=1)
        self._spans = {side: ColumnDataSource(data=_no_columns(_SPAN_COLUMNS)) for side in DASHES}
        self._under_way = {side: ColumnDataSource(data=_no_columns(("left", "right"))) for side in DASHES}
        self._marks = {side: ColumnDataSource(data=_no_columns(("time",))) for side in DASHES}
        self._bytes = ColumnDataSource(data=_no_columns(("time", *_bytes_columns())))
        self._headings = {side: _html() for side in DASHES}
        self.figures = [*(self._packets_figure(side) for side in DASHES), self._bytes_figure()]
        headings = [*self._headings.values(), _html(_BYTES_HEADING)]
        panes = [pn.pane.Bokeh(plotted, sizing_mode="stretch_width", margin=(0, 0, 4, 0)) for plotted in self.figures]
        self.root = pn.Column(*chain.from_iterable(zip(headings, panes, strict=True)), sizing_mode="stretch_width", margin=0)

    def show(self, results: dict[str, LaneResult], start_us: float, end_us: float) -> None:
        """Draw ``results["a"]`` and ``results["b"]`` from ``start_us`` to ``end_us``."""
        start_s, end_s = 1e-6 * start_us, 1e-6 * end_us
        times = np.linspace(start_s, end_s, POINTS)
        rows: dict[str, Any] = {"time": 1e6 * times}
        for side, result in results.items():
            self._headings[side].object = _heading(side, result)
            self._spans[side].data = span_columns(result, start_s, end_s)
            begins, ends = under_way(result)
            self._under_way[side].data = {"left": 1e6 * begins, "right": 1e6 * ends}
            marks = handed_over_s(result)
            marks = marks[(marks >= start_s) & (marks <= end_s)]
            self._marks[side].data = {"time": 1e6 * marks if len(marks) <= MOST_MARKS else np.empty(0)}
            for source, (name, _) in SOURCES.items():
                carried = carried_bytes(result, source, times)
                rows[f"{side}_{name}"] = (carried - carried[0]) / 1e6
        self._bytes.data = rows
        self.figures[-1].y_range.end = step_above(1.02 * max(values[-1] for name, values in rows.items() if name != "time"))
        self._time_range.update(start=start_us, end=end_us)

    def _packets_figure(self, side: str) -> Any:
        plotted = self._figure(PACKETS_HEIGHT, "", Range1d(start=-0.5, end=1.75))
        low, high = (ROWS[MODEL_SOURCE] + half * ROW_HEIGHT for half in (-0.5, 0.5))
        plotted.quad("left", "right", high, low, source=self._under_way[side], fill_color=MODEL, fill_alpha=0.22, line_color=None)
        drawn = plotted.quad(
            "left", "right", "top", "bottom", source=self._spans[side], fill_color="colour", line_color="colour", line_width="stroke"
        )
        plotted.scatter("time", high + 0.18, source=self._marks[side], marker="inverted_triangle", size=8, color=MODEL)
        tips = [
            ("", "@name: @packets{0,0} packets, @size_kb{0,0.0} kB"),
            ("begins", "@begin{0,0.000} µs, takes @length{0,0.000} µs"),
            ("link", "@percent{0.[0]} % of it"),
            ("lane held", "up to @held{0,0.000} µs"),
        ]
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
        plotted.yaxis.ticker = FixedTicker(ticks=list(ROWS.values()))
        plotted.yaxis.major_label_overrides = {ROWS[source]: name for source, (name, _) in SOURCES.items()}
        plotted.yaxis.major_label_text_font_size = "13px"
        plotted.ygrid.grid_line_color = None
        return plotted

    def _bytes_figure(self) -> Any:
        plotted = self._figure(BYTES_HEIGHT, "carried (MB)", Range1d(start=0, end=1))
        drawn = [
            plotted.line("time", f"{side}_{name}", source=self._bytes, color=colour, line_width=2, line_dash=dash, name=f"{side}_{name}")
            for name, colour in SOURCES.values()
            for side, dash in DASHES.items()
        ]
        tips = [(f"{side.upper()} {name}", f"@{side}_{name}{{0,0.000}} MB") for side in DASHES for name, _ in SOURCES.values()]
        plotted.add_tools(HoverTool(renderers=drawn[:1], tooltips=[("t", "@time{0,0.000} µs"), *tips], mode="vline"))
        plotted.yaxis.ticker = BasicTicker(desired_num_ticks=5)
        return plotted

    def _figure(self, height: int, unit: str, y_range: Range1d) -> Any:
        plotted = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=self._time_range,
            y_range=y_range,
            x_axis_label="time (µs)",
            y_axis_label=unit or None,
            tools="xbox_zoom",
            toolbar_location=None,
            output_backend="canvas",
            min_border_left=64,
            min_border_right=18,
            min_border_top=8,
        )
        plotted.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
        plotted.xaxis.ticker = BasicTicker(desired_num_ticks=6)
        plotted.background_fill_alpha = plotted.border_fill_alpha = 0
        plotted.outline_line_color = None
        return plotted


def span_columns(result: LaneResult, start_s: float, end_s: float) -> dict[str, Any]:
    """Rectangles of the packets in a window: as high as their share of the link, apart from each other where there is room."""
    shown = spans(result, start_s, end_s)
    gap = GAP if len(shown.begin_s) <= FEW else 0.0
    length = 1e6 * (shown.end_s - shown.begin_s)
    left = 1e6 * shown.begin_s
    bottom = np.array([ROWS[source] for source in shown.source.tolist()]) - ROW_HEIGHT / 2
    return {
        "left": left,
        "right": left + length * np.where(shown.packets == 1, 1 - gap, 1),
        "bottom": bottom,
        "top": bottom + ROW_HEIGHT * np.maximum(shown.share, LEAST_HEIGHT),
        "stroke": np.where(shown.packets > 1, 1.0, 0.0),
        "colour": [SOURCES[source][1] for source in shown.source.tolist()],
        "name": [SOURCES[source][0] for source in shown.source.tolist()],
        "begin": left,
        "length": length,
        "packets": shown.packets,
        "size_kb": shown.size_bytes / 1e3,
        "percent": 100 * shown.share,
        "held": 1e6 * shown.longest_hold_s,
    }


_SPAN_COLUMNS = (
    *("left", "right", "bottom", "top", "colour", "stroke"),
    *("name", "begin", "length", "packets", "size_kb", "percent", "held"),
)
_BYTES_HEADING = (
    f'<div class="heading">{titled("Bytes carried")}'
    f'<span class="key" style="--ink:{MODEL}">model</span><span class="key" style="--ink:{KV}">KV</span>'
    f'<span class="key solid" style="--ink:{STRUCTURE}">A</span><span class="key dashed" style="--ink:{STRUCTURE}">B</span>'
    '<span class="quiet">from the left edge on</span></div>'
)


def _heading(side: str, result: LaneResult) -> str:
    return (
        f'<div class="heading">{titled("On the wire", f"{side.upper()} {port_name(result.scenario.port)}: on the wire")}'
        f'<span class="key" style="--ink:{MODEL}">model</span><span class="key" style="--ink:{KV}">KV</span>'
        f'<span class="key pale" style="--ink:{MODEL}">a burst waits or is being sent</span>'
        f'<span class="key mark"><span style="color:{MODEL}">▼</span> a burst comes</span>'
        '<span class="quiet">height: share of the link</span></div>'
    )


def _html(text: str = "") -> Any:
    return pn.pane.HTML(text, sizing_mode="stretch_width", margin=(6, 0, 0, 0), stylesheets=[CSS])


def _bytes_columns() -> list[str]:
    return [f"{side}_{name}" for side in DASHES for name, _ in SOURCES.values()]


def _no_columns(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: np.empty(0) for name in names}
