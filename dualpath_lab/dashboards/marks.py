"""What the figures of the published results are drawn with: ours solid, the published value a hollow diamond.

A value that was read off a figure has a whisker as long as its reading error, and one of which it was inferred what it is of is a square.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import holoviews as hv
from bokeh.models import NumeralTickFormatter

from dualpath_lab.picture.style import DECODE, KV, MODEL, PREFILL, STRUCTURE
from dualpath_lab.studies.reproduce.results import Spread
from dualpath_lab.studies.reproduce.row import READ_ERROR, PublishedAs

hv.extension("bokeh", logo=False)

INK = "#222222"
"""Of published values and of text."""

WIDTH, HEIGHT = 720, 400


class Look(NamedTuple):
    """How one line of a figure looks."""

    colour: str
    marker: str = "circle"
    dash: str = "solid"


LOOKS = {
    "basic": Look(STRUCTURE, "square"),
    "layerwise": Look(MODEL, "triangle"),
    "roundrobin": Look(DECODE, "inverted_triangle"),
    "dualpath": Look(PREFILL, "circle"),
    "oracle": Look(KV, "hex", "dashed"),
}
"""Of the systems, in every figure."""

Marks = list[Any]
"""HoloViews elements; the later ones are drawn over the earlier."""

Points = Mapping[Any, Spread]
"""Our value at each place of an axis."""


def known(spreads: Mapping[Any, Spread | None]) -> Points:
    """Without the places of which nothing is known."""
    return {x: spread for x, spread in spreads.items() if spread}


def line(points: Points, label: str, look: Look) -> Marks:
    """Our values along an axis, with whiskers where the seeds differ."""
    xy = [(x, spread.mean) for x, spread in sorted(points.items())]
    if not xy:
        return []
    return [
        hv.Curve(xy, label=label).opts(color=look.colour, line_width=2, line_dash=look.dash),
        *_whiskers(points, look.colour),
        hv.Scatter(xy, label=label).opts(color=look.colour, marker=look.marker, size=9),
    ]


def bars(points: Points, colours: Sequence[str], label: str = "", bottoms: Sequence[float] | None = None) -> Marks:
    """Our values as bars, with whiskers where the seeds differ; ``bottoms`` are what they stand on."""
    if not points:
        return []
    stands = bottoms or [0.0] * len(points)
    boxes = [
        (x - 0.38, bottom, x + 0.38, bottom + spread.mean, colour)
        for (x, spread), bottom, colour in zip(points.items(), stands, colours, strict=True)
    ]
    drawn = hv.Rectangles(boxes, vdims="colour", label=label).opts(color="colour", line_color=None, line_alpha=0)
    return [drawn, *([] if bottoms else _whiskers(points, INK))]


def _whiskers(points: Points, colour: str) -> Marks:
    spread = [(x, s.mean, s.mean - s.low, s.high - s.mean) for x, s in points.items() if s.high > s.low]
    return [hv.ErrorBars(spread, vdims=["y", "down", "up"]).opts(color=colour, line_width=1.5)] if spread else []


def dots(points: Points, colours: Sequence[str]) -> Marks:
    """Our values one by one, where a bar from 0 would say nothing."""
    marks: Marks = _whiskers(points, INK)
    for (x, spread), colour in zip(points.items(), colours, strict=True):
        marks.append(hv.Scatter([(x, spread.mean)]).opts(color=colour, size=13))
    return marks


class Theirs(NamedTuple):
    """A published value or range on the axes, and how it was published."""

    x: float
    value: float | Sequence[float]
    kind: PublishedAs


NAMES: Mapping[PublishedAs, str] = {
    "printed": "published",
    "read": f"published (read,\n±{READ_ERROR:.0%})",
    "inferred": "published (of what\nis inferred)",
}
"""In legends."""


def published(values: Iterable[Theirs], name: str = "", along_x: bool = False) -> Marks:
    """Hollow marks, with a light rim that shows on any colour; a range is two with a line between them.

    Parameters
    ----------
    values : iterable of Theirs
    name : str, optional
        What is published, where the legend has to say it.
    along_x : bool, optional
        Whether ``x`` is what was read off a figure, in place of the value.
    """
    marks: Marks = []
    by_look: dict[tuple[PublishedAs, bool], list[Theirs]] = {}
    for each in values:
        by_look.setdefault((each.kind, isinstance(each.value, Sequence)), []).append(each)
    for (kind, is_range), alike in by_look.items():
        ends = [(each.x, end) for each in alike for end in (each.value if isinstance(each.value, Sequence) else [each.value])]
        if is_range:
            strokes = [(x, low, x, high) for (x, low), (_, high) in zip(ends[::2], ends[1::2], strict=True)]
            marks.append(hv.Segments(strokes).opts(color=INK, line_width=1.5, line_dash="dotted"))
        label = f"{NAMES[kind]}, range" if is_range else NAMES[kind]
        marks += _hollow(ends, f"{label}:\n{name}" if name else label, kind)
        if kind == "read":
            errors = [(x, y, READ_ERROR * (x if along_x else y)) for x, y in ends]
            marks.append(hv.ErrorBars(errors, horizontal=along_x).opts(color=INK, line_width=1.5))
    return marks


def _hollow(places: list[tuple[float, float]], label: str, kind: PublishedAs) -> Marks:
    look = {"marker": "square" if kind == "inferred" else "diamond", "size": 16 if kind == "printed" else 12, "fill_color": None}
    rim = hv.Scatter(places).opts(line_color="white", line_width=4.5, line_alpha=0.9, **look)
    return [rim, hv.Scatter(places, label=label).opts(line_color=INK, line_width=2, **look)]


def level(first: float, last: float, y: float, label: str) -> Marks:
    """A horizontal line that means something."""
    return [hv.Curve([(first, y), (last, y)], label=label).opts(color=INK, line_dash="dotted", line_width=1.5)]


def figure(ours: Marks, theirs: Marks, xlabel: str, ylabel: str, ticks: Sequence[Any], **options: Any) -> hv.Overlay:
    """Put marks on axes, with the legend beside them.

    Parameters
    ----------
    ours, theirs : list of hv.Element
        What is published is drawn over what is simulated; where nothing is simulated, nothing is drawn at all.
    ticks : sequence
        Of the horizontal axis: numbers, or pairs of number and text.
    **options
        Of the overlay, over the house's own.
    """
    if not ours:
        return hv.Overlay([])
    look: dict[str, Any] = {
        "width": WIDTH,
        "height": HEIGHT,
        "xlabel": xlabel,
        "ylabel": ylabel,
        "xticks": list(ticks),
        "yformatter": NumeralTickFormatter(format="0,0.[00]"),
        "legend_position": "right",
        "legend_opts": {"location": "top_left", "border_line_alpha": 0, "background_fill_alpha": 0, "glyph_width": 26},
        "show_title": False,
        "show_grid": True,
        "ylim": (0, None),
        "padding": (0, 0.12),
        "gridstyle": {"xgrid_line_alpha": 0, "ygrid_line_color": "#E3E6E8"},
        "fontsize": {"labels": 14, "ticks": 13, "legend": 13},
        "default_tools": [],
        "toolbar": None,
        "hooks": [_house_style],
    }
    return hv.Overlay([*ours, *theirs]).opts(**(look | options))


def figure_by_name(ours: Marks, theirs: Marks, ylabel: str, ticks: Sequence[tuple[float, str]], **options: Any) -> hv.Overlay:
    """As :func:`figure`, with names along the horizontal axis; they need the room beside it, so the legend stands above."""
    look = {"xlabel": "", "xlim": (ticks[0][0] - 0.7, ticks[-1][0] + 0.7), "legend_position": "top"}
    return figure(ours, theirs, ylabel=ylabel, ticks=ticks, **(look | options))


def _house_style(plot: Any, _: hv.Element) -> None:
    drawn = plot.state
    drawn.output_backend = "canvas"
    drawn.outline_line_color = None
    for axis in drawn.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_line_color = axis.major_tick_line_color = STRUCTURE
        axis.minor_tick_line_color = None
        axis.axis_label_text_color = axis.major_label_text_color = INK
