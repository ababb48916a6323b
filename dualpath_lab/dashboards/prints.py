"""Plots as they leave a page: copies that stand for themselves, with title and key, on white, whatever theme the page has."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, nan
from typing import Any, NamedTuple

from bokeh.core.serialization import Deserializer, Serializer
from bokeh.embed import components, json_item
from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Legend, LegendItem, Title
from bokeh.models.layouts import GridBox
from bokeh.resources import INLINE

from dualpath_lab.picture.style import STRUCTURE

WIDTH = 640
"""Of a plot, in pixels."""
COLUMNS = 2
"""Plots that stand side by side in a picture; on a page as many as there is room for."""
LINE = 24
"""What the title takes, and each line of the key."""
LETTER, SIGN = 6.6, 40
"""Widths of what stands in a key."""
FONT = 'Roboto, "Helvetica Neue", Arial, sans-serif'
INK, GRID = "#222222", "#E3E6E8"
DOTTED, DASHED, SOLID = "dotted", "dashed", "solid"


class Key(NamedTuple):
    """What a colour or a kind of line means; with a marker it is a point."""

    label: str
    colour: str = STRUCTURE
    dash: str = SOLID
    alpha: float = 1.0
    marker: str = ""


class Plotted(NamedTuple):
    """A figure of a page, with what the page writes around it."""

    title: str
    figure: Any
    keys: tuple[Key, ...] = ()


def printed(plots: Sequence[Plotted]) -> list[Any]:
    """Copies of the plots' figures; the page's own stay as they are."""
    figures = _copied([plotted.figure for plotted in plots])
    for figure, (title, _, keys) in zip(figures, plots, strict=True):
        _put_on_white(figure)
        lines = _lines(keys)
        if keys:
            figure.add_layout(_legend(figure, keys, ceil(len(keys) / lines)), "above")
        figure.add_layout(Title(text=title, text_font=FONT, text_font_size="14px", text_color=INK), "above")
        figure.update(sizing_mode="fixed", width=WIDTH, height=figure.height + LINE * (1 + lines), margin=6)
    return figures


def as_html(plots: Sequence[Plotted], title: str) -> bytes:
    """A page that draws the plots without any network."""
    return alone(title, f"<h1>{escape(title)}</h1>", printed(plots), _STYLE).encode()


def alone(title: str, parts: str, figures: Sequence[Any], style: str) -> str:
    """A page of HTML and, below it, figures, with everything that it needs inside: Bokeh itself and nothing that Panel adds to it."""
    script, places = components(list(figures))
    code = "".join(f"<script>{each}</script>" for each in INLINE.js_raw)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n{code}\n</head>\n<body>\n{parts}\n{''.join(places)}\n{script}\n</body>\n</html>\n"
    )


def as_item(plots: Sequence[Plotted]) -> Any:
    """What a browser that has Bokeh draws the plots from, as one picture."""
    figures = printed(plots)
    return json_item(GridBox(children=[(figure, *divmod(place, COLUMNS)) for place, figure in enumerate(figures)]))


def _copied(figures: list[Any]) -> list[Any]:
    """All at once, so that what they share they go on sharing; what a copy is told, the server is not."""
    copies: list[Any] = Deserializer().deserialize(Serializer().serialize(figures))
    for model in set().union(*(figure.references() for figure in copies)):
        if model.subscribed_events:
            model.subscribed_events = set()
    return copies


def _put_on_white(figure: Any) -> None:
    figure.update(background_fill_color="white", border_fill_color="white", background_fill_alpha=1, border_fill_alpha=1)
    for axis in figure.axis:
        axis.update(axis_label_text_color=INK, major_label_text_color=INK, axis_line_color=STRUCTURE, major_tick_line_color=STRUCTURE)
        axis.update(minor_tick_line_color=None, axis_label_text_font_style="normal", axis_label_text_font=FONT, major_label_text_font=FONT)
    for grid in figure.grid:
        if grid.grid_line_color is not None:
            grid.grid_line_color = GRID
    for legend in figure.legend:
        legend.update(label_text_color=INK, background_fill_color="white")


def _lines(keys: Sequence[Key]) -> int:
    """How many lines a key takes."""
    return ceil(sum(SIGN + LETTER * len(key.label) for key in keys) / (0.9 * WIDTH))


def _legend(figure: Any, keys: Sequence[Key], columns: int) -> Any:
    """A key without a place in the data: each entry belongs to a glyph that is nowhere."""
    nowhere = ColumnDataSource({"x": [nan], "y": [nan]})
    look: dict[str, Any] = {"x": "x", "y": "y", "source": nowhere}
    items = []
    for key in keys:
        if key.marker:
            glyph = figure.scatter(**look, marker=key.marker, size=9, color=key.colour, alpha=key.alpha)
        else:
            glyph = figure.line(**look, line_color=key.colour, line_dash=key.dash, line_alpha=key.alpha, line_width=3)
        items.append(LegendItem(label=key.label, renderers=[glyph]))
    legend: Any = Legend(items=items, orientation="horizontal", ncols=columns, location="left", border_line_color=None, margin=0)
    legend.update(label_text_font=FONT, label_text_font_size="12px", label_text_color=INK, padding=2, spacing=14, label_standoff=4)
    return legend


_STYLE = f"""
body {{ display: flex; flex-wrap: wrap; margin: 8px; background: white; color: #222; font-family: {FONT}; }}
h1 {{ flex: 1 0 100%; font-size: 18px; font-weight: 600; margin: 4px 8px; }}
"""
