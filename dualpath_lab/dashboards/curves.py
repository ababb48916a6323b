"""The live curves: tables of rows, streamed, and the figures that draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, pi
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import DoubleTap
from bokeh.models import (
    AllLabels,
    BasicTicker,
    CDSView,
    Column,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    HoverTool,
    InlineStyleSheet,
    LinearScale,
    Range1d,
)
from bokeh.models.annotations import LabelSet, Span
from bokeh.models.glyphs import Line as LineGlyph
from bokeh.models.glyphs import VSpan
from bokeh.models.renderers import GlyphRenderer
from bokeh.models.widgets import Div
from bokeh.plotting import figure

from dualpath_lab.core.recorder import BIN_S
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.plots import PLOTS, Plot
from dualpath_lab.dashboards.race import Race
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import DASHES, STRUCTURE, step_above

MOST_ROWS = 240
"""Rows of the table; where a run has more bins, rows take in twice as many each."""
PLOT_HEIGHT = 176
PARTS = 3
"""Tables that the figures share, each in its turn: a browser can't draw all figures anew in every frame."""
SHORTEST_S = 60.0
"""What the time axis shows at least."""


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
        self._row_s = BIN_S
        self._end_s = SHORTEST_S
        self._time_range = Range1d(start=0, end=SHORTEST_S, reset_start=0, reset_end=SHORTEST_S)
        self._shared = _Shared(self._time_range, self.changes, self._cursor)
        views = [CDSView() for _ in self.sources]
        self.figures = [self._figure(plot, self.sources[place % PARTS], views[place % PARTS]) for place, plot in enumerate(PLOTS)]
        panels: list[Any] = [
            Column(
                children=[Div(text=_heading(plot), disable_math=True, stylesheets=[self._shared.text], **_FILLED), figure],
                height=PLOT_HEIGHT + 24,
                **_FILLED,
            )
            for plot, figure in zip(PLOTS, self.figures, strict=True)
        ]
        self.root = pn.pane.Bokeh(Column(children=panels, stylesheets=[_GRID], **_FILLED), sizing_mode="stretch_width", margin=0)

    def update(self, race: Race, part: int | None = None) -> None:
        """Stream the rows that are new, to one of the sources or to all."""
        stride = round(self._row_s / race.bin_s)
        if not stride or race.bins // stride > MOST_ROWS:
            self._row_s = max(2 * self._row_s, race.bin_s)
            self._show_all(race)
        else:
            for each in range(PARTS) if part is None else (part % PARTS,):
                rows = _rows(race, each, len(self.sources[each].data["t"]), stride)
                if rows["t"]:
                    self.sources[each].stream(rows)
                    self._raise_tops(each, rows)
        if race.time_s > self._end_s:
            self._set_end(step_above(race.time_s))
            self._show_changes()

    def _show_all(self, race: Race) -> None:
        for part, source in enumerate(self.sources):
            source.data = rows = _rows(race, part, 0, round(self._row_s / race.bin_s))
            self._raise_tops(part, rows)

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
        self._row_s = race.bin_s
        for plot, plotted in zip(PLOTS, self.figures, strict=True):
            plotted.y_range.end = _least_top(plot)
        self._show_all(race)
        self.point_at(None)
        self._set_end(max(SHORTEST_S, step_above(race.time_s)))
        self.mark(race)

    def _raise_tops(self, part: int, rows: Mapping[str, Sequence[float]]) -> None:
        """Have the figures of a table show all of its new rows."""
        for plot, plotted in zip(PLOTS[part::PARTS], self.figures[part::PARTS], strict=True):
            if plot.top is None:
                values = (value for line in plot.lines for side in DASHES for value in rows[f"{side}_{line.curve}"])
                highest = max((value for value in values if not isnan(value)), default=0.0)
                if highest > plotted.y_range.end:
                    plotted.y_range.end = step_above(highest)

    def _set_end(self, end_s: float) -> None:
        """Grow the time axis; a visitor who has zoomed in keeps the part of it that he looks at."""
        shown = self._time_range
        if shown.start == shown.reset_start and shown.end == shown.reset_end:
            shown.end = end_s
        shown.reset_end = self._end_s = end_s

    def _figure(self, plot: Plot, source: ColumnDataSource, view: CDSView) -> Any:
        """As few models as will do: a page takes as long to open as it has models."""
        shared = self._shared
        plotted = figure(
            height=PLOT_HEIGHT,
            sizing_mode="stretch_width",
            x_range=self._time_range,
            y_range=Range1d(start=0, end=_least_top(plot)),
            x_axis_label="simulated time (s)",
            y_axis_label=plot.unit,
            title=None,
            tools="xbox_zoom",
            toolbar_location=None,
            output_backend="canvas",
            min_border_left=64,
            min_border_right=12,
            min_border_top=8,
            background_fill_alpha=0,
            border_fill_alpha=0,
            outline_line_color=None,
        )
        plotted.update(x_scale=shared.scale, y_scale=shared.scale)
        for axis in (*plotted.xaxis, *plotted.yaxis):
            axis.update(ticker=shared.ticker, major_label_policy=shared.every_label)
        drawn = [
            GlyphRenderer(
                data_source=source,
                glyph=LineGlyph(x="t", y=name, line_color=line.colour, line_width=1.8, line_dash=dash),
                view=view,
                name=name,
            )
            for line in plot.lines
            for side, dash in DASHES.items()
            if (name := f"{side}_{line.curve}")
        ]
        plotted.renderers = [*drawn, *shared.marks]
        plotted.add_layout(shared.words)
        if plot.limit:
            plotted.add_layout(Span(location=plot.limit[1], dimension="width", line_color=STRUCTURE, line_width=1.2, line_dash="dotted"))
        tips = [(f"{side.upper()} {line.label}", f"@{side}_{line.curve}{{0,0.[00]}}") for line in plot.lines for side in DASHES]
        plotted.add_tools(
            CrosshairTool(overlay=shared.crosshair),
            HoverTool(renderers=[drawn[0]], tooltips=[("t", "@t{0,0.[0]} s"), *tips], mode="vline", line_policy="nearest"),
        )
        plotted.js_on_event(DoubleTap, shared.show_all)
        return plotted


class _Shared:
    """What all figures have in common."""

    def __init__(self, time_range: Range1d, changes: ColumnDataSource, cursor: ColumnDataSource) -> None:
        self.text = InlineStyleSheet(css=CSS)
        self.scale = LinearScale()
        self.ticker = BasicTicker(desired_num_ticks=5)
        self.every_label = AllLabels()
        self.crosshair = Span(dimension="height", line_color=STRUCTURE, line_width=1)
        self.show_all = CustomJS(args={"shown": time_range}, code=_SHOW_ALL)
        self.words = LabelSet(source=changes, **_CHANGE_WORDS)
        looks = (
            ("change", changes, {"line_width": 1.5, "line_dash": "dashdot"}),
            ("cursor", cursor, {"line_width": 3, "line_alpha": 0.8}),
        )
        self.marks = [
            GlyphRenderer(data_source=source, glyph=VSpan(x="t", line_color=STRUCTURE, **look), view=CDSView(), name=name)
            for name, source, look in looks
        ]


_FILLED: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
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


def _scales(part: int) -> dict[str, float]:
    """Curves of a table, and what each is times there."""
    return {line.curve: plot.scale for plot in PLOTS[part::PARTS] for line in plot.lines}


def _columns(part: int) -> list[str]:
    return ["t", *(f"{side}_{curve}" for curve in _scales(part) for side in DASHES)]


def _rows(race: Race, part: int, first: int, stride: int) -> dict[str, Any]:
    scales = _scales(part)
    rows = race.rows(first, stride, scales)
    for curve, scale in scales.items():
        for side in DASHES:
            rows[f"{side}_{curve}"] *= scale
    return {name: values.tolist() for name, values in rows.items()}  # arrays would be sent one by one


def _least_top(plot: Plot) -> float:
    if plot.top is not None:
        return 1.05 * plot.top
    return step_above(1.2 * plot.limit[1]) if plot.limit else 10.0


def _heading(plot: Plot) -> str:
    star = '<span class="star" title="Look here first">★</span>' if plot.look_here else ""
    keys = [f'<span class="key" style="--ink:{line.colour}">{line.label}</span>' for line in plot.lines]
    if plot.limit:
        keys.append(f'<span class="key dotted" style="--ink:{STRUCTURE}">{plot.limit[0]}</span>')
    return f'<div class="heading">{star}{titled(plot.title)}{"".join(keys)}</div>'
