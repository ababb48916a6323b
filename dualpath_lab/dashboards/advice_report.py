"""Advice as pictures: throughput against latency, and the whole report as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from dualpath_lab.dashboards.explore_curves import MARKERS
from dualpath_lab.dashboards.prints import alone
from dualpath_lab.dashboards.style import LEGEND
from dualpath_lab.picture.style import DECODE, KV, MODEL, PREFILL, STRUCTURE
from dualpath_lab.studies.advise.report import sections

if TYPE_CHECKING:
    from dualpath_lab.studies.advise import Advice

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #ddd; }
"""
_PLOT = "<h2>Throughput against latency</h2><p>Filled: no other point beats it in both.</p>"

_COLOURS = (STRUCTURE, KV, PREFILL, DECODE, MODEL)


def pareto_plot(advice: Advice) -> figure:
    """Every point tried: throughput per GPU against mean TTFT; those that no other beats in both are filled."""
    plot = figure(height=360, sizing_mode="stretch_width", toolbar_location=None, x_axis_type="log")
    plot.xaxis.axis_label, plot.yaxis.axis_label = "mean TTFT, s", "turns/s per GPU"
    for system, colour, (marker, _) in zip(advice.choices, _COLOURS, MARKERS, strict=False):
        points = [point for point in advice.found.points if point.system == system]
        source = ColumnDataSource(
            {
                "ttft": [point.ttft_s for point in points],
                "rate": [point.turns_per_s_per_gpu for point in points],
                "name": [f"{system} {point.prefill_nodes}P{point.decode_nodes}D" for point in points],
                "filled": [0.9 if point.pareto else 0.0 for point in points],
            }
        )
        look: dict[str, Any] = {"size": 11, "line_color": colour, "line_width": 1.5, "fill_color": colour, "fill_alpha": "filled"}
        plot.scatter("ttft", "rate", source=source, marker=marker, legend_label=system, **look)
    plot.add_tools(HoverTool(tooltips=[("", "@name"), ("TTFT", "@ttft{0.00} s"), ("turns/s per GPU", "@rate{0.00}")]))
    plot.legend.click_policy = "hide"
    plot.legend.styles = LEGEND
    return plot


def as_html(advice: Advice) -> str:
    """The report and its plot as one page, with everything they need inside."""
    parts = "".join(
        f"<h2>{escape(title)}</h2><p>{escape(text)}</p><table>{_row('th', header)}{''.join(_row('td', row) for row in rows)}</table>"
        for title, text, header, rows in sections(advice)
    )
    return alone(f"Advice for {advice.scenario.model}", parts + _PLOT, [pareto_plot(advice)], _STYLE)


def _row(cell: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in texts)}</tr>"
