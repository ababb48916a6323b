"""Tables as notebooks show them, plain HTML that takes its colours from the page, light or dark; and as terminals do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "text-align:left;padding:1px 14px 1px 0;font-variant-numeric:tabular-nums"


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line of text above it.

    Parameters
    ----------
    caption : str
    header : sequence of str
        A name for each column.
    rows : iterable of sequence of str
        As many cells as the header has.
    """
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(cell)}</th>' for cell in header)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return (
        f'<table><caption style="text-align:left;white-space:nowrap;padding-bottom:4px">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in a terminal: columns of equal width, two spaces apart.

    Parameters
    ----------
    header : sequence of str
        A name for each column.
    rows : iterable of sequence of str
        As many cells as the header has.
    """
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cell(text: str) -> str:
    return f'<td style="{_CELL}">{escape(text)}</td>'
