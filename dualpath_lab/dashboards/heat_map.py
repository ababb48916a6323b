"""A heat map of cells that can be pressed: a table to the ear, a picture to the eye."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any, ClassVar

import param
from bokeh.palettes import Cividis256
from panel.custom import JSComponent

LEAST_SPAN = 0.05
"""Part of the largest value that the scale spans at least, so that no trifle looks like a difference."""


class HeatMap(JSComponent):
    """Shows ``grid``, as :func:`heat_grid` makes it; ``picked`` is row and column of the cell that a visitor chose."""

    grid = param.Dict(default={}, doc="What is shown.")
    picked = param.List(default=[], doc="Row and column of the chosen cell, or nothing.")

    _esm = """
    const button = (model, cell, row, column) => {
      const made = document.createElement("button")
      made.type = "button"
      made.className = cell.kind
      made.textContent = cell.text
      made.title = cell.says
      made.setAttribute("aria-label", cell.says)
      made.setAttribute("aria-pressed", String(model.picked[0] === row && model.picked[1] === column))
      if (cell.colour) Object.assign(made.style, {background: cell.colour, color: cell.ink})
      made.addEventListener("click", () => { model.picked = [row, column] })
      return made
    }

    const outline = edges => {
      const made = document.createElement("i")
      made.style.borderWidth = ["t", "r", "b", "l"].map(side => edges.includes(side) ? "2px" : "0").join(" ")
      return made
    }

    const part = (name, text, role) => {
      const made = document.createElement("div")
      made.className = name
      if (text !== undefined) made.textContent = text
      if (role) made.setAttribute("role", role)
      return made
    }

    export function render({ model }) {
      const root = part("map")
      const draw = () => {
        const grid = model.grid
        if (!grid.cells) return
        const focused = root.contains(root.getRootNode().activeElement) ? root.getRootNode().activeElement.dataset.place : undefined
        const table = part("cells", undefined, "table")
        table.setAttribute("aria-label", grid.says)
        table.style.setProperty("--columns", grid.columns.length)
        for (let row = grid.cells.length - 1; row >= 0; row--) {
          const line = part("row", undefined, "row")
          line.append(part("name", grid.rows[row], "rowheader"))
          grid.cells[row].forEach((cell, column) => {
            const place = part("place", undefined, "cell")
            const pressed = button(model, cell, row, column)
            pressed.dataset.place = `${row},${column}`
            place.append(pressed, outline(cell.edges))
            line.append(place)
          })
          table.append(line)
        }
        const names = part("row", undefined, "row")
        names.append(part("name", "", "cell"), ...grid.columns.map(name => part("name below", name, "columnheader")))
        table.append(names)
        const scale = part("scale")
        const bar = part("bar")
        bar.style.background = grid.gradient
        scale.append(part("end", grid.low), bar, part("end", grid.high))
        const beside = part("title y", grid.y_title)
        const scroll = part("scroll")
        scroll.append(table)
        root.replaceChildren(beside, scroll, part("title x", grid.x_title), scale)
        if (focused) root.querySelector(`[data-place="${focused}"]`)?.focus()
      }
      draw()
      model.on("grid", draw)
      model.on("picked", draw)
      return root
    }
    """

    _stylesheets: ClassVar[list[str]] = [
        """
        :host { font-family: Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 13px; display: block; }
        .map { display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: 4px; }
        .scroll { overflow-x: auto; padding: 4px 4px 0 0; }
        .cells { --gap: 6px; }
        .row { display: grid; gap: var(--gap); margin-bottom: var(--gap);
               grid-template-columns: 38px repeat(var(--columns), minmax(44px, 1fr)); }
        .name { align-self: center; text-align: right; padding-right: 4px; font-size: 12px; opacity: 0.8; white-space: nowrap; }
        .name.below { text-align: center; padding: 0; }
        .title { font-size: 13px; text-align: center; opacity: 0.85; }
        .title.y { writing-mode: vertical-rl; transform: rotate(180deg); }
        .title.x { grid-column: 2; padding-left: 38px; }
        .place { position: relative; }
        button { width: 100%; height: 46px; padding: 0; border: 0; border-radius: 3px; cursor: pointer;
                 font: inherit; font-variant-numeric: tabular-nums; color: inherit;
                 background: color-mix(in srgb, currentColor 7%, transparent); }
        button.failed { background: repeating-linear-gradient(45deg, transparent 0 5px,
                        color-mix(in srgb, currentColor 22%, transparent) 5px 7px); font-size: 11px; }
        button:hover { filter: brightness(1.12); }
        button:focus-visible { outline: 2px solid #78868F; outline-offset: 1px; }
        button[aria-pressed="true"] { box-shadow: inset 0 0 0 3px #78868F, inset 0 0 0 5px #fff; font-weight: 700; }
        i { position: absolute; inset: -4px; border: 0 solid currentColor; pointer-events: none; }
        .scale { grid-column: 2; display: flex; align-items: center; gap: 8px; padding: 8px 4px 0 38px; font-size: 12px; }
        .bar { flex: 1; height: 9px; border-radius: 2px; }
        .end { white-space: nowrap; font-variant-numeric: tabular-nums; }
        """
    ]


def heat_grid(
    values: Sequence[Sequence[float]],
    texts: Sequence[Sequence[str]],
    says: Sequence[Sequence[str]],
    failed: Sequence[Sequence[bool]],
    outlined: Sequence[Sequence[bool]],
) -> dict[str, Any]:
    """Cells and scale of a heat map.

    Parameters
    ----------
    values : rows of float
        From bottom to top; NaN where there is none yet.
    texts, says : rows of str
        What is written in a cell, and what is said about it.
    failed, outlined : rows of bool

    Returns
    -------
    dict
        ``cells``, and ``low``, ``high`` of the scale as values.
    """
    low, high = scale_of([value for row in values for value in row if not isnan(value)])
    cells = [
        [
            {
                "text": "✕" if failed[row][column] else text,
                "kind": "failed" if failed[row][column] else "waiting" if isnan(value) else "done",
                "says": says[row][column],
                "edges": edges(outlined, row, column),
            }
            | ({} if isnan(value) else painted(value, low, high))
            for column, (value, text) in enumerate(zip(values[row], texts[row], strict=True))
        ]
        for row in range(len(values))
    ]
    return {"cells": cells, "low": low, "high": high}


def edges(outlined: Sequence[Sequence[bool]], row: int, column: int) -> str:
    """Sides of a cell on which the outline runs, of t, r, b and l: where it is outlined and its neighbour is not."""
    if not outlined[row][column]:
        return ""
    beside = {"t": (row + 1, column), "r": (row, column + 1), "b": (row - 1, column), "l": (row, column - 1)}
    rows, columns = len(outlined), len(outlined[0])
    return "".join(side for side, (up, right) in beside.items() if not (0 <= up < rows and 0 <= right < columns and outlined[up][right]))


def scale_of(values: list[float]) -> tuple[float, float]:
    """Ends of the colour scale."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    missing = max(LEAST_SPAN * (abs(high) or 1.0) - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def painted(value: float, low: float, high: float) -> dict[str, str]:
    """Colour of a value, and a colour that can be read on it."""
    colour = Cividis256[round(255 * (value - low) / (high - low))]
    return {"colour": colour, "ink": "#000" if _luminance(colour) > _MIDDLE else "#fff"}


def _luminance(colour: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_MIDDLE = 0.179
"""Luminance on which black and white are read equally well."""


GRADIENT = f"linear-gradient(90deg, {', '.join(Cividis256[::51])})"
"""The scale from low to high, as CSS."""
