"""The live curves: tables of rows, streamed; a figure for each step that a request goes through."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi
from typing import Any, NamedTuple

import numpy as np
import panel as pn
from bokeh.events import DoubleTap
from bokeh.models import BasicTicker, ColumnDataSource, CrosshairTool, CustomJS, HoverTool, Range1d
from bokeh.models.annotations import LabelSet, Span
from bokeh.plotting import figure

from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import DASHES, DECODE, KV, MODEL, PREFILL, STRUCTURE, step_above
from dualpath_lab.scenario import Slo

MOST_ROWS = 240
"""Rows of the table; where a run has more bins, rows take in twice as many each."""
PLOT_HEIGHT = 176
PARTS = 3
"""Tables that the figures share, each in its turn: a browser can't draw all figures anew in every frame."""
SHORTEST_S = 60.0
"""What the time axis shows at least."""


class Line(NamedTuple):
    """One curve of the race, drawn for both sides."""

    curve: str
    label: str
    colour: str


class Plot(NamedTuple):
    """One figure: what it shows, in which unit, and what a value of the race is times ``scale``."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    scale: float = 1.0
    look_here: bool = False
    top: float | None = None
    limit: tuple[str, float] | None = None


SLO = Slo()
PLOTS = (
    Plot("Scheduler queue", "turns waiting", (Line("scheduler_queue", "to be placed", STRUCTURE),)),
    Plot(
        "Read queue",
        "thousand tokens",
        (Line("prefill_read_tokens", "prefill", PREFILL), Line("decode_read_tokens", "decode", DECODE)),
        scale=1e-3,
    ),
    Plot(
        "Storage NICs (SNIC)",
        "utilisation (%)",
        (Line("prefill_snic", "prefill", PREFILL), Line("decode_snic", "decode", DECODE)),
        scale=100,
        look_here=True,
        top=100,
    ),
    Plot("DRAM", "utilisation (%)", (Line("prefill_dram", "prefill", PREFILL), Line("decode_dram", "decode", DECODE)), scale=100, top=100),
    Plot(
        "Compute NICs (CNIC), prefill",
        "utilisation (%)",
        (Line("prefill_cnic_kv", "KV", KV), Line("prefill_cnic_model", "model", MODEL)),
        scale=100,
        top=100,
    ),
    Plot("Prefill queue", "turns waiting", (Line("prefill_queue", "to be computed", PREFILL),)),
    Plot(
        "Compute NICs (CNIC), decode",
        "utilisation (%)",
        (Line("decode_cnic_kv", "KV", KV), Line("decode_cnic_model", "model", MODEL)),
        scale=100,
        top=100,
    ),
    Plot(
        "First and second token",
        "latency (s)",
        (Line("ttft", "TTFT", PREFILL), Line("ttst", "TTST", STRUCTURE)),
        look_here=True,
        limit=("TTFT SLO", SLO.ttft_s),
    ),
    Plot("Time per output token", "latency (ms)", (Line("tpot", "TPOT", DECODE),), scale=1000, limit=("TPOT SLO", 1000 * SLO.tpot_s)),
)
"""In the order in which a request flows; a compute NIC counts with its busier direction."""


class Curves:
    """All figures and the table they draw from.

    Attributes
    ----------
    sources : list of ColumnDataSource
        For every ``PARTS``-th figure. A row for every few bins: ``t`` in s, and ``a_<curve>``, ``b_<curve>`` in the unit of the figure.
    figures : list of figure
        One for each of ``PLOTS``, on one time axis with one crosshair.
    changes : ColumnDataSource
        When settings changed while the runs went on, and what: a vertical line in each figure.
    root : panel layout
    """

    def __init__(self) -> None:
        self.sources = [ColumnDataSource({name: [] for name in _columns(part)}) for part in range(PARTS)]
        self.changes = ColumnDataSource({"t": [], "words": []})
        self._changes: list[tuple[float, str]] = []
        self._cursor = ColumnDataSource({"t": []})
        self._stride = 1
        self._end_s = SHORTEST_S
        self._time_range = Range1d(start=0, end=SHORTEST_S, reset_start=0, reset_end=SHORTEST_S)
        self._crosshair = Span(dimension="height", line_color=STRUCTURE, line_width=1)
        self.figures = [self._figure(plot, self.sources[place % PARTS]) for place, plot in enumerate(PLOTS)]
        panels = [
            pn.Column(
                pn.pane.HTML(_heading(plot), sizing_mode="stretch_width", margin=0, stylesheets=[CSS]),
                pn.pane.Bokeh(figure, sizing_mode="stretch_width", margin=0),
                margin=0,
                height=PLOT_HEIGHT + 24,
                sizing_mode="stretch_width",
            )
            for plot, figure in zip(PLOTS, self.figures, strict=True)
        ]
        self.root = pn.Column(*panels, sizing_mode="stretch_width", margin=0, stylesheets=[_GRID])

    def update(self, race: Race, part: int | None = None) -> None:
        """Stream the rows that are new, to one of the sources or to all."""
        if race.bins // self._stride > MOST_ROWS:
            self._stride *= 2
            self._show_all(race)
        else:
            for each in range(PARTS) if part is None else (part % PARTS,):
                rows = _rows(race, each, len(self.sources[each].data["t"]), self._stride)
                if rows["t"]:
                    self.sources[each].stream(rows)
        self._stretch(race.time_s)

    def _show_all(self, race: Race) -> None:
        for part, source in enumerate(self.sources):
            source.data = _rows(race, part, 0, self._stride)

    def mark(self, race: Race) -> None:
        """Show when what changed."""
        self._changes = list(race.changes)
        self._show_changes()

    def _show_changes(self) -> None:
        """Of changes close together only the last has room for its words."""
        times = [time_s for time_s, _ in self._changes]
        gaps = np.diff([*times, np.inf])
        words = [text if gap > _ROOM_FOR_WORDS * self._end_s else "" for (_, text), gap in zip(self._changes, gaps, strict=True)]
        self.changes.data = {"t": times, "words": words}

    def point_at(self, time_s: float | None) -> None:
        """Draw a line at a time of the past, or none."""
        times = [] if time_s is None else [time_s]
        if self._cursor.data["t"] != times:
            self._cursor.data = {"t": times}

    def restart(self, race: Race) -> None:
        """Show another race from its beginning."""
        self._stride = 1
        self._show_all(race)
        self.point_at(None)
        self._set_end(SHORTEST_S)
        self.mark(race)
        for plot, plotted in zip(PLOTS, self.figures, strict=True):
            plotted.y_range.end = _least_top(plot)
        self._stretch(race.time_s)

    def _stretch(self, time_s: float) -> None:
        if time_s > self._end_s:
            self._set_end(step_above(time_s))
            self._show_changes()
        for place, (plot, plotted) in enumerate(zip(PLOTS, self.figures, strict=True)):
            if plot.top is None:
                data = self.sources[place % PARTS].data
                highest = max(_highest(data[f"{side}_{line.curve}"]) for side in DASHES for line in plot.lines)
                if highest > plotted.y_range.end:
                    plotted.y_range.end = step_above(highest)

    def _set_end(self, end_s: float) -> None:
        """Grow the time axis; a visitor who has zoomed in keeps the part of it that he looks at."""
        shown = self._time_range
        if shown.start == shown.reset_start and shown.end == shown.reset_end:
            shown.end = end_s
        shown.reset_end = self._end_s = end_s

    def _figure(self, plot: Plot, source: ColumnDataSource) -> Any:
        plotted = figure(
            height=PLOT_HEIGHT,
            sizing_mode="stretch_width",
            x_range=self._time_range,
            y_range=Range1d(start=0, end=_least_top(plot)),
            x_axis_label="simulated time (s)",
            y_axis_label=plot.unit,
            tools="xbox_zoom",
            toolbar_location=None,
            output_backend="canvas",
            min_border_left=64,
            min_border_right=12,
            min_border_top=8,
        )
        drawn = [
            plotted.line(
                "t",
                f"{side}_{line.curve}",
                source=source,
                color=line.colour,
                line_width=1.8,
                line_dash=dash,
                name=f"{side}_{line.curve}",
            )
            for line in plot.lines
            for side, dash in DASHES.items()
        ]
        if plot.limit:
            plotted.add_layout(Span(location=plot.limit[1], dimension="width", line_color=STRUCTURE, line_width=1.2, line_dash="dotted"))
        plotted.vspan(x="t", source=self.changes, line_color=STRUCTURE, line_width=1.5, line_dash="dashdot", name="change")
        plotted.vspan(x="t", source=self._cursor, line_color=STRUCTURE, line_width=3, line_alpha=0.8, name="cursor")
        plotted.add_layout(LabelSet(source=self.changes, **_CHANGE_WORDS))
        tips = [(f"{side.upper()} {line.label}", f"@{side}_{line.curve}{{0,0.[00]}}") for line in plot.lines for side in DASHES]
        plotted.add_tools(
            CrosshairTool(overlay=self._crosshair),
            HoverTool(renderers=[drawn[0]], tooltips=[("t", "@t{0,0.[0]} s"), *tips], mode="vline", line_policy="nearest"),
        )
        plotted.js_on_event(DoubleTap, CustomJS(args={"shown": self._time_range}, code=_SHOW_ALL))
        for axis in (plotted.xaxis, plotted.yaxis):
            axis.ticker = BasicTicker(desired_num_ticks=5)
        plotted.background_fill_alpha = plotted.border_fill_alpha = 0
        plotted.outline_line_color = None
        return plotted


_ROOM_FOR_WORDS = 0.05
"""What words along a line need, as a share of the time axis."""
_CHANGE_WORDS: dict[str, Any] = {
    "x": "t",
    "y": 4,
    "y_units": "screen",
    "text": "words",
    "angle": pi / 2,
    "text_baseline": "top",
    "x_offset": 3,
    "text_font_size": "10px",
    "text_line_height": 1.1,
    "text_color": STRUCTURE,
}
_SHOW_ALL = "shown.setv({start: shown.reset_start, end: shown.reset_end})"
_GRID = """
:host {
  display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); grid-auto-rows: max-content;
  gap: 6px 14px; flex: none !important; height: max-content !important;
}
"""


def _columns(part: int) -> Iterator[str]:
    yield "t"
    yield from (f"{side}_{line.curve}" for plot in PLOTS[part::PARTS] for line in plot.lines for side in DASHES)


def _rows(race: Race, part: int, first: int, stride: int) -> dict[str, Any]:
    rows: dict[str, Any] = race.rows(first, stride)
    for plot in PLOTS[part::PARTS]:
        for line in plot.lines:
            for side in DASHES:
                rows[f"{side}_{line.curve}"] *= plot.scale
    return {name: rows[name].tolist() for name in _columns(part)}  # arrays would be sent one by one


def _least_top(plot: Plot) -> float:
    if plot.top is not None:
        return 1.05 * plot.top
    return step_above(1.2 * plot.limit[1]) if plot.limit else 10.0


def _highest(values: Any) -> float:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(known.max()) if len(known) else 0.0


def _heading(plot: Plot) -> str:
    star = '<span class="star" title="Look here first">★</span>' if plot.look_here else ""
    keys = [f'<span class="key" style="--ink:{line.colour}">{line.label}</span>' for line in plot.lines]
    if plot.limit:
        keys.append(f'<span class="key dotted" style="--ink:{STRUCTURE}">{plot.limit[0]}</span>')
    return f'<div class="heading">{star}{titled(plot.title)}{"".join(keys)}</div>'
