"""The notebooks' figures: HoloViews in one house style, sent inline, so that nothing is fetched from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import panel as pn
from holoviews import opts

from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, three_digits

DARK = "#3d474d"
SYSTEM_COLOURS = {
    "basic": STRUCTURE,
    "layerwise": "#56B4E9",
    "roundrobin": DECODE,
    "dualpath": PREFILL,
    "split": KV,
    "oracle": DARK,
}

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name of a line -> its places along x and its values."""


def house_style() -> None:
    """Load HoloViews and Panel into the notebook, and set what all figures have in common."""
    hv.extension("bokeh", inline=True)
    pn.extension(inline=True)
    look = {"show_grid": True, "gridstyle": {"xgrid_line_color": None}, "toolbar": None, "fontscale": 1.1}
    hv.opts.defaults(
        opts.Bars(height=300, line_color=None, bar_width=0.6, **look),
        opts.Curve(width=640, height=300, line_width=2.5, **look),
        opts.Scatter(width=640, height=300, size=8, **look),
        opts.Histogram(width=640, height=260, line_color=None, **look),
        opts.Labels(text_font_size="10pt", text_color="black"),
        opts.HLine(color=DARK, line_dash="dashed", line_width=2),
        opts.VLine(color=DARK, line_dash="dashed", line_width=2),
        opts.VSpan(color=KV, alpha=0.12),
    )


def bars(values: Mapping[str, float], x: str, y: str, title: str = "", limit: float | None = None, **options: Any) -> hv.Overlay:
    """Bars with their values on top; those of systems have the system's colour.

    Parameters
    ----------
    values : mapping
        Name of a bar -> its height.
    x, y : str
        What the names and the heights are, with the unit.
    title : str
    limit : float, optional
        Where a dashed line goes across.
    **options
        Of the HoloViews figure.
    """
    rows = [(name, value, three_digits(value)) for name, value in values.items()]
    colours = {name: SYSTEM_COLOURS.get(name, STRUCTURE) for name in values}
    drawn = hv.Bars([row[:2] for row in rows], x, y).opts(color=x, cmap=colours, width=max(120 * len(rows), 280), show_legend=False)
    top = 1.15 * max(*values.values(), limit or 0.0)
    labels = hv.Labels(rows, [x, y], "text").opts(yoffset=0.03 * top)
    return hv.Overlay([drawn, labels, *_across(limit)]).opts(title=title, ylim=(0, top), show_legend=False, **options)


def lines(series: Series, x: str, y: str, title: str = "", limit: float | None = None, **options: Any) -> hv.Overlay:
    """A line with a dot at each value; those of systems have the system's colour.

    Parameters
    ----------
    series : mapping
        See :data:`Series`.
    x, y : str
        What is along the axes, with the unit.
    title : str
    limit : float, optional
        Where a dashed line goes across.
    **options
        Of the HoloViews figure.
    """
    cycle = [PREFILL, DECODE, KV, DARK, STRUCTURE]
    drawn = []
    for place, (name, points) in enumerate(series.items()):
        colour = SYSTEM_COLOURS.get(name, cycle[place % len(cycle)])
        drawn += [hv.Curve(points, x, y, label=name).opts(color=colour), hv.Scatter(points, x, y).opts(color=colour)]
    size = {"width": 760, "height": 320, "padding": 0.05}
    return hv.Overlay([*drawn, *_across(limit)]).opts(title=title, legend_position="right", **size, **options)


def _across(limit: float | None) -> list[hv.HLine]:
    return [] if limit is None else [hv.HLine(limit)]
