"""The notebooks' figures: HoloViews in one house style, sent inline, so that nothing is fetched from the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

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

Values = TypeVar("Values")

_GHOST = {"line_dash": "dotted", "line_width": 2}


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


def with_ghost(values_of: Callable[..., Values], draw: Callable[[Values, Values | None], hv.Overlay]) -> Callable[..., hv.Overlay]:
    """A figure of a control that remembers what it showed last, so that a reader sees what the control has changed.

    Parameters
    ----------
    values_of : callable
        From the positions of the controls to what is drawn.
    draw : callable
        From that, and from what was drawn last (None at first), to the figure; :func:`bars` and :func:`lines` take the latter as ``ghost``.
    """
    last: Values | None = None

    def figure(*positions: Any, **named: Any) -> hv.Overlay:
        nonlocal last
        values, before = values_of(*positions, **named), last
        last = values
        return draw(values, before)

    return figure


def bars(
    values: Mapping[str, float],
    x: str,
    y: str,
    title: str = "",
    limit: float | None = None,
    top: float | None = None,
    ghost: Mapping[str, float] | None = None,
    **options: Any,
) -> hv.Overlay:
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
    top : float, optional
        Upper end of the axis; just above the highest bar when left out.
    ghost : mapping, optional
        Heights of earlier, as dotted outlines.
    **options
        Of the HoloViews figure.
    """
    rows = [(name, value, three_digits(value)) for name, value in values.items()]
    colours = {name: SYSTEM_COLOURS.get(name, STRUCTURE) for name in values}
    drawn = hv.Bars([row[:2] for row in rows], x, y).opts(color=x, cmap=colours, width=max(120 * len(rows), 280), show_legend=False)
    before = [hv.Bars(list(ghost.items()), x, y).opts(fill_alpha=0, line_color=DARK, show_legend=False, **_GHOST)] if ghost else []
    top = top or 1.15 * max(*values.values(), limit or 0.0)
    labels = hv.Labels(rows, [x, y], "text").opts(yoffset=0.03 * top)
    return hv.Overlay([drawn, *before, labels, *_across(limit)]).opts(title=title, ylim=(0, top), show_legend=False, **options)


def lines(
    series: Series, x: str, y: str, title: str = "", limit: float | None = None, ghost: Series | None = None, **options: Any
) -> hv.Overlay:
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
    ghost : mapping, optional
        Lines of earlier, dotted.
    **options
        Of the HoloViews figure.
    """
    cycle = [PREFILL, DECODE, KV, DARK, STRUCTURE]
    colours = {name: SYSTEM_COLOURS.get(name, cycle[place % len(cycle)]) for place, name in enumerate(series)}
    drawn = [hv.Curve(points, x, y).opts(color=colours.get(name, STRUCTURE), **_GHOST) for name, points in (ghost or {}).items()]
    for name, points in series.items():
        drawn += [hv.Curve(points, x, y, label=name).opts(color=colours[name]), hv.Scatter(points, x, y).opts(color=colours[name])]
    size = {"width": 760, "height": 320, "padding": 0.05}
    return hv.Overlay([*drawn, *_across(limit)]).opts(title=title, legend_position="right", **size, **options)


def _across(limit: float | None) -> list[hv.HLine]:
    return [] if limit is None else [hv.HLine(limit)]
