"""A turn in pictures: where it stands among all others, its stages, its bytes on every link, and the forwards around its prefill."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

import panel as pn
from bokeh.events import DoubleTap
from bokeh.models import BasicTicker, ColumnDataSource, CustomJS, FixedTicker, HoverTool, NumeralTickFormatter, Range1d, TapTool
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.plotting import figure

from dualpath_lab.calibration import COMPUTE_QUOTA_S
from dualpath_lab.core.systems import mechanisms
from dualpath_lab.dashboards.anatomy_cards import PATHS
from dualpath_lab.dashboards.anatomy_columns import (
    bar_columns,
    forward_columns,
    link_columns,
    link_totals,
    prefill_window,
    turn_columns,
    turn_links,
)
from dualpath_lab.dashboards.headings import titled
from dualpath_lab.dashboards.style import CSS
from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, step_above
from dualpath_lab.studies.anatomy import Turns, group_name

BARS, LINKS = 8, 9
"""Rows of the waterfall and of the links."""
HEIGHT, FORWARDS_HEIGHT = 290, 210
_SHOW_ALL = "shown.setv({start: shown.reset_start, end: shown.reset_end})"
LABELS = 118
"""Pixels that the names of rows take."""
TIP_TIME = "0,0.000"


class AnatomyViews:
    """The figures of a turn.

    Attributes
    ----------
    everyone, stages, links, forwards : panel layouts
        Each a heading and a figure.

    Parameters
    ----------
    chosen : callable
        Told of the turn whose point was clicked.
    """

    def __init__(self, chosen: Callable[[int], None]) -> None:
        self._chosen = chosen
        self.points = ColumnDataSource(data={name: [] for name in ("submitted", "ttft", "turn", "agent", "hit", "path", "colour")})
        self.here = ColumnDataSource(data={name: [] for name in ("submitted", "ttft")})
        self.bars, self.carried, self.totals, self.forward = (ColumnDataSource() for _ in range(4))
        self.points.selected.on_change("indices", self._clicked)
        self._tokens = [
            Span(dimension="height", line_color=STRUCTURE, line_dash=dash, line_width=1.5, line_alpha=0.5) for dash in ("solid", "dotted")
        ]
        self._quota = Span(dimension="width", location=1e3 * COMPUTE_QUOTA_S, line_color=STRUCTURE, line_dash="dashed", line_width=2)
        self._prefill = BoxAnnotation(fill_color=PREFILL, fill_alpha=0.1, line_color=None)
        self._headings = {name: _html() for name in ("everyone", "stages", "links", "forwards")}
        self._scatter = _pane(self._scatter_figure("log"))
        self._figures = {"stages": self._stages_figure(), "links": self._links_figure(), "forwards": self._forwards_figure()}
        self.everyone = _column(self._headings["everyone"], self._scatter)
        self.stages, self.links, self.forwards = (_column(self._headings[name], _pane(plotted)) for name, plotted in self._figures.items())

    @property
    def figures(self) -> list[Any]:
        """All turns, and the stages, links and forwards of one."""
        return [self._scatter.object, *self._figures.values()]

    @property
    def has_second_token(self) -> bool:
        """Whether the turn that is shown has one, which is then drawn among its stages."""
        return bool(self._tokens[1].visible)

    def scale(self, scale: str) -> None:
        """Draw all turns on a logarithmic axis or on a linear one."""
        self._scatter.object = self._scatter_figure(scale)
        self._show_all_turns()

    def show_run(self, turns: Turns) -> None:
        """Draw all turns."""
        self.points.selected.indices = []
        self.points.data = turn_columns(turns)
        self._show_all_turns()
        paths = dict.fromkeys(self.points.data["path"])
        keys = "".join(f'<span class="key" style="--ink:{colour}">{name}</span>' for name, colour in PATHS.values() if name in paths)
        self._headings[
            "everyone"
        ].object = (
            f'<div class="heading">{titled("All turns", f"All {len(turns):,} turns")}{keys}<span class="quiet">click on one</span></div>'
        )

    def show_turn(self, turns: Turns, turn: int) -> None:
        """Draw one turn."""
        self.here.data = {name: [turns.columns[name][turn]] for name in ("submitted", "ttft")}
        self._show_stages(turns, turn)
        self._show_links(turns, turn)
        self._show_forwards(turns, turn)

    def _show_all_turns(self) -> None:
        last_s = max(self.points.data["submitted"], default=1.0)
        _reach(self._scatter.object, -0.02 * last_s, 1.02 * last_s)

    def _show_stages(self, turns: Turns, turn: int) -> None:
        columns = bar_columns(turns, turn)
        self.bars.data = columns
        begin, *milestones, end = (float(turns.columns[name][turn]) for name in ("submitted", "first_token", "second_token", "finished"))
        for mark, time_s in zip(self._tokens, milestones, strict=True):
            mark.visible = not isnan(time_s)
            if mark.visible:
                mark.location = time_s - begin
        plotted = self._figures["stages"]
        _reach(plotted, 0.0, 1.02 * (end - begin))
        _name_rows(plotted, columns["label"])
        second = f'<span class="key dotted" style="--ink:{STRUCTURE}">second token</span>'
        self._headings["stages"].object = (
            f'<div class="heading">{titled("Its stages")}'
            f'<span class="key" style="--ink:{PREFILL}">prefill</span><span class="key" style="--ink:{DECODE}">decode</span>'
            f'<span class="key" style="--ink:{KV}">KV moves</span><span class="key pale" style="--ink:{PREFILL}">waits</span>'
            f'<span class="key solid" style="--ink:{STRUCTURE}">first token</span>'
            f"{second if self.has_second_token else ''}</div>"
        )

    def _show_links(self, turns: Turns, turn: int) -> None:
        self.carried.data = link_columns(turns, turn)
        plotted = self._figures["links"]
        self.totals.data = link_totals(turns, turn)
        _reach(plotted, 0.0, step_above(1.3 * max(self.totals.data["total"])))
        _name_rows(plotted, [f"{link.name} {link.direction}" for link in turn_links(turns, turn)])
        self._headings[
            "links"
        ].object = (
            f'<div class="heading">{titled("Its bytes on every link")}<span class="key" style="--ink:{KV}">KV, step by step</span></div>'
        )

    def _show_forwards(self, turns: Turns, turn: int) -> None:
        start, end = prefill_window(turns, turn)
        self.forward.data = forward_columns(turns, turn, start, end)
        began, ended = (float(turns.columns[name][turn]) for name in ("prefill_started", "prefill_ended"))
        self._prefill.update(left=began, right=ended)
        self._quota.visible = mechanisms(turns.simulation.scenario).compute_quota
        highest = [*self.forward.data["attention_ms"], 1e3 * COMPUTE_QUOTA_S if self._quota.visible else 0.0]
        plotted = self._figures["forwards"]
        _reach(plotted, start, end)
        plotted.y_range.end = step_above(1.1 * max(highest))
        title = titled("Forwards", f"Forwards of {group_name(turns.engines(turn)[0].group)}")
        quota = f'<span class="key dashed" style="--ink:{STRUCTURE}">compute quota {1e3 * COMPUTE_QUOTA_S:.0f} ms</span>'
        self._headings["forwards"].object = (
            f'<div class="heading">{title}<span class="key" style="--ink:{PREFILL}">this turn\'s</span>'
            f'<span class="key pale" style="--ink:{PREFILL}">others</span>{quota if self._quota.visible else ""}'
            '<span class="quiet" style="white-space: normal">width: how long one takes, with its transfers; '
            "height: its slowest engine's attention</span></div>"
        )

    def _clicked(self, _: str, __: list[int], indices: list[int]) -> None:
        if indices:
            self._chosen(int(indices[0]))

    def _scatter_figure(self, scale: str) -> Any:
        plotted = _figure(HEIGHT, "submitted at (s)", "TTFT (s)", y_axis_type=scale, min_border_left=64)
        look = {"x": "submitted", "y": "ttft"}
        drawn = plotted.scatter(
            **look, source=self.points, size=5, fill_color="colour", line_color=None, fill_alpha=0.55, nonselection_fill_alpha=0.55
        )
        plotted.scatter(**look, source=self.here, size=15, fill_color=None, line_color="white", line_width=5)
        plotted.scatter(**look, source=self.here, size=15, fill_color=None, line_color=STRUCTURE, line_width=2.5)
        tips = [
            ("turn", "@turn{0,0} of agent @agent"),
            ("TTFT", f"@ttft{{{TIP_TIME}}} s"),
            ("submitted", f"@submitted{{{TIP_TIME}}} s"),
            ("hit", "@hit{0,0} tokens, @path"),
        ]
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips=tips), TapTool(renderers=[drawn]))
        plotted.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
        if scale == "linear":
            plotted.y_range.start = 0
        return plotted

    def _stages_figure(self) -> Any:
        plotted = _rows_figure(BARS, "since submission (s)")
        for mark in self._tokens:
            plotted.add_layout(mark)
        drawn = plotted.hbar(
            "y", 0.62, "right", "left", source=self.bars, fill_color="colour", fill_alpha="alpha", line_color="colour", line_alpha="edge"
        )
        plotted.text(
            "text_x",
            "y",
            "text",
            source=self.bars,
            **{"x_offset": "offset", "text_align": "align", "text_color": "ink"},
            text_baseline="middle",
            text_font_size="12px",
        )
        tips = [("", "@label: @text"), ("from", f"@left{{{TIP_TIME}}} s to @right{{{TIP_TIME}}} s")]
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
        return plotted

    def _links_figure(self) -> Any:
        plotted = _rows_figure(LINKS, "carried (GB)")
        drawn = plotted.hbar("y", 0.62, "right", "left", source=self.carried, fill_color=KV, fill_alpha="alpha", line_color=None)
        plotted.text(
            "total", "y", "text", source=self.totals, x_offset=6, text_color=STRUCTURE, text_baseline="middle", text_font_size="12px"
        )
        tips = [("", "@link, step @step"), ("", "@what"), ("to", "@right{0,0.000} GB"), ("takes", "@least at least")]
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
        return plotted

    def _forwards_figure(self) -> Any:
        plotted = _figure(FORWARDS_HEIGHT, "simulated time (s)", "attention (ms)", y_range=Range1d(start=0, end=1), min_border_left=64)
        plotted.add_layout(self._prefill)
        drawn = plotted.quad(
            **{"left": "start", "right": "end", "top": "attention_ms", "bottom": 0},
            source=self.forward,
            fill_color=PREFILL,
            fill_alpha="alpha",
            line_color=PREFILL,
        )
        plotted.add_layout(self._quota)
        tips = [
            ("attention", "@attention_ms{0,0.0} ms"),
            ("", "@tokens{0,0} tokens of @requests requests"),
            ("from", f"@start{{{TIP_TIME}}} s, takes @lasts"),
        ]
        plotted.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
        plotted.yaxis.ticker = BasicTicker(desired_num_ticks=5)
        return plotted


def _figure(height: int, x_label: str, y_label: str | None, **options: Any) -> Any:
    plotted = figure(
        height=height,
        sizing_mode="stretch_width",
        x_range=Range1d(start=0, end=1),
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools="xbox_zoom",
        toolbar_location=None,
        output_backend="canvas",
        min_border_right=18,
        min_border_top=8,
        **options,
    )
    plotted.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    plotted.xaxis.ticker = BasicTicker(desired_num_ticks=5)
    plotted.background_fill_alpha = plotted.border_fill_alpha = 0
    plotted.outline_line_color = None
    plotted.js_on_event(DoubleTap, CustomJS(args={"shown": plotted.x_range}, code=_SHOW_ALL))
    return plotted


def _rows_figure(rows: int, x_label: str) -> Any:
    plotted = _figure(HEIGHT, x_label, None, y_range=Range1d(start=-0.6, end=rows - 0.4), min_border_left=LABELS)
    plotted.yaxis.ticker = FixedTicker(ticks=list(range(rows)))
    plotted.yaxis.major_label_text_font_size = "12px"
    plotted.ygrid.grid_line_color = None
    return plotted


def _reach(plotted: Any, start: float, end: float) -> None:
    """Have a figure show as much, and come back to it."""
    plotted.x_range.update(start=start, end=end, reset_start=start, reset_end=end)


def _name_rows(plotted: Any, labels: list[str]) -> None:
    """Name the rows from the top down."""
    plotted.yaxis.major_label_overrides = dict(enumerate(reversed(labels)))


def _html() -> Any:
    return pn.pane.HTML("", sizing_mode="stretch_width", margin=(6, 0, 0, 0), stylesheets=[CSS])


def _pane(plotted: Any) -> Any:
    return pn.pane.Bokeh(plotted, sizing_mode="stretch_width", margin=(0, 0, 4, 0))


def _column(*parts: Any) -> Any:
    return pn.Column(*parts, sizing_mode="stretch_width", margin=0)
